import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { newSigningKey, signValue, type SigningKey } from './signing.ts';
import { copyOf, openLedgerHouse, type DeepWritable, type LedgerHouse } from './testing.ts';
import type { MessageRecord, SealedTranscript, TrustedKeys, Verification, VerifyOptions, Witness } from './types.ts';
import { bytesOfHex, canonicalJson, chainOf, digestOf, entriesOf, FormError, hexOf, leafOf, nodeHash, unsignedHead, verifyTranscript } from './verify/index.ts';

type File = DeepWritable<SealedTranscript>;

let house: LedgerHouse;
let sealed: SealedTranscript;
let keys: TrustedKeys;

beforeAll(async () => {
  house = await openLedgerHouse();
  for (let count = 0; count < 4; count += 1) await house.ledger.seal(house.transcript());
  sealed = await house.ledger.seal(house.transcript());
  keys = await house.ledger.keys();
});
afterAll(async () => {
  await house.close();
});

/** The verdict on a copy that somebody changed. */
async function verdictOn(change: (file: File) => void, options: VerifyOptions = {}, trusted = keys): Promise<Verification> {
  const file = copyOf(sealed);
  change(file);
  return await verifyTranscript(JSON.stringify(file), trusted, options);
}

/** What a careful forger does: everything in the file fits together again, but for the signature. */
function chainAnew(file: File): void {
  const records = file.entries.map(({ record }) => record);
  const chain = chainOf(records.map(digestOf));
  file.entries = copyOf(entriesOf(records, chain));
  Object.assign(file.seal.statement, { records: chain.records, last: chain.last, root: chain.root });
}

/** Only the chain beside the records is made to fit. */
function hashAnew(file: File): void {
  const records = file.entries.map(({ record }) => record);
  file.entries = copyOf(entriesOf(records, chainOf(records.map(digestOf))));
}

/** Signs seal and head with another key, and enters the seal in a log of its own. */
function signAnew(file: File, key: SigningKey): void {
  Object.assign(file.seal.statement, { key: key.id });
  file.seal.public_key = key.publicKey;
  file.seal.signature = signValue('transcript seal', file.seal.statement, key.privateKey);
  const leaf = hexOf(leafOf(file.seal));
  const head = { ...unsignedHead(file.log.head), size: 1, root: leaf, key: key.id };
  file.log = { ...file.log, index: 0, leaf, inclusion: [], head: { ...head, signature: signValue('log head', head, key.privateKey) } };
}

const message = (file: File, position: number): DeepWritable<MessageRecord> => file.entries[position]!.record as DeepWritable<MessageRecord>;
const idAt = (position: number): string => (sealed.entries[position]!.record as MessageRecord).id;
const moveTime = (text: string, milliseconds: number): string => new Date(Date.parse(text) + milliseconds).toISOString();

describe('A message that was altered', () => {
  it('is named', async () => {
    expect(await verdictOn((file) => (message(file, 3).text = 'No.'))).toMatchObject({ verdict: 'altered', first: { what: 'altered', position: 3, message: idAt(3) } });
  });

  it('is named, also when the hashes were made to fit', async () => {
    const verdict = await verdictOn((file) => {
      message(file, 3).text = 'No.';
      hashAnew(file);
    });
    expect(verdict).toMatchObject({ verdict: 'altered', first: { position: 3, message: idAt(3) } });
    expect(verdict.explanation).toContain('Message 3');
  });

  test.each([
    ['who said it', (record: DeepWritable<MessageRecord>) => (record.from = '0.0.9')],
    ['when', (record: DeepWritable<MessageRecord>) => (record.sent_at = moveTime(record.sent_at, 1))],
    ['its id', (record: DeepWritable<MessageRecord>) => (record.id = 'x')],
    ['its metadata', (record: DeepWritable<MessageRecord>) => (record.metadata = { ...record.metadata, aiModel: 'another/model' })],
    ['a single character', (record: DeepWritable<MessageRecord>) => (record.text += ' ')],
    ['the same letter written in another way', (record: DeepWritable<MessageRecord>) => (record.text = record.text.replace('g', 'ɡ'))],
  ])('in one thing, %s, is named', async (_, change) => {
    expect(await verdictOn((file) => void change(message(file, 2)))).toMatchObject({ verdict: 'altered', first: { position: 2 } });
  });

  it('and another one: the first is named', async () => {
    expect(await verdictOn((file) => {
      message(file, 5).text = 'later';
      message(file, 2).text = 'earlier';
    })).toMatchObject({ verdict: 'altered', first: { position: 2 } });
  });
});

