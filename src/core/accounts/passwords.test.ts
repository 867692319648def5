import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createGate, createPasswordHasher } from './passwords.ts';

const passwords = createPasswordHasher();

describe('a password hash', () => {
  it('is argon2id with 19 MiB, 2 passes and 1 lane, in PHC form, with a salt of its own', async () => {
    const [one, other] = [await passwords.hash('correct horse'), await passwords.hash('correct horse')];
    expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
    expect(other).not.toBe(one);
    expect(passwords.isOutdated(one)).toBe(false);
  });

  it('fits its password only', async () => {
    const hash = await passwords.hash('correct horse');
    expect(await passwords.verify('correct horse', hash)).toBe(true);
    for (const wrong of ['correct horsE', 'correct horse ', '', 'x'.repeat(201)]) expect(await passwords.verify(wrong, hash)).toBe(false);
  });

  it('is the one that other programs make of the same password', async () => {
    // A test vector of the reference implementation (phc-winner-argon2, src/test.c): 2 passes, 64 MiB, 1 lane.
    const reference = '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc';
    expect(await passwords.verify('password', reference)).toBe(true);
    expect(await passwords.verify('Password', reference)).toBe(false);
    expect(passwords.isOutdated(reference)).toBe(true);
  });

  it('is the same however the system composes letters', async () => {
    const hash = await passwords.hash('Schlüssel'.normalize('NFD'));
    expect(await passwords.verify('Schlüssel'.normalize('NFC'), hash)).toBe(true);
  });

  it('is never there for nobody, whom every check takes as long as for somebody', async () => {
    const hash = await passwords.hash('correct horse');
    // Time of the processor, the least of nine: other work of the machine does not count.
    const least: [number, number] = [Infinity, Infinity];
    for (let count = 0; count < 18; count += 1) {
      const start = process.cpuUsage();
      expect(await passwords.verify('wrong horse', count % 2 ? null : hash)).toBe(false);
      const { user, system } = process.cpuUsage(start);
      least[count % 2] = Math.min(least[count % 2]!, user + system);
    }
    const [somebody, nobody] = least;
    expect(nobody / somebody).toBeGreaterThan(0.5);
    expect(nobody / somebody).toBeLessThan(2);
  });

  it.each([
    'plain', '', '$argon2i$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21l$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8', '$argon2id$v=16$m=19456,t=2,p=1$c29tZXNhbHRzb21l$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8',
    '$argon2id$v=19$m=99999999,t=2,p=1$c29tZXNhbHRzb21l$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8',
  ])('of another form or of any cost is an error, not a match: %s', async (stored) => {
    await expect(passwords.verify('password', stored)).rejects.toThrow(/stored password hash/);
  });
});

describe('the gate before the hashes', () => {
  it('lets two run, keeps the others in order and refuses those beyond its bound', async () => {
    const gate = createGate(2, 3);
    const ends: (() => void)[] = [];
    const started: number[] = [];
    const task = (number: number) => gate(() => new Promise<number>((resolve) => {
      started.push(number);
      ends.push(() => resolve(number));
    }));
    const results = [1, 2, 3, 4, 5].map(task);
    expect(started).toEqual([1, 2]);
    await expect(task(6)).rejects.toMatchObject({ code: 'rate_limited', retryAfterMs: 1000 });

    ends[1]!();
    await results[1];
    await setImmediate();
    expect(started).toEqual([1, 2, 3]);
    const late = task(7);
    for (let count = 0; count < 6; count += 1) {
      for (const end of ends) end();
      await setImmediate();
    }
    expect(await Promise.all([...results, late])).toEqual([1, 2, 3, 4, 5, 7]);
    expect(started).toEqual([1, 2, 3, 4, 5, 7]);
  });

  it('goes on after a task that failed', async () => {
    const gate = createGate(1, 1);
    const failed = gate(() => Promise.reject(new Error('broken')));
    const next = gate(() => Promise.resolve('done'));
    await expect(failed).rejects.toThrow('broken');
    expect(await next).toBe('done');
  });

  it('answers rate_limited when more want to sign in than can be hashed soon', async () => {
    const outcomes = await Promise.allSettled(Array.from({ length: 60 }, () => passwords.verify('x', null)));
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
    expect(refused).toHaveLength(60 - 2 - 40);
    for (const outcome of refused) expect(outcome.reason).toMatchObject({ code: 'rate_limited' });
  });
});
