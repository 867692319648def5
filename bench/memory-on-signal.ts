import { writeFileSync } from 'node:fs';

/*
 * Loaded into a process whose memory is of interest (`--expose-gc --import`): at SIGUSR2 it throws its garbage away and
 * writes what is left to the file that BENCH_MEMORY names.
 */

const file = process.env['BENCH_MEMORY']!;
const collect = (globalThis as { gc?: () => void }).gc!;

process.on('SIGUSR2', () => {
  // Twice: what the first finds to be finalised, the second frees.
  collect();
  collect();
  writeFileSync(`${file}.new`, JSON.stringify(process.memoryUsage()));
  writeFileSync(file, `${process.pid}`);
});
