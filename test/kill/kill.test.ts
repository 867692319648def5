import { describe, expect, it } from 'vitest';
import { faultKinds } from './ledger.ts';
import { runKills } from './kill.ts';
import { runKillsOfSeveral } from './several.ts';

describe('A server that is killed under load', () => {
  it('loses, doubles and breaks nothing that anybody was told', async ({ annotate }) => {
    const seed = Number(process.env['KILL_SEED'] ?? Date.now() % 1_000_000);
    const report = await runKills({ seed, rounds: 5, clients: 6, people: 2, longestRoundMs: 700 });
    await annotate(JSON.stringify(report));
    expect({ seed, samples: report.samples }).toEqual({ seed, samples: [] });
    expect(report.faults).toEqual(Object.fromEntries(faultKinds.map((kind) => [kind, 0])));
    // Nothing was lost of something, not of nothing.
    expect(report.kills + report.terminations).toBeGreaterThanOrEqual(5);
    expect(report.messages).toBeGreaterThan(5);
    expect(report.connectionsLost + report.connectionsDropped).toBeGreaterThan(0);
  });
});

const databaseUrl = process.env['DATABASE_URL_TEST'];
const redisUrl = process.env['REDIS_URL_TEST'];

describe.skipIf(!databaseUrl || !redisUrl)('Three servers that are killed and hang under load', () => {
  it('lose, double and break nothing that anybody was told', { timeout: 120_000 }, async ({ annotate }) => {
    const seed = Number(process.env['KILL_SEED'] ?? Date.now() % 1_000_000);
    const report = await runKillsOfSeveral({ seed, rounds: 4, clients: 6, people: 2, longestRoundMs: 2000, instances: 3, databaseUrl: databaseUrl!, redisUrl: redisUrl! });
    await annotate(JSON.stringify(report));
    expect({ seed, samples: report.samples }).toEqual({ seed, samples: [] });
    expect(report.faults).toEqual(Object.fromEntries(faultKinds.map((kind) => [kind, 0])));
    expect(report.kills + report.terminations + report.pauses).toBeGreaterThanOrEqual(2);
    expect(report.messages).toBeGreaterThan(5);
    expect(report.connectionsLost).toBeGreaterThan(0);
  });
});
