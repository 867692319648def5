import { createServer, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { Server } from 'socket.io';
import { createCredentialWatch } from '../credential-watch.ts';
import { isBelow, pathOf } from '../paths.ts';
import type { DialectParts } from '../types.ts';
import { queryOf, refuseUpgrade } from '../upgrades.ts';
import { showable } from '../errors.ts';
import { createAdmission, type Admission } from './admission.ts';
import { createNamespace, type NamespaceParts } from './namespace.ts';
import type { NamespaceOptions, SocketIo, SocketNamespace } from './types.ts';

/** Where Socket.IO's clients look for it. */
export const socketIoPath = '/socket.io/';

/** Bytes of one message of a client; a greater one ends the connection. */
export const maxSocketIoBytes = 1_000_000;

/** Milliseconds a connection may be without any namespace. */
const connectMs = 10_000;

/** Times that one connection may ask for a namespace; a client that leaves and enters so often begins anew. */
const mostConnects = 200;

/** Milliseconds a closing socket has to answer the close frame. */
const closeGraceMs = 1000;

/** What is used of a connection of Engine.IO, which may be in several namespaces. */
interface EngineConnection {
  request: IncomingMessage;
  once(event: 'close', listener: () => void): void;
  on(event: 'data', listener: (packet: unknown) => void): void;
  close(discard: boolean): void;
}

/**
 * Ends a connection that asks for namespaces without end: each is answered, also to a client that has proven nothing and
 * reads no answer, for which the answers would pile up.
 */
function boundConnects(connection: EngineConnection): void {
  let connects = 0;
  connection.on('data', (packet) => {
    if (typeof packet === 'string' && packet.startsWith('0') && (connects += 1) > mostConnects) connection.close(true);
  });
}

/** Whether a request with this `sid` asks for a new connection, as Engine.IO sees it. */
export function isHandshake(sid: unknown): boolean {
  return sid === undefined || sid === null || sid === '';
}

export function createSocketIo(parts: DialectParts, addressOf: (request: IncomingMessage) => string): SocketIo {
  const { limiter, metrics, settings } = parts;
  // It never listens: Socket.IO hangs its handlers on it, and gets what our routes and our upgrade router hand over.
  const doors = createServer();
  const io = new Server({
    path: socketIoPath, maxHttpBufferSize: maxSocketIoBytes, connectTimeout: connectMs, destroyUpgrade: false, serveClient: true,
    httpCompression: false, perMessageDeflate: false, cleanupEmptyChildNamespaces: true,
    // Engine.IO reads addresses by itself: whatever it takes for a handshake must have been counted as one.
    allowRequest: (request, decide) => decide(null, admission.has(request)),
  });
  io.attach(doors);
  doors.removeAllListeners('upgrade');
  const admission = createAdmission({ socketsPerAddress: settings.limits.socketsPerAddress, addressOf, limiter, metrics });
  io.engine.on('connection', (connection: EngineConnection) => {
    const { request } = connection;
    admission.opened(request);
    connection.once('close', () => admission.gone(request));
    boundConnects(connection);
  });
  io.engine.on('connection_error', ({ req }: { req: IncomingMessage }) => admission.gone(req));
  const credentials = createCredentialWatch(parts.accounts, parts.clock);
  const upgraded = new Set<Duplex>();

  return {
    namespace: namespaces({ ...parts, credentials, peerOf: admission.peerOf }, io),
    admit: (request) => admit(parts, admission, request),
    handleRequest: (request, response) => void doors.emit('request', request, response),
    takes: (request) => isBelow(pathOf(request.url ?? '/'), '/socket.io') && queryOf(request.url ?? '/').has('EIO'),
    handle(request, socket, head) {
      upgraded.add(socket);
      socket.once('close', () => upgraded.delete(socket));
      const isNew = isHandshake(queryOf(request.url ?? '/').get('sid'));
      void (isNew ? admit(parts, admission, request) : Promise.resolve())
        .then(() => io.engine.handleUpgrade(request, socket, head))
        .catch((thrown: unknown) => refuseUpgrade(socket, showable(thrown)));
    },
    async closeAll() {
      credentials.stop();
      await io.close();
      await Promise.all([...upgraded].map((socket) => closed(socket)));
    },
  };
}

function namespaces(parts: NamespaceParts, io: Server): SocketIo['namespace'] {
  const made = new Map<string, { options: NamespaceOptions; namespace: SocketNamespace }>();
  return (options) => {
    const known = made.get(options.name);
    if (!known) {
      const namespace = createNamespace(parts, io.of(options.name), options);
      made.set(options.name, { options, namespace });
      return namespace;
    }
    const same = (['localTrust', 'cookie'] as const).every((part) => known.options.policy[part] === options.policy[part]) && known.options.scope === options.scope;
    if (!same) throw new Error(`the namespace ${options.name} lets others in already`);
    return known.namespace;
  };
}

/**
 * Whose process a connection of this machine belongs to is found out now, and kept: when a client that polls enters a
 * namespace, the connection of its first request may be gone.
 */
async function admit({ accounts }: DialectParts, admission: Admission, request: IncomingMessage): Promise<void> {
  await admission.admit(request);
  await accounts.authenticate({ headers: { ...request.headers, authorization: undefined }, method: 'GET', socket: admission.peerOf(request) }, { localTrust: true, cookie: false });
}

function closed(socket: Duplex): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => socket.destroy(), closeGraceMs);
    socket.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
    socket.resume();
  });
}
