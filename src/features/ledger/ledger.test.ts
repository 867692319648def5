import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newId } from '../../base/ids.ts';
import { openSecrets } from '../../base/secrets.ts';
import { userRow } from '../../base/storage/fixtures.ts';
import { engines } from '../../base/storage/testing.ts';
import { canonicalJson } from './verify/index.ts';
import { isSigned } from './verify/index.ts';
import { openLedgerHouse, talk, type LedgerHouse } from './testing.ts';
import type { SealedTranscript } from './types.ts';

describe.each(engines)('The ledger, on %s', (engine) => {
  let house: LedgerHouse;
  beforeEach(async () => {
    house = await openLedgerHouse(engine);
  });
  afterEach(async () => {
    await house.close();
  });

  const verify = async (sealed: SealedTranscript) => house.ledger.verify(JSON.stringify(sealed), await house.ledger.keys());

  it('seals a transcript that anybody can check with nothing but the file and the public keys', async () => {
    const transcript = house.transcript();
    const sealed = await house.ledger.seal(transcript);
    expect(sealed.entries.map(({ record }) => (record.kind === 'message' ? record.text : record.session))).toEqual([transcript.id, ...transcript.messages.map(({ text }) => text)]);
    expect(await verify(sealed)).toMatchObject({ verdict: 'valid', session: transcript.id, messages: 6, index: 0, first: null });
  });

  it('seals an empty transcript, and one of a single message', async () => {
    for (const count of [0, 1]) expect(await verify(await house.ledger.seal(house.transcript({ messages: talk(count).messages })))).toMatchObject({ verdict: 'valid', messages: count });
  });

  it('keeps texts in every script exactly as they were said', async () => {
    const text = 'quotes " \\ and\nlines\t\u0000 مرحبا 👩‍👩‍👧‍👦 e\u0301 \u2028';
    const [message] = talk(1).messages;
    const sealed = await house.ledger.seal(house.transcript({ messages: [{ ...message!, text: text.replace('\u0000', '') }] }));
    expect(sealed.entries[1]!.record).toMatchObject({ text: text.replace('\u0000', '') });
    expect((await verify(sealed)).verdict).toBe('valid');
  });

  it('gives what was sealed before when the same is sealed again, and refuses another transcript of the same session', async () => {
    const transcript = house.transcript();
    const sealed = await house.ledger.seal(transcript);
    expect(await house.ledger.seal(transcript)).toEqual(sealed);
    await expect(house.ledger.seal({ ...transcript, messages: transcript.messages.slice(1) })).rejects.toMatchObject({ code: 'conflict' });
    expect((await house.ledger.head())?.size).toBe(1);
  });

  it('refuses a transcript that has no canonical form', async () => {
    await expect(house.ledger.seal(house.transcript({ metadata: { cost: Number.NaN } }))).rejects.toMatchObject({ code: 'invalid_request' });
    await expect(house.ledger.seal(house.transcript({ metadata: { name: '\ud800' } }))).rejects.toMatchObject({ code: 'invalid_request' });
    await expect(house.ledger.seal(house.transcript({ id: '' }))).rejects.toMatchObject({ code: 'invalid_request' });
    await expect(house.ledger.seal(house.transcript({ startedAt: Number.NaN }))).rejects.toMatchObject({ code: 'invalid_request' });
    expect(await house.ledger.head()).toBeNull();
  });

  it('gives every transcript a place without gap, whoever seals at the same time', async () => {
    const instances = [house.ledger, await house.another(), await house.another()];
    const sealed = await Promise.all(Array.from({ length: 30 }, (_, index) => instances[index % 3]!.seal(house.transcript())));
    expect(sealed.map(({ log }) => log.index).sort((one, other) => one - other)).toEqual(Array.from({ length: 30 }, (_, index) => index));
    expect((await house.ledger.head())?.size).toBe(30);
    expect(await house.ledger.checkLog()).toEqual([]);
    for (const one of sealed) expect((await verify(one)).verdict).toBe('valid');
  });

  it('seals one transcript once, however many servers are told to', async () => {
    const transcript = house.transcript();
    const instances = [house.ledger, await house.another(), await house.another()];
    const sealed = await Promise.all(instances.map((ledger) => ledger.seal(transcript)));
    expect(new Set(sealed.map(({ seal }) => canonicalJson(seal))).size).toBe(1);
    expect((await house.ledger.head())?.size).toBe(1);
  });

  it('proves that it only grew, from every earlier head to the newest', async () => {
    for (let count = 0; count < 13; count += 1) await house.ledger.seal(house.transcript());
    const keys = await house.ledger.keys();
    const sealed = await house.ledger.seal(house.transcript());
    for (let size = 1; size <= 14; size += 1) {
      const witness = (await house.ledger.witness(size))!;
      expect(witness.other?.size).toBe(size);
      expect(await house.ledger.verify(sealed, keys, { witness })).toMatchObject({ verdict: 'valid' });
    }
    await expect(house.ledger.witness(15)).rejects.toMatchObject({ code: 'invalid_request' });
    await expect(house.ledger.witness(0)).rejects.toMatchObject({ code: 'invalid_request' });
  });

  it('leads every transcript to the newest head', async () => {
    const ids: string[] = [];
    for (let count = 0; count < 9; count += 1) ids.push((await house.ledger.seal(house.transcript())).seal.statement.session);
    const keys = await house.ledger.keys();
    for (const id of ids) {
      const sealed = (await house.ledger.transcript({ userId: house.ownerId, role: 'user' }, id))!;
      expect(sealed.log.head.size).toBe(9);
      expect(await house.ledger.verify(sealed, keys)).toMatchObject({ verdict: 'valid' });
    }
  });

  it('signs on with a new key after a rotation, and what the old one signed stays good', async () => {
    const before = await house.ledger.seal(house.transcript());
    const made = await house.ledger.rotateKey();
    const after = await house.ledger.seal(house.transcript());
    const { keys } = await house.ledger.keys();
    expect(keys.map(({ id }) => id)).toEqual([made.id, before.seal.statement.key]);
    expect(keys[1]!.retired_at).not.toBeNull();
    expect(after.seal.statement.key).toBe(made.id);
    expect((await verify(before)).verdict).toBe('valid');
    expect((await verify(after)).verdict).toBe('valid');
    expect(await house.ledger.checkLog()).toEqual([]);
  });

  it('keeps the private key encrypted, and forgets it when it retires', async () => {
    await house.ledger.seal(house.transcript());
    const row = () => house.database.storage.read.selectFrom('ledger_keys').selectAll().orderBy('created_at').execute();
    const [kept] = await row();
    expect(kept!.private_key).toMatch(/^v1\./);
    await house.ledger.rotateKey();
    expect((await row()).filter(({ retired_at }) => retired_at !== null).map(({ private_key }) => private_key)).toEqual([null]);
  });

  it('encrypts the key again when the secrets of the server were rotated', async () => {
    const before = await house.ledger.seal(house.transcript());
    const cipher = async () => (await house.database.storage.read.selectFrom('ledger_keys').select('private_key').executeTakeFirstOrThrow()).private_key!;
    house.secrets.rotate();
    expect(house.secrets.isOutdated(await cipher())).toBe(true);
    const again = await house.another();
    expect(house.secrets.isOutdated(await cipher())).toBe(false);
    expect((await again.seal(house.transcript())).seal.statement.key).toBe(before.seal.statement.key);
  });

  it('says so when the secrets are lost, and goes on with a new key', async () => {
    const before = await house.ledger.seal(house.transcript());
    const lost = await house.another({ secrets: openSecrets(join(house.database.dataDir, 'others')) });
    await expect(lost.seal(house.transcript())).rejects.toMatchObject({ code: 'conflict', message: expect.stringContaining('parley ledger rotate') as string });
    await lost.rotateKey();
    expect((await lost.seal(house.transcript())).log.index).toBe(1);
    expect((await verify(before)).verdict).toBe('valid');
  });

  it('shows a transcript to its owner and to administrators, and to nobody else', async () => {
    const sealed = await house.ledger.seal(house.transcript());
    const { session } = sealed.seal.statement;
    expect(await house.ledger.transcript({ userId: house.ownerId, role: 'user' }, session)).toEqual(sealed);
    expect(await house.ledger.transcript({ userId: newId(), role: 'admin' }, session)).toEqual(sealed);
    expect(await house.ledger.transcript({ userId: newId(), role: 'user' }, session)).toBeNull();
    expect(await house.ledger.transcript({ userId: house.ownerId, role: 'user' }, 'another')).toBeNull();
  });

  it('lets a transcript go with its owner, and keeps its place in the log, which says no word of it', async () => {
    const other = userRow();
    await house.database.storage.write((queries) => queries.insertInto('users').values(other).execute());
    const sealed = await house.ledger.seal(house.transcript({ ownerId: other.id }));
    await house.database.storage.write((queries) => queries.deleteFrom('users').where('id', '=', other.id).execute());
    expect(await house.ledger.transcript({ userId: other.id, role: 'user' }, sealed.seal.statement.session)).toBeNull();
    expect(await house.database.storage.read.selectFrom('ledger_transcripts').selectAll().execute()).toEqual([]);
    expect((await house.ledger.head())?.size).toBe(1);
    expect(await house.ledger.checkLog()).toEqual([]);
    expect((await verify(sealed)).verdict).toBe('valid');
  });

  it('never lets the time in the log go back, whatever the clock does', async () => {
    await house.ledger.seal(house.transcript());
    house.clockOff = -3_600_000;
    await house.ledger.seal(house.transcript());
    await house.ledger.rotateKey();
    const sealed = await house.ledger.seal(house.transcript());
    expect(await house.ledger.checkLog()).toEqual([]);
    expect((await verify(sealed)).verdict).toBe('valid');
  });

  it('knows of no anchor but its own log when nothing is set up', async () => {
    const sealed = await house.ledger.seal(house.transcript());
    expect(await house.ledger.anchor(sealed)).toEqual([{ anchor: 'log', state: 'done', place: sealed.seal.statement.ledger, transactions: [], parts: 1, problem: null }]);
    expect(house.ledger.anchorStatus()).toEqual([{ name: 'log', state: 'ready', problem: null }, { name: 'hedera', state: 'off', problem: expect.stringContaining('HEDERA_ACCOUNT_ID') as string }]);
    expect(await house.ledger.checkAnchors(sealed)).toMatchObject([{ anchor: 'log', outcome: 'same' }]);
    expect(await house.ledger.anchors('never sealed')).toEqual([]);
  });

  it('does not hand over a transcript that was not sealed here', async () => {
    const elsewhere = await openLedgerHouse('sqlite');
    const sealed = await elsewhere.ledger.seal(elsewhere.transcript());
    await elsewhere.close();
    await expect(house.ledger.anchor(sealed)).rejects.toMatchObject({ code: 'not_found' });
    expect(await house.ledger.checkAnchors(sealed)).toMatchObject([{ anchor: 'log', outcome: 'missing' }]);
  });

  describe('finds out when somebody edited the rows of the log', () => {
    beforeEach(async () => {
      for (let count = 0; count < 5; count += 1) await house.ledger.seal(house.transcript());
    });

    it('a leaf', async () => {
      await house.database.storage.write((queries) => queries.updateTable('ledger_log').set({ leaf_hash: 'a'.repeat(64) }).where('position', '=', 2).execute());
      expect((await house.ledger.checkLog())[0]).toContain('The root at entry 2');
    });

    it('a row taken out of the middle', async () => {
      await house.database.storage.write(async (queries) => {
        const { transcript_id } = await queries.selectFrom('ledger_log').select('transcript_id').where('position', '=', 3).executeTakeFirstOrThrow();
        await queries.deleteFrom('ledger_transcripts').where('id', '=', transcript_id).execute();
        await queries.deleteFrom('ledger_log').where('position', '=', 3).execute();
      });
      expect(await house.ledger.checkLog()).toEqual(['The entry 3 is missing: the log goes on with 4.']);
    });

    it('a time, a signature, a kept hash, a kept transcript', async () => {
      await house.database.storage.write(async (queries) => {
        await queries.updateTable('ledger_log').set({ logged_at: 5 }).where('position', '=', 4).execute();
        await queries.updateTable('ledger_nodes').set({ hash: 'b'.repeat(64) }).where('level', '=', 1).where('position', '=', 0).execute();
        const { transcript_id } = await queries.selectFrom('ledger_log').select('transcript_id').where('position', '=', 0).executeTakeFirstOrThrow();
        const { body } = await queries.selectFrom('ledger_transcripts').select('body').where('id', '=', transcript_id).executeTakeFirstOrThrow();
        await queries.updateTable('ledger_transcripts').set({ body: body.replace('"signature":"', '"signature":"X') }).where('id', '=', transcript_id).execute();
      });
      const findings = (await house.ledger.checkLog()).join(' ');
      expect(findings).toContain('The kept transcript');
      expect(findings).toContain('The kept hash of the subtree 0 at level 1');
      expect(findings).toContain('The entry 4 is older');
      expect(findings).toContain('The head at entry 4 is not signed');
    });
  });
});

