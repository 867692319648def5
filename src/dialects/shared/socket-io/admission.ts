import type { IncomingMessage } from 'node:http';
import { ParleyError } from '../../../base/errors.ts';
import type { Credentials } from '../../../core/accounts/index.ts';
import type { Limiter } from '../../../base/limits/index.ts';
import type { Metrics } from '../../../base/observability/index.ts';

interface AdmissionParts {
  /** Open sockets one address may have, those of the raw WebSockets included. */
  socketsPerAddress: number;
  addressOf(request: IncomingMessage): string;
  limiter: Pick<Limiter, 'hold'>;
  metrics: Metrics;
}

/** The two ends of a connection. */
export type Peer = Credentials['socket'];

/** Counts the connections of an address. A connection takes one place, whichever transports it uses. */
export interface Admission {
  /**
   * Takes a place for the connection that this request asks for.
   * @throws {ParleyError} `rate_limited` when the address has as many as it may
   */
  admit(request: IncomingMessage): Promise<void>;
  /** Whether a place was taken for this request, and not given back. */
  has(request: IncomingMessage): boolean;
  /** The two ends of the connection that the request came by, which may be gone: a client that polls uses many. */
  peerOf(request: IncomingMessage): Peer;
  /** The connection is there: it keeps its place until `gone`. */
  opened(request: IncomingMessage): void;
  /** The connection has ended, or was not made. May be called more than once. */
  gone(request: IncomingMessage): void;
}

export function createAdmission({ socketsPerAddress, addressOf, limiter, metrics }: AdmissionParts): Admission {
  const places = new Map<IncomingMessage, { giveBack: () => void; abandon: () => void; isOpen: boolean }>();
  const peers = new WeakMap<IncomingMessage, Peer>();
  const gone = (request: IncomingMessage): void => {
    const place = places.get(request);
    if (!place) return;
    places.delete(request);
    request.socket.off('close', place.abandon);
    place.giveBack();
    if (place.isOpen) metrics.sockets.dec({ dialect: 'socket.io' });
  };
  return {
    has: (request) => places.has(request),
    peerOf: (request) => peers.get(request) ?? request.socket,
    async admit(request) {
      const { remoteAddress, remotePort, localAddress, localPort } = request.socket;
      peers.set(request, { remoteAddress, remotePort, localAddress, localPort });
      const giveBack = await limiter.hold({ name: 'sockets', count: socketsPerAddress }, addressOf(request));
      if (!giveBack) throw new ParleyError('rate_limited', { message: 'Too many sockets are open from this address.' });
      // A request that breaks off before anything came of it.
      const abandon = (): void => gone(request);
      places.set(request, { giveBack, abandon, isOpen: false });
      if (request.socket.destroyed) abandon();
      else request.socket.once('close', abandon);
    },
    opened(request) {
      const place = places.get(request);
      if (!place || place.isOpen) return;
      place.isOpen = true;
      // A connection that polls outlives this one, over which many others may come.
      request.socket.off('close', place.abandon);
      metrics.sockets.inc({ dialect: 'socket.io' });
    },
    gone,
  };
}
