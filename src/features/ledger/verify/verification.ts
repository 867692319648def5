import { bytesOfHex, hexOf } from './bytes.ts';
import { CanonicalError } from './canonical-json.ts';
import { chainOf, digestOf, entriesOf, leafOf, unsignedHead } from './chain.ts';
import { firstDifference } from './comparison.ts';
import { clockLie } from './clock-check.ts';
import { FormError, readSealedTranscript } from './reading.ts';
import { provesConsistency, rootByInclusion } from './merkle.ts';
import { isSigned, keyIdOf } from './signature.ts';
import type { Hash } from './hashes.ts';
import type { Difference, SealedTranscript, SignedHead, TrustedKey, TrustedKeys, Verdict, Verification, VerifyOptions, Witness } from './types.ts';

/** The second copy has been read. */
type CheckOptions = Omit<VerifyOptions, 'against'> & { against?: SealedTranscript };

/** What one check found: null when it found nothing. */
interface Finding {
  verdict: Exclude<Verdict, 'valid'>;
  explanation: string;
  first?: Difference;
}

/**
 * Checks a sealed transcript with nothing but the file and the keys. What is found first, in the order of docs/ledger.md, is
 * the verdict: who signed it, then whether every record is what was signed, then the log, then the times.
 * @throws {FormError} for an `against` that is no transcript: that says nothing about the file
 */
export async function verifyTranscript(file: unknown, trusted: TrustedKeys, { against, ...given }: VerifyOptions = {}): Promise<Verification> {
  const options: CheckOptions = against === undefined ? given : { ...given, against: readOther(against) };
  try {
    const sealed = readSealedTranscript(file);
    const finding = await checkSealed(sealed, trusted, options);
    const { statement } = sealed.seal;
    return {
      verdict: finding?.verdict ?? 'valid',
      explanation: finding?.explanation ?? 'Every record is what was sealed, in its place, and the seal stands in the log.',
      first: finding?.first ?? null,
      session: statement.session, ledger: statement.ledger, key: statement.key, sealedAt: statement.sealed_at, index: sealed.log.index,
      messages: sealed.entries.filter(({ record }) => record.kind === 'message').length,
    };
  } catch (error) {
    if (!(error instanceof FormError) && !(error instanceof CanonicalError)) throw error;
    return { verdict: 'malformed', explanation: error.message, first: null, session: null, ledger: null, messages: null, key: null, sealedAt: null, index: null };
  }
}

function readOther(against: unknown): SealedTranscript {
  try {
    return readSealedTranscript(against);
  } catch (error) {
    if (!(error instanceof FormError)) throw error;
    throw new FormError(`The second copy cannot be compared with. ${error.message}`, { cause: error });
  }
}

async function checkSealed(sealed: SealedTranscript, trusted: TrustedKeys, options: CheckOptions): Promise<Finding | null> {
  return (
    (await checkSeal(sealed, trusted, options)) ??
    checkRecords(sealed) ??
    checkChain(sealed) ??
    checkSession(sealed, options) ??
    (await checkLog(sealed, trusted)) ??
    (options.witness ? await checkWitness(sealed.log.head, options.witness, trusted) : null) ??
    (await checkAgainst(sealed, trusted, options)) ??
    checkTimes(sealed, trusted, options)
  );
}

/** The key, and that it signed the statement. */
async function checkSeal(sealed: SealedTranscript, trusted: TrustedKeys, options: CheckOptions): Promise<Finding | null> {
  const { statement, public_key, signature } = sealed.seal;
  // What the statement says must hold by itself, whoever signed it: nobody honest signs another root.
  const chain = chainOf(statement.records);
  const isSound = chain.root === statement.root && chain.last === statement.last;
  if (keyIdOf(public_key) !== statement.key || !isSound || !(await isSigned('transcript seal', statement, public_key, signature))) {
    const where = firstOf(sealed, statement.records) ?? (await comparedWith(sealed, trusted, options));
    return { verdict: 'bad_signature', explanation: `The signature is not one over this file: the seal itself was changed.${where ? ` ${sentenceOf(where)}` : ''}`, ...(where ? { first: where } : {}) };
  }
  if (keyNamed(trusted, statement.key)?.public_key !== public_key) {
    const where = await comparedWith(sealed, trusted, options);
    const differs = where ? ` Against the other file: ${sentenceOf(where)}` : '';
    return { verdict: 'unknown_key', explanation: `It is signed by the key ${statement.key}, which is none of the trusted keys: anybody can sign with a key of their own.${differs}`, ...(where ? { first: where } : {}) };
  }
  return null;
}

