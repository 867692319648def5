import type { Clock } from '../../base/clock.ts';
import { ParleyError } from '../../base/errors.ts';
import type { Accounts, Viewer } from '../../core/accounts/index.ts';

/** Milliseconds between two looks at the clock. */
const sweepMs = 1000;

/** Ends what lives longer than a request (sockets, streams) when the credential it was opened with ends. */
export interface CredentialWatch {
  /** Calls `ended` once, when the viewer's credential expires or is revoked; the returned function stops watching. */
  watch(viewer: Viewer, ended: () => void): () => void;
  /** The same for something that is kept anyway, so that thousands of sockets need nothing more; until `remove`. */
  add(watched: Watched): void;
  remove(watched: Watched): void;
  /** Calls `look` about once a second while anything asks for it: for the idle clocks of sockets. */
  everySecond(look: () => void): () => void;
  stop(): void;
}

/** Something that lives no longer than a credential. */
export interface Watched {
  readonly viewer: Viewer;
  /** Called once, when the credential has ended. */
  ended(): void;
}

/** One timer and one subscription for all of them; the timer runs only while something is watched. */
export function createCredentialWatch(accounts: Pick<Accounts, 'onRevoked'>, clock: Clock): CredentialWatch {
  const watched = new Set<Watched>();
  const looks = new Set<() => void>();
  let timer: NodeJS.Timeout | undefined;

  const end = (entry: Watched): void => {
    if (watched.delete(entry)) entry.ended();
  };
  const sweep = (): void => {
    const now = clock.now();
    for (const entry of watched) if (entry.viewer.expiresAt !== null && entry.viewer.expiresAt <= now) end(entry);
    for (const look of looks) look();
    settle();
  };
  const settle = (): void => {
    const needed = watched.size > 0 || looks.size > 0;
    if (needed && !timer) timer = setInterval(sweep, sweepMs).unref();
    if (!needed && timer) {
      clearInterval(timer);
      timer = undefined;
    }
  };
  const unsubscribe = accounts.onRevoked(({ userId, credentialId }) => {
    for (const entry of watched) {
      if (entry.viewer.userId === userId && (credentialId === null || entry.viewer.credentialId === credentialId)) end(entry);
    }
  });

  const add = (entry: Watched): void => {
    watched.add(entry);
    settle();
  };

  return {
    watch(viewer, ended) {
      const entry = { viewer, ended };
      add(entry);
      return () => void watched.delete(entry);
    },
    add,
    remove: (entry) => void watched.delete(entry),
    everySecond(look) {
      looks.add(look);
      settle();
      return () => void looks.delete(look);
    },
    stop() {
      unsubscribe();
      clearInterval(timer);
      timer = undefined;
      watched.clear();
      looks.clear();
    },
  };
}

/**
 * Does something as long as the viewer's credential holds; `end` is called when it ends meanwhile.
 * @throws {ParleyError} `unauthorized` in place of what breaking off made of it
 */
export async function whileValid<Result>(credentials: CredentialWatch, viewer: Viewer, end: () => void, work: () => Promise<Result>): Promise<Result> {
  let ended = false;
  const stopWatching = credentials.watch(viewer, () => {
    ended = true;
    end();
  });
  try {
    return await work();
  } catch (thrown) {
    throw ended ? new ParleyError('unauthorized') : thrown;
  } finally {
    stopWatching();
  }
}
