import type { WebSocket } from 'ws';
import { ParleyError } from '../../base/errors.ts';
import type { AuthenticationPolicy, Viewer } from '../../core/accounts/index.ts';
import {
  check, isOpen, isSlow, Later, requireScope, requireStillValidSocket, sendFrame, sendFrameAndWait, SocketSession, SocketSessions, takeFrom, typeOf,
  type CredentialWatch, type Upgrade, type UpgradeRoute,
} from '../shared/index.ts';
import { errorEvent, type AgentEvents } from './events.ts';
import type { UltimateParts } from './parts.ts';
import type { AgentSocket } from './seats.ts';

const policy: AuthenticationPolicy = { localTrust: true, cookie: true };

/** Milliseconds without any sign of the client after which it is asked for one, and after which it is given up. */
const askAfterMs = 60_000;
const giveUpAfterMs = 300_000;

/** Longest part of an unknown event's name that is repeated. */
const mostNamed = 40;

interface PlainFrame {
  type: string;
  data: unknown;
}

/** Where Socket.IO's clients connect, for a plain WebSocket: frames are JSON `{type, data}`, both ways. */
export function plainRoute(parts: UltimateParts, credentials: CredentialWatch, events: AgentEvents): UpgradeRoute {
  const sessions = new SocketSessions(parts, credentials);
  return {
    pattern: '/socket.io/',
    dialect: 'ultimate',
    async open(upgrade) {
      const viewer = await viewerOf(parts, upgrade);
      const session = new PlainSession(sessions, upgrade, viewer, events);
      session.begin();
      // What local trust has let in has no credential that could have ended meanwhile.
      if (viewer.via !== 'local-trust') await requireStillValidSocket(parts.accounts, upgrade, viewer);
    },
  };
}

/** @throws {ParleyError} `unauthorized`, `origin_refused` (a cookie from a foreign page), `rate_limited` */
async function viewerOf(parts: UltimateParts, { request, query }: Upgrade): Promise<Viewer> {
  const { accounts, settings } = parts;
  const viewer = await accounts.authenticate({ headers: request.headers, method: 'GET', queryToken: query.get('token'), socket: request.socket }, policy);
  if (!viewer) throw new ParleyError('unauthorized', { message: 'Sign in first, or send a token.' });
  await takeFrom(parts, { name: 'requests', count: settings.limits.requestsPerMinute, windowMs: 60_000 }, viewer.userId);
  return viewer;
}

/** The socket as the events see it. */
class PlainSocket implements AgentSocket {
  readonly id: string;
  readonly viewer: Viewer;
  private readonly socket: WebSocket;

  constructor(socket: WebSocket, id: string, viewer: Viewer) {
    this.socket = socket;
    this.id = id;
    this.viewer = viewer;
  }

  get isOpen(): boolean {
    return isOpen(this.socket);
  }

  get isSlow(): boolean {
    return isSlow(this.socket);
  }

  emit(event: string, payload: unknown): void {
    sendFrame(this.socket, JSON.stringify({ type: event, data: payload }));
  }

  emitAndWait(event: string, payload: unknown): Promise<void> {
    return sendFrameAndWait(this.socket, JSON.stringify({ type: event, data: payload }));
  }
}

class PlainSession extends SocketSession<PlainFrame> {
  private readonly events: AgentEvents;
  private readonly client: PlainSocket;
  private lastSignAt: number;
  private askedAt = -Infinity;

  constructor(sessions: SocketSessions, upgrade: Upgrade, viewer: Viewer, events: AgentEvents) {
    super(sessions, upgrade, viewer);
    this.events = events;
    this.client = new PlainSocket(upgrade.socket, upgrade.id, viewer);
    this.lastSignAt = sessions.parts.clock.monotonic();
  }

  begin(): void {
    const alive = (): void => {
      this.lastSignAt = this.sessions.parts.clock.monotonic();
    };
    // Programs that only listen send no frames, but their libraries answer and ask.
    this.socket.on('ping', alive);
    this.socket.on('pong', alive);
    this.listen();
    this.events.greet(this.client);
  }

  override closeWhenIdle(): void {
    const now = this.sessions.parts.clock.monotonic();
    if (now - this.lastSignAt >= giveUpAfterMs) return this.close(4408, 'no sign for five minutes');
    if (now - Math.max(this.lastSignAt, this.askedAt) < askAfterMs) return;
    this.askedAt = now;
    this.socket.ping();
  }

  protected parse(value: unknown): PlainFrame | null {
    const type = typeOf(value);
    if (type === undefined) return this.refuse('A frame is an object with a type and data.', 'invalid_json');
    return { type, data: (value as { data?: unknown }).data };
  }

  protected async handle({ type, data }: PlainFrame, arrivedAt: number): Promise<void> {
    this.lastSignAt = arrivedAt;
    try {
      const event = Object.hasOwn(this.events.table, type) ? this.events.table[type] : undefined;
      if (!event) throw new ParleyError('invalid_request', { message: `Unknown event: ${type.slice(0, mostNamed).toWellFormed()}` });
      requireScope(this.viewer, event.scope);
      const answer = await event.handle(this.client, check(event.schema, data, 'data'));
      // Its room is told what becomes of it.
      if (answer instanceof Later) answer.answer.catch((thrown: unknown) => this.noted(thrown));
    } catch (thrown) {
      const { event, payload } = errorEvent(this.noted(thrown), type.slice(0, mostNamed).toWellFormed());
      this.client.emit(event, payload);
    }
  }

  protected sendError({ message, code }: { message: string; code: string }): void {
    this.client.emit('agent_error', { event: null, code, message });
  }

  protected closed(): void {
    this.events.leave(this.client);
  }
}
