import { startAll, stopAll } from '../base/lifecycle.ts';
import { createLedger, type Ledger } from '../features/ledger/index.ts';
import type { Core } from '../parts.ts';
import { withStorage } from './open.ts';

/** Opens the ledger beside a server that may be running, does the work, and closes it. */
export async function withLedger<Result>(work: (ledger: Ledger, core: Core) => Promise<Result>): Promise<Result> {
  return await withStorage(async (core) => {
    const ledger = createLedger({ ...core, settings: { hedera: core.config.hedera } });
    await startAll([ledger]);
    try {
      return await work(ledger, core);
    } finally {
      await stopAll([ledger]);
    }
  });
}
