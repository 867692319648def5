import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, statfs } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { makeScript } from '../base/redis/index.ts';
import { readThreadMeasurements } from '../core/models/index.ts';
import type { Config } from '../config.ts';
import type { Core } from '../parts.ts';
import { explain } from './failure.ts';
import { formatBytes } from './output.ts';

/**
 * What one check found. `ok`: works. `absent`: not there, and not needed for Parley to run; `fix` says what would add
 * it. `broken`: Parley does not work, or not well, until `fix` is done.
 */
export interface Finding {
  name: string;
  state: 'ok' | 'absent' | 'broken';
  detail: string;
  fix: string | null;
}

/** Bytes free below which the data folder is called full. */
const fewBytes = 200e6;
/** Milliseconds to wait for a server on this machine. */
const serverPatienceMs = 1500;
const programPatienceMs = 5000;

const ok = (name: string, detail: string): Finding => ({ name, state: 'ok', detail, fix: null });
const absent = (name: string, detail: string, fix: string): Finding => ({ name, state: 'absent', detail, fix });
const broken = (name: string, detail: string, fix: string): Finding => ({ name, state: 'broken', detail, fix });

export function checkNode(version: string): Finding {
  const [major, minor] = version.split('.').map(Number) as [number, number];
  const isNewEnough = major > 24 || (major === 24 && minor >= 7);
  return isNewEnough ? ok('Node', `${version} on ${process.platform} ${process.arch}`) : broken('Node', `${version} is too old`, 'Start with npm start or npx parley: they fetch a newer one.');
}

export async function checkFolder(name: string, folder: string): Promise<Finding> {
  try {
    await access(folder, constants.W_OK);
    const space = await statfs(folder);
    const free = space.bavail * space.bsize;
    return free < fewBytes ? broken(name, `${folder} has only ${formatBytes(free)} left`, 'Free some space, or set DATA_DIR to a folder on another disk.') : ok(name, `${folder} (${formatBytes(free)} free)`);
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    return missing ? absent(name, `${folder} is not there yet`, 'It is made when it is needed.') : broken(name, `${folder} cannot be written`, 'Give it to the user who runs Parley, or set DATA_DIR to another folder.');
  }
}

export async function checkDatabase(core: Core): Promise<Finding> {
  const name = core.storage.engine === 'postgres' ? 'Database (PostgreSQL)' : 'Database (SQLite)';
  const state = await core.storage.check();
  if (!state.ok) return broken(name, state.problem, 'See docs/running.md, "When the database is broken".');
  return ok(name, 'reads and writes');
}

/** Null where REDIS_URL is not set. Publishes, listens and runs a script, because Redis may allow one and refuse the other. */
export async function checkRedis({ config, redis, bus, limiter }: Core): Promise<Finding | null> {
  if (!config.redisUrl || !redis) return null;
  const name = 'Redis';
  const fix = 'Look at REDIS_URL and at Redis itself: see docs/several-instances.md. Until then instances work, each with limits of its own.';
  const state = redis.check();
  if (!state.ok) return broken(name, state.problem, fix);
  try {
    const topic = 'doctor';
    const unsubscribe = bus.subscribe(topic, () => undefined);
    await bus.listening(topic);
    const channels = await redis.commands.command(['PUBSUB', 'CHANNELS', `${redis.prefix}topic:${topic}`], serverPatienceMs);
    unsubscribe();
    if (!Array.isArray(channels) || channels.length === 0) return broken(name, 'it does not let this server listen to its channels', fix);
    await redis.commands.script(makeScript("return redis.call('PUBLISH', KEYS[1], '')"), [`${redis.prefix}${topic}`], [], serverPatienceMs);
    await limiter.take({ name: topic, count: 1000, windowMs: 1000 }, 'anybody');
    return ok(name, 'publishes, listens and counts');
  } catch (error) {
    return broken(name, error instanceof Error ? error.message : String(error), fix);
  }
}

export async function checkServer(config: Config): Promise<Finding> {
  const address = addressOn(config, config.port);
  try {
    const response = await fetch(`${address}/health`, { signal: AbortSignal.timeout(serverPatienceMs) });
    const health = (await response.json()) as { status?: unknown; version?: unknown };
    if (typeof health.version !== 'string') return broken('Server', `something else answers at ${address}`, `Stop it, or choose another port: PORT=${config.port + 1} npm start`);
    return health.status === 'healthy' ? ok('Server', `version ${health.version} runs at ${address}`) : broken('Server', `version ${health.version} at ${address} says it is ${String(health.status)}`, 'Its log says why.');
  } catch {
    return absent('Server', `none runs at ${address}`, 'npm start');
  }
}

