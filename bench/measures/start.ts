import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, projectRoot, residentMegabytes, start, type Running } from '../processes.ts';
import { median, type Measured } from '../report.ts';
import { parleyEnvironment } from '../servers.ts';
import type { MeasureOptions } from './options.ts';

/** Milliseconds a server is left alone before its memory is looked at. */
const idleMs = 10_000;

/** Time from the start of the process to an answer of /health, and memory at rest, with the settings as they come. */
export async function measureStart({ quick }: MeasureOptions): Promise<Measured> {
  const dataDir = mkdtempSync(join(tmpdir(), 'parley-bench-'));
  const direct = [process.execPath, '--disable-warning=ExperimentalWarning', join(projectRoot, 'src', 'main.ts')];
  try {
    // The first start makes the database and fills the compile cache.
    const first = await startOnce(dataDir, direct);
    await first.running.stop();
    const starts: number[] = [];
    for (let run = 0; run < 5; run += 1) {
      const { running, milliseconds } = await startOnce(dataDir, direct);
      starts.push(milliseconds);
      await running.stop();
    }
    const idle = await startOnce(dataDir, direct);
    await new Promise((resolve) => setTimeout(resolve, quick ? idleMs / 2 : idleMs));
    const memory = residentMegabytes(idle.running.pid);
    await idle.running.stop();
    const limit = 2000;
    const seconds = (values: number[]): number => median(values)! / 1000;
    return {
      name: 'start and idle memory',
      rows: [
        { what: 'start to healthy', note: 'node src/main.ts, median of 5', parley: seconds(starts), peer: null, peerName: '', unit: 's', aim: '<= 2', met: seconds(starts) * 1000 <= limit },
        { what: 'very first start', note: 'makes the database', parley: first.milliseconds / 1000, peer: null, peerName: '', unit: 's', aim: '-', met: null },
        { what: 'idle memory', note: 'resident, 10 s after the start', parley: memory, peer: null, peerName: '', unit: 'MB', aim: '<= 150', met: memory <= 150 },
      ],
      details: { starts, first: first.milliseconds, memory },
    };
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}

async function startOnce(dataDir: string, command: string[]): Promise<{ running: Running; milliseconds: number }> {
  const port = await freePort();
  const began = performance.now();
  const running = start(command, { environment: parleyEnvironment(dataDir, port, null), pinned: false });
  while (!(await isHealthy(port))) {
    if (performance.now() - began > 60_000) throw new Error(`It does not start:\n${running.output()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return { running, milliseconds: performance.now() - began };
}

async function isHealthy(port: number): Promise<boolean> {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/health`);
    await answer.text();
    return answer.status === 200;
  } catch {
    // Nobody listens yet.
    return false;
  }
}
