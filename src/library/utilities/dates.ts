const days = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const months = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December'];

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

const pad = (value: number, width = 2): string => String(value).padStart(width, '0');

/** The directives of Python's strftime that are known here; all in UTC. */
const directives: Readonly<Record<string, (date: Date) => string>> = {
  Y: (date) => pad(date.getUTCFullYear(), 4),
  y: (date) => pad(date.getUTCFullYear() % 100),
  m: (date) => pad(date.getUTCMonth() + 1),
  d: (date) => pad(date.getUTCDate()),
  H: (date) => pad(date.getUTCHours()),
  I: (date) => pad(date.getUTCHours() % 12 || 12),
  M: (date) => pad(date.getUTCMinutes()),
  S: (date) => pad(date.getUTCSeconds()),
  p: (date) => (date.getUTCHours() < 12 ? 'AM' : 'PM'),
  a: (date) => days[date.getUTCDay()]!.slice(0, 3),
  A: (date) => days[date.getUTCDay()]!,
  b: (date) => months[date.getUTCMonth()]!.slice(0, 3),
  B: (date) => months[date.getUTCMonth()]!,
  j: (date) => pad((Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()) - Date.UTC(date.getUTCFullYear(), 0, 1)) / day + 1, 3),
  '%': () => '%',
};

/**
 * A time in UTC by a format of Python's strftime: %Y %y %m %d %H %I %M %S %p %a %A %b %B %j %%. Other directives stay as
 * they are written; names are English.
 * @throws {RangeError} for an invalid date
 */
export function formatDatetime(dt: Date, formatStr: string = '%Y-%m-%d %H:%M:%S'): string {
  refuseInvalid(dt, 'dt');
  return formatStr.replace(/%(.)/gs, (written, directive: string) => (Object.hasOwn(directives, directive) ? directives[directive]!(dt) : written));
}

const units: readonly (readonly [string, number])[] = [['year', 365 * day], ['month', 30 * day], ['day', day], ['hour', hour], ['minute', minute]];

/**
 * How long ago a time is, in whole units, rounded down; a month has 30 days and a year 365. Less than a minute, and any
 * time that is still to come, is `just now`.
 * @param now default: the present
 * @throws {RangeError} for an invalid date
 */
export function timeAgo(dt: Date, now: Date = new Date()): string {
  refuseInvalid(dt, 'dt');
  refuseInvalid(now, 'now');
  const elapsed = now.getTime() - dt.getTime();
  const [name, length] = units.find(([, milliseconds]) => elapsed >= milliseconds) ?? [];
  if (name === undefined || length === undefined) return 'just now';
  const count = Math.floor(elapsed / length);
  return `${count} ${name}${count === 1 ? '' : 's'} ago`;
}

function refuseInvalid(date: Date, name: string): void {
  if (!(date instanceof Date) || Number.isNaN(date.getTime())) throw new RangeError(`${name} must be a valid Date.`);
}
