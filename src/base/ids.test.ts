import { expect, test } from 'vitest';
import { isId, newId } from './ids.ts';

test('ids are UUIDs of version 7, each greater than the one before', () => {
  const before = Date.now();
  const ids = Array.from({ length: 20_000 }, newId);
  for (const [index, id] of ids.entries()) {
    expect(isId(id)).toBe(true);
    expect(id[14]).toBe('7');
    expect('89ab').toContain(id[19]);
    if (index > 0) expect(id > ids[index - 1]!).toBe(true);
  }
  const time = parseInt(ids[0]!.slice(0, 8) + ids[0]!.slice(9, 13), 16);
  expect(time).toBeGreaterThanOrEqual(before);
  expect(time).toBeLessThanOrEqual(Date.now());
});

test('what is no id is recognised without a query', () => {
  for (const text of ['', 'x', "' or 1=1", newId().toUpperCase(), `${newId()} `]) expect(isId(text)).toBe(false);
});
