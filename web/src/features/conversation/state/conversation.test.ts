import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ApiError, type Chat, type Message } from '../../../shared/api/index.ts';
import { Conversation, type ConversationParts } from './conversation.ts';
import { sampleMessage } from './sample.ts';
import type { SocketLike, SocketListener } from './socket.ts';

const chat: Chat = { id: 'chat', title: 'Title', description: null, chat_type: 'DIRECT', is_private: false, ai_model: 'default', message_count: 2, last_activity_at: '2026-01-01T00:00:00.000Z', created_at: '2026-01-01T00:00:00.000Z' };

class FakeSocket implements SocketLike {
  readonly sent: Record<string, unknown>[] = [];
  isClosed = false;
  readonly listener: SocketListener;
  constructor(listener: SocketListener) {
    this.listener = listener;
  }
  send(text: string): void {
    this.sent.push(JSON.parse(text) as Record<string, unknown>);
  }
  close(): void {
    this.isClosed = true;
  }
  say(frame: unknown): void {
    this.listener.onMessage(JSON.stringify(frame));
  }
  /** Attach frames sent, as [message, seq]. */
  get attached(): unknown[][] {
    return this.sent.filter((frame) => frame['type'] === 'attach').map((frame) => [frame['message_id'], frame['after_seq']]);
  }
}

/** A conversation beside a small server: the branch it would answer with, and the sockets opened to it. */
function setUp(branch: Message[] = [], overrides: Partial<ConversationParts> = {}) {
  const server = { branch, sockets: [] as FakeSocket[], pages: 0, delivered: [] as string[] };
  const stored = new Map<string, string>();
  const seen = { chats: [] as (Chat | null)[], signedOut: 0 };
  let keys = 0;
  const conversation = new Conversation('chat', {
    fetchPage: async (_chatId, offset) => {
      server.pages += 1;
      const end = server.branch.length - offset;
      return { chat, messages: server.branch.slice(Math.max(0, end - 50), Math.max(0, end)) };
    },
    sendMessage: async (_chatId, content, key) => {
      server.delivered.push(key);
      const message = sampleMessage({ id: `sent-${content}`, message_type: 'USER', content, parent_id: server.branch.at(-1)?.id ?? null });
      const answer = sampleMessage({ id: `answer-${content}`, parent_id: message.id, status: 'PROCESSING' });
      server.branch = [...server.branch, message, answer];
      return { message, answer };
    },
    openSocket: (_chatId, listener) => {
      const socket = new FakeSocket(listener);
      server.sockets.push(socket);
      return socket;
    },
    storage: { read: (name) => stored.get(name) ?? null, write: (name, value) => void (value === null ? stored.delete(name) : stored.set(name, value)) },
    newKey: () => `key-${(keys += 1)}`,
    spread: () => 0,
    schedule: (callback) => callback(),
    onChat: (changed) => void seen.chats.push(changed),
    onSignedOut: () => void (seen.signedOut += 1),
    ...overrides,
  });
  return { conversation, server, stored, seen, socket: () => server.sockets.at(-1)! };
}

const settle = () => vi.advanceTimersByTimeAsync(0);
const question = sampleMessage({ id: 'q', message_type: 'USER', content: 'Why?' });
const answering = (content: string, seq: number) => sampleMessage({ id: 'a', parent_id: 'q', status: 'PROCESSING', content, last_event_seq: seq });
const chunk = (offset: number, text: string, seq: number) => ({ type: 'ai_response_chunk', message_id: 'a', chat_id: 'chat', chunk: text, offset, seq });

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

async function live(setup: ReturnType<typeof setUp>) {
  setup.conversation.start();
  await settle();
  setup.socket().say({ type: 'welcome' });
  await settle();
  return setup;
}

