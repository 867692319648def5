import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';

/** Milliseconds a client may take to send its headers, and its whole request. */
const headersTimeoutMs = 15_000;
const requestTimeoutMs = 120_000;
/** Milliseconds an idle connection is kept; longer than the minute that many proxies use, so that they close first. */
const keepAliveTimeoutMs = 75_000;
/** Bytes of all headers of one request. */
const maxHeaderBytes = 16_384;

/** The settings that name ports. */
export type PortSetting = 'PORT' | 'ALSO_LISTEN' | 'OLLAMA_API_PORT';

/** A port that cannot be bound; the message says which, why, and what to do. */
export class PortError extends Error {}

export interface ServerHandlers {
  request: RequestListener;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

/** An HTTP server with bounded times and sizes, not listening yet. Only WebSocket upgrades leave the ordinary path. */
export function createBoundedServer(handlers: ServerHandlers): Server {
  const server = createServer(
    {
      headersTimeout: headersTimeoutMs,
      requestTimeout: requestTimeoutMs,
      keepAliveTimeout: keepAliveTimeoutMs,
      maxHeaderSize: maxHeaderBytes,
      noDelay: true,
      shouldUpgradeCallback: (request) => request.headers.upgrade?.toLowerCase() === 'websocket',
    },
    handlers.request,
  );
  server.on('upgrade', (request, socket, head) => handlers.upgrade(request, socket, head));
  server.on('clientError', answerBrokenRequest);
  server.maxRequestsPerSocket = 0;
  return server;
}

/**
 * Binds a server.
 * @throws {PortError} when the port is taken or may not be used
 */
export function listen(server: Server, host: string, port: number, setting: PortSetting): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void => reject(portError(error, host, port, setting));
    server.once('error', failed);
    server.listen({ host, port }, () => {
      server.off('error', failed);
      resolve();
    });
  });
}

export function boundAddress(server: Server): { host: string; port: number } | null {
  const address = server.address() as AddressInfo | null;
  return address && { host: address.address, port: address.port };
}

function portError(error: NodeJS.ErrnoException, host: string, port: number, setting: PortSetting): PortError {
  const other = { PORT: `PORT=${port + 1} npm start`, ALSO_LISTEN: 'another list in ALSO_LISTEN', OLLAMA_API_PORT: `OLLAMA_API_PORT=${port + 1}` }[setting];
  switch (error.code) {
    case 'EADDRINUSE':
      return new PortError(`Port ${port} on ${host} is taken by another program. Stop that one, or choose another port: ${other}`, { cause: error });
    case 'EACCES':
      return new PortError(`Port ${port} on ${host} may not be used by this user. Choose one above 1023: ${setting === 'PORT' ? 'PORT=8080 npm start' : other}`, { cause: error });
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new PortError(`${host} is not an address of this machine. Set HOST to one that is, such as 127.0.0.1.`, { cause: error });
    default:
      return new PortError(`Port ${port} on ${host} cannot be opened: ${error.message}`, { cause: error });
  }
}

/** Answers what is not HTTP, or too large or slow to be a request, and closes the connection. */
function answerBrokenRequest(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, detail] =
    error.code === 'HPE_HEADER_OVERFLOW' ? ['431 Request Header Fields Too Large', `The headers are larger than ${maxHeaderBytes} bytes.`]
    : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? ['408 Request Timeout', 'The request did not arrive in time.']
    : ['400 Bad Request', 'This is not a valid HTTP request.'];
  const body = JSON.stringify({ detail });
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}