/** The port for Ollama's clients, where one is set: whether this server answers there, or Ollama itself, or something else. */
export async function checkOllamaApi(config: Config): Promise<Finding | null> {
  if (config.ollamaApiPort === null) return null;
  const name = 'Ollama API';
  const address = addressOn(config, config.ollamaApiPort);
  let answered: Response;
  try {
    answered = await fetch(`${address}/api/version`, { signal: AbortSignal.timeout(serverPatienceMs) });
  } catch {
    return absent(name, `nothing answers at ${address}`, 'It is served while the server runs: npm start');
  }
  const said = (await answered.json().catch(() => null)) as { parley?: unknown } | null;
  if (typeof said?.parley === 'string') return ok(name, `answers at ${address}`);
  return broken(name, `another program answers at ${address}, perhaps Ollama itself`, `Stop it and start Parley again, or choose another port: OLLAMA_API_PORT=${config.ollamaApiPort + 1}`);
}

function addressOn(config: Config, port: number): string {
  const host = config.host === '0.0.0.0' || config.host === '::' ? '127.0.0.1' : config.host;
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

export async function checkPage(): Promise<Finding> {
  const file = fileURLToPath(new URL('../../web/dist/index.html', import.meta.url));
  try {
    await access(file);
    return ok('Page', 'built');
  } catch {
    return absent('Page', 'not built yet', 'npm start builds it.');
  }
}

/** Each provider of models: ready, or what would make it so. */
export async function checkModels(core: Core): Promise<Finding[]> {
  const owner = await core.accounts.owner();
  const caller = { userId: owner.id, role: owner.role };
  const providers = await core.models.providers(caller);
  const findings = providers.map(({ id, state, detail, howToAdd }) => {
    const name = `Models: ${id}`;
    if (state === 'ready') return ok(name, detail);
    return state === 'error' ? broken(name, detail, howToAdd) : absent(name, detail, howToAdd);
  });
  try {
    const target = await core.models.resolve(null, caller);
    findings.push(target.isBuiltin ? absent('Default model', `${target.id}, which is no language model`, 'npx parley model pull lists models to fetch.') : ok('Default model', target.id));
  } catch (error) {
    findings.push(broken('Default model', explain(error), 'Set DEFAULT_MODEL to a model of `parley model list`, or to nothing.'));
  }
  return findings;
}

/** How many threads models on this machine use, and why. */
export function checkThreads(config: Pick<Config, 'dataDir'> & { llama: Pick<Config['llama'], 'threads'> }): Finding {
  const name = 'Threads of models';
  if (config.llama.threads > 0) return ok(name, `${config.llama.threads}, set by LLAMA_THREADS`);
  const measured = readThreadMeasurements(config.dataDir);
  if (measured.length === 0) return absent(name, 'not measured yet', 'It is done when a model file is first asked; LLAMA_THREADS sets a number.');
  const machines = new Set(measured.map(({ machine }) => machine)).size;
  const rows = measured.map(({ machine, size, threads, tokensPerSecond }) => {
    const rates = Object.entries(tokensPerSecond).map(([count, rate]) => `${count}: ${rate}`).join(', ');
    return `${threads} for models ${size} (tokens a second by threads ${rates})${machines > 1 ? ` on ${machine}` : ''}`;
  });
  return ok(name, rows.join('; '));
}

/** A program that only the tests need. */
export async function checkProgram(name: string, programs: string[], fix: string): Promise<Finding> {
  for (const program of programs) {
    try {
      const { stdout } = await promisify(execFile)(program, ['--version'], { timeout: programPatienceMs });
      return ok(name, stdout.trim().split('\n')[0]!);
    } catch {
      continue;
    }
  }
  return absent(name, 'not found', fix);
}

/** Variables that are set and change nothing; null when there are none. */
export function checkUnread(names: readonly string[]): Finding | null {
  if (names.length === 0) return null;
  return { name: 'Settings', state: 'absent', detail: `set, and not read yet: ${names.join(', ')}`, fix: 'See "Environment variables" in docs/studio-library.md.' };
}
