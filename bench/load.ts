import net from 'node:net';

/** What is asked, over and over. */
export interface Asked {
  port: number;
  path: string;
  headers: Record<string, string>;
  body: object;
  /** The whole text of a right answer; every 32nd answer is held against it. */
  text: string;
  /** Whether to count the words that come, one for each chunk of the model: events hold as many as came together. */
  countWords?: boolean;
}

/** How requests follow each other. */
export type Pace =
  /** Each connection asks again as soon as it was answered. */
  | { kind: 'closed'; connections: number; seconds: number }
  /** Requests begin by themselves, at random moments around this rate, whatever the server does. */
  | { kind: 'open'; perSecond: number; seconds: number }
  /** So many at the same moment, so often, with a pause between. */
  | { kind: 'at-once'; streams: number; times: number; pauseMs: number };

export interface LoadResult {
  seconds: number;
  /** Answers that came whole. */
  answers: number;
  /** Server-sent events with text. */
  events: number;
  /** Words of the mock, when they are counted; else 0. */
  words: number;
  /** What went wrong, counted. */
  failures: Record<string, number>;
  /** Milliseconds from the request to the first text; sorted. */
  firstTextMs: number[];
  /** Milliseconds from the request to the end; sorted. */
  totalMs: number[];
}

/** Milliseconds after which an answer counts as failed. */
const deadlineMs = 60_000;
const verifyEvery = 32;

/**
 * Drives an endpoint over loopback with its own HTTP/1.1 client, so that the client is not what is measured.
 * @param seed chooses the moments of an open pace, so that several loads at once do not beat together
 */
export async function load(asked: Asked, pace: Pace, seed = 1): Promise<LoadResult> {
  const run = new LoadRun(asked);
  const began = performance.now();
  if (pace.kind === 'closed') await closed(run, pace);
  else if (pace.kind === 'open') await open(run, pace, seed);
  else await atOnce(run, pace);
  run.close();
  return { ...run.result, seconds: (performance.now() - began) / 1000, firstTextMs: run.result.firstTextMs.sort(byValue), totalMs: run.result.totalMs.sort(byValue) };
}

const byValue = (one: number, other: number): number => one - other;

/** The value below which this share of the sorted samples lies; null without samples. */
export function percentile(sorted: readonly number[], share: number): number | null {
  if (sorted.length === 0) return null;
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))]!;
}

async function closed(run: LoadRun, { connections, seconds }: Extract<Pace, { kind: 'closed' }>): Promise<void> {
  const end = performance.now() + seconds * 1000;
  await Promise.all(Array.from({ length: connections }, async () => {
    while (performance.now() < end) await run.ask();
  }));
}

async function open(run: LoadRun, { perSecond, seconds }: Extract<Pace, { kind: 'open' }>, seed: number): Promise<void> {
  const began = performance.now();
  const running: Promise<void>[] = [];
  let due = 0;
  // Exponential gaps from a fixed row of numbers: arrivals of many people who know nothing of each other.
  let state = seed;
  const gap = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (-Math.log((state + 1) / 2 ** 32) * 1000) / perSecond;
  };
  for (;;) {
    due += gap();
    if (due > seconds * 1000) break;
    const wait = began + due - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    running.push(run.ask());
  }
  await Promise.all(running);
}

