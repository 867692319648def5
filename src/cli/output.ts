import { CommandError } from './failure.ts';

/** Bytes as people say them: 1.2 GB. Decimal units, as disks and downloads are sold. */
export function formatBytes(bytes: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** Milliseconds as people say them: 5 s, 3 min 20 s, 2 h 5 min. */
export function formatDuration(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min ${seconds % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** A table for the terminal: columns as wide as their widest cell, two spaces between. */
export function formatTable(head: string[], rows: string[][]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]!.length)));
  const line = (cells: string[]): string => cells.map((cell, column) => cell.padEnd(widths[column]!)).join('  ').trimEnd();
  return [line(head), ...rows.map(line)].join('\n');
}

/** A time as people write it, in UTC; "never" for none. */
export function formatTime(milliseconds: number | null): string {
  return milliseconds === null ? 'never' : `${new Date(milliseconds).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

/** A number of days from the command line, in milliseconds. @throws {CommandError} */
export function daysOf(text: string): number {
  const days = Number(text);
  if (!(days > 0 && days <= 36_500)) throw new CommandError(`--days takes a number of days above 0, not "${text}".`);
  return days * 24 * 3600 * 1000;
}