describe('Edited metadata', () => {
  it('of the session is an alteration of its own record', async () => {
    const verdict = await verdictOn((file) => {
      const { record } = file.entries[0]!;
      if (record.kind === 'session') record.metadata = { agents: ['0.0.1', '0.0.2'] };
    });
    expect(verdict).toMatchObject({ verdict: 'altered', first: { position: 0, message: null } });
    expect(verdict.explanation).toContain("The session's own record");
  });

  it('in the seal breaks the signature', async () => {
    expect(await verdictOn((file) => (file.seal.statement.sealed_at = moveTime(file.seal.statement.sealed_at, 1)))).toMatchObject({ verdict: 'bad_signature' });
  });

  it('with members that nobody knows is no transcript', async () => {
    expect(await verdictOn((file) => Object.assign(file.entries[1]!.record, { note: 'added' }))).toMatchObject({ verdict: 'malformed' });
  });

  it('by a second member of the same name is no transcript: readers would disagree about it', async () => {
    const text = JSON.stringify(sealed).replace('"text":', '"text":"I agree to everything.","text":');
    expect(await verifyTranscript(text, keys)).toMatchObject({ verdict: 'malformed', explanation: expect.stringContaining('two members') as string });
  });

  it('of the chain beside untouched records says so', async () => {
    expect(await verdictOn((file) => (file.entries[2]!.previous = 'a'.repeat(64)))).toMatchObject({ verdict: 'bad_chain' });
    expect(await verdictOn((file) => (file.entries[4]!.hash = 'a'.repeat(64)))).toMatchObject({ verdict: 'bad_chain' });
  });
});

describe('A truncated transcript', () => {
  test.each([1, 2, 6])('without its last %i messages says from where on it ends', async (count) => {
    expect(await verdictOn((file) => void file.entries.splice(-count))).toMatchObject({ verdict: 'truncated', first: { what: 'truncated', position: 7 - count, message: null } });
  });

  it('of which nothing is left is told', async () => {
    expect(await verdictOn((file) => void file.entries.splice(0))).toMatchObject({ verdict: 'truncated', first: { position: 0 } });
  });

  it('with the number of messages corrected is an alteration of the session', async () => {
    expect(await verdictOn((file) => {
      file.entries.pop();
      const { record } = file.entries[0]!;
      if (record.kind === 'session') record.messages -= 1;
      hashAnew(file);
    })).toMatchObject({ verdict: 'altered', first: { position: 0 } });
  });

  it('with everything made to fit has no signature any more, and is still named', async () => {
    const options = { against: sealed };
    expect(await verdictOn((file) => {
      file.entries.pop();
      chainAnew(file);
    }, options)).toMatchObject({ verdict: 'bad_signature', first: { what: 'truncated', position: 6 } });
  });

  it('as a half-written file is no transcript', async () => {
    const text = JSON.stringify(sealed);
    for (const length of [0, 1, 100, text.length - 1]) expect(await verifyTranscript(text.slice(0, length), keys)).toMatchObject({ verdict: 'malformed' });
  });
});

