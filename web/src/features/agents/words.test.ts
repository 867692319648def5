import { describe, expect, it } from 'vitest';
import type { AgentMessage, AgentSession } from './types.ts';
import { inARow, lengthOf, marksOf, nameOf, runSentence, skipSentence, usedOf } from './words.ts';

const session: AgentSession = {
  sessionId: 'one', title: 'A journey', status: 'active', messageCount: 0, startTime: '2026-01-01T00:00:00.000Z', turns: 3, cost: 0.25, run: null, transcriptSubmitted: false,
  limits: { turns: 10, depth: 6, minutes: 1440, cost: 1 },
  agents: [{ agentId: '0.0.1', role: 'traveller', model: null, prompt: null }, { agentId: '0.0.2', role: 'guide', model: null, prompt: null }],
};
const person: AgentMessage = { from: '0.0.1', message: 'Hello', timestamp: '2026-01-01T00:00:01.000Z', metadata: { sentBy: 'user' } };
const reply: AgentMessage = { from: '0.0.2', message: 'Where to?', timestamp: '2026-01-01T00:00:02.000Z', metadata: { aiModel: 'demo', containsQuestion: true, suggestsAction: false, requestsInformation: true } };

describe('What the page says of a session', () => {
  it('calls agents by their roles, and by their accounts too where the roles are the same', () => {
    expect(nameOf(session, '0.0.2')).toBe('guide');
    const alike: AgentSession = { ...session, agents: [session.agents[0], { ...session.agents[1], role: 'traveller' }] };
    expect(nameOf(alike, '0.0.2')).toBe('traveller 0.0.2');
  });

  it('counts the messages since a person last wrote', () => {
    expect(inARow([])).toBe(0);
    expect(inARow([person])).toBe(0);
    expect(inARow([reply, person, reply, reply])).toBe(2);
    expect(inARow([reply, reply, reply])).toBe(3);
  });

  it('says how much of each limit is used, until the end of the session', () => {
    const now = Date.parse('2026-01-01T01:30:00.000Z');
    expect(usedOf(session, [person, reply], now).map(({ name, text }) => `${name}: ${text}`)).toEqual([
      'Replies: 3 of 10', 'In a row without you: 1 of 6', 'Time: 1 h 30 min of 1 d', 'Money: $0.25 of $1.00',
    ]);
    const ended: AgentSession = { ...session, status: 'ended', endTime: '2026-01-01T00:05:00.000Z' };
    expect(usedOf(ended, [], now)[2]!.text).toBe('5 min of 1 d');
  });

  it('says in plain words why nobody answers, and what helps', () => {
    expect(skipSentence(session, '0.0.2', 'loop-prevention')).toContain('6 messages in a row without you');
    expect(skipSentence(session, '0.0.2', 'turn-limit')).toBe('Guide did not answer: all replies that this session may have were made.');
    expect(runSentence('cost-limit')).toBe('They stopped: the money of this session is used up.');
  });

  it.each([[0.5, '0 min'], [59, '59 min'], [60, '1 h'], [1440, '1 d'], [1530, '1 d 1 h']])('writes %d minutes as %s', (minutes, text) => {
    expect(lengthOf(minutes)).toBe(text);
  });

  it('marks what a reply does', () => {
    expect(marksOf(reply)).toEqual(['asks', 'requests information']);
    expect(marksOf(person)).toEqual([]);
  });
});
