import { beforeEach, describe, expect, it } from 'vitest';
import type { Clock } from '../../../../base/clock.ts';
import { LoadedModels } from './memory.ts';
import { FadingAverage, Pace } from './pace.ts';
import { InstanceRecord } from './record.ts';

let time: number;
const clock: Clock = { now: () => time, monotonic: () => time };
beforeEach(() => {
  time = 1_000_000;
});

describe('A fading average', () => {
  it('follows what is measured, and fades while nothing is', () => {
    const average = new FadingAverage(clock, 1000);
    expect(average.value).toBeNull();
    average.add(100);
    average.add(200);
    expect(average.value).toBeCloseTo(130);
    time += 1000;
    expect(average.value).toBeCloseTo(65);
  });

  it('counts the newest the more, the older the rest is', () => {
    const average = new FadingAverage(clock, 1000);
    average.add(100);
    time += 100_000;
    average.add(900);
    expect(average.value).toBeCloseTo(900);
  });
});

describe('The pace of an instance', () => {
  it('counts loading a model apart, and only where it has to be loaded', () => {
    const pace = new Pace(clock);
    expect([pace.expected(true), pace.expected(false)]).toEqual([0, 0]);
    pace.measured(50, true);
    pace.measured(2050, false);
    expect([pace.expected(true), pace.expected(null), pace.expected(false)]).toEqual([50, 50, 2050]);
  });

  it('learns of who waited in vain no more than that it takes longer', () => {
    const pace = new Pace(clock);
    pace.measured(1000, true);
    pace.longerThan(10, true);
    expect(pace.expected(true)).toBe(1000);
    pace.longerThan(2000, true);
    expect(pace.expected(true)).toBeCloseTo(1300);
  });

  it('one slow answer is forgotten in some minutes', () => {
    const pace = new Pace(clock);
    pace.measured(60_000, true);
    time += 10 * 60_000;
    expect(pace.expected(true)).toBeLessThan(1);
  });
});

describe('The models in the memory of an instance', () => {
  const loaded: string[] = [];
  const memory = (): LoadedModels => new LoadedModels(clock, (model) => loaded.push(model));
  beforeEach(() => {
    loaded.length = 0;
  });

  it('are told once each time one is loaded, but not those of the first look', () => {
    const own = memory();
    expect(own.has('a')).toBeNull();
    own.listed(['a'], time);
    own.listed(['a', 'b'], time);
    own.listed(['b'], time);
    own.listed(['a', 'b'], time);
    expect(loaded).toEqual(['b', 'a']);
  });

  it('are known by their answers before the next look', () => {
    const own = memory();
    own.listed([], time);
    const askedAt = time;
    time += 10;
    own.spoke('a');
    own.spoke('a');
    // The list was asked for before the model was loaded.
    own.listed([], askedAt);
    expect([own.has('a'), loaded]).toEqual([true, ['a']]);
    time += 10;
    own.listed([], time);
    expect(own.has('a')).toBe(false);
  });

  it('are not known where the instance does not tell', () => {
    const own = memory();
    own.notListed();
    own.spoke('a');
    expect([own.has('a'), loaded]).toEqual([null, []]);
  });
});

describe('The record of an instance', () => {
  it('counts each request once, and what was given up as neither good nor bad', () => {
    const record = new InstanceRecord(clock);
    const [well, failed, left, pull] = [record.begin('answer'), record.begin('embedding'), record.begin('answer'), record.begin('pull')];
    expect([record.total, record.running, record.working]).toEqual([4, 4, 3]);
    time += 500;
    well('well');
    well('failed');
    failed('failed');
    left('refused');
    time += 60_000;
    pull('well');
    expect([record.succeeded, record.failed, record.running, record.meanMs]).toEqual([2, 1, 0, 500]);
  });

  it('often fails when more than one in five of the last do, and at least two', () => {
    const record = new InstanceRecord(clock);
    const say = (...outcomes: ('well' | 'failed')[]): void => outcomes.forEach((outcome) => record.begin('answer')(outcome));
    say('failed');
    expect(record.oftenFails).toBe(false);
    say('failed');
    expect(record.oftenFails).toBe(true);
    say(...Array.from({ length: 8 }, () => 'well' as const));
    expect(record.oftenFails).toBe(false);
    say('failed', 'failed', 'failed');
    expect(record.oftenFails).toBe(true);
    time += 600_001;
    expect(record.oftenFails).toBe(false);
  });

  it('scores the last twenty looks', () => {
    const record = new InstanceRecord(clock);
    expect([record.healthScore, record.probedAt]).toEqual([null, null]);
    for (let look = 0; look < 30; look += 1) record.probed(look >= 15);
    expect([record.healthScore, record.probedAt]).toEqual([0.75, time]);
  });
});
