import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { calculateFileHash, formatDatetime, formatFileSize, generateApiKey, generateSecureToken, getFileTypeIcon, hashPassword, timeAgo, truncateText, verifyPassword } from './index.ts';
import { deriveKey } from './security.ts';

describe('generateSecureToken', () => {
  it.each([1, 2, 3, 8, 31, 32, 33, 64, 65_536])('gives %i characters that are safe in addresses', (length) => {
    expect(generateSecureToken(length)).toMatch(new RegExp(`^[A-Za-z0-9_-]{${length}}$`));
  });

  it('gives 32 without a length, and never the same twice', () => {
    const tokens = new Set(Array.from({ length: 10_000 }, () => generateSecureToken()));
    expect(tokens.size).toBe(10_000);
    expect([...tokens].every((token) => token.length === 32)).toBe(true);
  });

  it('uses all 64 characters about equally often', () => {
    const counts = new Map<string, number>();
    for (const character of generateSecureToken(64 * 1000)) counts.set(character, (counts.get(character) ?? 0) + 1);
    expect(counts.size).toBe(64);
    // 1000 of each are expected; ten standard deviations are 316.
    expect(Math.min(...counts.values())).toBeGreaterThan(684);
    expect(Math.max(...counts.values())).toBeLessThan(1316);
  });

  it.each([0, -1, 1.5, Number.NaN, Infinity, 65_537])('refuses a length of %s', (length) => {
    expect(() => generateSecureToken(length)).toThrow(RangeError);
  });
});

describe('generateApiKey', () => {
  it('gives ask_ and 256 random bits', () => {
    expect(generateApiKey()).toMatch(/^ask_[A-Za-z0-9_-]{43}$/);
    expect(new Set(Array.from({ length: 1000 }, generateApiKey)).size).toBe(1000);
  });
});

describe('hashPassword and verifyPassword', () => {
  it('is PBKDF2-HMAC-SHA256, by the test vectors of RFC 7914 section 11 and of draft-josefsson-pbkdf2-test-vectors', async () => {
    expect(await deriveKey('passwd', 'salt', 1)).toBe('55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc');
    expect(await deriveKey('Password', 'NaCl', 80_000)).toBe('4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56');
    expect(await deriveKey('password', 'salt', 4096)).toBe('c5e478d59288c841aa530db6845c4c8d962893a001ce4e11a4963873aa98134a');
  });

  it('makes a new salt each time, and the same hash for the same salt', async () => {
    const [one, other, given, again] = await Promise.all([hashPassword('mypassword'), hashPassword('mypassword'), hashPassword('mypassword', 's1'), hashPassword('mypassword', 's1')]);
    expect(one.salt).toMatch(/^[0-9a-f]{32}$/);
    expect(one.hash).toMatch(/^[0-9a-f]{64}$/);
    expect(one.salt).not.toBe(other.salt);
    expect(one.hash).not.toBe(other.hash);
    expect(given).toEqual(again);
    expect(given.salt).toBe('s1');
    expect(given.hash).toBe(await deriveKey('mypassword', 's1', 600_000));
  });

  it('knows the password again, and no other, with no other salt', async () => {
    const { hash, salt } = await hashPassword('pässwörd');
    expect(await verifyPassword('pässwörd', hash, salt)).toBe(true);
    expect(await verifyPassword('pässwörd', hash.toUpperCase(), salt)).toBe(true);
    expect(await verifyPassword('Pässwörd', hash, salt)).toBe(false);
    expect(await verifyPassword('pässwörd', hash, 'other')).toBe(false);
  });

  it.each(['', 'xyz', 'ab', 'g'.repeat(64), '0'.repeat(63), '0'.repeat(128)])('takes %j for no hash, and does not throw', async (stored) => {
    expect(await verifyPassword('mypassword', stored, 's1')).toBe(false);
  });

  it('has no empty salt', async () => {
    await expect(hashPassword('mypassword', '')).rejects.toThrow(RangeError);
    expect(await verifyPassword('mypassword', '0'.repeat(64), '')).toBe(false);
  });
});

