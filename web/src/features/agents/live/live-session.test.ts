import { describe, expect, it } from 'vitest';
import type { AgentMessage } from '../types.ts';
import { LiveSession, type Acknowledgement, type LiveSocket } from './live-session.ts';

interface Sent {
  event: string;
  payload: Record<string, unknown>;
}

/** A socket whose server side is this test: what is sent is written down and answered by `answer`. */
class TestSocket implements LiveSocket {
  active = true;
  connects = 0;
  readonly sent: Sent[] = [];
  answer: (sent: Sent) => Acknowledgement = () => ({ ok: true });
  private readonly listeners = new Map<string, (payload: never) => void>();

  on(event: string, listener: (payload: never) => void): void {
    this.listeners.set(event, listener);
  }

  timeout() {
    return {
      emit: (event: string, payload: unknown, acknowledge: (error: Error | null, answer: Acknowledgement) => void): void => {
        const sent = { event, payload: payload as Record<string, unknown> };
        this.sent.push(sent);
        acknowledge(null, this.answer(sent));
      },
    };
  }

  connect(): void {
    this.connects += 1;
  }

  disconnect(): void {
    this.tell('disconnect');
  }

  tell(event: string, payload?: unknown): void {
    this.listeners.get(event)?.(payload as never);
  }
}

const said = (from: string, message: string, metadata: AgentMessage['metadata'] = { aiModel: 'demo' }): AgentMessage => ({ from, message, timestamp: '2026-01-01T00:00:00.000Z', metadata });

async function opened(change: (socket: TestSocket) => void = () => {}): Promise<{ socket: TestSocket; session: LiveSession; changes: () => number }> {
  const socket = new TestSocket();
  change(socket);
  let changes = 0;
  const session = new LiveSession('one', ['0.0.1', '0.0.2'], socket, () => void (changes += 1));
  socket.tell('connect');
  await Promise.resolve();
  socket.tell('conversation-history', [said('0.0.1', 'Hello', { sentBy: 'user' })]);
  await new Promise((resolve) => setTimeout(resolve));
  return { socket, session, changes: () => changes };
}

const texts = ({ view }: LiveSession): string[] => (view.messages ?? []).map(({ message }) => message);

describe('A session as it happens', () => {
  it('joins as the owner’s agent, and shows what is said in order', async () => {
    const { socket, session } = await opened();
    expect(socket.sent).toEqual([{ event: 'agent-join-session', payload: { sessionId: 'one', agentAccountId: '0.0.1' } }]);
    expect(session.view).toMatchObject({ phase: 'open', isOwner: true });
    socket.tell('ai-thinking', { agentId: '0.0.2' });
    expect(session.view.thinking).toEqual(['0.0.2']);
    socket.tell('new-message', said('0.0.1', 'Wait', { sentBy: 'user' }));
    socket.tell('ai-response-generated', said('0.0.2', 'Where to?'));
    expect(texts(session)).toEqual(['Hello', 'Wait', 'Where to?']);
    expect(session.view.thinking).toEqual([]);
  });

  it('goes on thinking when a person speaks for the agent meanwhile', async () => {
    const { socket, session } = await opened();
    socket.tell('ai-thinking', { agentId: '0.0.2' });
    socket.tell('new-message', said('0.0.2', 'By hand', { sentBy: 'user' }));
    expect(session.view.thinking).toEqual(['0.0.2']);
  });

  it('joins as the second agent where the first is somebody else’s', async () => {
    const { socket, session } = await opened((one) => {
      one.answer = ({ payload }) => (payload['agentAccountId'] === '0.0.1' ? { error: 'It is the agent of the owner.', code: 'forbidden' } : { ok: true });
    });
    expect(socket.sent.map(({ payload }) => payload['agentAccountId'])).toEqual(['0.0.1', '0.0.2']);
    expect(session.view).toMatchObject({ phase: 'open', isOwner: false });
  });

  it('says why it cannot be joined', async () => {
    const { session } = await opened((one) => void (one.answer = () => ({ error: 'The session has ended.', code: 'conflict' })));
    expect(session.view).toMatchObject({ phase: 'refused', problem: 'The session has ended.' });
  });

  it('joins as the agent that is to speak, and only when it is another one', async () => {
    const { socket, session } = await opened();
    await session.say('0.0.2', 'As the other', false);
    await session.say('0.0.2', 'Once more', true);
    expect(socket.sent.slice(1).map(({ event }) => event)).toEqual(['agent-join-session', 'user-send-message-on-behalf', 'user-send-message-on-behalf']);
    expect(socket.sent.at(-1)!.payload).toEqual({ sessionId: 'one', agentId: '0.0.2', message: 'Once more', triggerAI: true });
  });

  it('is lost and comes back: the history takes the place of what was there', async () => {
    const { socket, session } = await opened();
    socket.tell('ai-thinking', { agentId: '0.0.2' });
    socket.tell('disconnect');
    expect(session.view).toMatchObject({ phase: 'lost', thinking: [] });
    expect(texts(session)).toEqual(['Hello']);
    socket.tell('connect');
    socket.tell('conversation-history', [said('0.0.1', 'Hello', { sentBy: 'user' }), said('0.0.2', 'Missed')]);
    await new Promise((resolve) => setTimeout(resolve));
    expect(session.view.phase).toBe('open');
    expect(texts(session)).toEqual(['Hello', 'Missed']);
    expect(socket.sent.filter(({ event }) => event === 'agent-join-session')).toHaveLength(2);
  });

  it('says why an agent does not answer, until something is said', async () => {
    const { socket, session, changes } = await opened();
    const before = changes();
    socket.tell('ai-skip', { agentId: '0.0.2', reason: 'turn-limit' });
    expect(session.view.note).toEqual({ kind: 'skipped', agentId: '0.0.2', reason: 'turn-limit' });
    socket.tell('error', { code: 'AI_TRIGGER_ERROR', message: 'No model is set up.' });
    expect(session.view.note).toEqual({ kind: 'failed', message: 'No model is set up.' });
    socket.tell('error', { code: 'MESSAGE_ERROR', message: 'Told to whoever asked.' });
    expect(session.view.note).toEqual({ kind: 'failed', message: 'No model is set up.' });
    expect(changes()).toBe(before + 2);
    socket.tell('new-message', said('0.0.1', 'Go on', { sentBy: 'user' }));
    expect(session.view.note).toBeNull();
  });

  it('keeps what is said while it connects until it may be said', async () => {
    const { socket, session } = await opened();
    socket.tell('disconnect');
    const said = session.say('0.0.1', 'Are you there?', false);
    expect(socket.sent).toHaveLength(1);
    socket.tell('connect');
    await said;
    expect(socket.sent.map(({ event }) => event)).toEqual(['agent-join-session', 'agent-join-session', 'user-send-message-on-behalf']);
  });

  it('gives the server’s sentence to whoever asked', async () => {
    const { socket, session } = await opened();
    socket.answer = () => ({ error: 'The session is full.', code: 'conflict' });
    await expect(session.trigger('0.0.2')).rejects.toThrow('The session is full.');
  });

  it('is silent once it is closed', async () => {
    const { socket, session } = await opened();
    session.close();
    expect(session.view.phase).toBe('open');
    expect(socket.connects).toBe(1);
  });
});
