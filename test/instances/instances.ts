import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { call, events, type ClientAnswer } from '../kill/http-client.ts';
import { createRandom } from '../kill/random.ts';
import { spawnServer, type ServerProcess } from '../kill/server-process.ts';
import { modelId, providerName, startUpstream, type Upstream } from '../kill/upstream.ts';

/** What all instances must have in common, in the data folder of each. */
const secretsFile = 'secrets.json';

/** A message of the arketic dialect, whole. */
export interface WholeMessage {
  id: string;
  content: string;
  status: string;
  error: { code: string; message: string } | null;
}

/** One event of an answer's stream. */
export interface AnswerEvent {
  kind: string;
  seq: number;
  text: string;
  offset: number;
  message: WholeMessage | null;
}

/** Someone with an account. */
export interface Person {
  token: string;
}

/** One server process among several on the same database. */
export interface Instance {
  address: string;
  process: ServerProcess;
  /** Stops it in the middle of whatever it does, as a machine that hangs; `resume` lets it go on. */
  pause(): void;
  resume(): void;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** SIGTERM; resolves when it is gone. */
  end(): Promise<void>;
}

export interface InstancesOptions {
  databaseUrl: string;
  redisUrl: string;
  count: number;
  environment?: Record<string, string>;
  /** Fewest and most words of an answer. */
  words?: { fewest: number; most: number };
}

/** Several real servers over one database and one Redis, and the model service they all ask. */
export interface Instances {
  upstream: Upstream;
  all: Instance[];
  /** Starts one more. */
  start(environment?: Record<string, string>): Promise<Instance>;
  close(): Promise<void>;
}

