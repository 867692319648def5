import { STATUS_CODES, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import { asParleyError, errorTable, isFault, ParleyError } from '../../base/errors.ts';
import type { Limiter } from '../../base/limits/index.ts';
import type { Log, Metrics } from '../../base/observability/index.ts';
import { ambiguity } from './addresses.ts';
import type { DialectSwitches } from './switches.ts';
import { pathOf, patternNames, patternToExpression } from './paths.ts';

/** Bytes of one frame from a client; a greater one closes the socket with 1009. */
export const maxFrameBytes = 65_536;

/** Milliseconds a closing socket has to answer the close frame. */
const closeGraceMs = 1000;

/**
 * A WebSocket that has just been opened, before anything of the request is believed. Whoever takes it over keeps what it
 * needs of it, not the whole: an idle socket would hold its request, as much memory as the socket itself.
 */
export interface Upgrade {
  socket: WebSocket;
  request: IncomingMessage;
  /** Values of the `:names` of the pattern, decoded. */
  params: Record<string, string>;
  query: URLSearchParams;
  /** Its number in this process, for logs. */
  id: string;
}

/** One WebSocket address. */
export interface UpgradeRoute {
  /** Path with `:names`, such as `/rooms/:id/ws`. */
  pattern: string;
  /** Label in metrics. */
  dialect: string;
  /**
   * Takes the socket over. No frame is read before it has resolved, so listeners may be set after waiting. What it
   * throws closes the socket with the code of the error.
   */
  open(upgrade: Upgrade): Promise<void>;
}

/** Sockets of a protocol that makes its own handshake. */
export interface ForeignUpgrades {
  /** Whether a request is for it. */
  takes(request: IncomingMessage): boolean;
  /** Takes the connection over; it has a listener for errors. */
  handle(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Closes all its sockets and resolves when they are gone, at the latest after a second. */
  closeAll(): Promise<void>;
}

/** The only listener of `upgrade`: gives each request to the route of its path, and ends all others with 404. */
export interface UpgradeRouter {
  add(route: UpgradeRoute): void;
  addForeign(foreign: ForeignUpgrades): void;
  /** Answers 501 at an address that a document names but that is not built yet. */
  addNotBuilt(pattern: string): void;
  routes(): readonly UpgradeRoute[];
  handle(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Closes the sockets of one dialect: it was switched off. */
  closeOf(dialect: string): void;
  /** Refuses new sockets from now on. */
  refuseNew(): void;
  /** Closes all sockets with 1001 and resolves when they are gone, at the latest after a second. */
  closeAll(): Promise<void>;
}

interface RouterParts {
  /** Open sockets one address may have. */
  socketsPerAddress: number;
  addressOf(request: IncomingMessage): string;
  limiter: Pick<Limiter, 'hold'>;
  log: Log;
  metrics: Metrics;
  switches?: DialectSwitches;
}

interface CompiledRoute {
  route: UpgradeRoute;
  expression: RegExp;
  names: string[];
}

/** What is kept of an open socket. */
interface OpenSocket {
  /** Its number in this process, for logs. */
  id: string;
  dialect: string;
  /** Gives its place among the sockets of its address back. */
  giveBack: (() => void) | null;
}

export function createUpgradeRouter(parts: RouterParts): UpgradeRouter {
  const server = new WebSocketServer({ noServer: true, maxPayload: maxFrameBytes, perMessageDeflate: false, clientTracking: true });
  const routes: CompiledRoute[] = [];
  const notBuilt: RegExp[] = [];
  const foreigners: ForeignUpgrades[] = [];
  let refusing = false;
  const open = new Map<WebSocket, OpenSocket>();
  let opened = 0;
  // One listener for all: a function made for each socket would keep the request, with its headers, as long as the socket.
  const noteFailure = (error: Error): void => parts.log.debug({ err: error }, 'upgrade failed');
  const noteSocketFailure = function noteSocketFailure(this: WebSocket, error: Error): void {
    parts.log.debug({ socketId: open.get(this)?.id, err: error }, 'socket failed');
  };
  const noteClose = function noteClose(this: WebSocket): void {
    const entry = open.get(this);
    if (!entry) return;
    open.delete(this);
    entry.giveBack?.();
    parts.metrics.sockets.dec({ dialect: entry.dialect });
  };

  const accept = async ({ route, params }: Match, request: IncomingMessage, socket: WebSocket): Promise<void> => {
    const entry: OpenSocket = { id: `${(opened += 1)}`, dialect: route.dialect, giveBack: null };
    open.set(socket, entry);
    parts.metrics.sockets.inc({ dialect: entry.dialect });
    socket.on('close', noteClose);
    socket.on('error', noteSocketFailure);
    socket.pause();
    try {
      const giveBack = await parts.limiter.hold({ name: 'sockets', count: parts.socketsPerAddress }, parts.addressOf(request));
      if (!open.has(socket)) return giveBack?.();
      if (!giveBack) return socket.close(errorTable.rate_limited.closeCode, 'too many sockets');
      entry.giveBack = giveBack;
      if (parts.switches?.isOn(route.dialect) === false) throw new ParleyError('switched_off');
      await route.open({ socket, request, params, query: queryOf(request.url ?? '/'), id: entry.id });
    } catch (thrown) {
      const error = asParleyError(thrown);
      if (isFault(error)) parts.log.error({ socketId: entry.id, errorCode: error.code, err: error.cause ?? error }, error.message);
      socket.close(error.closeCode, closeReason(error.message));
    } finally {
      socket.resume();
    }
  };

  return {
    add: (route) => void routes.push({ route, expression: patternToExpression(route.pattern), names: patternNames(route.pattern) }),
    addForeign: (foreign) => void foreigners.push(foreign),
    addNotBuilt: (pattern) => void notBuilt.push(patternToExpression(pattern)),
    routes: () => routes.map(({ route }) => route),
    handle(request, socket, head) {
      socket.on('error', noteFailure);
      if (refusing) return refuse(socket, 503);
      if (ambiguity(request) !== null) return refuse(socket, 400);
      const foreign = foreigners.find((candidate) => candidate.takes(request));
      if (foreign) return foreign.handle(request, socket, head);
      const path = pathOf(request.url ?? '/');
      const found = matched(routes, path);
      if (found) return server.handleUpgrade(request, socket, head, (opened) => void accept(found, request, opened));
      refuse(socket, notBuilt.some((expression) => expression.test(path)) ? 501 : 404);
    },
    closeOf: (dialect) => closeSockets(open, dialect),
    refuseNew() {
      refusing = true;
    },
    async closeAll() {
      refusing = true;
      await Promise.all([...[...server.clients].map((socket) => closed(socket)), ...foreigners.map((foreign) => foreign.closeAll())]);
    },
  };
}

/** Ends the sockets of a dialect that was switched off. */
function closeSockets(open: ReadonlyMap<WebSocket, OpenSocket>, dialect: string): void {
  const { closeCode, sentence } = errorTable.switched_off;
  for (const [socket, entry] of open) if (entry.dialect === dialect) socket.close(closeCode, closeReason(sentence));
}

/** A route that stands at an address, with the values of its names there. */
interface Match {
  route: UpgradeRoute;
  params: Record<string, string>;
}

function matched(routes: readonly CompiledRoute[], path: string): Match | null {
  for (const { route, expression, names } of routes) {
    const groups = decodedGroups(expression.exec(path));
    if (groups) return { route, params: Object.fromEntries(names.map((name, at) => [name, groups[at]!])) };
  }
  return null;
}

/** The text of a close frame: at most 123 bytes of UTF-8. */
export function closeReason(message: string): string {
  let reason = message.slice(0, 120);
  while (Buffer.byteLength(reason) > 123) reason = reason.slice(0, -1);
  return reason.toWellFormed();
}

/** What stands behind the question mark. */
export function queryOf(url: string): URLSearchParams {
  const at = url.indexOf('?');
  return new URLSearchParams(at < 0 ? '' : url.slice(at + 1));
}

/** The groups of a match with percent-encoding undone; null when there is no match or the encoding is broken. */
function decodedGroups(match: RegExpExecArray | null): string[] | null {
  if (!match) return null;
  try {
    return match.slice(1).map((group) => decodeURIComponent(group));
  } catch {
    return null;
  }
}

const refusals = {
  400: errorTable.invalid_request.sentence,
  404: 'No WebSocket is served at this address.',
  501: errorTable.not_implemented.sentence,
  503: errorTable.shutting_down.sentence,
} as const;

function refuse(socket: Duplex, status: keyof typeof refusals): void {
  endWith(socket, status, refusals[status]);
}

/** Answers a request to upgrade with an error in place of a socket. */
export function refuseUpgrade(socket: Duplex, error: ParleyError): void {
  endWith(socket, error.status, error.message);
}

function endWith(socket: Duplex, status: number, detail: string): void {
  const body = JSON.stringify({ detail });
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Error'}\r\nConnection: close\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

function closed(socket: WebSocket): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => socket.terminate(), closeGraceMs);
    socket.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
    socket.resume();
    socket.close(errorTable.shutting_down.closeCode, 'server shuts down');
  });
}