describe('A message that was removed, added or moved', () => {
  test.each([false, true])('is named (hashes made to fit: %s)', async (fits) => {
    const after = (change: (file: File) => void): Promise<Verification> => verdictOn((file) => {
      change(file);
      if (fits) hashAnew(file);
    });
    expect(await after((file) => void file.entries.splice(2, 1))).toMatchObject({ verdict: 'removed', first: { position: 2, message: null } });
    expect(await after((file) => void file.entries.splice(0, 1))).toMatchObject({ verdict: 'removed', first: { position: 0 } });
    expect(await after((file) => void file.entries.splice(3, 0, { ...copyOf(file.entries[3]!), record: { ...message(file, 3), id: 'put in', text: 'Yes, all of it.' } }))).toMatchObject({ verdict: 'added', first: { position: 3, message: 'put in' } });
    expect(await after((file) => void file.entries.push({ ...copyOf(file.entries[3]!), record: { ...message(file, 3), id: 'last word' } }))).toMatchObject({ verdict: 'added', first: { position: 7, message: 'last word' } });
  });

  it('reordered: the first that stands elsewhere is named', async () => {
    expect(await verdictOn((file) => void file.entries.splice(2, 2, file.entries[3]!, file.entries[2]!))).toMatchObject({ verdict: 'reordered', first: { position: 2, message: idAt(3) } });
    expect(await verdictOn((file) => {
      file.entries.splice(2, 2, file.entries[3]!, file.entries[2]!);
      hashAnew(file);
    })).toMatchObject({ verdict: 'reordered', first: { position: 2, message: idAt(3) } });
  });
});

describe('A replayed transcript', () => {
  it('passed off as that of another session is genuine, and replayed', async () => {
    expect(await verdictOn(() => undefined, { session: 'another' })).toMatchObject({ verdict: 'replayed', session: sealed.seal.statement.session });
    expect(await verdictOn(() => undefined, { session: sealed.seal.statement.session })).toMatchObject({ verdict: 'valid' });
  });

  it('with a message said once more has one that was added', async () => {
    expect(await verdictOn((file) => void file.entries.splice(4, 0, copyOf(file.entries[2]!)))).toMatchObject({ verdict: 'added', first: { position: 4, message: idAt(2) } });
  });

  it('in the log of another server is in the wrong log', async () => {
    const other = await openLedgerHouse();
    const theirs = await other.ledger.keys();
    await other.close();
    expect(await verdictOn(() => undefined, {}, { ...keys, ledger: theirs.ledger })).toMatchObject({ verdict: 'wrong_log' });
  });
});

describe('Swapped sessions', () => {
  it('are told: the messages of one under the seal of another', async () => {
    const other = await house.ledger.seal(house.transcript());
    expect(await verdictOn((file) => (file.entries = copyOf(other.entries) as File['entries']))).toMatchObject({ verdict: 'wrong_session' });
  });

  it('are told also where only a message was taken from elsewhere', async () => {
    const other = await house.ledger.seal(house.transcript());
    expect(await verdictOn((file) => (file.entries[3] = copyOf(other.entries[3]!) as File['entries'][number]))).toMatchObject({ verdict: 'altered', first: { position: 3 } });
  });

  it('are told where the place in the log is that of another', async () => {
    const other = await house.ledger.seal(house.transcript());
    expect(await verdictOn((file) => (file.log = copyOf(other.log)))).toMatchObject({ verdict: 'not_in_log' });
  });
});

describe('A transcript signed again by another key', () => {
  it('is signed by nobody whom anybody trusts', async () => {
    const key = newSigningKey();
    const verdict = await verdictOn((file) => {
      message(file, 2).text = 'I owe you a million.';
      chainAnew(file);
      signAnew(file, key);
    });
    expect(verdict).toMatchObject({ verdict: 'unknown_key', key: key.id });
  });

  it('is compared with one that is kept elsewhere, so that the message is named', async () => {
    const verdict = await verdictOn((file) => {
      message(file, 2).text = 'I owe you a million.';
      chainAnew(file);
      signAnew(file, newSigningKey());
    }, { against: sealed });
    expect(verdict).toMatchObject({ verdict: 'unknown_key', first: { what: 'altered', position: 2 } });
  });

  it('under the name of the right key has a bad signature', async () => {
    const verdict = await verdictOn((file) => {
      signAnew(file, newSigningKey());
      file.seal.statement.key = sealed.seal.statement.key;
    });
    expect(verdict).toMatchObject({ verdict: 'bad_signature' });
  });

  it('with the signature of another transcript has a bad signature', async () => {
    const other = await house.ledger.seal(house.transcript());
    expect(await verdictOn((file) => (file.seal.signature = other.seal.signature))).toMatchObject({ verdict: 'bad_signature' });
  });

  it('after the key had retired is out of its time: a stolen old key signs nothing new', async () => {
    const retired = { ...keys, keys: keys.keys.map((key) => ({ ...key, retired_at: moveTime(sealed.seal.statement.sealed_at, -1) })) };
    expect(await verdictOn(() => undefined, {}, retired)).toMatchObject({ verdict: 'key_out_of_time' });
    const younger = { ...keys, keys: keys.keys.map((key) => ({ ...key, created_at: moveTime(sealed.seal.statement.sealed_at, 1) })) };
    expect(await verdictOn(() => undefined, {}, younger)).toMatchObject({ verdict: 'key_out_of_time' });
  });
});

