import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { load, percentile, type Asked, type LoadResult, type Pace } from '../load.ts';
import { cpuSeconds } from '../processes.ts';
import { median, type Measured, type Row } from '../report.ts';
import { createPeople, startMock, startParley, straight, type Mock, type ParleyServer } from '../servers.ts';
import { startServices, type Services } from '../services.ts';
import { brief, cadence, type Shape } from '../shapes.ts';
import type { MeasureOptions } from './options.ts';

/** Accounts that share the load: what one person sends into new chats is numbered, one after another. */
const people = 8;
/** Clients that ask as soon as they were answered, over all instances. */
const connections = 32;
/** Answers that run at the same time while first tokens are timed. */
const spreadStreams = 20;
const aimRatio = 1.5;

/** Something that answers, by one process or several. */
interface Setting {
  name: string;
  /** What is sent: the load is spread over all of them. */
  asked(shape: Shape): Asked[];
  /** Seconds of CPU of everything that answers: the servers and what they store in. */
  cpuSeconds(): number;
}

interface Figures {
  turnsPerSecond: number;
  cpuMicrosecondsPerTurn: number | null;
  firstTextP50: number | null;
  firstTextP99: number | null;
  failures: Record<string, number>;
}

/**
 * Two instances on PostgreSQL and Redis beside one on SQLite, and one on PostgreSQL, with the same load. Nothing is
 * pinned but what drives it: on two cores the servers, PostgreSQL, Redis, the mock and the driver share both.
 */
export async function measureInstances({ rounds, quick }: MeasureOptions): Promise<Measured> {
  const mock = await startMock();
  const services = await startServices();
  const stops: (() => Promise<void>)[] = [];
  try {
    const settings = await startSettings(mock, services, stops);
    const figures = new Map<string, Figures[]>(settings.map(({ name }) => [name, []]));
    for (const setting of settings) await loadAll(setting, brief, { kind: 'closed', connections, seconds: 3 });
    for (let round = 0; round < rounds; round += 1) {
      for (const setting of settings) figures.get(setting.name)!.push(await measureOnce(setting, quick ? 4 : 8));
    }
    return { name: `two instances beside one (PostgreSQL: ${Object.entries(services.settings).map((pair) => pair.join(' ')).join(', ')})`, rows: rowsOf(figures), details: Object.fromEntries(figures) };
  } finally {
    for (const stop of stops.reverse()) await stop();
    await services.stop();
    mock.stop();
  }
}

const oneOnSqlite = 'one on SQLite';
const oneOnPostgres = 'one on PostgreSQL and Redis';
const twoOnPostgres = 'two on PostgreSQL and Redis';
const nobody = 'straight';

async function startSettings(mock: Mock, services: Services, stops: (() => Promise<void>)[]): Promise<Setting[]> {
  const shared = { DATABASE_URL: services.databaseUrl, REDIS_URL: services.redisUrl };
  const begin = async (environment: Record<string, string>, prepare?: (dataDir: string) => void): Promise<ParleyServer> => {
    const server = await startParley({ mock, environment, pinned: false, ...(prepare ? { prepare } : {}) });
    stops.push(() => server.stop());
    return server;
  };
  const sqlite = await begin({});
  const first = await begin(shared);
  // Instances share one set of secrets.
  const second = await begin(shared, (dataDir) => copyFileSync(join(first.dataDir, 'secrets.json'), join(dataDir, 'secrets.json')));
  const keys = { sqlite: createPeople(sqlite.environment, people), postgres: createPeople(first.environment, people) };
  const setting = (name: string, servers: ParleyServer[], keysOf: string[], stored: () => number): Setting => ({
    name,
    asked: (shape) => keysOf.map((key, index) => ({ ...servers[index % servers.length]!.asked(shape, true), headers: { authorization: `Bearer ${key}` } })),
    cpuSeconds: () => servers.reduce((sum, { pid }) => sum + cpuSeconds(pid!), 0) + stored(),
  });
  const direct = straight(mock);
  return [
    { name: nobody, asked: (shape) => [direct.asked(shape, true)], cpuSeconds: () => 0 },
    setting(oneOnSqlite, [sqlite], keys.sqlite, () => 0),
    setting(oneOnPostgres, [first], keys.postgres, services.cpuSeconds),
    setting(twoOnPostgres, [first, second], keys.postgres, services.cpuSeconds),
  ];
}

