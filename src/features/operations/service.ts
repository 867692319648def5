import { ParleyError } from '../../base/errors.ts';
import { dropStagedRestore, stagedRestore, stageRestore, takeAppliedRestore } from '../../base/storage/index.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import type { LogLevel } from '../../base/observability/index.ts';
import { createAudit, requireAdministrator } from './audit.ts';
import { createBackups, type Backups } from './backups.ts';
import { createDatabaseWorks, elsewhere } from './database.ts';
import { createDebugging, type Debugging } from './debugging.ts';
import { createKept, type Kept } from './kept.ts';
import { createSwitching } from './switching.ts';
import type { Operations, OperationsNeeds, StagedState } from './types.ts';

/** What administrators do with a running server. */
export function createOperations(needs: OperationsNeeds): Operations {
  const { storage, log, dataDir, settings, restarter, clock } = needs;
  const audit = createAudit(needs);
  const debugging = createDebugging(needs);
  const switching = createSwitching(needs);
  const backups = dataDir === null ? null : createBackups(dataDir);
  const works = createDatabaseWorks(needs, backups);
  const useSettings = (value: unknown): void => {
    settings.use(usable(needs, value));
    debugging.setBase(settings.list().find(({ name }) => name === 'LOG_LEVEL')!.value as LogLevel);
  };
  const kept = createKept(needs, { settings: useSettings, debug: debugging.use, modules: switching.use });
  const allowed = <Given extends unknown[], Result>(read: (viewer: Viewer, ...given: Given) => Result) => (viewer: Viewer, ...given: Given): Result => {
    requireAdministrator(viewer);
    return read(viewer, ...given);
  };

  return {
    name: 'operations',
    instanceId: needs.instanceId,
    switches: switching.switches,
    async start() {
      const applied = dataDir === null ? null : await takeAppliedRestore(dataDir);
      if (applied) await audit.note(null, 'database.restored', { ...applied.note, migration: applied.restored.migration });
      await kept.start();
    },
    async stop() {
      await kept.stop();
      debugging.stop();
    },
    ...createWatching(needs, { audit, allowed, debugging, kept }),
    database: allowed(async () => ({ engine: storage.engine, bytes: await storage.sizeBytes(), tables: await storage.figures() })),
    beginWork: (viewer, work) => audit.act(viewer, `database.${work}`, {}, () => works.begin(viewer, work)),
    works: allowed((_viewer, limit) => works.list(limit)),
    work: allowed((_viewer, id) => works.get(id)),
    cancelWork: (viewer, id) => audit.act(viewer, 'database.cancel', { job: id }, () => works.cancel(id)),
    ...createRestoring(backups, dataDir, { audit, allowed, now: () => clock.now() }),
    modules: allowed((viewer) => switching.list(viewer)),
    switchModule: (viewer, name, on) =>
      audit.act(viewer, on ? 'module.on' : 'module.off', { module: name }, async () => {
        await kept.change('modules', await switching.wanted(viewer, name, on));
        return (await switching.list(viewer)).find((module) => module.name === name)!;
      }),
    settings: allowed(() => settings.list()),
    async changeSetting(viewer, name, given) {
      requireAdministrator(viewer);
      const value = given?.trim() ?? null;
      // Before it is written down: a secret that somebody tries to set must not stand in the audit log.
      settings.check(name, value);
      return await audit.act(viewer, 'setting.change', { setting: name, value }, async () => {
        await kept.change('settings', (now) => {
          const { [name]: _, ...others } = usable(needs, now);
          return value === null ? others : { ...others, [name]: value };
        });
        log.info({ setting: name }, 'a setting was changed');
        return settings.list().find((setting) => setting.name === name)!;
      });
    },
    restarting: allowed(() => ({ isPossible: restarter?.isPossible ?? false, how: restarter?.how ?? cannotRestart })),
    restart: (viewer) =>
      audit.act(viewer, 'server.restart', { instance: needs.instanceId }, async () => {
        if (!restarter?.isPossible) throw new ParleyError('conflict', { message: restarter?.how ?? cannotRestart });
        setImmediate(() => restarter.begin());
      }),
    audit: allowed((_viewer, page) => audit.list(page)),
  };
}