function checkRecords(sealed: SealedTranscript): Finding | null {
  const { statement } = sealed.seal;
  const session = sealed.entries[0]?.record;
  if (session?.kind === 'session' && session.session !== statement.session) {
    return { verdict: 'wrong_session', explanation: `The records are those of the session ${session.session}, the seal is that of ${statement.session}.` };
  }
  const first = firstOf(sealed, statement.records);
  return first && { verdict: first.what, explanation: sentenceOf(first), first };
}

/** The chain as the file writes it: the records are right, so it can only have been edited itself. */
function checkChain({ entries, seal }: SealedTranscript): Finding | null {
  const expected = entriesOf(entries.map(({ record }) => record), chainOf(seal.statement.records));
  const at = entries.findIndex(({ previous, hash }, index) => previous !== expected[index]!.previous || hash !== expected[index]!.hash);
  return at < 0 ? null : { verdict: 'bad_chain', explanation: `The hashes that stand beside ${nameOf(at)} are not its own. The record itself is what was sealed.` };
}

function checkSession({ seal }: SealedTranscript, { session }: VerifyOptions): Finding | null {
  const sealedOf = seal.statement.session;
  if (session === undefined || session === sealedOf) return null;
  return { verdict: 'replayed', explanation: `It is the genuine transcript of the session ${sealedOf}, passed off as that of ${session}.` };
}

async function checkLog({ seal, log }: SealedTranscript, trusted: TrustedKeys): Promise<Finding | null> {
  const { head } = log;
  const { ledger } = seal.statement;
  if (trusted.ledger !== null && trusted.ledger !== ledger) return { verdict: 'wrong_log', explanation: `It was entered in the log ${ledger}; the keys are those of the log ${trusted.ledger}.` };
  if (head.ledger !== ledger) return { verdict: 'wrong_log', explanation: `The seal names the log ${ledger}, and the head beside it is that of the log ${head.ledger}.` };
  const wrongHead = await checkHead(head, trusted);
  if (wrongHead) return wrongHead;
  const leaf = leafOf(seal);
  const root = rootByInclusion(leaf, log.index, head.size, log.inclusion.map(bytesOfHex));
  // Sealing and entering are one moment.
  if (log.leaf !== hexOf(leaf) || log.logged_at !== seal.statement.sealed_at || !root || hexOf(root) !== head.root) {
    return { verdict: 'not_in_log', explanation: `The proof does not lead from this seal to the head of the log with ${head.size} entries.` };
  }
  return null;
}

async function checkHead(head: SignedHead, trusted: TrustedKeys): Promise<Finding | null> {
  const key = keyNamed(trusted, head.key);
  if (key && (await isSigned('log head', unsignedHead(head), key.public_key, head.signature))) return null;
  return { verdict: 'bad_log_head', explanation: `The head of the log with ${head.size} entries is not signed by a trusted key.` };
}

/** That the log did not become another one since somebody noted its head. */
async function checkWitness(head: SignedHead, { head: noted, other, consistency }: Witness, trusted: TrustedKeys): Promise<Finding | null> {
  const forked = (explanation: string): Finding => ({ verdict: 'forked', explanation });
  const wrong = (await checkHead(noted, trusted)) ?? (other && (await checkHead(other, trusted)));
  if (wrong) return wrong;
  if (noted.ledger !== head.ledger) return { verdict: 'wrong_log', explanation: `The noted head is that of the log ${noted.ledger}, the transcript is in ${head.ledger}.` };
  const known = [noted, ...(other ? [other] : [])];
  const [first, second] = [...known].sort((one, two) => one.size - two.size);
  if (second && !provesConsistency(sizeAndRoot(first!), sizeAndRoot(second), consistency.map(bytesOfHex))) {
    return forked(`The log with ${second.size} entries does not begin as the one with ${first!.size} did: it was rewritten.`);
  }
  if (second && Date.parse(second.time) < Date.parse(first!.time)) {
    // The clock of a log never goes back: a key that has retired since can only date a later head before an earlier one.
    return forked(`The head with ${second.size} entries (${second.time}) is older than the one with ${first!.size} (${first!.time}): the log was gone on with by somebody else.`);
  }
  const same = known.find(({ size }) => size === head.size);
  if (same) return same.root === head.root ? null : forked(`The log showed two faces: with ${head.size} entries it had one root in this file and another when it was noted.`);
  return { verdict: 'no_common_head', explanation: `The noted head has ${noted.size} entries, the file's has ${head.size}, and no proof leads from one to the other. \`parley ledger witness\` writes one.` };
}

