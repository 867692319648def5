import { stripTypeScriptTypes } from 'node:module';
import { io, type Socket } from 'socket.io-client';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startTestServer, type Json, type TestServer, type TestUser } from '../../src/dialects/testing.ts';
import { documents, fencedListings } from './listings.ts';

const agent1Id = '0.0.6154098';
const agent2Id = '0.0.6153500';
const question = 'What is your budget? You could book a guided tour.';

/** Listings that do something; the others say how payloads and answers look. */
const listings = documents === undefined ? [] : fencedListings('agent-chat', 'typescript').filter(({ code }) => /\b(socket\.|io\(|await fetch|chatService\.)/.test(code) && !code.includes('@Injectable'));

describe.skipIf(!documents)('The listings beside the service that the document of agent-chat prints', () => {
  let server: TestServer;
  let ann: TestUser;
  let sessionId: string;
  let socket: Socket;
  let lines: string[];
  const heard: { event: string; payload: Json }[] = [];

  beforeAll(async () => {
    server = await startTestServer();
    ann = await server.user('ann');
    server.models.answerWith([question]);
    const base = listings.find(({ code }) => code.includes('= io('))!;
    expect(base.code).toContain('http://localhost:4001/agent-chat');
    socket = (await run(base.code.replaceAll('http://localhost:4001', server.url), 'socket')).socket as Socket;
    socket.onAny((event: string, payload: Json) => heard.push({ event, payload }));
  });
  afterAll(async () => {
    socket.close();
    await server.stop();
  });
  beforeEach(async () => {
    sessionId = (await server.request('POST', '/api/agent-chat/sessions', { as: ann, body: { agent1Id, agent2Id, agent2Role: 'travel' } })).json.data.sessionId;
    lines = [];
    heard.length = 0;
  });

  /** Runs a listing as printed, with the names around it given and its own session filled in; what it declares by these names. */
  async function run(code: string, ...declared: string[]): Promise<Record<string, unknown>> {
    const note = (kind: string) => (...words: unknown[]) => void lines.push([kind, ...words.map(String)].join(' '));
    const given: Record<string, unknown> = {
      io, sessionId, jwtToken: ann?.token, agent1Id, agent2Id, chatService,
      console: { log: note('log'), error: note('error') }, displayMessage: note('shown'), highlightAsQuestion: note('question'), showActionButtons: note('action'),
      // As in a page of the server itself.
      fetch: (path: string, init: RequestInit) => fetch(new URL(path, server.url), init),
      ...(declared.includes('socket') ? {} : { socket }),
    };
    const text = stripTypeScriptTypes(code.replaceAll('session-uuid-here', sessionId).replaceAll("'session-uuid'", `'${sessionId}'`));
    const make = new Function(...Object.keys(given), `return (async () => { ${text}\nreturn { ${declared.join(', ')} }; })();`) as (...values: unknown[]) => Promise<Record<string, unknown>>;
    return make(...Object.values(given));
  }
  /** What the service of the document does with its names; its own listing is run elsewhere. */
  const subscribers: ((messages: Json[]) => void)[] = [];
  const chatService = {
    joinSession: (id: string, agentAccountId: string) => socket.emit('agent-join-session', { sessionId: id, agentAccountId }),
    sendUserMessage: (message: string, agentId: string, triggerAI: boolean) => socket.emit('user-send-message-on-behalf', { sessionId, agentId, message, triggerAI }),
    triggerAIResponse: (agentAccountId: string) => socket.emit('trigger-ai-response', { sessionId, agentAccountId }),
    streamMessages: (startIndex: number, batchSize: number) => socket.emit('stream-conversation-messages', { sessionId, startIndex, batchSize }),
    getMessages: () => ({ subscribe: (next: (messages: Json[]) => void) => subscribers.push(next) }),
  };
  const by = (part: string): string[] => listings.filter(({ heading }) => heading.includes(part)).map(({ code }) => code);
  const events = (): string[] => heard.map(({ event }) => event);

  it('are all there', () => {
    expect(listings.map(({ heading }) => heading.replace(/^[^\w`*]*/, '').replaceAll(/[`*]/g, ''))).toHaveLength(14);
  });

  it('each event is sent as printed and answered as the document says', async () => {
    for (const name of ['conversation-history', 'ai-response-generated', 'message-stream']) for (const code of by(`\`${name}\``)) await run(code);
    for (const code of by('Error Handling')) await run(code);
    const [join] = by('agent-join-session');
    await run(join!);
    await expect.poll(events).toEqual(['session-info', 'conversation-history']);
    await run(by('user-send-message-on-behalf')[0]!);
    await expect.poll(events).toContain('ai-response-generated');
    expect(lines).toEqual(['log Loaded 0 historical messages', `shown ${agent2Id} 🤖 ${question}`, 'question', 'action']);
    await run(by('trigger-ai-response')[0]!);
    await expect.poll(events).toContain('ai-skip');
    await run(by('get-conversation-history')[0]!);
    await expect.poll(events).toContain('conversation-history-cached');
    await run(by('stream-conversation-messages')[0]!);
    await expect.poll(events).toContain('message-stream-complete');
    expect(lines.slice(4)).toEqual([`shown ${agent1Id} I want to plan a trip to Paris for 5 days`, `shown ${agent2Id} ${question}`, 'log Last message in stream']);
    const [end] = by('End Session');
    expect((await run(end!, 'result')).result).toEqual({ success: true, data: { sessionId, ended: true, transcriptSubmitted: false, transcriptTransactions: [] } });
    await expect.poll(events).toContain('session-ended');
    await run(by('user-send-message-on-behalf')[0]!);
    await expect.poll(() => heard.at(-1)).toMatchObject({ event: 'error', payload: { code: 'MESSAGE_ERROR' } });
    expect(lines.filter((line) => line.startsWith('error'))).toEqual([]);
  });

  it('the patterns work together', async () => {
    const [first, streamed, manual] = [by('Pattern 1')[0]!, by('Pattern 2')[0]!, by('Pattern 3')[0]!];
    await run(first);
    await expect.poll(events).toContain('ai-response-generated');
    await run(streamed);
    expect(subscribers).toHaveLength(1);
    await expect.poll(() => heard.filter(({ event }) => event === 'message-stream')).toHaveLength(2);
    await run(manual);
    await expect.poll(() => heard.filter(({ event }) => event === 'ai-response-generated')).toHaveLength(2);
    expect(events().filter((event) => event === 'error')).toEqual([]);
  });
});
