import type { IncomingHttpHeaders } from 'node:http';
import { hostNameOf, isLoopbackAddress, isLoopbackBind, isLoopbackName } from './loopback.ts';
import type { OriginRules } from './origins.ts';
import { createPeerLookup, type PeerLookup } from './peer-owner.ts';
import type { AccountSettings } from './settings.ts';
import type { Credentials, PeerSocket } from './types.ts';

export type LocalTrustVerdict = { trusted: true } | { trusted: false; reason: string };

/**
 * Local trust: on the owner's own machine a request without credentials may act as the owner. Every condition below
 * must hold; docs/accounts.md explains each of them.
 */
export interface LocalTrust {
  /** Why no request at all can be trusted with these settings; null when some can. */
  readonly impossible: string | null;
  /** Judges without holding anything else up. */
  verify(credentials: Credentials): Promise<LocalTrustVerdict>;
  /** The same at once; it may take some milliseconds for the first request of a connection. */
  check(credentials: Credentials): LocalTrustVerdict;
}

type LocalTrustSettings = Pick<AccountSettings, 'host' | 'localTrust' | 'redisUrl' | 'publicUrl' | 'trustProxy'>;

/** Headers that only something between the client and us adds. */
const forwardingHeaders = new Set([
  'forwarded', 'via', 'x-real-ip', 'x-client-ip', 'x-cluster-client-ip', 'x-proxyuser-ip', 'x-originating-ip', 'x-remote-ip', 'x-remote-addr',
  'true-client-ip', 'client-ip', 'fastly-client-ip', 'fly-client-ip', 'proxy-connection', 'x-amzn-trace-id', 'cdn-loop',
]);
const forwardingPrefixes = ['x-forwarded', 'x-original-', 'x-envoy-', 'cf-', 'x-azure-', 'x-appengine-', 'x-vercel-', 'ngrok-', 'tailscale-'];

/** How to tell whose process is at the other end, and who we are; null where the system does not say. */
export interface UserIds extends PeerLookup {
  own: number;
}

const userIdsHere: UserIds | null = process.platform === 'linux' && process.geteuid ? { ...createPeerLookup(), own: process.geteuid() } : null;

/** @param userIds for tests as another user or on another platform */
export function createLocalTrust(settings: LocalTrustSettings, origins: OriginRules, userIds: UserIds | null = userIdsHere): LocalTrust {
  const impossible = reasonOfSettings(settings);
  // A connection keeps its two ends, so each is looked up once.
  const peers = new WeakMap<PeerSocket, boolean>();
  const keep = (socket: PeerSocket, userId: number | null): boolean => {
    const own = userId === userIds?.own;
    peers.set(socket, own);
    return own;
  };
  /** Null while it is not known. */
  const isOwnPeer = (socket: PeerSocket): boolean | null => (userIds ? (peers.get(socket) ?? null) : true);
  const verdictOf = (reason: string | null): LocalTrustVerdict => (reason === null ? { trusted: true } : { trusted: false, reason });
  const reasonOf = (credentials: Credentials): string | null => impossible ?? reasonOfRequest(credentials, origins);
  const otherUser = 'the connection comes from a process of another user, or from one that is gone';

  return {
    impossible,
    async verify(credentials) {
      const { socket } = credentials;
      const reason = reasonOf(credentials);
      if (reason !== null) return verdictOf(reason);
      const own = isOwnPeer(socket) ?? keep(socket, await userIds!.ofPeerLater(socket));
      return verdictOf(own ? null : otherUser);
    },
    check(credentials) {
      const { socket } = credentials;
      const reason = reasonOf(credentials);
      if (reason !== null) return verdictOf(reason);
      const own = isOwnPeer(socket) ?? keep(socket, userIds!.ofPeer(socket));
      return verdictOf(own ? null : otherUser);
    },
  };
}

function reasonOfSettings(settings: LocalTrustSettings): string | null {
  if (!settings.localTrust) return 'LOCAL_TRUST is off';
  if (!isLoopbackBind(settings.host)) return `the server is bound to ${settings.host}, not only to loopback`;
  if (settings.redisUrl) return 'REDIS_URL is set';
  if (settings.publicUrl) return 'PUBLIC_URL is set';
  if (settings.trustProxy) return 'TRUST_PROXY is set';
  return null;
}

function reasonOfRequest({ headers, method, socket }: Credentials, origins: OriginRules): string | null {
  if (!isLoopbackAddress(socket.remoteAddress)) return 'the connection comes from another machine';
  if (!isLoopbackAddress(socket.localAddress)) return 'the connection did not arrive on a loopback address';
  const forwarded = forwardingHeaderIn(headers);
  if (forwarded) return `the header ${forwarded} says that a proxy passed the request on`;
  const name = headers.host === undefined ? null : hostNameOf(headers.host);
  if (name === null || !isLoopbackName(name)) return 'the Host header does not name this machine';
  if (!origins.allowedWithLocalTrust(headers)) return 'the Origin header names a page from elsewhere';
  return reasonOfFetchSite(headers['sec-fetch-site'], method);
}

/** `none` is an address that a person typed or opened from outside a page: enough to look, not to change anything. */
function reasonOfFetchSite(site: string | string[] | undefined, method: string): string | null {
  if (site === undefined || site === 'same-origin' || site === 'same-site') return null;
  if (site === 'none' && (method === 'GET' || method === 'HEAD')) return null;
  return 'the Sec-Fetch-Site header says that a page from elsewhere sent it';
}

function forwardingHeaderIn(headers: IncomingHttpHeaders): string | null {
  for (const name in headers) {
    if (forwardingHeaders.has(name) || forwardingPrefixes.some((prefix) => name.startsWith(prefix))) return name;
  }
  return null;
}