describe('opening in the middle of an answer', () => {
  it('shows the text so far and attaches behind it', async () => {
    const { conversation, socket } = await live(setUp([question, answering('Because', 3)]));
    expect(conversation.view).toMatchObject({ phase: 'ready', path: ['q', 'a'], runningId: 'a', openCount: 1, hasOlder: false });
    expect(socket().attached).toEqual([['a', 3]]);
    socket().say(chunk(7, ' it is so', 4));
    expect(conversation.message('a')!.content).toBe('Because it is so');
  });

  it('asks for what is missing when a piece leaves a hole, and only once', async () => {
    const { conversation, socket } = await live(setUp([question, answering('Because', 3)]));
    vi.advanceTimersByTime(5000);
    socket().say(chunk(20, 'x', 9));
    socket().say(chunk(21, 'y', 10));
    expect(socket().attached).toEqual([['a', 3], ['a', 0]]);
    socket().say(chunk(0, 'Because it is so all', 8));
    socket().say(chunk(20, 'xy', 10));
    expect(conversation.message('a')!.content).toBe('Because it is so allxy');
  });

  it('ends with the stored text and tells that the chat was active', async () => {
    const { conversation, socket, seen } = await live(setUp([question, answering('Beca', 3)]));
    socket().say({ type: 'ai_response_complete', message: { ...answering('Because.', 0), status: 'DELIVERED', tokens: null } });
    expect(conversation.view).toMatchObject({ runningId: null, openCount: 0 });
    expect(conversation.message('a')).toMatchObject({ status: 'DELIVERED', content: 'Because.' });
    expect(seen.chats.at(-1)).toMatchObject({ id: 'chat' });
  });
});

describe('sending', () => {
  it('shows the message as on its way, then as stored, with its answer', async () => {
    const { conversation } = await live(setUp([]));
    conversation.send('Hello');
    expect(conversation.view.outgoing).toMatchObject([{ content: 'Hello', state: 'sending' }]);
    await settle();
    expect(conversation.view).toMatchObject({ outgoing: [], path: ['sent-Hello', 'answer-Hello'], runningId: 'answer-Hello' });
  });

  it('is not shown twice when the socket is faster than the answer to the request', async () => {
    const made = Promise.withResolvers<{ message: Message; answer: Message | null }>();
    const { conversation, socket, server } = await live(setUp([], { sendMessage: () => made.promise }));
    const pages = server.pages;
    conversation.send('Hello');
    await settle();
    const message = sampleMessage({ id: 'm', message_type: 'USER', content: 'Hello' });
    const answer = sampleMessage({ id: 'a', parent_id: 'm', status: 'PROCESSING' });
    socket().say({ type: 'new_message', message: { id: 'm', sender_id: 'me', content: 'Hello' } });
    socket().say({ type: 'ai_response_start', message: answer });
    socket().say(chunk(0, 'Hi', 2));
    socket().say({ type: 'ai_response_complete', message: { ...answer, status: 'DELIVERED', content: 'Hi there' } });
    await settle();
    expect(conversation.view).toMatchObject({ path: [], outgoing: [{ content: 'Hello' }] });
    made.resolve({ message, answer });
    await settle();
    expect(conversation.view).toMatchObject({ path: ['m', 'a'], outgoing: [], runningId: null });
    expect(conversation.message('a')).toMatchObject({ status: 'DELIVERED', content: 'Hi there' });
    expect(server.pages).toBe(pages);
  });

  it('finds out afterwards what another tab said meanwhile', async () => {
    const made = Promise.withResolvers<{ message: Message; answer: Message | null }>();
    const { conversation, socket, server } = await live(setUp([], { sendMessage: () => made.promise }));
    conversation.send('Hello');
    await settle();
    socket().say({ type: 'new_message', message: { id: 'other', sender_id: 'me', content: 'Other' } });
    const other = sampleMessage({ id: 'other', message_type: 'USER' });
    const message = sampleMessage({ id: 'm', message_type: 'USER', parent_id: 'other' });
    server.branch = [other, message];
    made.resolve({ message, answer: null });
    await settle();
    expect(conversation.view.path).toEqual(['other', 'm']);
  });

  it('keeps a message the server did not hear, and sends it again with the same key when the connection is back', async () => {
    let isDown = true;
    const keys: string[] = [];
    const setup = await live(setUp([], {
      sendMessage: async (_chat, content, key) => {
        keys.push(key);
        if (isDown) throw new ApiError('The server cannot be reached.', 0);
        return { message: sampleMessage({ id: 'm', message_type: 'USER', content }), answer: null };
      },
    }));
    setup.conversation.send('Hello');
    setup.conversation.send('Again');
    await settle();
    expect(setup.conversation.view.outgoing).toMatchObject([{ content: 'Hello', state: 'failed', isOffline: true }, { content: 'Again', state: 'sending' }]);
    expect(setup.stored.get('outbox.chat')).toContain('Hello');
    isDown = false;
    setup.socket().listener.onClose(1006);
    await vi.advanceTimersByTimeAsync(600);
    setup.socket().say({ type: 'welcome' });
    await settle();
    expect(keys).toEqual(['key-1', 'key-1', 'key-2']);
    expect(setup.conversation.view.outgoing).toEqual([]);
    expect(setup.stored.size).toBe(0);
  });

  it('goes on after a reload with what the earlier page could not send', async () => {
    const setup = setUp([]);
    setup.stored.set('outbox.chat', JSON.stringify([{ key: 'old', content: 'Kept', error: null, isOffline: false }]));
    const { conversation, server } = setUp([], { storage: { read: (name) => setup.stored.get(name) ?? null, write: () => {} } });
    expect(conversation.view.outgoing).toMatchObject([{ key: 'old', content: 'Kept', state: 'sending' }]);
    conversation.start();
    await settle();
    expect(server.delivered).toEqual(['old']);
  });

  it('leaves a refused message to its writer', async () => {
    const { conversation } = await live(setUp([], { sendMessage: async () => { throw new ApiError('Too many answers are waiting.', 429); } }));
    conversation.send('Hello');
    await settle();
    expect(conversation.view.outgoing).toMatchObject([{ state: 'failed', isOffline: false, error: 'Too many answers are waiting.' }]);
    conversation.discard('key-1');
    expect(conversation.view.outgoing).toEqual([]);
  });
});