describe('A wrong head of the log', () => {
  it('that nobody signed is told', async () => {
    expect(await verdictOn((file) => (file.log.head.root = 'a'.repeat(64)))).toMatchObject({ verdict: 'bad_log_head' });
    expect(await verdictOn((file) => (file.log.head.size += 1))).toMatchObject({ verdict: 'bad_log_head' });
    expect(await verdictOn((file) => (file.log.head.time = moveTime(file.log.head.time, 1)))).toMatchObject({ verdict: 'bad_log_head' });
  });

  it('that is genuine and does not hold this transcript is told', async () => {
    const [first] = (await house.database.storage.read.selectFrom('ledger_log').select('transcript_id').orderBy('position').limit(1).execute()) as [{ transcript_id: string }];
    const early = (await house.ledger.witness(1))!.other!;
    expect(first).toBeDefined();
    expect(await verdictOn((file) => (file.log.head = early))).toMatchObject({ verdict: 'not_in_log' });
  });

  it('with a proof that is not its own is told', async () => {
    expect(await verdictOn((file) => (file.log.inclusion = ['a'.repeat(64), ...file.log.inclusion.slice(1)]))).toMatchObject({ verdict: 'not_in_log' });
    expect(await verdictOn((file) => (file.log.inclusion = []))).toMatchObject({ verdict: 'not_in_log' });
    expect(await verdictOn((file) => (file.log.index = 0))).toMatchObject({ verdict: 'not_in_log' });
    expect(await verdictOn((file) => (file.log.leaf = 'a'.repeat(64)))).toMatchObject({ verdict: 'not_in_log' });
  });

  it('of another log is told', async () => {
    expect(await verdictOn((file) => (file.log.head.ledger = 'another'))).toMatchObject({ verdict: 'wrong_log' });
  });
});

