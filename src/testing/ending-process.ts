import { writeSync } from 'node:fs';
import { systemClock } from '../base/clock.ts';
import { createMetrics, silentLog } from '../base/observability/index.ts';
import { openSecrets } from '../base/secrets.ts';
import { openStorage } from '../base/storage/index.ts';
import { addViewer, startConversations } from '../core/conversations/testing.ts';
import { createSessions } from '../session-transcripts.ts';

/* A server of its own for the tests: `ending-process.ts FOLDER`. It ends a session, says so when its transcript is to be sealed, and never seals it. */

const dataDir = process.argv[2]!;
const storage = openStorage({ databaseUrl: null, dataDir, fullSync: false, clock: systemClock, log: silentLog(), metrics: createMetrics() });
await storage.start();
const { conversations, jobs } = await startConversations(storage);
const agentSettings = { limits: { turns: 100, depth: 6, milliseconds: 3_600_000, costMicros: 0 }, runsAtOnce: 1, transcriptMs: 60_000 };
const { agents, ledger, handingOver } = createSessions({
  storage, conversations, jobs, accounts: { user: async () => null }, metrics: createMetrics(), secrets: openSecrets(dataDir), clock: systemClock, log: silentLog(),
  settings: { hedera: null, agents: agentSettings },
});
await ledger.start?.();
await handingOver.start?.();
const viewer = await addViewer(storage, 'ann');
const { id } = await agents.create(viewer, { agents: [{ accountId: '0.0.1001' }, { accountId: '0.0.2002' }] });
const client = agents.connect(viewer, () => undefined);
await client.join(id, '0.0.1001');
await client.sayOnBehalf(id, '0.0.1001', 'Nobody has sealed this yet.', false);
agents.record = async () => {
  writeSync(1, `${JSON.stringify({ sessionId: id, userId: viewer.userId })}\n`);
  return await new Promise(() => setInterval(() => undefined, 60_000));
};
await agents.end(viewer, id);
