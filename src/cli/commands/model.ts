import { ParleyError } from '../../base/errors.ts';
import { startAll, stopAll } from '../../base/lifecycle.ts';
import { createLog } from '../../base/observability/index.ts';
import { readConfig } from '../../config.ts';
import type { ModelInspection, ModelPull, ModelStore } from '../../core/models/index.ts';
import { createCore, type Core } from '../../parts.ts';
import { CommandError } from '../failure.ts';
import { withCore } from '../open.ts';
import { formatBytes, formatDuration, formatTable } from '../output.ts';

/** Milliseconds between two looks at a running download. */
const lookMs = 500;

export async function listModels(options: { json?: boolean }): Promise<void> {
  const { providers, defaultModel, files } = await withCore(async (core) => {
    const owner = await core.accounts.owner();
    const caller = { userId: owner.id, role: owner.role };
    const target = await core.models.resolve(null, caller).catch(() => null);
    return { providers: await core.models.providers(caller), defaultModel: target?.id ?? null, files: await core.modelStore.list() };
  });
  if (options.json) {
    console.log(JSON.stringify({ default: defaultModel, providers, files }, null, 2));
    return;
  }
  const models = providers.flatMap((provider) => provider.models);
  const rows = models.map((model) => [
    model.id + (model.id === defaultModel ? ' (default)' : ''),
    model.kinds.join(', '),
    model.location === 'local' ? 'this machine' : 'elsewhere',
    model.contextLength === null ? '' : String(model.contextLength),
    model.sizeBytes === null ? '' : formatBytes(model.sizeBytes),
  ]);
  console.log(formatTable(['MODEL', 'FOR', 'RUNS ON', 'CONTEXT', 'SIZE'], rows));
  const unusable = files.filter((file) => !file.usable);
  if (unusable.length > 0) console.log(`\nFiles that the embedded engine cannot use: ${unusable.map((file) => file.fileName).join(', ')}`);
  for (const provider of providers.filter(({ state }) => state !== 'ready')) console.log(`\n${provider.id}: ${provider.detail}\n  ${provider.howToAdd}`);
}

export async function removeModel(file: string): Promise<void> {
  await withCore((core) => core.modelStore.remove(file));
  console.log(`${file} is removed.`);
}

export async function pullModel(source: string | undefined, options: { sha256?: string }): Promise<void> {
  if (source === undefined) {
    await withCore(async (core) => showRecommended(core.modelStore));
    return;
  }
  const { core, runsHere, close } = await openForPull();
  let leaving = false;
  const leave = (): void => {
    if (leaving) process.exit(130);
    leaving = true;
    console.error(runsHere ? '\nStopping. The same command goes on where it ended.' : '\nThe server goes on fetching it.');
    void close().finally(() => process.exit(130));
  };
  process.on('SIGINT', leave);
  process.on('SIGTERM', leave);
  try {
    const { modelStore } = core;
    const pull = (await startedBefore(modelStore, source)) ?? (await begin(core, source, options.sha256 ?? null));
    const ended = await follow(modelStore, pull.id, () => leaving);
    if (leaving) return;
    if (ended.state !== 'done') throw new CommandError(`${ended.error ?? 'The download was cancelled.'}\nThe same command goes on where it ended.`);
    console.log(`${ended.fileName} is in ${modelStore.folder}. It answers as llama/${ended.fileName?.replace(/\.gguf$/, '')}.`);
  } finally {
    if (!leaving) await close();
  }
}

function showRecommended(store: ModelStore): void {
  console.log('Models worth trying first:\n');
  for (const model of store.recommended) {
    console.log(`${model.name}  (${model.sizeBytes === null ? 'size not known' : `about ${formatBytes(model.sizeBytes)}`}, ${model.licence})\n  ${model.description}\n  parley model pull ${model.source}\n`);
  }
  console.log('Any .gguf file will do: parley model pull https://host/name.gguf, or hf:owner/repository/name.gguf');
}

/**
 * Beside a running server the server fetches; without one this process does, and holds the data folder meanwhile.
 * On PostgreSQL the two cannot be told apart, and whoever is first does it.
 */
async function openForPull(): Promise<{ core: Core; runsHere: boolean; close: () => Promise<void> }> {
  const config = readConfig();
  const log = createLog(config.logLevel === 'info' ? 'error' : config.logLevel);
  const open = async (exclusive: boolean) => {
    const core = createCore(config, { exclusive, log });
    const parts = [core.storage, core.accounts, ...(exclusive ? [core.jobs] : [])];
    await startAll(parts);
    return { core, runsHere: exclusive, close: () => stopAll(parts) };
  };
  try {
    return await open(true);
  } catch (error) {
    if (!(error instanceof ParleyError) || error.code !== 'conflict') throw error;
    return await open(false);
  }
}

/** A download of the same source that waits, runs, or broke off. */
async function startedBefore(store: ModelStore, source: string): Promise<ModelPull | null> {
  const pull = (await store.pulls()).find((one) => one.source === source.trim() && one.state !== 'done');
  if (!pull) return null;
  return pull.state === 'failed' || pull.state === 'cancelled' ? await store.resume(pull.id) : pull;
}

async function begin({ accounts, modelStore }: Core, source: string, sha256: string | null): Promise<ModelPull> {
  const found = await modelStore.inspect(source);
  console.error(describe(found));
  if (!found.fits) throw new CommandError(`It does not fit: ${formatBytes(found.freeBytes)} are free in ${modelStore.folder}.`);
  return await modelStore.pull(source, { sha256, userId: (await accounts.owner()).id });
}

function describe(found: ModelInspection): string {
  const facts = [
    formatBytes(found.sizeBytes),
    `licence ${found.licence ?? 'not stated'}`,
    ...(found.contextLength === null ? [] : [`context of ${found.contextLength} tokens`]),
    found.sha256 === null ? 'no checksum published' : 'checksum will be checked',
  ];
  return `${found.fileName} from ${new URL(found.url).host}: ${facts.join(', ')}`;
}

/** Shows the progress until the download has ended, or `isLeaving`. */
async function follow(store: ModelStore, id: string, isLeaving: () => boolean): Promise<ModelPull> {
  const isTerminal = process.stderr.isTTY;
  const end = store.wait(id);
  // When the database is closed in the middle nobody waits any more.
  end.catch(() => undefined);
  let shown = '';
  for (;;) {
    const ended = await Promise.race([end, new Promise<null>((resolve) => setTimeout(resolve, lookMs, null))]);
    const pull = ended ?? (await store.pullState(id));
    const line = progressOf(pull);
    if (line !== shown && isTerminal) process.stderr.write(`\r\x1b[2K${line}`);
    shown = line;
    if (ended || isLeaving()) {
      process.stderr.write(isTerminal ? '\n' : `${line}\n`);
      return pull;
    }
  }
}

function progressOf({ receivedBytes, sizeBytes, bytesPerSecond, state, error }: ModelPull): string {
  const share = sizeBytes === null || sizeBytes === 0 ? '' : ` of ${formatBytes(sizeBytes)} (${Math.floor((receivedBytes / sizeBytes) * 100)} %)`;
  const speed = bytesPerSecond === null ? '' : `, ${formatBytes(bytesPerSecond)}/s`;
  const left = bytesPerSecond === null || bytesPerSecond === 0 || sizeBytes === null ? '' : `, ${formatDuration(((sizeBytes - receivedBytes) / bytesPerSecond) * 1000)} left`;
  const trouble = state === 'waiting' && error !== null ? ` (tries again: ${error})` : '';
  return `${formatBytes(receivedBytes)}${share}${speed}${left}${trouble}`;
}
