/** Bytes in the units people know, with at most one digit behind the point. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let at = 0;
  while (value >= 999.5 && at < units.length - 1) {
    value /= 1000;
    at += 1;
  }
  return `${at === 0 || value >= 99.95 ? Math.round(value) : Math.round(value * 10) / 10} ${units[at]}`;
}

/** A length of time for a person: "840 ms", "3.2 s", "2 min 5 s". */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

/** Dollars, with the digits that small amounts need. */
export function formatCost(dollars: number): string {
  if (dollars === 0) return 'free';
  if (dollars < 0.0001) return 'under $0.0001';
  return `$${dollars.toFixed(dollars < 0.01 ? 4 : 2)}`;
}

/** A whole number with separators. */
export function formatCount(count: number): string {
  return count.toLocaleString('en-US');
}

/** Under which heading a chat stands in the list: by the days since something was said in it. */
export function dayGroup(time: string, now: Date): 'Today' | 'Yesterday' | 'Last 7 days' | 'Last 30 days' | 'Older' {
  const midnight = new Date(now.getFullYear(), now.getMonth(), now.getDate()).getTime();
  const at = new Date(time).getTime();
  const day = 86_400_000;
  if (at >= midnight) return 'Today';
  if (at >= midnight - day) return 'Yesterday';
  if (at >= midnight - 7 * day) return 'Last 7 days';
  if (at >= midnight - 30 * day) return 'Last 30 days';
  return 'Older';
}

/** Date and time as this reader's machine writes them. */
export function formatTime(time: string): string {
  return new Date(time).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
}
