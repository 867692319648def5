import type { IncomingMessage } from 'node:http';
import type { Namespace, Socket } from 'socket.io';
import { ParleyError } from '../../../base/errors.ts';
import type { Credentials, Viewer } from '../../../core/accounts/index.ts';
import type { CredentialWatch } from '../credential-watch.ts';
import { showable } from '../errors.ts';
import type { DialectParts } from '../types.ts';
import { requireScope, takeFrom } from '../viewers.ts';
import type { Peer } from './admission.ts';
import { SocketConnection } from './connection.ts';
import { SocketSession, type UnknownEvents } from './session.ts';
import type { NamespaceOptions, SocketEvent, SocketNamespace } from './types.ts';
import { sendWholeFrames } from './whole-frames.ts';

/** Refused attempts to enter a namespace after which a connection is ended. */
const mostRefused = 5;

/** What a refusal tells the client, as `error.message` and `error.data` of its `connect_error`. */
interface Refusal extends Error {
  data?: { code: string; retry_after_ms?: number };
}

export interface NamespaceParts extends DialectParts {
  credentials: CredentialWatch;
  /** The ends of the connection that a first request came by. */
  peerOf(request: IncomingMessage): Peer;
}

/** Sets up one namespace: who gets in, and what happens with their events. */
export function createNamespace(parts: NamespaceParts, namespace: Namespace, options: NamespaceOptions): SocketNamespace {
  const { credentials } = parts;
  const events = new Map<string, SocketEvent>();
  const unknown: UnknownEvents = { errorEvent: options.errorEvent };
  const come: ((connection: SocketConnection) => void)[] = [];
  const gone: ((connection: SocketConnection) => void)[] = [];
  const refused = new WeakMap<object, number>();
  /** Connections that are being let in: each enters once, however often it asks before it is answered. */
  const entering = new WeakSet<object>();

  const enter = async (socket: Socket, next: (refusal?: Refusal) => void): Promise<void> => {
    if (entering.has(socket.conn)) return socket.conn.close();
    entering.add(socket.conn);
    try {
      (socket.data as { viewer?: Viewer }).viewer = await identify(parts, options, socket);
    } catch (thrown) {
      entering.delete(socket.conn);
      const count = (refused.get(socket.conn) ?? 0) + 1;
      refused.set(socket.conn, count);
      if (count > mostRefused) socket.conn.close();
      else next(refusalOf(parts, thrown));
      return;
    }
    next();
  };

  sendWholeFrames(namespace);
  namespace.use((socket, next) => void enter(socket, next));

  namespace.on('connection', (socket) => {
    entering.delete(socket.conn);
    const { viewer } = socket.data as { viewer: Viewer };
    const connection = new SocketConnection(socket, viewer);
    const session = new SocketSession(parts, options, events, unknown, connection);
    credentials.add(session);
    socket.once('disconnect', () => {
      credentials.remove(session);
      for (const listener of gone) listener(connection);
    });
    session.listen(socket, requireStillThere(parts, options, socket, viewer));
    for (const listener of come) listener(connection);
  });

  return {
    on(added, dialect) {
      for (const [name, event] of Object.entries(added)) {
        if (events.has(name)) throw new Error(`the event ${name} is there already in the namespace ${options.name}`);
        events.set(name, dialect === undefined ? event : { ...event, dialect });
      }
    },
    onUnknown: (errorEvent) => void (unknown.errorEvent = errorEvent),
    onCome: (listener) => void come.push(listener),
    onGone: (listener) => void gone.push(listener),
    emitToMany(connections, event, payload) {
      const ids = connections.filter((connection) => connection.isOpen && !connection.cutOffWhenStuck()).map(({ id }) => id);
      // Without any name it would go to everybody.
      if (ids.length > 0) namespace.to(ids).emit(event, payload);
    },
    emitToGroup(group, size, event, payload) {
      if (namespace.adapter.rooms.get(group)?.size !== size) return false;
      namespace.to(group).emit(event, payload);
      return true;
    },
    get size() {
      return namespace.sockets.size;
    },
    get events() { return [...events.keys()]; },
  };
}

/**
 * Who connects: `auth.token`, else what the first request carried (Authorization, the cookie, local trust).
 * @throws {ParleyError} `unauthorized`, `origin_refused` (a cookie from a foreign page), `forbidden`, `rate_limited`
 */
async function identify(parts: NamespaceParts, { policy, scope }: NamespaceOptions, socket: Socket): Promise<Viewer> {
  const viewer = await parts.accounts.authenticate(credentialsOf(parts, socket), policy);
  if (!viewer) throw new ParleyError('unauthorized', { message: 'Sign in first, or send a token.' });
  requireScope(viewer, scope);
  await takeFrom(parts, { name: 'requests', count: parts.settings.limits.requestsPerMinute, windowMs: 60_000 }, viewer.userId);
  return viewer;
}

/**
 * What is revoked between `identify` and the moment from which the socket is watched is told to nobody: so its credential is
 * looked at once more. @throws {ParleyError} `unauthorized`
 */
async function requireStillThere(parts: NamespaceParts, { policy }: NamespaceOptions, socket: Socket, opened: Viewer): Promise<void> {
  const viewer = await parts.accounts.authenticate(credentialsOf(parts, socket), policy);
  if (viewer?.userId !== opened.userId || viewer.role !== opened.role) throw new ParleyError('unauthorized');
}

function credentialsOf(parts: NamespaceParts, { handshake, request }: Socket): Credentials {
  return { headers: withToken(handshake.headers, handshake.auth['token']), method: 'GET', socket: parts.peerOf(request) };
}

/** A token given to the client library counts as one in the header. */
function withToken(headers: Socket['handshake']['headers'], token: unknown): Socket['handshake']['headers'] {
  if (token === undefined || token === null || token === '') return headers;
  if (typeof token !== 'string') throw new ParleyError('unauthorized');
  return { ...headers, authorization: token.toLowerCase().startsWith('bearer ') ? token : `Bearer ${token}` };
}

function refusalOf(parts: DialectParts, thrown: unknown): Refusal {
  const error = showable(thrown);
  if (error.status >= 500) parts.log.error({ errorCode: error.code, err: error.cause ?? error }, error.message);
  const refusal: Refusal = new Error(error.message);
  refusal.data = { code: error.code, ...(error.retryAfterMs === undefined ? {} : { retry_after_ms: error.retryAfterMs }) };
  return refusal;
}