describe('formatFileSize', () => {
  it.each([
    [0, '0 B'], [1, '1 B'], [1023, '1023 B'], [1024, '1.0 KB'], [1536, '1.5 KB'], [1_048_524, '1023.9 KB'], [1_048_525, '1.0 MB'], [1_048_575, '1.0 MB'],
    [104_857_600, '100.0 MB'], [2 ** 30, '1.0 GB'], [2 ** 40, '1.0 TB'], [2 ** 50, '1.0 PB'], [2 ** 60, '1024.0 PB'],
  ])('%i is %s', (size, text) => {
    expect(formatFileSize(size)).toBe(text);
  });

  it.each([-1, Number.NaN, Infinity])('refuses %s', (size) => {
    expect(() => formatFileSize(size)).toThrow(RangeError);
  });
});

describe('getFileTypeIcon', () => {
  it.each([
    ['document.pdf', 'fas fa-file-pdf text-danger'], ['DOCUMENT.PDF', 'fas fa-file-pdf text-danger'], ['archive.tar.pdf', 'fas fa-file-pdf text-danger'],
    ['a/b.c/letter.docx', 'fas fa-file-word text-primary'], ['C:\\my.folder\\table.xlsx', 'fas fa-file-excel text-success'], ['talk.pptx', 'fas fa-file-powerpoint text-warning'],
    ['photo.png', 'fas fa-file-image text-info'], ['noextension', 'fas fa-file text-muted'], ['my.folder/noextension', 'fas fa-file text-muted'],
    ['.pdf', 'fas fa-file text-muted'], ['ends.', 'fas fa-file text-muted'], ['x.constructor', 'fas fa-file text-muted'], ['', 'fas fa-file text-muted'],
  ])('%s has %s', (name, icon) => {
    expect(getFileTypeIcon(name)).toBe(icon);
  });
});

describe('calculateFileHash', () => {
  let folder: string;
  let file: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'parley-hash-'));
    file = join(folder, 'hello.txt');
    await writeFile(file, 'hello world\n');
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('is MD5 by default, and SHA-1 or SHA-256 on request', async () => {
    expect(await calculateFileHash(file)).toBe('6f5902ac237024bdd0c176cb93063dc4');
    expect(await calculateFileHash(file, 'sha1')).toBe('22596363b3de40b06f981fb85d82312e8c0ed511');
    expect(await calculateFileHash(file, 'sha256')).toBe('a948904f2f0f479b8f8197694b30184b0d2ed1c1cd2a1ec0fb85d299a192a447');
  });

  it('reads a large file piece by piece', async () => {
    const large = join(folder, 'large');
    const handle = await open(large, 'w');
    await handle.truncate(200 * 1024 * 1024);
    await handle.close();
    const before = process.memoryUsage().rss;
    let peak = before;
    const look = setInterval(() => (peak = Math.max(peak, process.memoryUsage().rss)), 5);
    // SHA-1 of 200 MiB of zeros, as sha1sum says it.
    expect(await calculateFileHash(large, 'sha1')).toBe('fd7c5327c68fcf94b62dc9f58fc1cdb3c8c01258');
    clearInterval(look);
    expect(peak - before).toBeLessThan(100 * 1024 * 1024);
  });

  it('refuses other algorithms and files that are not there', async () => {
    await expect(calculateFileHash(file, 'sha512' as 'sha256')).rejects.toThrow(/md5, sha1, sha256/);
    await expect(calculateFileHash(file, 'constructor' as 'sha256')).rejects.toThrow(RangeError);
    await expect(calculateFileHash(join(folder, 'none'))).rejects.toThrow(/ENOENT/);
    await expect(calculateFileHash(folder)).rejects.toThrow(/EISDIR/);
  });
});

