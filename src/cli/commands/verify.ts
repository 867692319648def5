import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readConfig } from '../../config.ts';
import { FormError, readSealedTranscript, readTrustedKeys, readWitness, textOfFile, verifyTranscript, type TrustedKeys, type Verification } from '../../features/ledger/index.ts';
import { CommandError } from '../failure.ts';
import { withLedger } from '../open-ledger.ts';

export interface VerifyCommand {
  keys?: string;
  session?: string;
  against?: string;
  witness?: string;
  json?: boolean;
}

/** Files above are no transcripts: sealing refuses what is larger. */
const mostBytes = 300_000_000;

/** How the process ends when a transcript is not what it should be. */
const notValid = 2;

export async function verify(file: string, options: VerifyCommand): Promise<void> {
  const text = await readText(file);
  const trusted = options.keys === undefined ? await ownKeys() : given(readTrustedKeys, await readText(options.keys));
  const result = await verifyTranscript(text, trusted, {
    ...(options.session === undefined ? {} : { session: options.session }),
    ...(options.against === undefined ? {} : { against: given(readSealedTranscript, await readText(options.against)) }),
    ...(options.witness === undefined ? {} : { witness: given(readWitness, await readText(options.witness)) }),
  });
  console.log(options.json ? JSON.stringify(result, null, 2) : show(result));
  if (result.verdict !== 'valid') process.exitCode = notValid;
}

function show({ verdict, explanation, session, messages, sealedAt, key, ledger, index }: Verification): string {
  const lines = [`${verdict === 'valid' ? 'VALID' : `NOT VALID: ${verdict}`}`, explanation];
  if (session !== null) lines.push(`Session ${session}, ${messages} ${messages === 1 ? 'message' : 'messages'} in the file, sealed ${sealedAt}.`, `Key ${key}, entry ${index} of the log ${ledger}.`);
  return lines.join('\n');
}

/** The keys of the server on this machine, if there is one; none are trusted otherwise. */
async function ownKeys(): Promise<TrustedKeys> {
  const config = readConfig();
  const isThere = config.databaseUrl !== null || existsSync(join(config.dataDir, 'parley.db'));
  if (isThere) return await withLedger((ledger) => ledger.keys());
  throw new CommandError('There is no server on this machine whose keys could be used. Name the keys of the one that sealed it with --keys; `parley ledger keys` prints them there.');
}

function given<Value>(read: (file: unknown) => Value, text: string): Value {
  try {
    return read(text);
  } catch (error) {
    if (error instanceof FormError) throw new CommandError(error.message);
    throw error;
  }
}

async function readText(file: string): Promise<string> {
  const found = await stat(file).catch(() => null);
  if (!found?.isFile()) throw new CommandError(`There is no file ${file}.`);
  if (found.size > mostBytes) throw new CommandError(`${file} is too large.`);
  const text = textOfFile(await readFile(file));
  // Another reader may put something else in the place of what is no letter.
  if (text === null) throw new CommandError(`${file} is no text in UTF-8.`);
  return text;
}