export async function openInstances({ databaseUrl, redisUrl, count, environment = {}, words = { fewest: 60, most: 60 } }: InstancesOptions): Promise<Instances> {
  const folder = mkdtempSync(join(tmpdir(), 'parley-instances-'));
  const upstream = await startUpstream(createRandom(1), words);
  let first: string | null = null;
  const instances: Instances = {
    upstream,
    all: [],
    async start(more = {}) {
      const settings = { DATABASE_URL: databaseUrl, REDIS_URL: redisUrl, COMPATIBLE_SERVERS: `${providerName}=${upstream.url}`, DEFAULT_MODEL: modelId, ...environment, ...more };
      const dataDir = mkdtempSync(join(folder, 'data-'));
      // Every instance has a folder of its own; the secrets of the first are given to all.
      if (first === null) first = dataDir;
      else cpSync(join(first, secretsFile), join(dataDir, secretsFile));
      const server = spawnServer({ dataDir, environment: settings });
      const address = await server.ready;
      if (address === null) throw new Error(`An instance did not start:\n${server.output()}`);
      const instance = control(server, address);
      instances.all.push(instance);
      return instance;
    },
    async close() {
      await Promise.all(instances.all.map((instance) => instance.kill()));
      await upstream.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  try {
    for (let index = 0; index < count; index += 1) await instances.start();
  } catch (error) {
    await instances.close();
    throw error;
  }
  return instances;
}

function control(server: ServerProcess, address: string): Instance {
  const endBy = async (signal: NodeJS.Signals): Promise<void> => {
    server.kill(signal);
    await server.exited;
  };
  return { address, process: server, pause: () => server.kill('SIGSTOP'), resume: () => server.kill('SIGCONT'), kill: () => endBy('SIGKILL'), end: () => endBy('SIGTERM') };
}

/** A request of a person to an instance, or to a proxy in front of them. */
export function ask(to: { address: string }, person: Person | null, method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown, headers?: Record<string, string>): Promise<ClientAnswer> {
  return call({ method, url: to.address + path, body, ...(person === null ? {} : { token: person.token }), ...(headers === undefined ? {} : { headers }) });
}

/** Registers somebody. Behind a proxy nobody is trusted for being on this machine: the first needs the code that the server prints. */
export async function register(to: Instance, username: string): Promise<Person> {
  const code = /Set-up code\s+(\S+)/.exec(to.process.output())?.[1];
  const body = { username, password: `password of ${username}`, email: `${username}@example.org`, name: username, ...(code === undefined ? {} : { code }) };
  const answer = await ask(to, null, 'POST', '/api/auth/register', body);
  if (answer.status !== 201) throw new Error(`${answer.status} ${JSON.stringify(answer.body)}`);
  return { token: (answer.body as { access_token: string }).access_token };
}

export async function makeChat(to: { address: string }, person: Person): Promise<string> {
  const made = await ask(to, person, 'POST', '/api/v1/chat/chats', { title: 'chat', ai_model: modelId });
  if (made.status !== 200) throw new Error(`${made.status} ${JSON.stringify(made.body)}`);
  return (made.body as { id: string }).id;
}

/** Sends a message; the answer in the making. @throws {Error} for any status but 200 */
export async function send(to: { address: string }, person: Person, chatId: string, content: string): Promise<WholeMessage> {
  const sent = await ask(to, person, 'POST', `/api/v1/chat/chats/${chatId}/messages?include=answer`, { content });
  if (sent.status !== 200) throw new Error(`${sent.status} ${JSON.stringify(sent.body)}`);
  return (sent.body as { answer: WholeMessage }).answer;
}

/** The events of an answer behind a seq, until the stream ends or the reader has enough. */
export async function* follow(to: { address: string }, person: Person, chatId: string, answerId: string, after = 0): AsyncGenerator<AnswerEvent> {
  const url = `${to.address}/api/v1/chat/chats/${chatId}/messages/${answerId}/stream?after=${after}`;
  for await (const { event, id, data } of events({ method: 'GET', url, token: person.token })) {
    const fields = JSON.parse(data) as { text?: string; offset?: number; message?: WholeMessage };
    yield { kind: event, seq: Number(id), text: fields.text ?? '', offset: fields.offset ?? 0, message: fields.message ?? null };
  }
}

/** What a reader has of an answer; fails when a piece is missing, comes twice, or does not follow. */
export class Reading {
  text = '';
  seq = 0;
  end: WholeMessage | null = null;

  take(event: AnswerEvent): void {
    if (event.seq <= this.seq) throw new Error(`Event ${event.seq} came behind event ${this.seq}.`);
    this.seq = event.seq;
    if (event.kind === 'text') {
      if (event.offset !== this.text.length) throw new Error(`Event ${event.seq} begins at ${event.offset}, not at ${this.text.length}.`);
      this.text += event.text;
    }
    if (event.kind === 'end') this.end = event.message;
  }
}

/** Reads on to the end, or until `enough`. */
export async function read(to: { address: string }, person: Person, chatId: string, answerId: string, reading = new Reading(), enough: (reading: Reading) => boolean = () => false): Promise<Reading> {
  for await (const event of follow(to, person, chatId, answerId, reading.seq)) {
    reading.take(event);
    if (reading.end !== null || enough(reading)) break;
  }
  return reading;
}

/** Frames of a chat's socket, as they come. */
export interface ChatSocket {
  frames: { type: string; [field: string]: unknown }[];
  /** Code with which it was closed; null while it is open. */
  closed: number | null;
  close(): void;
}

export async function openSocket(to: { address: string }, person: Person, chatId: string): Promise<ChatSocket> {
  const socket = new WebSocket(`${to.address.replace('http', 'ws')}/api/v1/chat/chats/${chatId}/ws?token=${person.token}&full_content=false`);
  const chat: ChatSocket = { frames: [], closed: null, close: () => socket.terminate() };
  socket.on('message', (data: Buffer) => chat.frames.push(JSON.parse(data.toString('utf8')) as ChatSocket['frames'][number]));
  socket.on('close', (code) => (chat.closed = code));
  await new Promise<void>((resolve, reject) => socket.once('error', reject).once('message', () => resolve()));
  socket.on('error', () => socket.terminate());
  return chat;
}
