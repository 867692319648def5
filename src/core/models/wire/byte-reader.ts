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
export class BufferedReader implements ByteReader, ByteSink {
  readonly #flow: Flow;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #isPaused = false;
  #state: 'open' | 'released' | 'over' = 'open';
  #fault: HttpFault | null = null;
  #discarded = 0;
  #releaseTimer: NodeJS.Timeout | undefined;
  #wake: (() => void) | null = null;

  constructor(flow: Flow) {
    this.#flow = flow;
  }

  next(): Promise<Buffer[] | null> {
    if (this.#waitingBytes === 0 && this.#state === 'open') {
      return new Promise<void>((resolve) => { this.#wake = resolve; }).then(() => this.#take());
    }
    try {
      return Promise.resolve(this.#take());
    } catch (thrown) {
      return Promise.reject(thrown as HttpFault);
    }
  }

  async text(maxBytes: number): Promise<string> {
    const parts: Buffer[] = [];
    let total = 0;
    for (let chunks = await this.next(); chunks !== null; chunks = await this.next()) {
      for (const chunk of chunks) total += chunk.length;
      if (total > maxBytes) {
        this.#flow.destroy();
        throw new HttpFault('protocol', `more than ${maxBytes} bytes came`);
      }
      parts.push(...chunks);
    }
    return Buffer.concat(parts).toString('utf8');
  }

  release(): void {
    if (this.#state !== 'open') return;
    this.#state = 'released';
    this.#take();
    this.#releaseTimer = setTimeout(() => this.#flow.destroy(), releaseMs);
    this.#releaseTimer.unref();
  }

  close(): void {
    if (this.#state === 'open') this.#flow.destroy();
  }

  data(chunk: Buffer): void {
    if (this.#state === 'released') {
      this.#discarded += chunk.length;
      if (this.#discarded > releaseBytes) this.#flow.destroy();
      return;
    }
    if (chunk.length === 0) return;
    this.#waiting.push(chunk);
    this.#waitingBytes += chunk.length;
    if (this.#waitingBytes > pauseAtBytes && !this.#isPaused) {
      this.#isPaused = true;
      this.#flow.pause();
    }
    this.#notify();
  }

  end(): void {
    clearTimeout(this.#releaseTimer);
    this.#state = 'over';
    this.#notify();
  }

  fail(fault: HttpFault): void {
    this.#fault = fault;
    this.end();
  }

  /** What waits; without that the fault, or null for the end. */
  #take(): Buffer[] | null {
    if (this.#waitingBytes === 0) {
      if (this.#fault) throw this.#fault;
      return null;
    }
    const chunks = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    if (this.#isPaused) {
      this.#isPaused = false;
      this.#flow.resume();
    }
    return chunks;
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }
}
