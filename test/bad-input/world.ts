import { join } from 'node:path';
import type { RouteOptions } from 'fastify';
import { silentLog } from '../../src/base/observability/index.ts';
import type { Engine } from '../../src/base/storage/index.ts';
import { openTestStorage } from '../../src/base/storage/testing.ts';
import { readConfig } from '../../src/config.ts';
import { registerUser, sendRequest, type RequestOptions, type TestResponse, type TestUser } from '../../src/dialects/testing.ts';
import { createParts, type Parts } from '../../src/parts.ts';
import { startStandIn } from '../stand-in/index.ts';

/** A whole server with two users, and what the first of them owns. */
export interface World {
  parts: Parts;
  port: number;
  dataDir: string;
  /** Every route that the server has, HEAD left out; the addresses of the second app begin with `ollama:`. */
  routes: RouteOptions[];
  /** The owner. */
  ann: TestUser;
  /** An ordinary user. */
  bob: TestUser;
  /** Paths that begin with `ollama:` are asked of the second app. */
  request(method: string, path: string, options?: RequestOptions): Promise<TestResponse>;
  /** A fresh chat with a question and its answer, and a response beside it. */
  makeChat(user: TestUser, content: string): Promise<Chat>;
  stop(): Promise<void>;
}

export interface Chat {
  chatId: string;
  /** User whose chat it is. */
  ownerId: string;
  questionId: string;
  answerId: string;
  /** Of a response with the same question, made in the background and ended. */
  responseId: string;
  /** Of two agents, in which the same was said. */
  sessionId: string;
  /** Of a pipeline run with the same input. */
  pipelineId: string;
}

/** How addresses of the second app, Ollama's API, begin in this suite. */
export const secondApp = 'ollama:';

const limits = { LIMIT_LOGINS_PER_MINUTE: '1000000', LIMIT_REQUESTS_PER_MINUTE: '1000000', LIMIT_COMPLETIONS_PER_MINUTE: '1000000', LIMIT_MESSAGES_PER_HOUR: '1000000', LIMIT_FRIEND_MESSAGES_PER_MINUTE: '1000000', LIMIT_SOCKETS_PER_ADDRESS: '1000', LIMIT_TOKENS_PER_HOUR: '1000000', LIMIT_OAUTH_PER_MINUTE: '1000000' };

export async function startWorld(engine: Engine): Promise<World> {
  const database = await openTestStorage(engine);
  await database.storage.stop();
  const { dataDir, options } = database;
  // Some dialects answer by a language model only. It repeats what was said last.
  const standIn = await startStandIn({ otherwise: ({ body }) => ({ pieces: [String(body.messages?.at(-1)?.content ?? '')] }) });
  const model = { COMPATIBLE_SERVERS: `stand-in=${standIn.url}/v1`, DEFAULT_MODEL: 'stand-in/gpt-4o' };
  const config = readConfig({ PORT: '0', OLLAMA_API_PORT: '0', DATA_DIR: dataDir, DATABASE_URL: options.databaseUrl ?? '', OLLAMA_URLS: standIn.url, DRAIN_SECONDS: '0', ...model, ...limits });
  const parts = createParts(config, { log: silentLog(), webDir: join(dataDir, 'no-page') });
  const routes: RouteOptions[] = [];
  parts.http.app.addHook('onRoute', (route) => {
    if (route.method !== 'HEAD') routes.push(route);
  });
  parts.ollama!.app.addHook('onRoute', (route) => {
    if (route.method !== 'HEAD') routes.push({ ...route, url: secondApp + route.url, get config() { return route.config; } });
  });
  await parts.start();
  const { port } = parts.http.addresses()[0]!;
  const url = `http://127.0.0.1:${port}`;
  const secondUrl = `http://127.0.0.1:${parts.ollama!.addresses()[0]!.port}`;
  const request: World['request'] = (method, path, options) =>
    path.startsWith(secondApp) ? sendRequest(secondUrl, method, path.slice(secondApp.length), options) : sendRequest(url, method, path, options);
  const makeChat: World['makeChat'] = async (user, content) => {
    const chat = await request('POST', '/api/v1/chat/chats', { as: user, body: { title: content, ai_model: 'default' } });
    const base = `/api/v1/chat/chats/${chat.json.id}/messages`;
    const sent = await request('POST', `${base}?include=answer`, { as: user, body: { content } });
    await request('GET', `${base}/${sent.json.answer.id}/stream`, { as: user });
    const response = await request('POST', '/v1/responses', { as: user, body: { model: 'builtin/parley', input: content, background: true } });
    await request('GET', `/v1/responses/${response.json.id}?stream=true`, { as: user });
    const session = await request('POST', '/api/agent-chat/sessions', { as: user, body: { agent1Id: '0.0.1', agent2Id: '0.0.2', title: content } });
    const sessionId: string = session.json.data.sessionId;
    await request('POST', `/api/v1/chat/chats/${sessionId}/messages`, { as: user, body: { content } });
    const pipeline = await request('POST', '/api/v4/ai/pipeline/run', { as: user, body: { type: 'sequential', input: content, stages: [{}] } });
    return { sessionId, pipelineId: pipeline.json.run_id, ownerId: user.userId, responseId: response.json.id, chatId: chat.json.id, questionId: sent.json.message.id, answerId: sent.json.answer.id };
  };
  const [ann, bob] = [await registerUser(url, 'ann'), await registerUser(url, 'bob')];
  // The log of transcripts has an entry from the start, whatever is asked first.
  const ended = await request('POST', '/api/agent-chat/sessions', { as: ann, body: { agent1Id: '0.0.1', agent2Id: '0.0.2' } });
  await request('DELETE', `/api/agent-chat/sessions/${ended.json.data.sessionId}`, { as: ann });
  return {
    parts, port, dataDir, routes, request, makeChat, ann, bob,
    async stop() {
      await parts.stop();
      await standIn.close();
      await database.close();
    },
  };
}
