/** One measured figure beside what it is held against. */
export interface Row {
  what: string;
  /** Our figure: the median of the rounds. */
  parley: number | null;
  /** The peer's, in the same run. */
  peer: number | null;
  peerName: string;
  unit: string;
  aim: string;
  /** Whether the aim is met; null where there is none. */
  met: boolean | null;
  note?: string;
}

export interface Measured {
  name: string;
  rows: Row[];
  /** Everything behind the rows. */
  details: unknown;
}

export function median(values: readonly (number | null)[]): number | null {
  const known = values.filter((value): value is number => value !== null).sort((one, other) => one - other);
  if (known.length === 0) return null;
  const middle = Math.floor(known.length / 2);
  return known.length % 2 === 1 ? known[middle]! : (known[middle - 1]! + known[middle]!) / 2;
}

/** Three significant digits are more than such a machine gives. */
export function show(value: number | null): string {
  if (value === null) return '-';
  if (value === 0) return '0';
  return Math.abs(value) >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
}

/** The rows as a table in Markdown. */
export function table(rows: readonly Row[]): string {
  const lines = [
    ['measured', 'Parley', 'beside it', 'unit', 'aim', 'met'],
    ...rows.map((row) => [
      row.note === undefined ? row.what : `${row.what} (${row.note})`,
      show(row.parley),
      row.peerName === '' ? '-' : `${row.peerName} ${show(row.peer)}`,
      row.unit,
      row.aim,
      row.met === null ? '-' : row.met ? 'yes' : 'NO',
    ]),
  ];
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  const drawn = lines.map((line) => `| ${line.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`);
  drawn.splice(1, 0, `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`);
  return drawn.join('\n');
}