/** The same load whoever answers. */
async function loadAll(setting: Setting, shape: Shape, pace: Pace): Promise<LoadResult> {
  const all = setting.asked(shape);
  const share: Pace = pace.kind === 'closed' ? { ...pace, connections: pace.connections / all.length } : pace.kind === 'open' ? { ...pace, perSecond: pace.perSecond / all.length } : pace;
  const results = await Promise.all(all.map((asked, index) => load(asked, share, index + 1)));
  const sorted = (values: number[]): number[] => values.sort((one, other) => one - other);
  return {
    seconds: Math.max(...results.map(({ seconds }) => seconds)),
    answers: results.reduce((sum, { answers }) => sum + answers, 0),
    events: results.reduce((sum, { events }) => sum + events, 0),
    words: results.reduce((sum, { words }) => sum + words, 0),
    failures: Object.assign({}, ...results.map(({ failures }) => failures)) as Record<string, number>,
    firstTextMs: sorted(results.flatMap(({ firstTextMs }) => firstTextMs)),
    totalMs: sorted(results.flatMap(({ totalMs }) => totalMs)),
  };
}

async function measureOnce(setting: Setting, seconds: number): Promise<Figures> {
  const before = setting.cpuSeconds();
  const closed = await loadAll(setting, brief, { kind: 'closed', connections, seconds });
  const used = setting.cpuSeconds() - before;
  const lasting = (cadence.firstMs + cadence.chunks * cadence.everyMs) / 1000;
  const open = await loadAll(setting, cadence, { kind: 'open', perSecond: spreadStreams / lasting, seconds });
  return {
    turnsPerSecond: closed.answers / closed.seconds,
    cpuMicrosecondsPerTurn: used === 0 ? null : (used / closed.answers) * 1e6,
    firstTextP50: percentile(open.firstTextMs, 0.5),
    firstTextP99: percentile(open.firstTextMs, 0.99),
    failures: { ...closed.failures, ...open.failures },
  };
}

function rowsOf(figures: ReadonlyMap<string, Figures[]>): Row[] {
  const rounds = (name: string): Figures[] => figures.get(name)!;
  const added = (name: string, key: 'firstTextP50' | 'firstTextP99'): number | null =>
    median(rounds(name).map((round, index) => (round[key] === null || rounds(nobody)[index]![key] === null ? null : round[key]! - rounds(nobody)[index]![key]!)));
  const failed = [oneOnSqlite, oneOnPostgres, twoOnPostgres].flatMap((name) => rounds(name).flatMap(({ failures }) => Object.entries(failures)));
  const ratio = median(rounds(twoOnPostgres).map(({ turnsPerSecond }, index) => turnsPerSecond / rounds(oneOnSqlite)[index]!.turnsPerSecond));
  const row = (what: string, name: string, take: (round: Figures) => number | null, unit: string): Row => ({
    what: `${name}: ${what}`, parley: median(rounds(name).map(take)), peer: median(rounds(oneOnSqlite).map(take)), peerName: oneOnSqlite, unit, aim: '-', met: null,
  });
  const rows = [twoOnPostgres, oneOnPostgres].flatMap((name) => [
    row('turns', name, (round) => round.turnsPerSecond, '/s'),
    row('CPU a turn, with what it is stored in', name, (round) => round.cpuMicrosecondsPerTurn, 'us CPU'),
    ...(['firstTextP50', 'firstTextP99'] as const).map((key) => ({ ...row(`added time to first token, ${key.slice(-3).toLowerCase()}`, name, () => null, 'ms'), parley: added(name, key), peer: added(oneOnSqlite, key) })),
  ]);
  return [
    {
      what: 'two instances: turns a second, as a ratio', parley: ratio, peer: 1, peerName: oneOnSqlite, unit: 'x', aim: `>= ${aimRatio}`,
      met: ratio === null ? null : ratio >= aimRatio, ...(failed.length > 0 ? { note: `FAILED ${JSON.stringify(failed)}` } : {}),
    },
    ...rows,
  ];
}