describe('truncateText', () => {
  it('counts the kept text and not the suffix, and drops the space before it', () => {
    expect(truncateText('Very long text here', 10)).toBe('Very long...');
    expect(truncateText('Hello wonderful world', 10)).toBe('Hello wond...');
    expect(truncateText('abcdefghijk', 10)).toBe('abcdefghij...');
    expect(truncateText('abcdef', 3, '')).toBe('abc');
    expect(truncateText('abcdef', 3, ' […]')).toBe('abc […]');
  });

  it('leaves alone what is short enough, spaces included', () => {
    expect(truncateText('short')).toBe('short');
    expect(truncateText('exactly10!', 10)).toBe('exactly10!');
    expect(truncateText('ends   ', 10)).toBe('ends   ');
    expect(truncateText('x'.repeat(100))).toBe('x'.repeat(100));
    expect(truncateText('x'.repeat(101))).toBe(`${'x'.repeat(100)}...`);
    expect(truncateText('', 0)).toBe('');
    expect(truncateText('a', 0)).toBe('...');
  });

  it('never cuts a character in two', () => {
    expect(truncateText('😀😀😀', 2)).toBe('😀😀...');
    expect(truncateText('😀😀', 2)).toBe('😀😀');
  });

  it.each([-1, 1.5, Number.NaN])('refuses a length of %s', (length) => {
    expect(() => truncateText('text', length)).toThrow(RangeError);
  });
});

describe('formatDatetime', () => {
  const date = new Date('2024-01-05T00:07:09Z');

  it('writes UTC, whatever the time zone of the machine', () => {
    expect(formatDatetime(date)).toBe('2024-01-05 00:07:09');
    expect(formatDatetime(new Date('2024-01-15T23:59:59+00:00'), '%Y-%m-%d')).toBe('2024-01-15');
  });

  it.each([
    ['%d %b %Y %I:%M %p', '05 Jan 2024 12:07 AM'], ['%A, %B %d, %y', 'Friday, January 05, 24'], ['%a', 'Fri'], ['%j', '005'], ['100%%', '100%'],
    ['%%Y', '%Y'], ['%Q and %', '%Q and %'], ['%\n', '%\n'], ['', ''],
  ])('%j is %j', (format, text) => {
    expect(formatDatetime(date, format)).toBe(text);
  });

  it('knows noon, the end of a leap year and early years', () => {
    expect(formatDatetime(new Date('2024-12-31T12:00:00Z'), '%I %p %j')).toBe('12 PM 366');
    expect(formatDatetime(new Date('0099-03-01T13:00:00Z'), '%Y %y %I %j')).toBe('0099 99 01 060');
  });

  it('refuses an invalid date', () => {
    expect(() => formatDatetime(new Date('never'))).toThrow(RangeError);
  });
});

describe('timeAgo', () => {
  const now = new Date('2024-06-15T12:00:00Z');
  const ago = (milliseconds: number): string => timeAgo(new Date(now.getTime() - milliseconds), now);
  const [seconds, minutes, hours, days] = [1000, 60_000, 3_600_000, 86_400_000];

  it.each([
    [0, 'just now'], [59.999 * seconds, 'just now'], [60 * seconds, '1 minute ago'], [119 * seconds, '1 minute ago'], [2 * minutes, '2 minutes ago'],
    [59 * minutes, '59 minutes ago'], [61 * minutes, '1 hour ago'], [2 * hours, '2 hours ago'], [25 * hours, '1 day ago'], [29 * days, '29 days ago'],
    [30 * days, '1 month ago'], [364 * days, '12 months ago'], [365 * days, '1 year ago'], [800 * days, '2 years ago'], [-5 * days, 'just now'],
  ])('%i ms ago is %s', (milliseconds, text) => {
    expect(ago(milliseconds)).toBe(text);
  });

  it('counts from the present, and refuses invalid dates', () => {
    expect(timeAgo(new Date(Date.now() - 2 * hours))).toBe('2 hours ago');
    expect(() => timeAgo(new Date('never'))).toThrow(RangeError);
    expect(() => timeAgo(now, new Date('never'))).toThrow(RangeError);
  });
});
