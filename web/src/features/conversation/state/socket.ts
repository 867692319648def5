import { meaningOfClose, reconnectPauseMs } from './backoff.ts';
import { parseFrame, type ClientFrame, type ServerFrame } from './frames.ts';

/** How the page stands to the server. */
export type Link =
  | { kind: 'connecting' }
  | { kind: 'live' }
  /** Tries again at `until` (milliseconds since the epoch). */
  | { kind: 'waiting'; until: number }
  /** Not tried again. */
  | { kind: 'ended'; why: 'signed-out' | 'forbidden' | 'gone' };

/** What of a WebSocket is used, so that tests can give their own. */
export interface SocketLike {
  /** @throws when it is not open (yet) */
  send(text: string): void;
  close(): void;
}

export interface SocketListener {
  onMessage(data: unknown): void;
  onClose(code: number): void;
}

export interface ChatSocketOptions {
  open(listener: SocketListener): SocketLike;
  onFrame(frame: ServerFrame): void;
  onLink(link: Link): void;
  /** Between 0 and 1; spreads the attempts to connect again. */
  spread(): number;
}

/** The server says welcome within this time, or the attempt has failed. Milliseconds. */
const welcomeWithinMs = 10_000;
/** Pause between pings; the server closes after five minutes without a frame of ours. Milliseconds. */
const pingEveryMs = 25_000;
/** Something is heard within this time after a ping, or the connection is dead. Milliseconds. */
const pongWithinMs = 10_000;

/** Keeps a socket to one chat open, as long as that makes sense. */
export class ChatSocket {
  private readonly options: ChatSocketOptions;
  private socket: SocketLike | null = null;
  /** Number of the present attempt: what an earlier one still says is not listened to. */
  private attempt = 0;
  private failures = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private isWaiting = false;
  private isStopped = false;

  constructor(options: ChatSocketOptions) {
    this.options = options;
  }

  start(): void {
    this.connect();
  }

  /** Ends it for good. */
  stop(): void {
    this.isStopped = true;
    this.drop();
  }

  /** Tries again at once if it waits: the network came back, or somebody looks at the page again. */
  hurry(): void {
    if (this.isWaiting && !this.isStopped) this.connect();
  }

  /** Sends a frame; false when there is no connection to send it on. */
  send(frame: ClientFrame): boolean {
    if (!this.socket) return false;
    try {
      this.socket.send(JSON.stringify(frame));
      return true;
    } catch {
      // Still connecting, or closing at this moment: whoever comes live reads everything anew.
      return false;
    }
  }

  private connect(): void {
    this.drop();
    this.isWaiting = false;
    this.options.onLink({ kind: 'connecting' });
    const attempt = (this.attempt += 1);
    this.socket = this.options.open({
      onMessage: (data) => {
        if (attempt === this.attempt) this.receive(data);
      },
      onClose: (code) => {
        if (attempt === this.attempt) this.lost(code);
      },
    });
    this.expect(welcomeWithinMs);
  }

  private receive(data: unknown): void {
    this.plan();
    const frame = parseFrame(data);
    if (!frame) return;
    if (frame.type === 'welcome') {
      this.failures = 0;
      this.options.onLink({ kind: 'live' });
    }
    this.options.onFrame(frame);
  }

  /** Whatever is heard proves the connection; the next ping is due a while after it. */
  private plan(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.send({ type: 'ping', timestamp: new Date().toISOString() });
      this.expect(pongWithinMs);
    }, pingEveryMs);
  }

  private expect(withinMs: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.lost(1006), withinMs);
  }

  private lost(code: number): void {
    this.drop();
    if (this.isStopped) return;
    const meaning = meaningOfClose(code);
    if (meaning === 'signed-out' || meaning === 'forbidden' || meaning === 'gone') {
      this.options.onLink({ kind: 'ended', why: meaning });
      return;
    }
    this.failures += meaning === 'later' ? 5 : 1;
    const pause = reconnectPauseMs(this.failures, this.options.spread());
    this.isWaiting = true;
    this.options.onLink({ kind: 'waiting', until: Date.now() + pause });
    this.timer = setTimeout(() => this.connect(), pause);
  }

  private drop(): void {
    clearTimeout(this.timer);
    this.attempt += 1;
    this.socket?.close();
    this.socket = null;
  }
}
