import { randomInt } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';

/** Waits before the next try: about 10, 20, 40 ms, spread so that those who met do not meet again. @param attempt 1, 2, 3, ... */
export async function pause(attempt: number): Promise<void> {
  const most = 10 * 2 ** attempt;
  await delay(randomInt(most / 2, most + 1));
}
