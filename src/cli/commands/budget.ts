import type { Bounds, BudgetState, BudgetSubject, Period, UsageGroup, UsageLine } from '../../core/budgets/index.ts';
import type { Core } from '../../parts.ts';
import { CommandError } from '../failure.ts';
import { operator, userNamed, withCore } from '../open.ts';
import { formatTable, formatTime } from '../output.ts';

/** Whose budget a command is about. */
interface Whose {
  user?: string;
  key?: string;
}

export interface BudgetOptions extends Whose {
  requests?: string;
  tokens?: string;
  /** Dollars. */
  cost?: string;
  unlimited?: boolean;
}

export interface UsageOptions {
  by: string;
  /** A day, or a time in UTC. */
  from?: string;
  to?: string;
  user?: string;
  json?: boolean;
}

export async function setBudget(period: string, options: BudgetOptions): Promise<void> {
  const bounds: Bounds = { requests: wholeOf('--requests', options.requests), tokens: wholeOf('--tokens', options.tokens), costMicros: dollarsOf(options.cost) };
  const isEmpty = Object.values(bounds).every((bound) => bound === null);
  if (isEmpty && !options.unlimited) throw new CommandError('Say what is bounded: --requests, --tokens, --cost, or --unlimited for nothing at all.');
  if (!isEmpty && options.unlimited) throw new CommandError('--unlimited goes with no bound.');
  const state = await withCore(async (core) => core.budgets.set(await operator(core), await subjectOf(core, options), periodOf(period), bounds));
  console.log(`${nameOf(state)} may use ${isEmpty ? 'any amount' : boundsOf(state)} a ${state.period}; used so far: ${usedOf(state)}.`);
}

export async function removeBudget(period: string, options: Whose): Promise<void> {
  await withCore(async (core) => core.budgets.remove(await operator(core), await subjectOf(core, options), periodOf(period)));
  console.log('The budget is removed. The one for everybody, if there is one (BUDGET_PER_USER), holds again.');
}

export async function listBudgets(options: { user?: string; json?: boolean }): Promise<void> {
  const states = await withCore(async (core) => core.budgets.list(await operator(core), options.user === undefined ? null : (await userNamed(core, options.user)).id));
  if (options.json) {
    console.log(JSON.stringify(states.map(plainBudget), null, 2));
    return;
  }
  if (states.length === 0) {
    console.log('No budgets were set (parley budget set). Those for everybody stand in BUDGET_PER_USER.');
    return;
  }
  const rows = states.map((state) => [nameOf(state), state.period, boundsOf(state), usedOf(state), state.source === 'default' ? 'everybody' : 'own', formatTime(state.resetsAt)]);
  console.log(formatTable(['WHOSE', 'A', 'BUDGET', 'USED', 'SET FOR', 'STARTS ANEW'], rows));
}

const groups: readonly UsageGroup[] = ['model', 'day', 'user', 'key'];

export async function showUsage(options: UsageOptions): Promise<void> {
  const groupBy = groups.find((group) => group === options.by);
  if (!groupBy) throw new CommandError(`--by takes ${groups.join(', ')}, not "${options.by}".`);
  const range = { ...timeOf('from', options.from), ...timeOf('to', options.to) };
  const lines = await withCore(async (core) =>
    core.budgets.usage(await operator(core), { groupBy, ...range, userId: options.user === undefined ? null : (await userNamed(core, options.user)).id }));
  if (options.json) {
    console.log(JSON.stringify(lines.map(plainUsage), null, 2));
    return;
  }
  if (lines.length === 0) {
    console.log('Nothing was used in this time.');
    return;
  }
  const rows = lines.map((line) => [line.label, number(line.calls), `${number(line.tokensIn)}${line.callsWithoutTokens > 0 ? '+' : ''}`, number(line.tokensOut), `${dollars(line.costMicros)}${line.callsWithoutPrice > 0 ? '+' : ''}`]);
  console.log(formatTable([groupBy.toUpperCase(), 'CALLS', 'TOKENS IN', 'TOKENS OUT', 'COST'], rows));
  const [noTokens, noPrice] = [sumOf(lines, 'callsWithoutTokens'), sumOf(lines, 'callsWithoutPrice')];
  if (noTokens > 0) console.log(`+ ${noTokens} ${noTokens === 1 ? 'call' : 'calls'} without a figure of tokens.`);
  if (noPrice > 0) console.log(`+ ${noPrice} ${noPrice === 1 ? 'call' : 'calls'} without a known price.`);
}

