import { expect, test } from 'vitest';
import { orderBeforeSampling } from './ordering.ts';

test('the first of those that were evaluated together chooses its token alone, the others after it', async () => {
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const native = {
    decodeBatch: async () => void begun.push('evaluated'),
    sampleToken: (name: string) => {
      begun.push(name);
      return new Promise<string>((resolve) => ends.set(name, () => resolve(name)));
    },
  };
  orderBeforeSampling({ _ctx: native });
  for (const names of [['a', 'b', 'c'], ['d', 'e']]) {
    begun.length = 0;
    await native.decodeBatch();
    const chosen = names.map((name) => native.sampleToken(name));
    await new Promise((resolve) => setImmediate(resolve));
    expect(begun).toEqual(['evaluated', names[0]]);
    ends.get(names[0]!)!();
    await expect.poll(() => begun).toEqual(['evaluated', ...names]);
    for (const name of names) ends.get(name)!();
    expect(await Promise.all(chosen)).toEqual(names);
  }
});

test('a library that has changed is noticed', () => {
  expect(() => orderBeforeSampling({})).toThrow('node-llama-cpp has changed');
});
