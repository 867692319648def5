import { parentPort } from 'node:worker_threads';
import { runWithin } from './clocked.ts';
import { readSchema } from './json-schema.ts';
import { maxSlowMs, type SlowCheck } from './slow-checks.ts';

/* The thread for checks that take long. It has a clock, too: whatever it was given, it is free again soon. */

const port = parentPort!;

port.on('message', ({ schema, text }: SlowCheck) => {
  const apply = readSchema(schema);
  port.postMessage(runWithin(maxSlowMs, () => apply(text)) ?? `to check it took longer than ${maxSlowMs} ms`);
});
