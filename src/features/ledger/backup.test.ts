import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { systemClock } from '../../base/clock.ts';
import { createMetrics, silentLog } from '../../base/observability/index.ts';
import { openSecrets } from '../../base/secrets.ts';
import { openStorage, restoreDatabase } from '../../base/storage/index.ts';
import { createLedger } from './ledger.ts';
import { openLedgerHouse } from './testing.ts';

it('A backup brings back keys, log and transcripts: what was sealed stays valid, and the log goes on where it was', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'parley-backup-'));
  const house = await openLedgerHouse();
  const sealed = await house.ledger.seal(house.transcript());
  await house.ledger.rotateKey();
  await house.ledger.seal(house.transcript());
  const noted = (await house.ledger.witness())!;
  await house.database.storage.backup(join(folder, 'saved.db'));
  await restoreDatabase(join(folder, 'saved.db'), folder, { force: false });
  copyFileSync(join(house.database.dataDir, 'secrets.json'), join(folder, 'secrets.json'));

  const storage = openStorage({ databaseUrl: null, dataDir: folder, fullSync: false, clock: systemClock, log: silentLog(), metrics: createMetrics() });
  await storage.start();
  const restored = createLedger({ storage, secrets: openSecrets(folder), clock: systemClock, log: silentLog(), settings: { hedera: null } });
  await restored.start?.();
  expect(await restored.keys()).toEqual(await house.ledger.keys());
  expect(await restored.checkLog()).toEqual([]);
  const next = await restored.seal(house.transcript());
  const [now, before] = [await restored.keys(), (await restored.transcript({ userId: house.ownerId, role: 'user' }, sealed.seal.statement.session))!];
  for (const one of [before, next]) expect(await restored.verify(one, now, { witness: (await restored.witness(noted.head.size))! })).toMatchObject({ verdict: 'valid' });
  expect([next.log.index, next.seal.statement.key]).toEqual([2, now.keys[0]!.id]);
  await restored.stop?.();
  await storage.stop();
  await house.close();
  rmSync(folder, { recursive: true, force: true });
});