describe('A fork', () => {
  /** The server itself cheats: with its own key it signs another transcript of the session, in a log that it shows to others. */
  async function forge(file: File): Promise<void> {
    const row = await house.database.storage.read.selectFrom('ledger_keys').selectAll().executeTakeFirstOrThrow();
    const privateKey = house.secrets.decrypt(row.private_key!, `ledger-key:${row.id}`);
    signAnew(file, { id: row.id, publicKey: row.public_key, privateKey });
  }

  it('of a transcript is told when two are held side by side, both signed, and the message is named', async () => {
    const other = copyOf(sealed);
    message(other, 4).text = 'We never said that.';
    chainAnew(other);
    await forge(other);
    expect(await verifyTranscript(other, keys)).toMatchObject({ verdict: 'valid' });
    expect(await verifyTranscript(other, keys, { against: sealed })).toMatchObject({ verdict: 'forked', first: { what: 'altered', position: 4 } });
    expect(await verifyTranscript(sealed, keys, { against: other })).toMatchObject({ verdict: 'forked' });
    expect(await verifyTranscript(sealed, keys, { against: sealed })).toMatchObject({ verdict: 'valid' });
  });

  it('of the log is told by a head that somebody noted', async () => {
    const noted = (await house.ledger.witness())!;
    const other = copyOf(sealed);
    await forge(other);
    expect(await verifyTranscript(other, keys, { witness: noted })).toMatchObject({ verdict: 'no_common_head' });
    const oneEntry = (await house.ledger.witness(1))!;
    expect(await verifyTranscript(other, keys, { witness: oneEntry })).toMatchObject({ verdict: 'forked' });
  });

  it('is told when no proof leads from the noted head to the newest', async () => {
    const witness = copyOf((await house.ledger.witness(2))!);
    witness.consistency[0] = 'a'.repeat(64);
    const newest = (await house.ledger.transcript({ userId: house.ownerId, role: 'user' }, sealed.seal.statement.session))!;
    expect(await verifyTranscript(newest, keys, { witness: witness as Witness })).toMatchObject({ verdict: 'forked' });
  });

  it('of a transcript is told also beside a noted head, whatever head the second file has, and whatever its clock says', async () => {
    const other = copyOf(sealed);
    message(other, 4).text = 'We never said that.';
    chainAnew(other);
    await forge(other);
    const noted = (await house.ledger.witness(sealed.log.head.size))!;
    const witness: Witness = { ...noted, head: sealed.log.head, other: null, consistency: [] };
    expect(await verifyTranscript(sealed, keys, { witness })).toMatchObject({ verdict: 'valid' });
    expect(await verifyTranscript(sealed, keys, { witness, against: other })).toMatchObject({ verdict: 'forked', first: { position: 4 } });
    const lying = copyOf(other);
    message(lying, 5).sent_at = moveTime(message(lying, 5).sent_at, 3_600_000 * 5);
    chainAnew(lying);
    await forge(lying);
    expect(await verifyTranscript(lying, keys)).toMatchObject({ verdict: 'clock' });
    expect(await verifyTranscript(sealed, keys, { against: lying })).toMatchObject({ verdict: 'forked', first: { position: 4 } });
  });

  it('behind a noted head, dated back into the time of a retired key that was stolen, is told by the times of both heads', async () => {
    const own = await openLedgerHouse();
    const old = await own.database.storage.read.selectFrom('ledger_keys').selectAll().executeTakeFirst();
    expect(old).toBeUndefined();
    const genuine = await own.ledger.seal(own.transcript());
    const row = await own.database.storage.read.selectFrom('ledger_keys').selectAll().executeTakeFirstOrThrow();
    const stolen = { id: row.id, publicKey: row.public_key, privateKey: own.secrets.decrypt(row.private_key!, `ledger-key:${row.id}`) };
    own.clockOff = 60_000;
    await own.ledger.rotateKey();
    own.clockOff = 120_000;
    await own.ledger.seal(own.transcript());
    const noted = (await own.ledger.witness())!.head;
    const trusted = await own.ledger.keys();
    await own.close();
    // Whoever has the old key writes a third entry behind the two that everybody knows, and dates it before the second.
    const forged = copyOf(genuine);
    message(forged, 2).text = 'I owe you a million.';
    Object.assign(forged.entries[0]!.record, { session: 'never held' });
    chainAnew(forged);
    forged.seal.statement.session = 'never held';
    forged.seal.signature = signValue('transcript seal', forged.seal.statement, stolen.privateKey);
    const leaf = leafOf(forged.seal);
    const head = { ...unsignedHead(noted), size: 3, root: hexOf(nodeHash(bytesOfHex(noted.root), leaf)), time: genuine.seal.statement.sealed_at, key: stolen.id };
    forged.log = { index: 2, leaf: hexOf(leaf), logged_at: genuine.seal.statement.sealed_at, inclusion: [noted.root], head: { ...head, signature: signValue('log head', head, stolen.privateKey) } };
    const witness: Witness = { format: 'parley-ledger-witness', version: 1, head: noted, other: forged.log.head, consistency: [hexOf(leaf)] };
    expect(await verifyTranscript(forged, trusted, { witness, now: Date.now() + 180_000 })).toMatchObject({ verdict: 'forked', explanation: expect.stringContaining('older') as string });
  });

  it('cannot be covered up by a second file that is none: the genuine one is not blamed for it', async () => {
    const verdict = await verifyTranscript(sealed, keys, { against: '{' }).catch((error: unknown) => error);
    expect(verdict).toBeInstanceOf(FormError);
  });

  it('by a noted head that nobody signed is none', async () => {
    const witness = copyOf((await house.ledger.witness())!);
    witness.head.root = 'a'.repeat(64);
    expect(await verdictOn(() => undefined, { witness: witness as Witness })).toMatchObject({ verdict: 'bad_log_head' });
  });
});