/** What is logged and traced. */
function createWatching({ tracer }: OperationsNeeds, { audit, allowed, debugging, kept }: Pick<RestoringParts, 'audit' | 'allowed'> & { debugging: Debugging; kept: Kept }): Pick<Operations, 'debug' | 'configureDebug' | 'traces' | 'trace'> {
  return {
    debug: allowed(() => debugging.state()),
    configureDebug: (viewer, wish) =>
      audit.act(viewer, 'debug.configure', { ...wish }, async () => {
        const before = debugging.state();
        const wanted = await debugging.wanted(wish);
        await kept.change('debug', () => wanted);
        return { before, now: debugging.state() };
      }),
    traces: allowed((_viewer, limit, component) => tracer.traces(limit, component)),
    trace: allowed((_viewer, id) => {
      const trace = tracer.trace(id);
      if (!trace) throw new ParleyError('not_found', { message: 'There is no such trace on this instance.' });
      return trace;
    }),
  };
}

const cannotRestart = 'This server is part of another program, which starts and stops it.';

/** The kept settings that are still settings of this version, with values that it takes. */
function usable({ settings, log }: OperationsNeeds, value: unknown): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, text] of Object.entries(typeof value === 'object' && value !== null ? value : {})) {
    try {
      const trimmed = String(text).trim();
      settings.check(name, trimmed);
      found[name] = trimmed;
    } catch (error) {
      log.warn({ err: error, setting: name }, 'a setting that was changed at run time is not used');
    }
  }
  return found;
}

interface RestoringParts {
  audit: ReturnType<typeof createAudit>;
  allowed: <Given extends unknown[], Result>(read: (viewer: Viewer, ...given: Given) => Result) => (viewer: Viewer, ...given: Given) => Result;
  now(): number;
}

/** Backups, and the one that waits for the next start. */
function createRestoring(backups: Backups | null, dataDir: string | null, { audit, allowed, now }: RestoringParts): Pick<Operations, 'backups' | 'openBackup' | 'deleteBackup' | 'stageRestore' | 'stagedRestore' | 'dropRestore'> {
  const files = (): { backups: Backups; dataDir: string } => {
    if (!backups || dataDir === null) throw new ParleyError('not_implemented', { message: elsewhere });
    return { backups, dataDir };
  };
  const staged = async (): Promise<StagedState | null> => {
    const found = await stagedRestore(files().dataDir);
    return found && { backup: String(found.note['backup'] ?? ''), by: String(found.note['by'] ?? ''), stagedAt: found.stagedAt, bytes: found.bytes };
  };
  let last: Promise<unknown> = Promise.resolve();
  /** What is staged is a file and a note beside it: they are changed together, or one would speak of another one. */
  const inTurn = <Result>(work: () => Promise<Result>): Promise<Result> => {
    const turn = last.then(work, work);
    last = turn.catch(() => undefined);
    return turn;
  };
  return {
    backups: allowed(async () => await files().backups.list()),
    openBackup: (viewer, name) => audit.act(viewer, 'backup.download', { backup: name }, () => files().backups.get(name)),
    deleteBackup: (viewer, name) => audit.act(viewer, 'backup.delete', { backup: name }, () => files().backups.delete(name)),
    stageRestore: (viewer, name) =>
      audit.act(viewer, 'database.restore', { backup: name }, () => inTurn(async () => {
        const { path } = await files().backups.get(name);
        await stageRestore(path, files().dataDir, { backup: name, by: viewer.username }, now());
        return (await staged())!;
      })),
    stagedRestore: allowed(async () => await staged()),
    dropRestore: (viewer) =>
      audit.act(viewer, 'database.restore.drop', {}, async () => {
        if (!(await inTurn(() => dropStagedRestore(files().dataDir)))) throw new ParleyError('not_found', { message: 'No restore is waiting.' });
      }),
  };
}
