import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfig } from '../../src/config.ts';
import { openSocket, registerUser, sendRequest, type Json, type TestSocket, type TestUser } from '../../src/dialects/testing.ts';
import { createParts, type Parts } from '../../src/parts.ts';
import { startStandIn, type RecordedRequest, type StandIn } from '../stand-in/index.ts';

/** A whole server with its LangChain service, as real as they are shipped; behind both a stand-in for OpenAI, and one for Ollama. */
export interface World {
  parts: Parts;
  openai: StandIn;
  ollama: StandIn;
  /** Moves the clock of the server on. */
  pass(milliseconds: number): void;
  user(name: string): Promise<TestUser>;
  call(method: string, path: string, as: TestUser, body?: unknown): Promise<{ status: number; json: Json; headers: Headers; ms: number }>;
  /** Makes a chat and returns its id. */
  chat(as: TestUser, fields?: object): Promise<string>;
  /** An ai-message with these fields. */
  ask(as: TestUser, chatId: string, fields?: object): Promise<{ status: number; json: Json; headers: Headers; ms: number }>;
  socket(as: TestUser, chatId: string, query?: string): Promise<TestSocket>;
  close(): Promise<void>;
}

export async function startWorld(settings: Record<string, string> = {}): Promise<World> {
  const dataDir = await mkdtemp(join(tmpdir(), 'parley-langchain-'));
  const [openai, ollama] = await Promise.all([startStandIn({ otherwise: { usage: { tokensIn: 45, tokensOut: 5 } } }), startStandIn()]);
  let shift = 0;
  const clock = { now: () => Date.now() + shift, monotonic: () => performance.now() + shift };
  const config = readConfig({
    PORT: '0', DATA_DIR: dataDir, LOG_LEVEL: 'silent', DRAIN_SECONDS: '0', OLLAMA_URLS: ollama.url, OPENAI_BASE_URL: `${openai.url}/v1`,
    LIMIT_LOGINS_PER_MINUTE: '1000', LIMIT_REQUESTS_PER_MINUTE: '100000', ...settings,
  });
  const parts = createParts(config, { clock });
  await parts.start();
  const { port } = parts.http.addresses()[0]!;
  const url = `http://127.0.0.1:${port}`;
  const call: World['call'] = async (method, path, as, body) => {
    const began = performance.now();
    const { status, json, headers } = await sendRequest(url, method, `/api/v1/chat${path}`, { as, ...(body === undefined ? {} : { body }) });
    return { status, json, headers, ms: performance.now() - began };
  };
  return {
    parts, openai, ollama, call,
    pass: (milliseconds) => { shift += milliseconds; },
    async user(name) {
      const user = await registerUser(url, name);
      await call('PUT', '/keys/openai', user, { key: `sk-of-${name}` });
      return user;
    },
    chat: async (as, fields = {}) => (await call('POST', '/chats', as, { title: 'A chat', ai_model: 'gpt-4', ...fields })).json.id as string,
    ask: (as, chatId, fields = {}) => call('POST', `/chats/${chatId}/ai-message`, as, { message: 'What is machine learning?', ...fields }),
    socket: (as, chatId, query = '') => openSocket({ port }, `/api/v1/chat/chats/${chatId}/ws?token=${as.token}${query}`),
    async close() {
      await parts.stop();
      await Promise.all([openai.close(), ollama.close()]);
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** Requests for answers that a stand-in received. */
export function chats(standIn: StandIn): RecordedRequest[] {
  return standIn.requests.filter((request) => request.path.endsWith('/chat/completions') || request.path === '/api/chat');
}

/** Process ids of the LangChain services that this process has started. */
export function servicePids(): number[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
    try {
      const parent = Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')[1]);
      return parent === process.pid && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('langchain/service/main');
    } catch {
      // It ended while it was looked at.
      return false;
    }
  });
}