describe('the beginning of an answer', () => {
  it('says nothing about how much of its text is there', async () => {
    const { conversation, socket } = await live(setUp([question]));
    socket().say({ type: 'ai_response_start', message: { ...answering('', 7), reasoning: 'Hm' } });
    socket().say({ type: 'ai_reasoning_chunk', message_id: 'a', chat_id: 'chat', chunk: 'Hmm', offset: 0, seq: 2 });
    socket().say(chunk(0, 'Be', 3));
    expect(conversation.message('a')).toMatchObject({ content: 'Be', reasoning: 'Hmm', last_event_seq: 3 });
    socket().say({ type: 'ai_response_start', message: answering('', 9) });
    expect(conversation.message('a')).toMatchObject({ content: 'Be', reasoning: 'Hmm', last_event_seq: 3 });
  });
});

describe('branches', () => {
  it('follow what another tab has done', async () => {
    const { conversation, socket, server } = await live(setUp([question, sampleMessage({ id: 'a', parent_id: 'q', content: 'One' })]));
    socket().say({ type: 'ai_response_start', message: sampleMessage({ id: 'b', parent_id: 'q', status: 'PROCESSING', siblings: ['a', 'b'] }) });
    expect(conversation.view.path).toEqual(['q', 'b']);
    expect(conversation.view.runningId).toBe('b');
    server.branch = [question, sampleMessage({ id: 'a', parent_id: 'q', content: 'One', siblings: ['a', 'b'] })];
    socket().say({ type: 'branch_changed', chat_id: 'chat', head_id: 'a' });
    await settle();
    expect(conversation.view.path).toEqual(['q', 'a']);
  });

  it('keep a new title that comes while an older page is on its way', async () => {
    const pages: ((title: string) => void)[] = [];
    const { conversation } = setUp([question], { fetchPage: () => new Promise((resolve) => pages.push((title) => resolve({ chat: { ...chat, title }, messages: [question] }))) });
    conversation.start();
    await settle();
    conversation.takeChat({ ...chat, title: 'New' });
    pages[0]!('Old');
    await settle();
    expect(conversation.view.chat!.title).toBe('New');
    pages[1]!('New');
    await settle();
    expect(conversation.view).toMatchObject({ phase: 'ready', chat: { title: 'New' } });
  });

  it('are read again when a message has no place here', async () => {
    const { conversation, socket, server } = await live(setUp([question]));
    server.branch = [sampleMessage({ id: 'x' }), sampleMessage({ id: 'y', parent_id: 'x' })];
    socket().say({ type: 'new_message', message: { id: 'y', sender_id: 'other', content: 'Y' } });
    await settle();
    expect(conversation.view.path).toEqual(['x', 'y']);
  });
});

