import { afterEach, beforeEach, expect, it } from 'vitest';
import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/observability/index.ts';
import { openLedgerHouse, type LedgerHouse } from '../features/ledger/testing.ts';
import { readConfig } from '../config.ts';
import { checkLedger } from './ledger-checks.ts';

let house: LedgerHouse;
beforeEach(async () => {
  house = await openLedgerHouse();
});
afterEach(async () => {
  await house.close();
});

const check = (settings: Record<string, string> = {}) =>
  checkLedger({ config: readConfig({ DATA_DIR: house.database.dataDir, ...settings }), storage: house.database.storage, secrets: house.secrets, clock: systemClock, log: silentLog() });

it('doctor says how many transcripts are sealed, and that other ledgers are not set up', async () => {
  expect(await check()).toMatchObject([{ name: 'Transcripts', state: 'absent', detail: 'none is sealed yet' }, { name: 'Transcripts at hedera', state: 'absent', detail: expect.stringContaining('HEDERA_ACCOUNT_ID') as string }]);
  await house.ledger.seal(house.transcript());
  expect(await check()).toMatchObject([{ state: 'ok', detail: '1 sealed' }, {}]);
});

it('doctor says what is wrong with settings that cannot be used, and no secret', async () => {
  const findings = await check({ HEDERA_ACCOUNT_ID: '0.0.1', HEDERA_TOPIC_ID: 'x', HEDERA_PRIVATE_KEY: 'no key at all' });
  expect(findings[1]).toMatchObject({ state: 'broken', detail: expect.stringContaining('HEDERA_TOPIC_ID') as string });
  expect(JSON.stringify(findings)).not.toContain('no key at all');
});

it('doctor counts what was handed over', async () => {
  const { seal } = await house.ledger.seal(house.transcript());
  const row = { transcript_id: seal.statement.session, anchor: 'hedera', state: 'partial' as const, progress: '{}', problem: null, attempts: 1, owner: null, lease_until: null, changed_at: 0 };
  await house.database.storage.write((queries) => queries.insertInto('ledger_anchors').values(row).execute());
  expect((await check())[0]).toMatchObject({ state: 'ok', detail: '1 sealed, 1 partial at hedera' });
});
