import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Held } from './probe.ts';

/** What the server holds at one moment. */
export interface Sample extends Held {
  /** Seconds since the run began. */
  at: number;
  /** Open files and sockets; null where the system does not say. */
  files: number | null;
  /** Resident memory in bytes; null where the system does not say. */
  resident: number | null;
}

/** Milliseconds that the server may take to say what it holds. */
const patienceMs = 30_000;

/** Asks the server what it holds. @param file where it writes to */
export async function takeSample(pid: number, file: string, began: number): Promise<Sample> {
  rmSync(file, { force: true });
  process.kill(pid, 'SIGUSR2');
  const deadline = performance.now() + patienceMs;
  while (!existsSync(file)) {
    if (performance.now() > deadline) throw new Error('The server does not say what it holds.');
    await delay(20);
  }
  const held = JSON.parse(readFileSync(file, 'utf8')) as Held;
  return { at: Math.round((performance.now() - began) / 100) / 10, ...held, files: openFiles(pid), resident: residentBytes(pid) };
}

/** Bytes of JavaScript's heap and of the buffers outside of it. */
export function memoryOf({ heap, external }: Held): number {
  return heap + external;
}

function openFiles(pid: number): number | null {
  return existsSync(`/proc/${pid}/fd`) ? readdirSync(`/proc/${pid}/fd`).length : null;
}

function residentBytes(pid: number): number | null {
  if (!existsSync(`/proc/${pid}/status`)) return null;
  const kibibytes = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return kibibytes === undefined ? null : Number(kibibytes) * 1024;
}

/** A line through points, by least squares. */
export interface Line {
  /** Its rise over a unit of x. */
  slope: number;
  /** Its height in the middle of the points. */
  middle: number;
  /** Share of the variation that the line explains, 0 to 1. */
  fit: number;
}

/** @returns null for fewer than three points, or when all have the same x */
export function lineThrough(points: readonly { x: number; y: number }[]): Line | null {
  if (points.length < 3) return null;
  const mean = (take: (point: { x: number; y: number }) => number): number => points.reduce((sum, point) => sum + take(point), 0) / points.length;
  const [x, y] = [mean((point) => point.x), mean((point) => point.y)];
  const sum = (take: (point: { x: number; y: number }) => number): number => points.reduce((total, point) => total + take(point), 0);
  const xx = sum((point) => (point.x - x) ** 2);
  const yy = sum((point) => (point.y - y) ** 2);
  const xy = sum((point) => (point.x - x) * (point.y - y));
  if (xx === 0) return null;
  return { slope: xy / xx, middle: y, fit: yy === 0 ? 1 : xy ** 2 / (xx * yy) };
}
