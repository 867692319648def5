import { writeFile } from 'node:fs/promises';
import { canonicalJson, type Ledger, type SealedTranscript } from '../../features/ledger/index.ts';
import { CommandError } from '../failure.ts';
import { withLedger } from '../open-ledger.ts';

/** Whoever may open the database sees every transcript in it. */
const operator = { userId: '', role: 'owner' } as const;

export async function printKeys(): Promise<void> {
  console.log(JSON.stringify(await withLedger((ledger) => ledger.keys()), null, 2));
}

export async function rotateKey(): Promise<void> {
  const { id } = await withLedger((ledger) => ledger.rotateKey());
  console.log(`Transcripts are signed with the key ${id} from now on. Give people the new public keys: parley ledger keys`);
}

export async function printWitness({ since }: { since?: string }): Promise<void> {
  const size = since === undefined ? undefined : Number(since);
  if (size !== undefined && !(Number.isSafeInteger(size) && size > 0)) throw new CommandError(`--since takes a number of entries above 0, not "${since}".`);
  const witness = await withLedger((ledger) => ledger.witness(size));
  if (!witness) throw new CommandError('The log is empty.');
  console.log(JSON.stringify(witness, null, 2));
}

export async function checkLog(): Promise<void> {
  const { findings, head } = await withLedger(async (ledger) => ({ findings: await ledger.checkLog(), head: await ledger.head() }));
  if (findings.length > 0) throw new CommandError(`The log is not as it was written:\n${findings.map((finding) => `  ${finding}`).join('\n')}`);
  console.log(head ? `The log is whole: ${head.size} ${head.size === 1 ? 'entry' : 'entries'}, root ${head.root}.` : 'The log is empty.');
}

export async function writeTranscript(session: string, file: string): Promise<void> {
  const sealed = await withLedger((ledger) => find(ledger, session));
  await writeFile(file, `${canonicalJson(sealed)}\n`, { mode: 0o600, flag: 'wx' }).catch((error: NodeJS.ErrnoException) => {
    throw new CommandError(error.code === 'EEXIST' ? `${file} is there already.` : `${file} cannot be written (${error.code}).`);
  });
  console.log(`Written to ${file}. Anybody can check it: parley verify ${file} --keys KEYS`);
}

export async function anchorTranscript(session: string): Promise<void> {
  await withLedger(async (ledger) => {
    for (const { name, problem } of ledger.anchorStatus().filter(({ state }) => state !== 'ready')) console.log(`${name}: ${problem}`);
    const sealed = await find(ledger, session);
    const records = await ledger.anchor(sealed);
    const checks = await ledger.checkAnchors(sealed);
    for (const { anchor, state, place, transactions, problem } of records) {
      console.log(`${anchor}: ${state}, ${place}${problem === null ? '' : `. ${problem}`}`);
      for (const { transaction_id, url } of transactions) console.log(`  ${url ?? transaction_id}`);
      const check = checks.find((one) => one.anchor === anchor);
      if (check && state === 'done') console.log(`  read back: ${check.outcome}${check.problem === null ? '' : `. ${check.problem}`}`);
    }
    if (records.some(({ state }) => state !== 'done')) process.exitCode = 1;
  });
}

async function find(ledger: Ledger, session: string): Promise<SealedTranscript> {
  const sealed = await ledger.transcript(operator, session);
  if (!sealed) throw new CommandError(`There is no sealed transcript of a session ${session}.`);
  return sealed;
}
