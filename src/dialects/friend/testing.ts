import type { TestServer, TestUser } from '../testing.ts';

/** One event of a stream, as a browser would give it. */
export interface StreamEvent {
  event: string;
  id: string | null;
  data: string;
}

/** A stream that is being read. */
export interface TestStream {
  status: number;
  headers: Headers;
  /** The body of an answer that is no stream. */
  text(): Promise<string>;
  /** The next event, comments and blocks without data left out; null at the end. */
  next(): Promise<StreamEvent | null>;
  /** All events up to the end. */
  rest(): Promise<StreamEvent[]>;
  /** The last id that was seen, also of blocks without data. */
  lastId(): string | null;
  close(): Promise<void>;
}

/** Opens a stream; resolves with its headers. */
export async function openStream(server: Pick<TestServer, 'url'>, query: string, options: { as?: Pick<TestUser, 'headers'>; lastId?: string | null; headers?: Record<string, string> } = {}): Promise<TestStream> {
  const abort = new AbortController();
  const response = await fetch(`${server.url}/api/chat/stream?${query}`, {
    headers: { ...options.as?.headers, ...options.headers, ...(options.lastId ? { 'last-event-id': options.lastId } : {}) },
    signal: AbortSignal.any([abort.signal, AbortSignal.timeout(10_000)]),
  });
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  const decoder = new TextDecoder();
  let buffered = '';
  let lastId: string | null = null;
  const next = async (): Promise<StreamEvent | null> => {
    for (;;) {
      const end = buffered.indexOf('\n\n');
      if (end === -1) {
        reader ??= response.body!.getReader();
        const piece = await reader.read();
        if (piece.done) return null;
        buffered += decoder.decode(piece.value, { stream: true });
        continue;
      }
      const block = parsed(buffered.slice(0, end));
      buffered = buffered.slice(end + 2);
      lastId = block.id ?? lastId;
      if (block.data !== null) return { event: block.event, id: block.id, data: block.data };
    }
  };
  return {
    status: response.status,
    headers: response.headers,
    text: () => response.text(),
    next,
    async rest() {
      const events = [];
      for (let event = await next(); event !== null; event = await next()) events.push(event);
      return events;
    },
    lastId: () => lastId,
    async close() {
      abort.abort();
      await reader?.cancel().catch(() => undefined);
    },
  };
}

/** The fields of one block (WHATWG, server-sent events). */
function parsed(block: string): { event: string; id: string | null; data: string | null } {
  const data: string[] = [];
  let event = 'message';
  let id: string | null = null;
  for (const line of block.split('\n')) {
    const [, field, value] = /^([^:]*):? ?(.*)$/s.exec(line)!;
    if (field === 'data') data.push(value!);
    else if (field === 'event') event = value!;
    else if (field === 'id') id = value!;
  }
  return { event, id, data: data.length === 0 ? null : data.join('\n') };
}

/** What the words of a stream add up to. */
export function joined(events: readonly StreamEvent[]): string {
  return events.filter(({ event }) => event === 'message').map(({ data }) => data).join(' ');
}
