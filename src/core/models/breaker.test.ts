import { expect, test } from 'vitest';
import { createBreaker, type Breaker } from './breaker.ts';

/** A clock that stands still until it is told to go on. */
function standing() {
  let time = 1_000_000;
  return { now: () => time, monotonic: () => time, pass: (milliseconds: number) => { time += milliseconds; } };
}

function calls(breaker: Breaker, outcome: 'success' | 'fault' | 'release', count: number): void {
  for (let call = 0; call < count; call += 1) breaker.admit()![outcome]();
}

test('stays closed when the faults are not consecutive', () => {
  const breaker = createBreaker(standing());
  calls(breaker, 'fault', 4);
  calls(breaker, 'success', 1);
  calls(breaker, 'fault', 4);
  expect(breaker.state()).toMatchObject({ state: 'CLOSED', failures: 4, threshold: 5, openMs: 60_000 });
});

test('opens at the fifth consecutive fault and refuses for a minute', () => {
  const clock = standing();
  const breaker = createBreaker(clock);
  calls(breaker, 'fault', 5);
  expect(breaker.state()).toMatchObject({ state: 'OPEN', failures: 5, lastFailureAt: 1_000_000 });
  expect(breaker.admit()).toBeNull();
  clock.pass(59_999);
  expect([breaker.admit(), breaker.retryAfterMs(), breaker.state().state]).toEqual([null, 1, 'OPEN']);
});

test('lets exactly one of ten calls try after a minute; its success closes it', () => {
  const clock = standing();
  const breaker = createBreaker(clock);
  calls(breaker, 'fault', 5);
  clock.pass(60_000);
  const permits = Array.from({ length: 10 }, () => breaker.admit()).filter((permit) => permit !== null);
  expect(permits).toHaveLength(1);
  expect([permits[0]!.isTrial, breaker.state().state]).toEqual([true, 'HALF_OPEN']);
  permits[0]!.success();
  expect(breaker.state()).toMatchObject({ state: 'CLOSED', failures: 0 });
  expect(breaker.admit()).toMatchObject({ isTrial: false });
});

test('opens for another minute when the trial fails', () => {
  const clock = standing();
  const breaker = createBreaker(clock);
  calls(breaker, 'fault', 5);
  clock.pass(60_000);
  breaker.admit()!.fault();
  expect([breaker.state().state, breaker.admit(), breaker.retryAfterMs()]).toEqual(['OPEN', null, 60_000]);
});

test('is closed by the first sign of life of a trial, and counts what comes after it', () => {
  const clock = standing();
  const breaker = createBreaker(clock);
  calls(breaker, 'fault', 5);
  clock.pass(60_000);
  const trial = breaker.admit()!;
  trial.alive();
  expect(breaker.state().state).toBe('CLOSED');
  trial.fault();
  expect(breaker.state()).toMatchObject({ state: 'CLOSED', failures: 1 });
});

test('a trial that says nothing of the service leaves the place to the next', () => {
  const clock = standing();
  const breaker = createBreaker(clock);
  calls(breaker, 'fault', 5);
  clock.pass(60_000);
  breaker.admit()!.release();
  expect(breaker.admit()).toMatchObject({ isTrial: true });
});

test('a trial that never ends holds the place for a minute and has no say afterwards', () => {
  const clock = standing();
  const breaker = createBreaker(clock);
  calls(breaker, 'fault', 5);
  clock.pass(60_000);
  const lost = breaker.admit()!;
  clock.pass(59_999);
  expect(breaker.admit()).toBeNull();
  clock.pass(1);
  const next = breaker.admit()!;
  lost.success();
  expect(breaker.state().state).toBe('HALF_OPEN');
  next.success();
  expect(breaker.state().state).toBe('CLOSED');
});

test('faults of a key or a request change nothing', () => {
  const breaker = createBreaker(standing());
  calls(breaker, 'fault', 4);
  calls(breaker, 'release', 100);
  expect(breaker.state()).toMatchObject({ state: 'CLOSED', failures: 4 });
});

test('calls that began before it opened neither close it nor keep it open longer', () => {
  const clock = standing();
  const breaker = createBreaker(clock);
  const slow = [breaker.admit()!, breaker.admit()!];
  calls(breaker, 'fault', 5);
  clock.pass(30_000);
  slow[0]!.success();
  slow[1]!.fault();
  expect(breaker.state().state).toBe('OPEN');
  clock.pass(30_000);
  expect(breaker.admit()).not.toBeNull();
});

test('a permit counts once', () => {
  const breaker = createBreaker(standing());
  const permit = breaker.admit()!;
  for (let times = 0; times < 9; times += 1) permit.fault();
  expect(breaker.state().failures).toBe(1);
});
