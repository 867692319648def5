import { describe, expect, test, vi } from 'vitest';
import { busSuite } from './bus-suite.ts';
import { createLocalBus } from './local-bus.ts';

describe('the bus of one process', () => {
  const bus = createLocalBus(() => undefined);
  busSuite(() => bus);

  test('gives what a subscriber throws to whoever made it', () => {
    const onError = vi.fn<(error: unknown) => void>();
    const own = createLocalBus(onError);
    own.subscribe('turn:1', () => { throw new Error('out of order'); });
    own.publish('turn:1', { type: 'one' });
    expect(onError).toHaveBeenCalledWith(new Error('out of order'));
  });
});
