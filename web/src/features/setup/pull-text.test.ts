import { describe, expect, it } from 'vitest';
import type { Inspection, Pull } from '../../shared/api/index.ts';
import { isActive, obstacleOf, progressText } from './pull-text.ts';

const pull = (fields: Partial<Pull>): Pull => ({ id: '1', source: 's', file_name: 'm.gguf', state: 'running', received_bytes: 250_000_000, size_bytes: 1_000_000_000, bytes_per_second: 50_000_000, error: null, ...fields });

describe('a download in words', () => {
  it.each([
    [{}, '250 MB of 1 GB · 50 MB/s · 15 s left'],
    [{ bytes_per_second: 1_000_000 }, '250 MB of 1 GB · 1 MB/s · 12 min 30 s left'],
    [{ bytes_per_second: null }, '250 MB of 1 GB'],
    [{ size_bytes: null }, '250 MB · 50 MB/s'],
    [{ state: 'waiting', received_bytes: 0 }, 'Waiting'],
    [{ state: 'failed' }, 'Broken off · 250 MB of 1 GB kept'],
    [{ state: 'cancelled' }, 'Stopped · 250 MB of 1 GB kept'],
    [{ state: 'done', received_bytes: 1_000_000_000 }, 'Ready · 1 GB'],
  ] as [Partial<Pull>, string][])('%j is "%s"', (fields, text) => {
    expect(progressText(pull(fields))).toBe(text);
  });

  it('is active until it ends', () => {
    expect(['waiting', 'running', 'done', 'failed', 'cancelled'].map((state) => isActive(pull({ state: state as Pull['state'] })))).toEqual([true, true, false, false, false]);
  });
});

it('says when a model does not fit', () => {
  const inspection = { fits: false, size_bytes: 5e9, free_bytes: 1e9 } as Inspection;
  expect(obstacleOf(inspection)).toContain('It needs 5 GB, and 1 GB are free');
  expect(obstacleOf({ ...inspection, size_bytes: null })).toContain('not enough room');
  expect(obstacleOf({ ...inspection, fits: true })).toBeNull();
  expect(obstacleOf({ ...inspection, fits: null })).toBeNull();
});
