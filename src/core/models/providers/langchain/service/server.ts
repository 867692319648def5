import { timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ReplyEvent } from '../../../types.ts';
import { createHttpClient, type HttpClient } from '../../../wire/index.ts';
import { toWire } from '../events.ts';
import { answer } from './answering.ts';
import { questionForm, type Question } from './question.ts';

/** How the service is run. */
export interface ServiceOptions {
  /** An address of this machine. */
  host: string;
  /** 0 for any free one. */
  port: number;
  /** What every request must carry as bearer token. */
  secret: string;
  /** Milliseconds between two signs of life of an answer that is waited for. */
  aliveMs: number;
}

export interface RunningService {
  port: number;
  /** Takes nothing new and resolves when the answers that are being made have ended. */
  drain(): Promise<void>;
  /** Breaks off everything. */
  close(): Promise<void>;
}

/** Most bytes of a question: histories of long conversations with pictures. */
const maxQuestionBytes = 64 * 1_048_576;
/** Milliseconds without a byte from a model service when the question names none; each names its own. */
const upstreamTimeoutMs = 120_000;

/**
 * The LangChain service: GET /health, POST /chat (the answer in one document), POST /stream (as server-sent events). Whoever
 * closes the connection ends the call to the model.
 * @throws {Error} when the port cannot be had
 */
export async function startLangchainServer(options: ServiceOptions): Promise<RunningService> {
  const service = new LangchainServer(options);
  const server = createServer((request, response) => void service.handle(request, response));
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  const ended = (): Promise<void> => new Promise((resolve) => server.close(() => resolve()));
  return {
    port: (server.address() as AddressInfo).port,
    drain: ended,
    async close() {
      const over = ended();
      server.closeAllConnections();
      await over;
      await service.client.close();
    },
  };
}

class LangchainServer {
  readonly client: HttpClient = createHttpClient(upstreamTimeoutMs);
  private readonly options: ServiceOptions;
  private readonly expected: Buffer;
  private running = 0;

  constructor(options: ServiceOptions) {
    this.options = options;
    this.expected = Buffer.from(`Bearer ${options.secret}`);
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!this.isKnown(request.headers.authorization)) return refuse(response, 401, 'The secret of this service is missing or wrong.');
    const { method, url } = request;
    if (method === 'GET' && url === '/health') return send(response, 200, { status: 'healthy', running: this.running, uptime_seconds: Math.round(process.uptime() * 100) / 100 });
    if (method !== 'POST' || (url !== '/chat' && url !== '/stream')) return refuse(response, 404, 'There are GET /health, POST /chat and POST /stream.');
    let question: Question;
    try {
      question = await readQuestion(request);
    } catch (thrown) {
      const tooLarge = thrown instanceof RangeError;
      return refuse(response, tooLarge ? 413 : 400, tooLarge ? thrown.message : 'The question has not the form that is documented.');
    }
    await this.answer(question, url === '/chat', response);
  }

  private isKnown(authorization: string | undefined): boolean {
    const given = Buffer.from(authorization ?? '');
    return given.length === this.expected.length && timingSafeEqual(given, this.expected);
  }

  /** The head goes out before the model is asked: from then on the caller hears that this process is alive. */
  private async answer(question: Question, isWhole: boolean, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    response.writeHead(200, { 'content-type': isWhole ? 'application/json' : 'text/event-stream; charset=utf-8', 'cache-control': 'no-store' });
    response.flushHeaders();
    // Blanks mean nothing in front of JSON, and comments nothing between events.
    const alive = setInterval(() => response.write(isWhole ? ' ' : ': alive\n\n'), this.options.aliveMs);
    this.running += 1;
    const events: ReplyEvent[] = [];
    try {
      for await (const batch of answer(question, isWhole, this.client, gone.signal)) {
        if (isWhole) events.push(...batch);
        else if (!response.write(batch.map(eventText).join(''))) await drained(response, gone.signal);
      }
    } finally {
      this.running -= 1;
      clearInterval(alive);
      response.end(isWhole ? JSON.stringify({ events: events.map(toWire) }) : '');
    }
  }
}

function eventText(event: ReplyEvent): string {
  return `data: ${JSON.stringify(toWire(event))}\n\n`;
}

/** Waits for a reader that is slower than the model, or for its end. */
function drained(response: ServerResponse, gone: AbortSignal): Promise<void> {
  if (gone.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done);
      gone.removeEventListener('abort', done);
      resolve();
    };
    response.once('drain', done);
    gone.addEventListener('abort', done, { once: true });
  });
}

/** @throws {RangeError} for one that is too large; other errors for what is no question */
async function readQuestion(request: IncomingMessage): Promise<Question> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > maxQuestionBytes) throw new RangeError(`A question may have ${maxQuestionBytes / 1_048_576} MB.`);
    parts.push(part);
  }
  return questionForm.parse(JSON.parse(Buffer.concat(parts).toString('utf8')));
}

function refuse(response: ServerResponse, status: number, message: string): void {
  send(response, status, { error: { message } });
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end(JSON.stringify(body));
}
