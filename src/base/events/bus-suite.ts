import { describe, expect, test, vi } from 'vitest';
import type { Bus, BusMessage } from './types.ts';

/** What every bus does for those in one process. */
export function busSuite(bus: () => Bus): void {
  describe('in one process', () => {
    test('calls every subscriber of the topic before publish returns, and nobody else', () => {
      const heard: string[] = [];
      const stop = [
        bus().subscribe('turn:1', ({ type }) => heard.push(`a ${type}`)),
        bus().subscribe('turn:1', ({ type }) => heard.push(`b ${type}`)),
        bus().subscribe('turn:2', ({ type }) => heard.push(`c ${type}`)),
      ];
      bus().publish('turn:1', { type: 'one' });
      expect(heard).toEqual(['a one', 'b one']);
      for (const end of stop) end();
    });

    test('calls nobody who has unsubscribed, and takes a second unsubscribing', async () => {
      const receive = vi.fn<(message: BusMessage) => void>();
      const stop = bus().subscribe('turn:1', receive);
      await bus().listening('turn:1');
      stop();
      stop();
      receive.mockClear();
      bus().publish('turn:1', { type: 'one' });
      expect(receive).not.toHaveBeenCalled();
    });

    test('keeps a subscriber that throws away from the others', () => {
      const receive = vi.fn<(message: BusMessage) => void>();
      const stop = [bus().subscribe('turn:1', () => { throw new Error('out of order'); }), bus().subscribe('turn:1', receive)];
      bus().publish('turn:1', { type: 'one' });
      expect(receive).toHaveBeenCalledWith({ type: 'one' });
      for (const end of stop) end();
    });

    test('resolves listening for a topic that nobody subscribes', async () => {
      await bus().listening('nobody');
    });
  });
}
