import { isIPv6 } from 'node:net';
import { ParleyError } from '../../base/errors.ts';
import type { Limiter } from '../../base/limits/index.ts';
import type { Metrics } from '../../base/observability/index.ts';
import { withoutMapping } from './loopback.ts';
import type { AccountSettings } from './settings.ts';
import type { Credentials } from './types.ts';

/** Counts an attempt to sign in or register. @throws {ParleyError} `rate_limited` */
export type SignInLimit = (from: Credentials) => Promise<void>;

const minute = 60_000;

export function createSignInLimit(limiter: Limiter, settings: Pick<AccountSettings, 'trustProxy' | 'limits'>, metrics: Metrics): SignInLimit {
  const limit = { name: 'sign-in', count: settings.limits.loginsPerMinute, windowMs: minute };
  return async (from) => {
    const verdict = await limiter.take(limit, addressOf(from, settings.trustProxy));
    if (verdict.allowed) return;
    metrics.limited.inc({ limit: limit.name });
    throw new ParleyError('rate_limited', { retryAfterMs: verdict.retryAfterMs });
  };
}

/**
 * Whom a limit per address counts: an IPv4 address, or the first 64 bits of an IPv6 address, because whoever has one
 * has all those of its network.
 * @param trustProxy whether the last entry of X-Forwarded-For is believed: the one that the proxy in front of us added
 */
export function addressOf({ headers, socket }: Pick<Credentials, 'headers' | 'socket'>, trustProxy: boolean): string {
  const forwarded = headers['x-forwarded-for'];
  const last = trustProxy ? [forwarded].flat().join(',').split(',').at(-1)?.trim() : undefined;
  const address = withoutMapping((last || socket.remoteAddress) ?? 'unknown').slice(0, 100);
  return isIPv6(address) ? firstHalf(address) : address;
}

function firstHalf(address: string): string {
  const [before = '', after] = address.split('%')[0]!.split('::');
  const head = before === '' ? [] : before.split(':');
  const tail = after ? after.split(':') : [];
  const missing = after === undefined ? 0 : 8 - head.length - tail.length;
  const groups = [...head, ...Array.from({ length: missing }, () => '0'), ...tail];
  return `${groups.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`;
}
