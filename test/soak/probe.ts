import { renameSync, writeFileSync } from 'node:fs';

/*
 * Loaded into the server (`--expose-gc --import`): at SIGUSR2 it throws its garbage away and writes down what is left, to
 * the file that SOAK_PROBE names.
 */

/** What a process holds. */
export interface Held {
  /** Bytes of JavaScript's heap after the garbage is gone, and of buffers outside of it. */
  heap: number;
  external: number;
  /** Open handles and requests of the event loop, by kind. */
  resources: Record<string, number>;
}

const file = process.env['SOAK_PROBE'];
const collect = (globalThis as { gc?: () => void }).gc;

if (file !== undefined && collect !== undefined) {
  process.on('SIGUSR2', () => {
    // Twice: what the first finds to be finalised, the second frees.
    collect();
    collect();
    const { heapUsed, external } = process.memoryUsage();
    const resources: Record<string, number> = {};
    for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1;
    const held: Held = { heap: heapUsed, external, resources };
    writeFileSync(`${file}.new`, JSON.stringify(held));
    renameSync(`${file}.new`, file);
  });
}