/**
 * Another file of the same session: two that are signed and differ are a fork. That the other's records, head or times are
 * wrong changes nothing about what was signed.
 */
async function checkAgainst(sealed: SealedTranscript, trusted: TrustedKeys, { against: other }: CheckOptions): Promise<Finding | null> {
  if (other === undefined) return null;
  const { statement } = other.seal;
  if (statement.session !== sealed.seal.statement.session) return { verdict: 'wrong_session', explanation: `The other file is of the session ${statement.session}.` };
  const { head } = sealed.log;
  const isFaced = other.log.head.ledger === head.ledger && other.log.head.size === head.size && other.log.head.root !== head.root;
  if (isFaced && (await checkHead(other.log.head, trusted)) === null) return { verdict: 'forked', explanation: `The log showed two faces: with ${head.size} entries it has one root here and another in the other file.` };
  if ((await checkSeal(other, trusted, {})) !== null || outOfTime(trusted, statement.key, statement.sealed_at)) return null;
  const first = firstOf(sealed, statement.records);
  if (first) return { verdict: 'forked', explanation: `Two different transcripts of this session are both signed. ${sentenceOf(first)}`, first };
  if (statement.ledger === sealed.seal.statement.ledger && hexOf(leafOf(other.seal)) !== sealed.log.leaf) return { verdict: 'forked', explanation: 'This session was sealed twice in one log.' };
  return null;
}

/** Where a file that nobody vouches for differs from one that is signed. */
async function comparedWith(sealed: SealedTranscript, trusted: TrustedKeys, { against: other }: CheckOptions): Promise<Difference | null> {
  if (other === undefined || (await checkSeal(other, trusted, {})) !== null) return null;
  return firstOf(sealed, other.seal.statement.records);
}

function checkTimes(sealed: SealedTranscript, trusted: TrustedKeys, { now }: VerifyOptions): Finding | null {
  const { statement } = sealed.seal;
  for (const [id, time] of [[statement.key, statement.sealed_at], [sealed.log.head.key, sealed.log.head.time]] as const) {
    const used = outOfTime(trusted, id, time);
    if (used) return { verdict: 'key_out_of_time', explanation: `It was signed at ${time} with a key that was used from ${used.created_at} to ${used.retired_at ?? 'now'}.` };
  }
  const lie = clockLie(sealed, now ?? Date.now());
  return lie === null ? null : { verdict: 'clock', explanation: `Nothing was changed, but a clock was wrong when it was recorded: ${lie}` };
}

/** The key, when it was not in use at a time; null when it was. */
function outOfTime(trusted: TrustedKeys, id: string, time: string): TrustedKey | null {
  const key = keyNamed(trusted, id)!;
  const at = Date.parse(time);
  return at < Date.parse(key.created_at) || (key.retired_at !== null && at > Date.parse(key.retired_at)) ? key : null;
}

function firstOf({ entries }: SealedTranscript, records: readonly string[]): Difference | null {
  const found = firstDifference(records, entries.map(({ record }) => digestOf(record)));
  if (!found) return null;
  const there = entries[found.position]?.record;
  const isThere = found.what !== 'removed' && found.what !== 'truncated';
  return { ...found, message: isThere && there?.kind === 'message' ? there.id : null };
}

function nameOf(position: number): string {
  return position === 0 ? "the session's own record" : `message ${position}`;
}

function sentenceOf({ what, position, message }: Difference): string {
  const which = nameOf(position) + (message === null || message === '' ? '' : ` (${message})`);
  switch (what) {
    case 'altered': return `${capital(which)} is the first that is not what was sealed.`;
    case 'removed': return `${capital(which)} was taken out.`;
    case 'truncated': return `The end is missing, from ${which} on.`;
    case 'added': return `${capital(which)} was put in; it was not sealed there.`;
    case 'reordered': return `${capital(which)} stands in another place than it was sealed in.`;
  }
}

function capital(text: string): string {
  return text[0]!.toUpperCase() + text.slice(1);
}

function keyNamed({ keys }: TrustedKeys, id: string): TrustedKey | null {
  const key = keys.find((known) => known.id === id);
  // A key under the name of another would be trusted by its name alone.
  return key && keyIdOf(key.public_key) === id ? key : null;
}

function sizeAndRoot({ size, root }: SignedHead): { size: number; root: Hash } {
  return { size, root: bytesOfHex(root) };
}