describe('the connection', () => {
  it('comes back after longer and longer pauses, and reads what was missed', async () => {
    const setup = await live(setUp([question, answering('Be', 2)]));
    setup.socket().listener.onClose(1001);
    expect(setup.conversation.view.link).toMatchObject({ kind: 'waiting' });
    await vi.advanceTimersByTimeAsync(500);
    setup.socket().listener.onClose(1006);
    await vi.advanceTimersByTimeAsync(500);
    expect(setup.server.sockets).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(500);
    expect(setup.server.sockets).toHaveLength(3);
    setup.server.branch = [question, answering('Because', 5)];
    setup.socket().say({ type: 'welcome' });
    await settle();
    expect(setup.conversation.view.link).toEqual({ kind: 'live' });
    expect(setup.conversation.message('a')!.content).toBe('Because');
    expect(setup.socket().attached).toEqual([['a', 5]]);
  });

  it('is tried at once when asked to hurry', async () => {
    const setup = await live(setUp([]));
    for (let failures = 0; failures < 6; failures += 1) {
      setup.socket().listener.onClose(1006);
      setup.conversation.hurry();
    }
    expect(setup.server.sockets).toHaveLength(7);
  });

  it('is taken for dead when nothing answers a ping', async () => {
    const setup = await live(setUp([]));
    await vi.advanceTimersByTimeAsync(25_000);
    expect(setup.socket().sent.at(-1)).toMatchObject({ type: 'ping' });
    await vi.advanceTimersByTimeAsync(10_000);
    expect(setup.server.sockets[0]!.isClosed).toBe(true);
    expect(setup.conversation.view.link).toMatchObject({ kind: 'waiting' });
  });

  it('ends when the chat is deleted or the sign-in is over', async () => {
    const deleted = await live(setUp([question]));
    deleted.socket().say({ type: 'chat_deleted' });
    expect(deleted.conversation.view.phase).toBe('gone');
    expect(deleted.seen.chats.at(-1)).toBeNull();
    const signedOut = await live(setUp([question]));
    signedOut.socket().listener.onClose(4401);
    expect(signedOut.seen.signedOut).toBe(1);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(signedOut.server.sockets).toHaveLength(1);
  });

  it('ignores frames it does not know', async () => {
    const { conversation, socket } = await live(setUp([question]));
    const before = conversation.view;
    for (const frame of [{ type: 'something_new' }, 7, null, [], {}]) socket().say(frame);
    socket().listener.onMessage('no JSON');
    expect(conversation.view).toBe(before);
  });
});

describe('long conversations', () => {
  const long = [...Array(120).keys()].map((at) => sampleMessage({ id: `m${at}`, parent_id: at === 0 ? null : `m${at - 1}`, message_type: at % 2 ? 'AI' : 'USER' }));

  it('are loaded fifty messages at a time, up to their beginning', async () => {
    const { conversation } = await live(setUp(long));
    expect(conversation.view).toMatchObject({ hasOlder: true });
    expect(conversation.view.path).toHaveLength(50);
    await conversation.loadOlder();
    await conversation.loadOlder();
    expect(conversation.view.path).toEqual(long.map((message) => message.id));
    expect(conversation.view.hasOlder).toBe(false);
  });

  it('tell only those who draw a message that it has changed', async () => {
    const branch = [...long, sampleMessage({ id: 'a', parent_id: 'm119', status: 'PROCESSING' })];
    const { conversation, socket } = await live(setUp(branch));
    const told = { view: 0, other: 0, answer: 0 };
    conversation.subscribe(() => void (told.view += 1));
    conversation.subscribeMessage('m119', () => void (told.other += 1));
    const unsubscribe = conversation.subscribeMessage('a', () => void (told.answer += 1));
    for (let at = 0; at < 10; at += 1) socket().say(chunk(at, 'x', at + 1));
    expect(told).toEqual({ view: 0, other: 0, answer: 10 });
    unsubscribe();
    socket().say(chunk(10, 'x', 11));
    expect(told.answer).toBe(10);
  });
});
