import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { anthropicForm } from './anthropic-form.ts';
import { cohereForm } from './cohere-form.ts';
import type { Form, FormName, ReadRequest } from './form.ts';
import { googleForm } from './google-form.ts';
import { loadAnswer, ollamaForm } from './ollama-form.ts';
import { openaiForm } from './openai-form.ts';
import { whitePng } from './png.ts';
import type { Endpoint, Script, Step } from './script.ts';

export type { Script } from './script.ts';

/** One request the stand-in received. */
export interface RecordedRequest {
  method: string;
  /** Path without the query. */
  path: string;
  /** What stands behind the question mark; empty without one. */
  query: string;
  /** What it asks for; null for an address that is none. */
  endpoint: Endpoint | null;
  headers: http.IncomingHttpHeaders;
  /** The body, parsed; empty where there was none. */
  body: RequestBody;
  /** `performance.now()` when its head came. */
  receivedAt: number;
  /** Pieces sent to it so far. */
  piecesSent: number;
  /** `performance.now()` when the client closed the connection before the answer was complete; null until then. */
  abortedAt: number | null;
  /** Resolves when the client closes the connection before the answer is complete. */
  aborted: Promise<void>;
  /** Resolves when the answer is over, whoever ended it. */
  over: Promise<void>;
}

/** The fields that tests of the OpenAI form and of Ollama's look at; other forms have their own. */
export interface RequestBody {
  model?: string;
  messages?: { role: string; content: string | null; tool_calls?: unknown[]; tool_call_id?: string; tool_name?: string }[];
  stream?: boolean;
  stream_options?: { include_usage?: boolean };
  tools?: unknown[];
  tool_choice?: unknown;
  input?: string | string[];
  dimensions?: number;
  options?: Record<string, unknown>;
  response_format?: Record<string, unknown>;
  format?: unknown;
  [field: string]: unknown;
}

/** The answer a script will become. */
export interface ScriptedAnswer {
  /** Resolves when a request has taken the script. */
  request: Promise<RecordedRequest>;
  /** Lets `count` more pieces go; `Infinity` opens the gate for good. */
  release(count?: number): void;
}

export interface StandInOptions {
  /** Names offered by /v1/models; default a handful of known ones. Chat with another name answers 404, as the true services do. */
  models?: string[];
  /** Names offered by /api/tags. */
  ollamaModels?: string[];
  /** Names offered by the other forms; default a handful of known ones each. */
  otherModels?: Partial<Record<FormName, string[]>>;
  /** The only key that is let in, in the place where the form has it, Ollama's aside; default: every one, or none. */
  apiKey?: string;
  /** Tokens of context that /api/show reports. */
  contextLength?: number;
  /** Dimensions of the vectors. */
  dimensions?: number;
  /** What a request gets when no script is waiting; default a short healthy answer. */
  otherwise?: Script | ((request: RecordedRequest) => Script);
}

export interface StandIn {
  /** `http://127.0.0.1:PORT`: Ollama's base URL; the OpenAI one is `${url}/v1`, that of any other form `${url}/` and its name. */
  url: string;
  /** Every request so far, oldest first, but for the bodies of more than 10,000 of them. */
  requests: RecordedRequest[];
  /** What a request says, in words that are the same for all forms. */
  read(request: RecordedRequest): ReadRequest;
  /** Queues a script for the next request of its endpoint. */
  next(script: Script): ScriptedAnswer;
  /** Lets `count` more pieces of every gated answer go. */
  release(count?: number): void;
  /** Changes what requests get when no script is waiting. */
  otherwise(script: Script | ((request: RecordedRequest) => Script)): void;
  /** The models that Ollama's form lists as being in memory: those that were asked, unless a test says otherwise. */
  loaded: Set<string>;
  /** Names that Ollama's form has; a pull that succeeds adds to them. */
  ollamaModels: string[];
  /** Breaks all connections and takes none until `comeBack`; the port stays its own. */
  vanish(): void;
  comeBack(): void;
  /** Connections open now. */
  connections(): Promise<number>;
  /** Breaks all connections and stops listening. */
  close(): Promise<void>;
}