describe('A signature', () => {
  it('of one kind is none of another, and a key file with a changed key is not believed', async () => {
    const house = await openLedgerHouse();
    const sealed = await house.ledger.seal(house.transcript());
    const { statement, public_key, signature } = sealed.seal;
    expect(await isSigned('transcript seal', statement, public_key, signature)).toBe(true);
    expect(await isSigned('log head', statement, public_key, signature)).toBe(false);
    expect(await isSigned('transcript seal', statement, public_key, `${signature.slice(0, -1)}~`)).toBe(false);
    const keys = await house.ledger.keys();
    const forged = { ...keys, keys: keys.keys.map((key) => ({ ...key, public_key: 'A'.repeat(43) })) };
    expect((await house.ledger.verify(sealed, forged)).verdict).toBe('unknown_key');
    await house.close();
  });

  it('needs the secrets of the server, which are not in the database', async () => {
    const house = await openLedgerHouse();
    await house.ledger.seal(house.transcript());
    const { private_key } = await house.database.storage.read.selectFrom('ledger_keys').selectAll().executeTakeFirstOrThrow();
    writeFileSync(join(house.database.dataDir, 'copy'), private_key!);
    expect(() => openSecrets(join(house.database.dataDir, 'thief')).decrypt(private_key!, 'ledger-key:x')).toThrow();
    await house.close();
  });
});
