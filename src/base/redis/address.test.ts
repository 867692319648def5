import { describe, expect, test } from 'vitest';
import { ParleyError } from '../errors.ts';
import { readRedisAddress } from './address.ts';

describe('REDIS_URL', () => {
  test.each([
    ['redis://localhost', { socket: { host: 'localhost', port: 6379, tls: false } }],
    ['redis://10.0.0.7:7000/3', { socket: { host: '10.0.0.7', port: 7000, tls: false }, database: 3 }],
    ['redis://[::1]:7000', { socket: { host: '::1', port: 7000, tls: false } }],
    ['rediss://ann:p%40ss@redis.example.com', { socket: { host: 'redis.example.com', port: 6379, tls: true }, username: 'ann', password: 'p@ss' }],
    ['redis://:only-password@localhost', { socket: { host: 'localhost', port: 6379, tls: false }, password: 'only-password' }],
    ['redis+unix:///run/redis/redis.sock', { socket: { path: '/run/redis/redis.sock', tls: false } }],
    ['redis+unix://ann:secret@localhost/run/a%20b.sock?db=2', { socket: { path: '/run/a b.sock', tls: false }, username: 'ann', password: 'secret', database: 2 }],
  ])('%s', (text, address) => {
    expect(readRedisAddress(text)).toEqual(address);
  });

  test.each(['', 'localhost:6379', 'http://localhost', 'redis://', 'redis://localhost/one', 'redis://ann:very-secret%zz@localhost', 'redis+unix://', 'redis://:very-secret@localhost/x', 'redis://very-secret@:1:2', 'postgres://u:very-secret@h/d'])(
    'refuses %j without repeating it, because it may hold a password',
    (text) => {
      let thrown: unknown;
      try {
        readRedisAddress(text);
      } catch (error) {
        thrown = error;
      }
      expect(thrown).toBeInstanceOf(ParleyError);
      expect((thrown as ParleyError).message).toMatch(/^REDIS_URL .*redis:\/\/user:password@host:6379/);
      expect(`${(thrown as ParleyError).message} ${String((thrown as ParleyError).cause)}`).not.toContain('very-secret');
    },
  );
});