/**
 * A stand-in for model services on a free loopback port. It speaks the OpenAI API at /v1, Ollama's at /api, and the other
 * forms each below its own name (/google/v1beta/models/...), and misbehaves as told.
 */
export async function startStandIn(options: StandInOptions = {}): Promise<StandIn> {
  const state: State = {
    models: {
      ...knownModels, ...options.otherModels,
      ...(options.models ? { openai: options.models } : {}), ollama: options.ollamaModels ?? [...knownModels.ollama],
    },
    apiKey: options.apiKey ?? null,
    contextLength: options.contextLength ?? 4096,
    dimensions: options.dimensions ?? 8,
    otherwise: options.otherwise ?? {},
    queue: [],
    gates: new Set(),
    requests: [],
    loaded: new Set(),
  };
  let isGone = false;
  const server = http.createServer((request, response) => {
    response.socket?.setNoDelay(true);
    void answer(state, request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  server.keepAliveTimeout = 30_000;
  server.on('connection', (socket) => {
    if (isGone) socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: state.requests,
    read: (request) => routeOf(request.path).form.read({ ...request, path: routeOf(request.path).path }),
    next(script) {
      const gate = createGate();
      const taken = Promise.withResolvers<RecordedRequest>();
      state.queue.push({ script, gate, taken: taken.resolve });
      if (script.gated) state.gates.add(gate);
      return { request: taken.promise, release: gate.release };
    },
    release: (count) => state.gates.forEach((gate) => gate.release(count)),
    otherwise: (script) => { state.otherwise = script; },
    loaded: state.loaded,
    ollamaModels: state.models.ollama,
    vanish() {
      isGone = true;
      server.closeAllConnections();
    },
    comeBack: () => { isGone = false; },
    connections: () => new Promise((resolve, reject) => server.getConnections((error, count) => (error ? reject(error) : resolve(count)))),
    close: () => new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    }),
  };
}

interface State {
  models: Record<FormName, string[]>;
  apiKey: string | null;
  contextLength: number;
  dimensions: number;
  otherwise: Script | ((request: RecordedRequest) => Script);
  queue: { script: Script; gate: Gate; taken: (request: RecordedRequest) => void }[];
  gates: Set<Gate>;
  requests: RecordedRequest[];
  loaded: Set<string>;
}

interface Gate {
  release(count?: number): void;
  pass(): Promise<void>;
}

/** A gate that lets one piece through for each release. */
function createGate(): Gate {
  let open = 0;
  const waiting: (() => void)[] = [];
  return {
    release(count = 1) {
      open += count;
      while (open > 0 && waiting.length > 0) {
        open -= 1;
        waiting.shift()!();
      }
    },
    pass() {
      if (open > 0) {
        open -= 1;
        return Promise.resolve();
      }
      return new Promise((resolve) => waiting.push(resolve));
    },
  };
}

const forms: Record<FormName, Form> = { openai: openaiForm, ollama: ollamaForm, anthropic: anthropicForm, google: googleForm, cohere: cohereForm };

/** Names that each form offers when a test names none. */
const knownModels: Record<FormName, string[]> = {
  openai: ['gpt-4o', 'gpt-4o-mini', 'gpt-4', 'gpt-3.5-turbo', 'o3-mini', 'text-embedding-3-small', 'dall-e-3', 'gpt-image-1'],
  ollama: ['llama2:latest', 'codellama:7b', 'nomic-embed-text:latest'],
  anthropic: ['claude-sonnet-4-6', 'claude-haiku-4-5'],
  google: ['gemini-2.5-flash', 'gemini-3.8-flash', 'gemini-embedding-001'],
  cohere: ['command-a-03-2025', 'command-r7b-12-2024', 'embed-v4.0'],
};

/** The form that an address belongs to, and the path behind its prefix. */
function routeOf(path: string): { form: Form; path: string } {
  const name = path.split('/')[1] as FormName;
  const form = forms[name];
  if (form && name !== 'openai' && name !== 'ollama') return { form, path: path.slice(name.length + 1) };
  return { form: path.startsWith('/api/') ? ollamaForm : openaiForm, path };
}

async function answer(state: State, request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
  const recorded = record(state, request, response);
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  if (parts.length > 0) recorded.body = JSON.parse(Buffer.concat(parts).toString('utf8')) as RequestBody;

  const { endpoint } = recorded;
  const [, width, height] = /^\/pictures\/(\d{1,4})x(\d{1,4})\.png$/.exec(recorded.path) ?? [];
  if (width && height) return void response.writeHead(200, { 'content-type': 'image/png' }).end(whitePng(Number(width), Number(height)));
  if (recorded.path === '/api/version') return sendJson(response, 200, { version: '0.12.0' });
  if (!endpoint) return sendJson(response, 404, routeOf(recorded.path).form.errorBody(404, undefined, `Unknown request URL: ${recorded.path}`));
  const at = state.queue.findIndex((entry) => (entry.script.endpoint ?? 'chat') === endpoint);
  const entry = at < 0 ? null : state.queue.splice(at, 1)[0]!;
  const otherwise = endpoint !== 'chat' ? {} : typeof state.otherwise === 'function' ? state.otherwise(recorded) : state.otherwise;
  const script = entry?.script ?? otherwise;
  const gate = entry?.gate ?? createGate();
  if (!entry && script.gated) state.gates.add(gate);
  entry?.taken(recorded);
  await perform(state, endpoint, script, gate, recorded, response);
  state.gates.delete(gate);
}

/** Answers whose connection the stand-in itself ended: not to be taken for a client that left. */
const endedHere = new WeakSet<http.ServerResponse>();

function record(state: State, request: http.IncomingMessage, response: http.ServerResponse): RecordedRequest {
  const aborted = Promise.withResolvers<void>();
  const over = Promise.withResolvers<void>();
  const [address, query] = (request.url ?? '').split('?');
  const { form, path } = routeOf(address!);
  const recorded: RecordedRequest = {
    method: request.method ?? '', path: address!, query: query ?? '', endpoint: form.endpointOf(path), headers: request.headers, body: {},
    receivedAt: performance.now(), piecesSent: 0, abortedAt: null, aborted: aborted.promise, over: over.promise,
  };
  response.on('close', () => {
    if (!response.writableEnded && !endedHere.has(response)) {
      recorded.abortedAt = performance.now();
      aborted.resolve();
    }
    over.resolve();
  });
  state.requests.push(recorded);
  const old = state.requests[state.requests.length - 10_001];
  if (old) old.body = {};
  return recorded;
}

async function perform(state: State, endpoint: Endpoint, script: Script, gate: Gate, request: RecordedRequest, response: http.ServerResponse): Promise<void> {
  if (script.silent) return;
  if (script.firstDelayMs) await delay(script.firstDelayMs);
  const { form, path } = routeOf(request.path);
  const asked = { ...request, path };
  const said = form.read(asked);
  const refusal = refusalOf(state, script, form, endpoint === 'pull' ? { ...said, model: null } : said);
  if (refusal) return sendError(response, refusal.status, refusal.body, script.headers);
  if (script.raw) return sendRaw(script, gate, request, response);
  const model = said.model ?? '';
  if (endpoint === 'images') {
    const drawing = form.drawing!(asked, `http://${request.headers.host}/pictures`);
    return 'status' in drawing ? sendError(response, drawing.status, drawing.body) : sendJson(response, 200, drawing, script.headers);
  }
  if (endpoint === 'models') return sendJson(response, 200, form.modelList(state.models[form.name], asked), script.headers);
  if (endpoint === 'running') return sendJson(response, 200, form.running!([...state.loaded]), script.headers);
  if (endpoint === 'pull') return sendStream(script, gate, form, form.pullSteps!(script, () => addModel(state.models[form.name], model)), request, response);
  if (endpoint === 'load') {
    const unloads = asked.body['keep_alive'] === 0;
    if (unloads) state.loaded.delete(tagged(model));
    else state.loaded.add(tagged(model));
    return sendJson(response, 200, loadAnswer(model, unloads), script.headers);
  }
  if (endpoint === 'delete') {
    state.models.ollama.splice(state.models.ollama.indexOf(tagged(model)), 1);
    state.loaded.delete(tagged(model));
    return void response.writeHead(200).end();
  }
  if (endpoint === 'show') return sendJson(response, 200, form.modelDetails?.(model, state.contextLength), script.headers);
  if (endpoint === 'embeddings') {
    return sendJson(response, 200, form.embeddings(said.texts, model, (text) => vectorOf(text, state.dimensions)), script.headers);
  }
  if (form === ollamaForm) state.loaded.add(tagged(model));
  if (!said.stream) return sendWhole(script, gate, form, form.chatCompletion(script, asked, model), request, response);
  await sendStream(script, gate, form, form.chatSteps(script, asked, model), request, response);
}

/** A name of Ollama as it lists it. */
function tagged(name: string): string {
  return name.includes(':') ? name : `${name}:latest`;
}

function addModel(names: string[], name: string): void {
  if (!names.includes(tagged(name))) names.push(tagged(name));
}

/** The error this request is to get, if any: told by the script, or because the true service would refuse it. */
function refusalOf(state: State, script: Script, form: Form, said: ReadRequest): { status: number; body: unknown } | null {
  if (script.status !== undefined && script.status !== 200) {
    if (script.errorBody !== undefined) return { status: script.status, body: script.errorBody };
    return { status: script.status, body: form.errorBody(script.status, script.errorCode, script.errorMessage ?? `The stand-in was told to answer ${script.status}.`) };
  }
  if (form !== ollamaForm && state.apiKey !== null && said.key !== state.apiKey) return form.refusedKey();
  return said.model === null || form.isKnown(said.model, state.models[form.name]) ? null : form.unknownModel(said.model);
}

/** One document. Its faults strike in the middle of it; a gate and a delay stand before it. */
async function sendWhole(script: Script, gate: Gate, form: Form, document: object, request: RecordedRequest, response: http.ServerResponse): Promise<void> {
  if (script.gated) await gate.pass();
  if (script.delayMs) await delay(script.delayMs);
  const text = JSON.stringify(document);
  const kind = script.fault?.kind;
  if (kind === 'error-event') return sendJson(response, 200, form.errorDocument);
  response.writeHead(200, { 'content-type': 'application/json', ...script.headers });
  if (kind === undefined) {
    await write(response, Buffer.from(text), script.splitBytes);
    request.piecesSent += 1;
    response.end();
    return;
  }
  await write(response, Buffer.from(kind === 'garbage' ? '\u0000\u0001 no protocol' : text.slice(0, text.length / 2)));
  if (kind === 'cut') {
    endedHere.add(response);
    response.socket?.destroy();
  }
  if (kind !== 'hang' && kind !== 'cut') response.end();
}

async function sendStream(script: Script, gate: Gate, form: Form, steps: Step[], request: RecordedRequest, response: http.ServerResponse): Promise<void> {
  response.writeHead(200, {
    'content-type': form.streamType,
    ...(script.contentLength === undefined ? {} : { 'content-length': script.contentLength }),
    ...script.headers,
  });
  response.flushHeaders();
  const lineEnd = script.lineEnd ?? '\n';
  const send = (text: string): Promise<void> => write(response, Buffer.from(lineEnd === '\n' ? text : text.replaceAll('\n', lineEnd)), script.splitBytes);
  if (script.byteOrderMark) await send('\ufeff');
  // With nothing to wait for, the whole stream is one write: this is how a fast service's chunks arrive.
  if (!script.gated && !script.delayMs && !script.fault && !script.splitBytes && script.contentLength === undefined) {
    request.piecesSent = steps.filter((step) => step.piece).length;
    for (const step of steps) step.before?.();
    response.end(steps.map((step) => (lineEnd === '\n' ? step.text : step.text.replaceAll('\n', lineEnd))).join(''));
    return;
  }
  if (await sendSteps(steps, script, gate, form, send, request, response)) return;
  finish(script, response);
}

/** Sends the steps one by one; true when a fault has ended the answer. */
async function sendSteps(
  steps: Step[], script: Script, gate: Gate, form: Form,
  send: (text: string) => Promise<void>, request: RecordedRequest, response: http.ServerResponse,
): Promise<boolean> {
  let fault = script.fault;
  const strike = async (): Promise<boolean> => {
    const kind = fault!.kind;
    fault = undefined;
    if (kind === 'malformed') await send(form.malformedEvent);
    if (kind === 'garbage') await send('\u0000\u0001 this is no protocol \u0002\n\n<html>\n\n');
    if (kind === 'error-event') await send(form.errorEvent);
    if (kind === 'cut') {
      endedHere.add(response);
      response.socket?.destroy();
    }
    if (kind === 'end' || kind === 'error-event') response.end();
    return kind !== 'malformed' && kind !== 'garbage';
  };
  for (const step of steps) {
    if (step.piece) {
      if (fault && request.piecesSent >= fault.after && (await strike())) return true;
      if (script.gated) await gate.pass();
      if (script.delayMs) await delay(script.delayMs);
    } else if (fault && request.piecesSent > 0 && request.piecesSent >= fault.after && (await strike())) return true;
    if (response.destroyed) return true;
    step.before?.();
    await send(step.text);
    if (step.piece) request.piecesSent += 1;
  }
  return false;
}

async function sendRaw(script: Script, gate: Gate, request: RecordedRequest, response: http.ServerResponse): Promise<void> {
  response.writeHead(200, {
    'content-type': 'text/event-stream',
    ...(script.contentLength === undefined ? {} : { 'content-length': script.contentLength }),
    ...script.headers,
  });
  for (const part of script.raw!) {
    if (script.gated) await gate.pass();
    if (response.destroyed) return;
    await write(response, Buffer.from(part as string), script.splitBytes);
    request.piecesSent += 1;
  }
  finish(script, response);
}

/** Ends an answer; one with a declared length ends with its connection, since the declared length may be a lie. */
function finish(script: Script, response: http.ServerResponse): void {
  if (script.contentLength === undefined) {
    response.end();
    return;
  }
  endedHere.add(response);
  response.socket?.end();
}

/** Writes bytes, at once or in small parts that leave one after another. */
async function write(response: http.ServerResponse, bytes: Buffer, splitBytes = bytes.length): Promise<void> {
  for (let at = 0; at < bytes.length && !response.destroyed; at += splitBytes) {
    await new Promise<void>((resolve) => response.write(bytes.subarray(at, at + splitBytes), () => resolve()));
  }
}

function sendJson(response: http.ServerResponse, status: number, value: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));
}

function sendError(response: http.ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  if (typeof body === 'string') response.writeHead(status, { 'content-type': 'text/html', ...headers }).end(body);
  else sendJson(response, status, body, headers);
}

/** A vector that depends on the text and nothing else. */
function vectorOf(text: string, dimensions: number): number[] {
  const vector = Array.from({ length: dimensions }, () => 0);
  for (let index = 0; index < text.length; index += 1) vector[index % dimensions]! += text.charCodeAt(index) / 128;
  return vector;
}
