import { ParleyError } from '../errors.ts';

/** Where Redis is and how to sign in there, in the terms of @redis/client. Holds a password: never logged. */
export interface RedisAddress {
  socket: { host: string; port: number; tls: boolean } | { path: string; tls: false };
  username?: string;
  password?: string;
  database?: number;
}

/**
 * Reads `redis://[user[:password]@]host[:port][/number]`, the same with `rediss://` for TLS, or
 * `redis+unix:///path/of/the.socket[?db=number]`. The text itself is in no error: it may hold a password.
 * @throws {ParleyError} `invalid_request` when it is none of these
 */
export function readRedisAddress(text: string): RedisAddress {
  const refused = (what: string): ParleyError =>
    new ParleyError('invalid_request', { message: `REDIS_URL ${what}. It looks like redis://user:password@host:6379, rediss://... for TLS, or redis+unix:///path/of/the.socket.` });
  const url = URL.parse(text);
  if (!url) throw refused('is no address');
  const login: Pick<RedisAddress, 'username' | 'password' | 'database'> = {};
  const decoded = (part: string): string => {
    try {
      return decodeURIComponent(part);
    } catch {
      throw refused('holds a "%" that stands for nothing (write the sign itself as %25)');
    }
  };
  if (url.username) login.username = decoded(url.username);
  if (url.password) login.password = decoded(url.password);
  const isSocket = url.protocol === 'redis+unix:';
  const number = isSocket ? (url.searchParams.get('db') ?? '') : url.pathname.replace(/^\//, '');
  if (number !== '') {
    if (!/^\d{1,5}$/.test(number)) throw refused('names a database that is no number');
    login.database = Number(number);
  }
  if (isSocket) {
    if (url.pathname.length < 2) throw refused('names no socket');
    return { socket: { path: decoded(url.pathname), tls: false }, ...login };
  }
  if (url.protocol !== 'redis:' && url.protocol !== 'rediss:') throw refused('does not begin with redis:// or rediss://');
  if (url.hostname === '') throw refused('names no host');
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  return { socket: { host, port: Number(url.port || 6379), tls: url.protocol === 'rediss:' }, ...login };
}
