import type { Clock } from '../../../base/clock.ts';
import { asParleyError, ParleyError } from '../../../base/errors.ts';
import type { Bus } from '../../../base/events/index.ts';
import { kindOf, type Job, type Jobs } from '../../../base/jobs/index.ts';
import { listedName, type OllamaServers } from '../providers/ollama/index.ts';
import { failureCode, pullOf, pullTopic, runPull, tellPull, type PullPayload } from './pull-job.ts';
import type { OllamaPool, OllamaPull, PullOutcome } from './types.ts';

export interface OllamaPoolOptions {
  /** Null where Ollama is switched off. */
  servers: OllamaServers | null;
  jobs: Jobs;
  bus: Bus;
  clock: Clock;
  /**
   * Names this machine where several servers share a database: what it was asked to fetch it fetches, since the addresses of
   * its instances may mean others elsewhere. @default one server
   */
  machine?: string | null;
}

const anyKind = 'ollama-pull';
/** Downloads at the same time. */
const concurrency = 4;
const mostListed = 100;

const nobody: OllamaServers = {
  ids: [],
  instances: async () => [],
  pull() {
    throw new ParleyError('provider_unavailable', { message: 'Ollama is switched off.' });
  },
  async manage() {
    throw new ParleyError('provider_unavailable', { message: 'Ollama is switched off.' });
  },
  onLoaded: () => () => undefined,
};

/** Registers the handler of its jobs, so it is made before the jobs start. */
export function createOllamaPool(options: OllamaPoolOptions): OllamaPool {
  const { jobs, bus, clock } = options;
  const servers = options.servers ?? nobody;
  const kind = options.machine ? `${anyKind}@${options.machine}` : anyKind;
  jobs.register(kind, (job, run) => runPull(job, run, { servers, bus, clock }), concurrency);
  /** Requests that come at the same time join each other, too. */
  let beginning: Promise<unknown> = Promise.resolve();

  const open = (): Promise<Job[]> => jobs.list({ kind, states: ['waiting', 'running'] }, mostListed);
  const begin = async (userId: string, payload: PullPayload): Promise<string> => {
    const running = (await open()).find((job) => isSame(job.payload as PullPayload, payload));
    return running?.id ?? (await jobs.enqueue({ kind, userId, payload, maxAttempts: 1 }))!;
  };
  const beginInTurn = (userId: string, payload: PullPayload): Promise<string> => {
    const begun = beginning.then(() => begin(userId, payload));
    beginning = begun.catch(() => undefined);
    return begun;
  };

  return {
    isConfigured: servers.ids.length > 0,
    onLoaded: (listener) => servers.onLoaded(listener),
    onPull: (listener) => bus.subscribe(pullTopic, (message) => {
      if (message.type === 'pull') listener(message['pull'] as OllamaPull);
    }),
    async status() {
      const [instances, pulls] = await Promise.all([servers.instances(), jobs.list({ kindOnAnyMachine: anyKind, states: ['waiting', 'running'] }, mostListed)]);
      return { instances, pulls: pulls.map(pullOf) };
    },
    async pull(userId, model, instanceId, signal) {
      const ids = await addressed(servers, instanceId);
      const begun = await Promise.all(ids.map((id) => beginInTurn(userId, { model, instanceId: id })));
      return outcomeOf(model, await Promise.all(begun.map((id) => jobs.wait(id, signal))));
    },
    async manage(action, model, instanceId, signal) {
      const ids = await addressed(servers, instanceId);
      const ended = await Promise.all(ids.map(async (id) => servers.manage(id, action, model, signal).then(() => null, asParleyError)));
      const [first] = ended;
      if (first && ended.every((error) => error?.code === first.code)) throw first;
      return new Map(ids.map((id, at) => [id, ended[at]?.message ?? null]));
    },
    async cancel(id) {
      const job = await jobs.get(id);
      if (!job || kindOf(job.kind) !== anyKind) throw new ParleyError('not_found', { message: 'There is no such download.' });
      const pull = pullOf((await jobs.cancel(id))!);
      if (pull.state === 'cancelled' && job.state !== 'cancelled') tellPull(bus, pull);
      return pull;
    },
  };
}

/** @throws {ParleyError} `not_found`, `provider_unavailable` */
async function addressed(servers: OllamaServers, instanceId: string | null): Promise<readonly string[]> {
  if (servers.ids.length === 0) throw new ParleyError('provider_unavailable', { message: 'Ollama is switched off by OLLAMA_URLS=off.' });
  const ids = instanceId === null ? servers.ids : servers.ids.filter((id) => id === instanceId || onThisMachine(id) === onThisMachine(instanceId)).slice(0, 1);
  if (ids.length === 0) throw new ParleyError('not_found', { message: `There is no such instance of Ollama. Those of OLLAMA_URLS are: ${servers.ids.join(', ')}.`, parameter: 'instance_id' });
  const isUp = (await servers.instances()).some(({ id, state }) => state !== 'unreachable' && ids.includes(id));
  if (!isUp) throw new ParleyError('provider_unavailable', { message: `Ollama cannot be reached at ${ids.join(', ')}. Is it running?` });
  return ids;
}

/** The same name for all that mean this machine. */
function onThisMachine(id: string): string {
  return id.replace(/^(localhost|\[::1\])(?=[:/]|$)/, '127.0.0.1');
}

function isSame(one: PullPayload, other: PullPayload): boolean {
  return one.instanceId === other.instanceId && listedName(one.model) === listedName(other.model);
}

/** @throws {ParleyError} why no instance got anything at all: a name that is none, a registry that does not answer */
function outcomeOf(model: string, jobs: readonly Job[]): PullOutcome {
  const pulls = jobs.map(pullOf);
  const [first] = jobs;
  const code = failureCode(first!);
  if (code !== null && jobs.every((job) => failureCode(job) === code) && pulls.every(({ totalBytes }) => totalBytes === 0)) {
    throw new ParleyError(code, { message: first!.error ?? 'The model could not be fetched.', parameter: 'model' });
  }
  return { model, pulls };
}
