import { describe, expect, it } from 'vitest';
import { addressOf } from './sign-in-limit.ts';

const from = (remoteAddress: string | undefined, forwarded?: string | string[]) => ({ headers: { 'x-forwarded-for': forwarded as string }, socket: { remoteAddress } });

describe('whom a limit per address counts', () => {
  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
    ['2001:db8::9', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    [undefined, 'unknown'],
  ])('%s is %s', (address, subject) => {
    expect(addressOf(from(address), false)).toBe(subject);
  });

  it('is the one that the proxy in front of us saw, when there is one', () => {
    expect(addressOf(from('10.0.0.1', '203.0.113.9, 198.51.100.4'), true)).toBe('198.51.100.4');
    expect(addressOf(from('10.0.0.1', ['203.0.113.9', '198.51.100.4']), true)).toBe('198.51.100.4');
    expect(addressOf(from('10.0.0.1'), true)).toBe('10.0.0.1');
    expect(addressOf(from('10.0.0.1', ''), true)).toBe('10.0.0.1');
  });

  it('is not what the client says of itself otherwise', () => {
    expect(addressOf(from('10.0.0.1', '203.0.113.9'), false)).toBe('10.0.0.1');
  });
});
