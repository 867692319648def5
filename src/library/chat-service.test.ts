import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { latestModel } from '../core/models/index.ts';
import { createParts } from '../parts.ts';
import { readConfigWith } from '../config.ts';
import { AIService, AIServiceError, ChatService, createApp, type SessionWithMessages } from './index.ts';
import { prepareGround, type Ground } from './testing.ts';

const said = ({ messages }: SessionWithMessages) => messages.map(({ role, content }) => `${role}: ${content}`);

describe('ChatService', () => {
  let ground: Ground;
  let chat: ChatService;
  let user: string;

  beforeEach(async () => {
    ground = await prepareGround();
    chat = new ChatService({ config: ground.config });
    user = await chat.ownerId();
  });
  afterEach(async () => {
    await chat.close();
    await ground.clear();
  });

  /** An account besides the owner's. */
  async function otherUser(name: string): Promise<string> {
    await chat.close();
    const parts = createParts(readConfigWith(ground.config), { exclusive: false });
    await parts.storage.start();
    await parts.accounts.start?.();
    const { id } = await parts.accounts.createUser({ username: name, password: 'a long password', email: null, name: null, role: 'user' });
    await parts.accounts.stop?.();
    await parts.storage.stop();
    chat = new ChatService({ config: ground.config });
    return id;
  }

  it('keeps a session, answers in it with its whole history, and counts', async () => {
    const session = await chat.createSession(user, 'My AI Chat', 'gpt-4o', { systemPrompt: 'Be brief.' });
    expect(session).toMatch(/^[0-9a-f-]{36}$/);
    ground.openai.next({ pieces: ['A ', 'field.'], usage: { tokensIn: 1000, tokensOut: 10 }, model: 'gpt-4o-2024-08-06' });
    const response = await chat.chatCompletion(session, 'What is artificial intelligence?', 'gpt-4o', 'openai');
    expect(response).toEqual({ content: 'A field.', model: 'gpt-4o-2024-08-06', provider: 'openai', tokensUsed: 1010, cost: 0.0026, messageId: expect.any(String) });
    await chat.chatCompletion(session, 'And natural one?');
    expect(ground.openai.requests.at(-1)!.body.messages).toEqual([
      { role: 'system', content: 'Be brief.' }, { role: 'user', content: 'What is artificial intelligence?' }, { role: 'assistant', content: 'A field.' }, { role: 'user', content: 'And natural one?' },
    ]);
    const stored = await chat.getSession(session, user);
    expect(stored).toMatchObject({ id: session, userId: user, title: 'My AI Chat', modelProvider: null, modelName: 'gpt-4o', systemPrompt: 'Be brief.', settings: {}, isActive: true, createdAt: expect.any(Date), updatedAt: expect.any(Date) });
    expect(stored.messages).toHaveLength(4);
    expect(stored.messages[0]).toMatchObject({ sessionId: session, role: 'user', tokensUsed: 0, cost: 0, createdAt: expect.any(Date) });
    expect(stored.messages[1]).toMatchObject({ id: response.messageId, role: 'assistant', content: 'A field.', tokensUsed: 1010, cost: 0.0026, metadata: { modelUsed: 'gpt-4o-2024-08-06' } });
  });

  it('gives a session without a title one, and then that of its first message', async () => {
    const session = await chat.createSession(user);
    expect(await chat.getSession(session, user)).toMatchObject({ title: expect.stringMatching(/./), modelName: 'gpt-4o', messages: [] });
    await chat.addMessage(session, 'user', 'Hello AI!');
    expect((await chat.getSession(session, user)).title).toBe('Hello AI!');
  });

  it('stores messages of the three roles as they are told', async () => {
    const session = await chat.createSession(user);
    const ids = [
      await chat.addMessage(session, 'system', 'Be kind.'),
      await chat.addMessage(session, 'user', 'Hello AI!', undefined, 5),
      await chat.addMessage(session, 'assistant', 'Hello!', 'gpt-4o', 12),
    ];
    const { messages } = await chat.getSession(session, user);
    expect(messages).toMatchObject([
      { id: ids[0], role: 'system', content: 'Be kind.', tokensUsed: 0, metadata: {} },
      { id: ids[1], role: 'user', content: 'Hello AI!', tokensUsed: 5, cost: 0 },
      { id: ids[2], role: 'assistant', content: 'Hello!', tokensUsed: 12, cost: null, metadata: { modelUsed: 'gpt-4o' } },
    ]);
    expect(ground.openai.requests.filter(({ path }) => path.includes('completions'))).toEqual([]);
    await expect(chat.addMessage(session, 'tool' as 'user', 'x')).rejects.toMatchObject({ code: 'invalid_request' });
    await expect(chat.addMessage(session, 'user', '  ')).rejects.toMatchObject({ code: 'empty_message' });
    await expect(chat.addMessage(randomUUID(), 'user', 'x')).rejects.toMatchObject({ code: 'not_found' });
  });

  it('shows a session to its owner alone, and says the same of foreign and unknown ones', async () => {
    const other = await otherUser('bob');
    const session = await chat.createSession(user, 'private');
    const [foreign, unknown] = await Promise.all([chat.getSession(session, other), chat.getSession(randomUUID(), other)].map((call) => call.catch((error: unknown) => error)));
    expect(foreign).toMatchObject({ code: 'not_found', status: 404 });
    expect(unknown).toMatchObject({ code: 'not_found', status: 404 });
    await expect(chat.getSession(session, randomUUID())).rejects.toMatchObject({ code: 'not_found' });
    await expect(chat.createSession('nobody')).rejects.toMatchObject({ code: 'not_found' });
    await expect(chat.chatCompletion(randomUUID(), 'hello')).rejects.toMatchObject({ code: 'not_found' });
  });

  it('asks the model of the call, then that of the session, then gpt-4o', async () => {
    const asked = () => ground.openai.requests.at(-1)!.body.model;
    const session = await chat.createSession(user, 'models', 'gpt-4o-mini');
    await chat.chatCompletion(session, 'one');
    expect(asked()).toBe('gpt-4o-mini');
    await chat.chatCompletion(session, 'two', 'gpt-4o');
    expect(asked()).toBe('gpt-4o');
    await chat.chatCompletion(session, 'three', undefined, 'openai');
    expect(asked()).toBe(latestModel('openai')!.model);
    const named = await chat.createSession(user, 'models', 'gpt-4o-mini', { provider: 'openai' });
    await chat.chatCompletion(named, 'four', undefined, 'openai');
    expect(asked()).toBe('gpt-4o-mini');
    await chat.chatCompletion(await chat.createSession(user, 'none'), 'five');
    expect(asked()).toBe('gpt-4o');
  });

  it('keeps the message when the service fails, shows no answer, and goes on with the next', async () => {
    const session = await chat.createSession(user, 'failing');
    ground.openai.next({ status: 400, errorMessage: 'This model likes no Mondays.' });
    const error = await chat.chatCompletion(session, 'first').catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(AIServiceError);
    expect(error).toMatchObject({ provider: 'openai', message: expect.stringContaining('This model likes no Mondays.') });
    expect(said(await chat.getSession(session, user))).toEqual(['user: first']);
    ground.openai.next({ status: 401, errorMessage: 'Wrong key.', errorCode: 'invalid_api_key' });
    await expect(chat.chatCompletion(session, 'second', 'gpt-4o', 'openai')).rejects.toMatchObject({ name: 'AIServiceError', code: 'invalid_api_key', provider: 'openai' });
    expect(said(await chat.getSession(session, user))).toEqual(['user: first', 'user: second']);
    await chat.chatCompletion(session, 'third');
    expect(said(await chat.getSession(session, user))).toEqual(['user: first', 'user: second', 'user: third', 'assistant: Hello from the stand-in.']);
  });

  it('names the variable when there is no key, and keeps the message', async () => {
    await chat.close();
    await using keyless = new ChatService({ config: { ...ground.config, OPENAI_API_KEY: '' } });
    const session = await keyless.createSession(user);
    await expect(keyless.chatCompletion(session, 'What is AI?', 'gpt-4o')).rejects.toMatchObject({ name: 'AIServiceError', code: 'no_api_key', message: expect.stringContaining('OPENAI_API_KEY') });
    expect(said(await keyless.getSession(session, user))).toEqual(['user: What is AI?']);
    await expect(keyless.chatCompletion(session, 'What is AI?', 'parley', 'builtin')).rejects.toMatchObject({ code: 'no_model' });
  });

  it('reads sessions of any length in their order', async () => {
    const session = await chat.createSession(user);
    const texts = Array.from({ length: 1003 }, (_, index) => `message ${index}`);
    for (const text of texts) await chat.addMessage(session, 'user', text);
    expect((await chat.getSession(session, user)).messages.map(({ content }) => content)).toEqual(texts);
  });

  it('shares its sessions with a server in this process', async () => {
    await chat.close();
    await using app = await createApp(ground.config);
    await using inside = new ChatService({ app });
    const session = await inside.createSession(await app.ownerId(), 'shared');
    await inside.chatCompletion(session, 'hello');
    await inside.close();
    expect((await fetch(`${app.address}/health`)).status).toBe(200);
    await expect(new ChatService({ app: {} as typeof app }).ownerId()).rejects.toThrow(TypeError);
  });

  it('opens together with others on an empty folder', async () => {
    const config = { ...ground.config, DATA_DIR: join(ground.dataDir, 'empty') };
    await using ai = new AIService({ config });
    await using sessions = new ChatService({ config });
    const [completion, session] = await Promise.all([ai.chatCompletion([{ role: 'user', content: 'hello' }], 'openai', 'gpt-4o'), sessions.ownerId().then((id) => sessions.createSession(id))]);
    expect(completion.content).toBe('Hello from the stand-in.');
    expect((await sessions.chatCompletion(session, 'hello')).content).toBe('Hello from the stand-in.');
  });

  it.each(process.env.DATABASE_URL_TEST ? ['SQLite', 'PostgreSQL'] : ['SQLite'])('lets a server that runs already make the answers, and disturbs none of them: %s', async (engine) => {
    await chat.close();
    if (engine === 'PostgreSQL') ground.config.DATABASE_URL = await ground.emptyDatabase();
    await using app = await createApp(ground.config);
    user = await app.ownerId();
    await using inside = new ChatService({ app });
    const running = await inside.createSession(user, 'of the server');
    const gated = ground.openai.next({ pieces: ['slow', ' answer'], gated: true });
    const slow = inside.chatCompletion(running, 'slow question');
    await gated.request;
    await using beside = new ChatService({ config: ground.config });
    const session = await beside.createSession(user, 'beside');
    expect(await beside.chatCompletion(session, 'hello')).toMatchObject({ content: 'Hello from the stand-in.', model: 'gpt-4o' });
    expect(said(await beside.getSession(session, user))).toEqual(['user: hello', 'assistant: Hello from the stand-in.']);
    gated.release(Infinity);
    expect((await slow).content).toBe('slow answer');
  });

  it('says so when the process that makes the answers has gone', { timeout: 40_000 }, async () => {
    await chat.close();
    const app = await createApp(ground.config);
    await using beside = new ChatService({ config: ground.config });
    const session = await beside.createSession(user, 'beside');
    await app.stop();
    const failed = vi.fn();
    await beside.chatCompletion(session, 'hello').catch(failed);
    expect(failed).toHaveBeenCalledWith(expect.objectContaining({ code: 'provider_unavailable', message: expect.stringContaining('The message is stored') }));
    await using again = new ChatService({ config: ground.config });
    await vi.waitFor(async () => expect(said(await again.getSession(session, user))).toEqual(['user: hello', 'assistant: Hello from the stand-in.']), { timeout: 8000 });
  });

  it('is of no use when it was closed', async () => {
    await chat.close();
    await expect(chat.getSession(randomUUID(), user)).rejects.toMatchObject({ message: 'This service was closed.' });
    await chat.close();
  });
});
