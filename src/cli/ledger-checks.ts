import { createLedger, type AnchorStatus } from '../features/ledger/index.ts';
import type { Core } from '../parts.ts';
import type { Finding } from './checks.ts';

/** What doctor says of sealed transcripts, and of each ledger that they can be handed over to. Reads only. */
export async function checkLedger(core: Pick<Core, 'config' | 'storage' | 'secrets' | 'clock' | 'log'>): Promise<Finding[]> {
  const ledger = createLedger({ ...core, settings: { hedera: core.config.hedera } });
  const [head, rows] = await Promise.all([
    ledger.head(),
    core.storage.read.selectFrom('ledger_anchors').select(['anchor', 'state']).select((builder) => builder.fn.countAll<number>().as('count')).groupBy(['anchor', 'state']).orderBy('anchor').orderBy('state').execute(),
  ]);
  const handedOver = rows.map(({ anchor, state, count }) => `${Number(count)} ${state} at ${anchor}`);
  const transcripts: Finding = head
    ? { name: 'Transcripts', state: 'ok', detail: [`${head.size} sealed`, ...handedOver].join(', '), fix: null }
    : { name: 'Transcripts', state: 'absent', detail: 'none is sealed yet', fix: 'It is done when a session of agents ends: see docs/ledger.md.' };
  return [transcripts, ...ledger.anchorStatus().filter(({ name }) => name !== 'log').map(findingOf)];
}

/** What was never set up is not missed; what was, and cannot be used, is broken. */
function findingOf({ name, state, problem }: AnchorStatus): Finding {
  const title = `Transcripts at ${name}`;
  if (state === 'ready') return { name: title, state: 'ok', detail: 'set up, and its part is installed', fix: null };
  return { name: title, state: state === 'off' ? 'absent' : 'broken', detail: problem ?? state, fix: state === 'off' ? 'See docs/ledger.md, "Hedera".' : 'Until then transcripts are sealed here, and tried there again.' };
}