/** A user by name, or a key by its beginning. @throws {CommandError} */
async function subjectOf(core: Core, { user, key }: Whose): Promise<BudgetSubject> {
  const { id } = await userNamed(core, user);
  if (key === undefined) return { kind: 'user', id };
  const start = key.replace(/\.+$/, '');
  const found = (await core.accounts.apiKeys(id)).filter((known) => known.id === key || known.name === key || (start.length >= 8 && (known.prefix.startsWith(start) || start.startsWith(known.prefix))));
  if (found.length === 0) throw new CommandError('There is no such key. `parley key list` shows all; --user says whose it is.');
  if (found.length > 1) throw new CommandError('More than one key is named or begins like this: give its beginning.');
  return { kind: 'key', id: found[0]!.id };
}

function periodOf(text: string): Period {
  if (text === 'day' || text === 'month') return text;
  throw new CommandError(`A budget is for a day or a month, not "${text}".`);
}

function wholeOf(option: string, text: string | undefined): number | null {
  if (text === undefined) return null;
  if (!/^\d{1,15}$/.test(text)) throw new CommandError(`${option} takes a whole number of 0 or more, not "${text}".`);
  return Number(text);
}

function dollarsOf(text: string | undefined): number | null {
  if (text === undefined) return null;
  if (!/^\d{1,9}(\.\d{1,6})?$/.test(text)) throw new CommandError(`--cost takes dollars, such as 5 or 0.50, not "${text}".`);
  return Math.round(Number(text) * 1e6);
}

/** A day, or a time with a zone. @throws {CommandError} */
function timeOf<Name extends 'from' | 'to'>(name: Name, text: string | undefined): { [Key in Name]?: number } {
  if (text === undefined) return {};
  const time = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?Z)?$/.test(text) ? Date.parse(text) : NaN;
  // What no calendar has (February 30) would be read as a day of the next month.
  if (Number.isNaN(time) || !new Date(time).toISOString().startsWith(text.slice(0, 10))) throw new CommandError(`--${name} takes a day such as 2026-11-21 (UTC), not "${text}".`);
  return { [name]: time } as { [Key in Name]?: number };
}

function nameOf({ subject, label }: BudgetState): string {
  return subject.kind === 'key' ? `key ${label}` : label;
}

function boundsOf({ bounds }: BudgetState): string {
  const parts = [
    ...(bounds.requests === null ? [] : [counted(bounds.requests, 'request')]),
    ...(bounds.tokens === null ? [] : [counted(bounds.tokens, 'token')]),
    ...(bounds.costMicros === null ? [] : [dollars(bounds.costMicros)]),
  ];
  return parts.length === 0 ? 'unlimited' : parts.join(', ');
}

function usedOf({ used }: BudgetState): string {
  return `${counted(used.requests, 'request')}, ${counted(used.tokens, 'token')}, ${dollars(used.costMicros)}`;
}

function counted(value: number, unit: string): string {
  return `${number(value)} ${unit}${value === 1 ? '' : 's'}`;
}

function number(value: number): string {
  return value.toLocaleString('en-US');
}

/** Small sums keep their digits. */
function dollars(micros: number): string {
  const value = micros / 1e6;
  return `$${value === 0 || value >= 0.01 ? value.toFixed(2) : value.toFixed(6)}`;
}

function sumOf(lines: readonly UsageLine[], field: 'callsWithoutTokens' | 'callsWithoutPrice'): number {
  return lines.reduce((sum, line) => sum + line[field], 0);
}

function plainBudget({ subject, label, userId, period, source, bounds, used, reserved, resetsAt }: BudgetState): Record<string, unknown> {
  const plain = ({ requests, tokens, costMicros }: Bounds) => ({ requests, tokens, cost_usd: costMicros === null ? null : costMicros / 1e6 });
  return {
    subject: subject.kind, subject_id: subject.id, label, user_id: userId, period, source, bounds: plain(bounds), used: plain(used), reserved: plain(reserved),
    resets_at: new Date(resetsAt).toISOString(),
  };
}

function plainUsage(line: UsageLine): Record<string, unknown> {
  return {
    group: line.group, label: line.label, calls: line.calls, tokens_in: line.tokensIn, tokens_out: line.tokensOut, cost_usd: line.costMicros / 1e6,
    calls_without_tokens: line.callsWithoutTokens, calls_without_price: line.callsWithoutPrice,
  };
}