async function atOnce(run: LoadRun, { streams, times, pauseMs }: Extract<Pace, { kind: 'at-once' }>): Promise<void> {
  for (let time = 0; time < times; time += 1) {
    await Promise.all(Array.from({ length: streams }, () => run.ask()));
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

class LoadRun {
  readonly result: Omit<LoadResult, 'seconds'> = { answers: 0, events: 0, words: 0, failures: {}, firstTextMs: [], totalMs: [] };
  private readonly asked: Asked;
  private readonly request: Buffer;
  private readonly idle: Connection[] = [];
  private started = 0;

  constructor(asked: Asked) {
    this.asked = asked;
    const body = JSON.stringify(asked.body);
    const head = [`POST ${asked.path} HTTP/1.1`, `host: 127.0.0.1:${asked.port}`, 'content-type: application/json', `content-length: ${Buffer.byteLength(body)}`, ...Object.entries(asked.headers).map(([name, value]) => `${name}: ${value}`)];
    this.request = Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`);
  }

  async ask(): Promise<void> {
    const connection = this.idle.pop() ?? (await Connection.open(this.asked.port));
    const verify = this.started % verifyEvery === 0;
    this.started += 1;
    const began = performance.now();
    const answer = await connection.ask(this.request, verify, this.asked.countWords ?? false);
    const { result } = this;
    const failure = answer.failure ?? (verify && !answer.text.includes(this.asked.text) ? 'wrong text' : null);
    if (failure === null) {
      result.answers += 1;
      if (answer.firstText !== null) result.firstTextMs.push(answer.firstText - began);
      result.totalMs.push(performance.now() - began);
    } else result.failures[failure] = (result.failures[failure] ?? 0) + 1;
    result.events += answer.events;
    result.words += answer.words;
    if (connection.isOpen) this.idle.push(connection);
    // A refused connection must not make this loop spin.
    else if (failure !== null) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  close(): void {
    for (const connection of this.idle) connection.close();
  }
}

interface Answer {
  failure: string | null;
  /** `performance.now()` when the first text came. */
  firstText: number | null;
  events: number;
  words: number;
  /** All text, when it was asked for. */
  text: string;
}

const mark = Buffer.from('"content":"');
/** What each word of the mock begins with; nothing else in an answer holds it. */
const wordMark = Buffer.from('word');
const quote = '"'.charCodeAt(0);
const lineFeed = 10;
const noBytes = Buffer.alloc(0);

/** One kept connection and the answer that comes on it. Reads chunked and counted bodies. */
class Connection {
  isOpen = true;
  private readonly socket: net.Socket;
  private state: 'idle' | 'head' | 'size' | 'data' | 'counted' = 'idle';
  private rest: Buffer | null = null;
  private needed = 0;
  private last = false;
  private status = 0;
  private closes = false;
  /** The end of the last piece of body, where an event may have been cut. */
  private tail: Buffer | null = null;
  private body: Buffer[] | null = null;
  private countsWords = false;
  /** The end of the last piece, where a word may have been cut. */
  private wordTail: Buffer = noBytes;
  private isStream = false;
  private isChunked = false;
  private answer: Answer = { failure: null, firstText: null, events: 0, words: 0, text: '' };
  private settle: (answer: Answer) => void = () => undefined;

  static open(port: number): Promise<Connection> {
    return new Promise((resolve) => {
      const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
      const connection = new Connection(socket);
      socket.once('connect', () => resolve(connection));
      socket.once('close', () => resolve(connection));
    });
  }

  private constructor(socket: net.Socket) {
    this.socket = socket;
    socket.on('data', (data) => this.take(data));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.isOpen = false;
      if (this.state !== 'idle') this.finish('broken off');
    });
  }

  ask(request: Buffer, keepBody: boolean, countsWords: boolean): Promise<Answer> {
    if (!this.isOpen) return Promise.resolve({ failure: 'not connected', firstText: null, events: 0, words: 0, text: '' });
    this.state = 'head';
    this.tail = null;
    this.last = false;
    this.body = keepBody ? [] : null;
    this.countsWords = countsWords;
    this.wordTail = noBytes;
    this.answer = { failure: null, firstText: null, events: 0, words: 0, text: '' };
    this.socket.write(request);
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.finish('too late'), deadlineMs);
      this.settle = (answer) => {
        clearTimeout(timer);
        resolve(answer);
      };
    });
  }

  close(): void {
    this.socket.destroy();
  }

  private finish(failure: string | null): void {
    if (this.state === 'idle') return;
    this.state = 'idle';
    if (failure === 'too late' || this.closes) this.socket.destroy();
    if (this.body) this.answer.text = contentOf(Buffer.concat(this.body).toString('utf8'), this.isStream);
    this.settle({ ...this.answer, failure: failure ?? (this.status === 200 ? null : `status ${this.status}`) });
  }

  private take(data: Buffer): void {
    let bytes = this.rest === null ? data : Buffer.concat([this.rest, data]);
    this.rest = null;
    let at = 0;
    while (at < bytes.length && this.state !== 'idle') {
      if (this.state === 'head') {
        const end = bytes.indexOf('\r\n\r\n', at);
        if (end < 0) break;
        this.readHead(bytes.toString('latin1', at, end).toLowerCase());
        at = end + 4;
        if (this.needed === 0 && !this.isChunked) this.finish(null);
      } else if (this.state === 'size') {
        const end = bytes.indexOf(lineFeed, at);
        if (end < 0) break;
        const size = parseInt(bytes.toString('latin1', at, end), 16);
        at = end + 1;
        if (Number.isNaN(size)) {
          // The line end behind a chunk, or the last one of all.
          if (this.last) this.finish(null);
        } else if (size === 0) this.last = true;
        else {
          this.needed = size;
          this.state = 'data';
        }
      } else {
        const count = Math.min(this.needed, bytes.length - at);
        this.read(bytes.subarray(at, at + count));
        at += count;
        this.needed -= count;
        if (this.needed === 0) {
          if (this.state === 'counted') this.finish(null);
          else this.state = 'size';
        }
      }
    }
    if (at < bytes.length) {
      bytes = bytes.subarray(at);
      this.rest = bytes;
    }
  }

  private readHead(head: string): void {
    this.status = Number(head.slice(9, 12));
    this.closes = /\r\nconnection: *close/.test(head);
    this.isStream = head.includes('text/event-stream');
    const length = /\r\ncontent-length: *(\d+)/.exec(head)?.[1];
    this.needed = Number(length ?? 0);
    this.isChunked = length === undefined;
    this.state = this.isChunked ? 'size' : 'counted';
  }

  private countWords(piece: Buffer): void {
    const bytes = this.wordTail.length === 0 ? piece : Buffer.concat([this.wordTail, piece]);
    for (let found = bytes.indexOf(wordMark); found >= 0; found = bytes.indexOf(wordMark, found + wordMark.length)) this.answer.words += 1;
    this.wordTail = Buffer.from(bytes.subarray(Math.max(0, bytes.length - wordMark.length + 1)));
  }

  /** Counts the events with text in a piece of the body. */
  private read(piece: Buffer): void {
    this.body?.push(Buffer.from(piece));
    if (this.countsWords) this.countWords(piece);
    const bytes = this.tail === null ? piece : Buffer.concat([this.tail, piece]);
    let from = 0;
    for (let found = bytes.indexOf(mark); found >= 0; found = bytes.indexOf(mark, from)) {
      if (found + mark.length >= bytes.length) break;
      from = found + mark.length;
      if (bytes[from] === quote) continue;
      this.answer.events += 1;
      this.answer.firstText ??= performance.now();
    }
    // Enough to find a mark that was cut; what was counted is left out.
    const keep = Math.max(from, bytes.length - mark.length);
    this.tail = keep < bytes.length ? Buffer.from(bytes.subarray(keep)) : null;
  }
}

/** The text of an answer, streamed or whole. */
function contentOf(body: string, isStream: boolean): string {
  if (!isStream) return body;
  return body
    .split('\n\n')
    .filter((event) => event.startsWith('data: {'))
    .map((event) => (JSON.parse(event.slice(6)) as { choices?: { delta?: { content?: string | null } }[] }).choices?.[0]?.delta?.content ?? '')
    .join('');
}
