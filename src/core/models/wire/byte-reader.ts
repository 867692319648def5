import { HttpFault } from './faults.ts';

/** The body of an answer, read at the reader's own speed. */
export interface ByteReader {
  /**
   * What has come since the last call, or the next read; null at the end.
   * @throws {HttpFault} `cut`, `timeout`, `protocol` or `cancelled`
   */
  next(): Promise<Buffer[] | null>;
  /**
   * The rest as text.
   * @throws {HttpFault} `protocol` when it is larger than `maxBytes`; else as `next`
   */
  text(maxBytes: number): Promise<string>;
  /** What is still to come does not matter: it is thrown away for up to a second, so that the connection can be used again. */
  release(): void;
  /** Closes the connection at once, unless the body was read to its end. */
  close(): void;
}

/** The side of the reader that the connection fills. */
export interface ByteSink {
  data(chunk: Buffer): void;
  end(): void;
  fail(fault: HttpFault): void;
}

/** What the reader may do with its connection. */
export interface Flow {
  pause(): void;
  resume(): void;
  /** Closes the connection. */
  destroy(): void;
}

/** Bytes waiting for their reader beyond which the connection is paused, so that a fast service cannot fill the memory. */
const pauseAtBytes = 1_048_576;
/** Most bytes and milliseconds spent on reading what nobody needs. */
const releaseBytes = 65_536;
const releaseMs = 1000;

/** A reader and the sink that feeds it. */
export function createByteReader(flow: Flow): ByteReader & ByteSink {
  let waiting: Buffer[] = [];
  let waitingBytes = 0;
  let isPaused = false;
  let state: 'open' | 'released' | 'ended' | 'failed' = 'open';
  let fault: HttpFault | null = null;
  let discarded = 0;
  let releaseTimer: NodeJS.Timeout | undefined;
  let wake: (() => void) | null = null;

  const notify = (): void => {
    const waiter = wake;
    wake = null;
    waiter?.();
  };
  const take = (): Buffer[] | null => {
    if (waitingBytes > 0) {
      const chunks = waiting;
      waiting = [];
      waitingBytes = 0;
      if (isPaused) {
        isPaused = false;
        flow.resume();
      }
      return chunks;
    }
    if (fault) throw fault;
    return null;
  };
  const over = (next: 'ended' | 'failed'): void => {
    if (releaseTimer) clearTimeout(releaseTimer);
    state = next;
    notify();
  };

  const next = (): Promise<Buffer[] | null> => {
    if (waitingBytes > 0 || state !== 'open') {
      try {
        return Promise.resolve(take());
      } catch (thrown) {
        return Promise.reject(thrown as Error);
      }
    }
    return new Promise<void>((resolve) => { wake = resolve; }).then(take);
  };

  return {
    next,
    async text(maxBytes) {
      const parts: Buffer[] = [];
      let total = 0;
      for (let chunks = await next(); chunks !== null; chunks = await next()) {
        for (const chunk of chunks) total += chunk.length;
        if (total > maxBytes) {
          flow.destroy();
          throw new HttpFault('protocol', `more than ${maxBytes} bytes came`);
        }
        parts.push(...chunks);
      }
      return Buffer.concat(parts).toString('utf8');
    },
    release() {
      if (state !== 'open') return;
      state = 'released';
      waiting = [];
      waitingBytes = 0;
      if (isPaused) flow.resume();
      releaseTimer = setTimeout(() => flow.destroy(), releaseMs);
      releaseTimer.unref();
    },
    close() {
      if (state === 'open') flow.destroy();
    },
    data(chunk) {
      if (state === 'released') {
        discarded += chunk.length;
        if (discarded > releaseBytes) flow.destroy();
        return;
      }
      if (chunk.length === 0) return;
      waiting.push(chunk);
      waitingBytes += chunk.length;
      if (waitingBytes > pauseAtBytes && !isPaused) {
        isPaused = true;
        flow.pause();
      }
      notify();
    },
    end: () => over('ended'),
    fail(reason) {
      fault = reason;
      over('failed');
    },
  };
}