describe('A clock that lies', () => {
  const within = async (change: (file: ReturnType<LedgerHouse['transcript']>) => ReturnType<LedgerHouse['transcript']>, now?: number): Promise<Verification> => {
    const lying = await openLedgerHouse();
    const one = await lying.ledger.seal(change(lying.transcript()));
    const verdict = await verifyTranscript(one, await lying.ledger.keys(), now === undefined ? {} : { now });
    await lying.close();
    return verdict;
  };
  const hour = 3_600_000;

  it('is told when a message was sent before the one in front of it', async () => {
    expect(await within((transcript) => ({ ...transcript, messages: transcript.messages.map((one, index) => (index === 3 ? { ...one, sentAt: one.sentAt - hour } : one)) }))).toMatchObject({ verdict: 'clock', explanation: expect.stringContaining('message 4') as string });
  });

  it('is told when a message was sent after the end', async () => {
    expect(await within((transcript) => ({ ...transcript, messages: transcript.messages.map((one, index) => (index === 5 ? { ...one, sentAt: one.sentAt + hour } : one)) }))).toMatchObject({ verdict: 'clock' });
  });

  it('is told when it was sealed before the session had ended', async () => {
    expect(await within((transcript) => ({ ...transcript, endedAt: transcript.endedAt + hour }))).toMatchObject({ verdict: 'clock' });
  });

  it('is told when the log is ahead of the time', async () => {
    expect(await within((transcript) => transcript, Date.now() - hour)).toMatchObject({ verdict: 'clock', explanation: expect.stringContaining('not come yet') as string });
  });

  it('may be wrong by seconds, as clocks of several machines are', async () => {
    expect(await within((transcript) => ({ ...transcript, messages: transcript.messages.map((one, index) => (index === 3 ? { ...one, sentAt: one.sentAt - 20_000 } : one)) }))).toMatchObject({ verdict: 'valid' });
  });

  it('cannot be put right in the file: times are signed', async () => {
    expect(await verdictOn((file) => (file.log.logged_at = moveTime(file.log.logged_at, -1)))).toMatchObject({ verdict: 'not_in_log' });
    expect(await verdictOn((file) => (message(file, 1).sent_at = moveTime(message(file, 1).sent_at, -hour)))).toMatchObject({ verdict: 'altered' });
  });
});

describe('A file that is no transcript', () => {
  test.each(['', 'null', '[]', '{}', '{"format":"parley-transcript"}', 'not json', '[['.repeat(1000), JSON.stringify({ format: 'parley-transcript', version: 2 })])('%j is told apart', async (text) => {
    expect(await verifyTranscript(text, { ...keys })).toMatchObject({ verdict: 'malformed', session: null, messages: null });
  });

  it('is never taken for one, whatever single value in it is changed', async () => {
    const paths: (string | number)[][] = [];
    const walk = (value: unknown, path: (string | number)[]): void => {
      if (Array.isArray(value)) value.forEach((item, index) => walk(item, [...path, index]));
      else if (typeof value === 'object' && value !== null) for (const [name, item] of Object.entries(value)) walk(item, [...path, name]);
      else paths.push(path);
    };
    // What other ledgers are said to hold is not signed: it is looked up there.
    walk({ ...sealed, anchors: undefined }, []);
    expect(paths.length).toBeGreaterThan(80);
    for (const path of paths.filter(([first]) => first !== 'anchors')) {
      const verdict = await verdictOn((file) => {
        const parent = path.slice(0, -1).reduce<unknown>((value, name) => (value as Record<string, unknown>)[name], file) as Record<string, unknown>;
        const last = path.at(-1)!;
        const before = parent[last];
        parent[last] = typeof before === 'number' ? before + 1 : typeof before === 'string' ? (/^[0-9a-f]{32,}$/.test(before) ? before.replace(/^./, (digit) => (digit === '0' ? '1' : '0')) : /^\d{4}-/.test(before) ? moveTime(before, 3_600_000 * 48) : `${before}x`) : !before;
      });
      expect(verdict.verdict, path.join('.')).not.toBe('valid');
    }
  });

  it('reads the same whatever the order of its members and its white space', async () => {
    expect(await verifyTranscript(canonicalJson(sealed), keys)).toMatchObject({ verdict: 'valid' });
    expect(await verifyTranscript(JSON.stringify(sealed, null, 4), keys)).toMatchObject({ verdict: 'valid' });
    expect(await verifyTranscript(sealed, keys)).toMatchObject({ verdict: 'valid' });
  });
});
