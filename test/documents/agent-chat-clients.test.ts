import { stripTypeScriptTypes } from 'node:module';
import { io } from 'socket.io-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type Json, type TestServer, type TestUser } from '../../src/dialects/testing.ts';
import { documents, fencedListings } from './listings.ts';

const agent1Id = '0.0.6154098';
const agent2Id = '0.0.6153500';

/** What the printed class offers. */
interface Service {
  joinSession(sessionId: string, agentAccountId: string): void;
  sendUserMessage(message: string, agentId: string, triggerAI?: boolean): void;
  triggerAIResponse(agentAccountId: string): void;
  getMessages(): { subscribe(next: (messages: Json[]) => void): void };
  streamMessages(startIndex?: number, batchSize?: number): void;
  endSessionWithTranscript(sessionId: string, token: string): Promise<Json>;
  disconnect(): void;
  socket: ReturnType<typeof io>;
}

/** As much of rxjs as the class uses. */
class BehaviorSubject {
  value: Json[];
  readonly #subscribers: ((value: Json[]) => void)[] = [];

  constructor(value: Json[]) {
    this.value = value;
  }

  next(value: Json[]): void {
    this.value = value;
    for (const subscriber of this.#subscribers) subscriber(value);
  }

  subscribe(next: (value: Json[]) => void): void {
    this.#subscribers.push(next);
    next(this.value);
  }

  asObservable(): this {
    return this;
  }
}

describe.skipIf(!documents)('The Angular service that the document of agent-chat prints', () => {
  let server: TestServer;
  let ann: TestUser;
  const services: Service[] = [];
  const printed = documents === undefined ? '' : (fencedListings('agent-chat', 'typescript').find(({ heading }) => heading.includes('Complete Angular Service'))?.code ?? '');

  beforeAll(async () => {
    server = await startTestServer();
    // The first user is the owner of the machine: as them acts whoever sends no token on it, like this class.
    ann = await server.user('ann');
    server.models.answerWith(["What's your budget? I can suggest itineraries!"]);
  });
  afterAll(async () => {
    for (const service of services) service.disconnect();
    await server.stop();
  });

  /** The class as printed, at this server's address; what it imports comes from here, and its decorator goes with its framework. */
  function create(): Service & { lists: Json[][] } {
    const decorator = /@Injectable\(\{\s*providedIn: 'root'\s*\}\)/;
    expect(printed).toMatch(decorator);
    const code = stripTypeScriptTypes(printed.replace(decorator, '').replace(/^import .*$/gm, '').replace('export class', 'class')).replaceAll('http://localhost:4001', server.url);
    const quiet = { log: () => undefined, error: () => undefined };
    const make = new Function('io', 'BehaviorSubject', 'console', `${code}; return new AgentChatService();`) as (...names: unknown[]) => Service;
    const service = Object.assign(make(io, BehaviorSubject, quiet), { lists: [] as Json[][] });
    services.push(service);
    service.getMessages().subscribe((messages) => void service.lists.push(messages));
    return service;
  }

  async function newSession(): Promise<string> {
    return (await server.request('POST', '/api/agent-chat/sessions', { as: ann, body: { agent1Id, agent2Id, agent2Role: 'travel' } })).json.data.sessionId;
  }

  const heard = (service: Service, event: string): Promise<Json> => new Promise((resolve) => service.socket.once(event, resolve));
  /** Everything that was sent has been handled when this comes back. */
  async function settled(service: Service, sessionId: string): Promise<void> {
    const status = heard(service, 'session-status');
    service.socket.emit('get-session-status', { sessionId });
    await status;
  }

  it('joins, shows its own message and one reply, and both once', async () => {
    const id = await newSession();
    const service = create();
    expect(service.lists).toEqual([[]]);
    service.joinSession(id, agent1Id);
    await heard(service, 'conversation-history');
    service.joinSession(id, agent1Id);
    await settled(service, id);
    expect(service.lists).toEqual([[], []]);
    const reply = heard(service, 'ai-response-generated');
    service.sendUserMessage('I want to visit Japan for 10 days', agent1Id);
    const { metadata } = await reply;
    expect([metadata.containsQuestion, metadata.suggestsAction]).toEqual([true, true]);
    await settled(service, id);
    expect(service.lists.map((list) => list.length)).toEqual([0, 0, 1, 2]);
    expect(service.lists.at(-1)!.map(({ from, message }) => [from, message])).toEqual([[agent1Id, 'I want to visit Japan for 10 days'], [agent2Id, "What's your budget? I can suggest itineraries!"]]);
    expect(service.lists.at(-1)!.every(({ timestamp }) => !Number.isNaN(new Date(timestamp).getTime()))).toBe(true);
  });

  it('triggers by hand, and streams into an empty list', async () => {
    const id = await newSession();
    const service = create();
    service.joinSession(id, agent1Id);
    service.sendUserMessage('Hello', agent1Id, false);
    await heard(service, 'new-message');
    await settled(service, id);
    expect(service.lists.at(-1)).toHaveLength(1);
    const reply = heard(service, 'ai-response-generated');
    service.triggerAIResponse(agent2Id);
    await reply;
    const skip = heard(service, 'ai-skip');
    service.triggerAIResponse(agent2Id);
    expect(await skip).toEqual({ agentId: agent2Id, reason: 'loop-prevention' });
    const history = service.lists.at(-1)!;
    const reader = create();
    reader.joinSession(await newSession(), agent1Id);
    await heard(reader, 'conversation-history');
    (reader as unknown as { currentSessionId: string }).currentSessionId = id;
    const complete = heard(reader, 'message-stream-complete');
    reader.streamMessages();
    await complete;
    expect(reader.lists.at(-1)!.map(({ index: _index, isLast: _isLast, ...message }) => message)).toEqual(history);
  });

  it('hears errors and goes on, and ends the session in one shot', async () => {
    const id = await newSession();
    const service = create();
    service.joinSession(id, agent1Id);
    await heard(service, 'conversation-history');
    for (const [call, code] of [[() => service.triggerAIResponse('0.0.1'), 'AI_TRIGGER_ERROR'], [() => service.joinSession('no-such-session', agent1Id), 'JOIN_ERROR']] as const) {
      const error = heard(service, 'error');
      call();
      expect(await error).toMatchObject({ code });
    }
    service.joinSession(id, agent1Id);
    expect(await service.endSessionWithTranscript(id, (await server.user('ben')).token)).toMatchObject({ success: false, status: 403 });
    expect(await service.endSessionWithTranscript(id, 'no token')).toMatchObject({ success: false, status: 401 });
    const ended = heard(service, 'session-ended');
    expect(await service.endSessionWithTranscript(id, ann.token)).toEqual({ success: true, data: { sessionId: id, ended: true, transcriptSubmitted: false, transcriptTransactions: [] } });
    expect(await ended).toEqual({ sessionId: id, transcriptSubmitted: false });
    const error = heard(service, 'error');
    service.sendUserMessage('Too late', agent1Id);
    expect(await error).toMatchObject({ code: 'MESSAGE_ERROR' });
  });

  it('comes back by itself, and is told the history anew once it joins', async () => {
    const id = await newSession();
    const service = create();
    service.joinSession(id, agent1Id);
    service.sendUserMessage('Hello', agent1Id, false);
    await heard(service, 'new-message');
    const back = heard(service, 'connect');
    service.socket.io.engine.close();
    await back;
    service.joinSession(id, agent1Id);
    await heard(service, 'conversation-history');
    expect(service.lists.at(-1)!.map(({ message }) => message)).toEqual(['Hello']);
    service.disconnect();
    while (server.agents.joined > services.filter((each) => each.socket.connected).length) await new Promise((resolve) => setTimeout(resolve, 10));
  });
});
