import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest';
import { canonicalJson } from '../../verify/index.ts';
import { openLedgerHouse, talk, type LedgerHouse } from '../../testing.ts';
import type { AnchorCheck, AnchorOptions, AnchorRecord, HederaSettings, SealedTranscript } from '../../types.ts';
import { anchorSuite } from '../anchor-suite.ts';
import { hashscanUrl } from './explorer.ts';
import { networkOf, wrongSetting } from './network.ts';
import { findPart } from './part.ts';
import { partFolder, partInstalled } from './testing/libraries.ts';
import { startNetwork, type TestNetwork } from './testing/network.ts';

/** Settings for a network of one node. */
function settingsFor(network: TestNetwork, changes: Partial<HederaSettings> = {}): HederaSettings {
  const { accountId, privateKey, topicId } = network;
  return { accountId, privateKey, topicId, network: network.network, mirrorUrl: network.mirror.url, content: 'transcript', mostChunks: 200, timeoutMs: 20_000, partFolders: [partFolder], ...changes };
}

describe.skipIf(!partInstalled)('Hedera as an anchor', () => {
  anchorSuite('the Hedera Consensus Service', async () => {
    const network = await startNetwork();
    return { name: 'hedera', hedera: settingsFor(network), close: () => network.close() };
  });
});

describe.skipIf(!partInstalled)('Transcripts on Hedera', () => {
  let network: TestNetwork;
  let house: LedgerHouse;
  const open = async (changes: Partial<HederaSettings> = {}): Promise<void> => {
    house = await openLedgerHouse('sqlite', settingsFor(network, changes));
  };
  beforeEach(async () => {
    network = await startNetwork();
  });
  afterEach(async () => {
    await house.close();
    await network.close();
  });

  /** A transcript that takes several messages. */
  const sealLong = async (messages = 8): Promise<SealedTranscript> => await house.ledger.seal(house.transcript({ messages: talk(messages).messages.map((message) => ({ ...message, text: 'word '.repeat(60) })) }));
  const handOver = async (sealed: SealedTranscript, options: AnchorOptions = {}): Promise<AnchorRecord> => (await house.ledger.anchor(sealed, options))[1]!;
  const readBack = async (sealed: SealedTranscript): Promise<AnchorCheck> => (await house.ledger.checkAnchors(sealed))[1]!;
  const whole = (): string => Buffer.concat([...network.messages].sort((one, other) => one.chunk!.number - other.chunk!.number).map(({ bytes }) => bytes)).toString('utf8');

  it('are submitted whole in messages of 1024 bytes, each signed and each with a receipt; the messages put together are the transcript', async () => {
    await open();
    const sealed = await sealLong();
    const record = await handOver(sealed);
    const { entries, seal } = sealed;
    const content = canonicalJson({ format: 'parley-transcript-anchor', version: 1, entries, seal });
    expect(whole()).toBe(content);
    const parts = Math.ceil(Buffer.byteLength(content) / 1024);
    expect(parts).toBeGreaterThan(3);
    expect(network.messages.map(({ bytes }) => bytes.length).sort((one, other) => other - one).slice(0, parts - 1)).toEqual(Array.from({ length: parts - 1 }, () => 1024));
    expect(network.submissions.map(({ status }) => status)).toEqual(Array.from({ length: parts }, () => 'OK'));
    expect(record).toMatchObject({ state: 'done', parts, problem: null, place: 'private topic 0.0.5005' });
    expect(new Set(record.transactions.map(({ transaction_id }) => transaction_id))).toEqual(new Set(network.messages.map(({ transactionId }) => transactionId)));
  });

  it('of more than twenty messages are submitted, too', async () => {
    await open();
    const sealed = await sealLong(60);
    const record = await handOver(sealed);
    expect(record.parts).toBeGreaterThan(20);
    expect(record.state).toBe('done');
    expect(await readBack(sealed)).toMatchObject({ outcome: 'same' });
  });

  it('of more messages than the settings allow are not begun', async () => {
    await open({ mostChunks: 3 });
    expect(await handOver(await sealLong())).toMatchObject({ state: 'failed', transactions: [], problem: expect.stringContaining('HEDERA_MAX_CHUNKS allows 3') as string });
    expect(network.submissions).toEqual([]);
  });

  it('can stay at home: the proof alone is one message without a word of them', async () => {
    await open({ content: 'proof' });
    const sealed = await sealLong();
    expect(await handOver(sealed)).toMatchObject({ state: 'done', parts: 1 });
    expect(JSON.parse(whole())).toMatchObject({ format: 'parley-proof-anchor', session: sealed.seal.statement.session, root: sealed.seal.statement.root, leaf: sealed.log.leaf });
    expect(whole()).not.toContain('word');
    expect(await readBack(sealed)).toMatchObject({ outcome: 'same' });
  });

  it('of a private network have no link that strangers could open', async () => {
    await open();
    expect((await handOver(await sealLong())).transactions.map(({ url }) => url)).toEqual(expect.arrayContaining([null]) as null[]);
  });

  it('wait for a node that is busy', async () => {
    await open();
    network.fault = (number) => (number <= 2 ? 'busy' : null);
    expect(await handOver(await sealLong())).toMatchObject({ state: 'done' });
    expect(network.submissions.slice(0, 3).map(({ status }) => status)).toEqual(['BUSY', 'BUSY', 'OK']);
  });

  it('arrive once when the answer of the node is lost', async () => {
    await open();
    network.fault = (number) => (number === 2 ? 'lost answer' : null);
    const sealed = await sealLong();
    const record = await handOver(sealed);
    expect(record.state).toBe('done');
    expect(network.messages).toHaveLength(record.parts!);
    expect(network.submissions.map(({ status }) => status)).toContain('DUPLICATE_TRANSACTION');
    expect(await readBack(sealed)).toMatchObject({ outcome: 'same' });
  });

  it('arrive once when the answer of the node is lost, and another says that the money is not enough for it now', async () => {
    await open();
    let [taken, refusals] = ['', 3];
    network.fault = (number, id) => {
      if (number === 2) taken = id;
      if (number === 2) return 'lost answer';
      return id === taken && (refusals -= 1) >= 0 ? { precheck: 'INSUFFICIENT_PAYER_BALANCE' } : null;
    };
    const sealed = await sealLong(3);
    expect(await handOver(sealed)).toMatchObject({ state: 'done' });
    expect(network.messages.map(({ chunk }) => chunk!.number).sort()).toEqual(network.messages.map((_, index) => index + 1));
    expect(await readBack(sealed)).toMatchObject({ outcome: 'same' });
  });

  it('arrive once when nobody knew the last time, and the first answer now is a refusal', async () => {
    await open({ content: 'proof' });
    network.fault = () => 'silent';
    const sealed = await sealLong(3);
    await handOver(sealed, { timeoutMs: 1500 });
    expect(network.messages).toHaveLength(1);
    let refusals = 2;
    network.fault = () => ((refusals -= 1) >= 0 ? { precheck: 'INSUFFICIENT_PAYER_BALANCE' } : null);
    await handOver(sealed);
    expect(await handOver(sealed)).toMatchObject({ state: 'done' });
    expect(network.messages).toHaveLength(1);
  });

  it('are not submitted by a key that is not the one of the account', async () => {
    await open({ privateKey: 'a'.repeat(64) });
    expect(await handOver(await sealLong())).toMatchObject({ state: 'failed', transactions: [], problem: expect.stringContaining('INVALID_SIGNATURE') as string });
    expect(network.messages).toEqual([]);
  });

  it('are not submitted to a topic that is not there', async () => {
    await open({ topicId: '0.0.404' });
    expect(await handOver(await sealLong())).toMatchObject({ state: 'failed', transactions: [], problem: expect.stringContaining('INVALID_TOPIC_ID') as string });
  });

  it('are given up in time when the node says nothing, and the time is told', async () => {
    await open();
    network.fault = () => 'silent';
    const sealed = await sealLong();
    // The thread with the SDK takes a while to start on a busy machine; the limit holds all the same.
    const began = performance.now();
    const record = await handOver(sealed, { timeoutMs: 1500 });
    expect(performance.now() - began).toBeLessThan(5000);
    expect(record).toMatchObject({ state: 'failed', transactions: [], problem: expect.stringContaining('time was over') as string });
  });

  it('are told as not submitted when there is no node at all', async () => {
    await open({ network: '127.0.0.1:1=0.0.3' });
    expect(await handOver(await sealLong(), { timeoutMs: 4000 })).toMatchObject({ state: 'failed', transactions: [] });
  });

  describe('A submission that half succeeded', () => {
    /** The parts behind the third are refused. */
    const refuseLater = (): void => {
      network.fault = (number) => (number > 3 ? { receipt: 'INSUFFICIENT_PAYER_BALANCE' } : null);
    };

    it('says so, lists what arrived, and claims no more', async () => {
      await open();
      refuseLater();
      const sealed = await sealLong();
      const record = await handOver(sealed);
      expect(record).toMatchObject({ state: 'partial', problem: expect.stringMatching(/^3 of \d+ parts were confirmed\. The receipt says INSUFFICIENT_PAYER_BALANCE\.$/) as string });
      expect(record.transactions).toHaveLength(3);
      expect(await readBack(sealed)).toMatchObject({ outcome: 'missing' });
    });

    it('is gone on with: only what is missing is sent, and the whole is read back', async () => {
      await open();
      refuseLater();
      const sealed = await sealLong();
      const before = await handOver(sealed);
      network.fault = () => null;
      const sent = network.submissions.length;
      const after = await handOver(sealed);
      expect(after).toMatchObject({ state: 'done', problem: null });
      expect(network.submissions.length - sent).toBe(after.parts! - 3);
      expect(after.transactions.slice(0, 3)).toEqual(before.transactions);
      expect(network.messages).toHaveLength(after.parts!);
      expect(await readBack(sealed)).toMatchObject({ outcome: 'same' });
    });

    it('is gone on with by another server, from what the first one kept', async () => {
      await open();
      refuseLater();
      const sealed = await sealLong();
      await handOver(sealed);
      network.fault = () => null;
      const other = await house.another();
      expect((await other.anchor(sealed))[1]).toMatchObject({ state: 'done' });
      expect(network.messages).toHaveLength((await other.anchors(sealed.seal.statement.session))[1]!.parts!);
    });

    it('whose answers were lost is sent again under the same ids while the network would still take them', async () => {
      await open();
      network.fault = (number) => (number > 1 ? 'silent' : null);
      const sealed = await sealLong();
      expect(await handOver(sealed, { timeoutMs: 4000 })).toMatchObject({ state: 'partial' });
      const arrived = network.messages.length;
      network.fault = () => null;
      expect(await handOver(sealed)).toMatchObject({ state: 'done' });
      expect(network.messages.length).toBeGreaterThanOrEqual(arrived);
      expect(new Set(network.messages.map(({ chunk }) => chunk!.number)).size).toBe(network.messages.length);
    });

    it('whose answers were lost long ago is looked up in the topic, and nothing is sent twice', async () => {
      await open();
      network.fault = (number) => (number > 1 ? 'silent' : null);
      const sealed = await sealLong();
      await handOver(sealed, { timeoutMs: 4000 });
      await age(sealed, 600);
      network.fault = () => null;
      expect(await handOver(sealed)).toMatchObject({ state: 'done' });
      expect(network.mirror.asked.some((url) => url.includes('timestamp='))).toBe(true);
      expect(new Set(network.messages.map(({ chunk }) => chunk!.number)).size).toBe(network.messages.length);
    });

    it('of long ago is not gone on with blindly: without the mirror nobody knows what arrived', async () => {
      await open();
      network.fault = (number) => (number > 1 ? 'silent' : null);
      const sealed = await sealLong();
      await handOver(sealed, { timeoutMs: 4000 });
      await age(sealed, 600);
      network.fault = () => null;
      network.mirror.brokenWith = 503;
      const sent = network.submissions.length;
      expect(await handOver(sealed)).toMatchObject({ state: 'partial', problem: expect.stringContaining('Nobody knows which parts arrived') as string });
      expect(network.submissions.length).toBe(sent);
    });

    it('whose network may still take what nobody knows of is waited for: neither sent anew nor given up', async () => {
      await open({ content: 'proof' });
      network.fault = () => 'silent';
      network.mirror.shows = () => null;
      const sealed = await sealLong(2);
      await handOver(sealed, { timeoutMs: 1500 });
      network.fault = () => null;
      const sent = network.submissions.length;
      // Too late to be sent again, and the mirror has not heard of it yet.
      house.clockOff = 115_000;
      expect(await handOver(sealed)).toMatchObject({ state: 'failed', problem: expect.stringContaining('Nobody knows yet') as string });
      network.mirror.shows = (message) => message;
      expect(await handOver(sealed)).toMatchObject({ state: 'done' });
      expect([network.submissions.length - sent, network.messages.length]).toEqual([0, 1]);
    });

    it('is looked up also in a topic that others have written much to since', async () => {
      await open();
      network.fault = (number) => (number > 1 ? 'silent' : null);
      const sealed = await sealLong(2);
      await handOver(sealed, { timeoutMs: 4000 });
      await age(sealed, 3600);
      // One of those that nobody knows of has not arrived.
      network.messages.pop();
      const [last] = network.messages.slice(-1);
      for (let count = 1; count <= 5100; count += 1) network.messages.push({ ...last!, sequence: last!.sequence + count, consensusAt: last!.consensusAt + 1_000_000_000_000n, chunk: null });
      network.fault = () => null;
      expect(await handOver(sealed)).toMatchObject({ state: 'done' });
      const parts = network.messages.flatMap(({ chunk }) => (chunk ? [chunk.number] : []));
      expect(new Set(parts).size).toBe(parts.length);
    });

    it('is not begun anew because it could not be sent again', async () => {
      await open({ content: 'proof' });
      network.fault = () => 'silent';
      const sealed = await sealLong(2);
      await handOver(sealed, { timeoutMs: 1500 });
      const broken = mkdtempSync(join(tmpdir(), 'parley-broken-part-'));
      const sdk = join(broken, 'node_modules', '@hiero-ledger', 'sdk');
      mkdirSync(sdk, { recursive: true });
      writeFileSync(join(sdk, 'package.json'), JSON.stringify({ name: '@hiero-ledger/sdk', version: '2.87.0', main: 'index.js', exports: './index.js' }));
      writeFileSync(join(sdk, 'index.js'), 'throw new Error("out of memory")');
      const other = await house.another({ hedera: settingsFor(network, { content: 'proof', partFolders: [broken] }) });
      expect((await other.anchor(sealed))[1]).toMatchObject({ state: 'failed', problem: expect.stringContaining('cannot be used') as string });
      rmSync(broken, { recursive: true });
      network.fault = () => null;
      expect(await handOver(sealed)).toMatchObject({ state: 'done' });
      expect(network.messages).toHaveLength(1);
    });

    /** Makes the transactions of a submission older by so many seconds, in what was kept and in the network. */
    async function age(sealed: SealedTranscript, seconds: number): Promise<void> {
      const older = (text: string): string => text.replace(/@(\d+)\./g, (_, at: string) => `@${Number(at) - seconds}.`);
      const { storage } = house.database;
      const id = sealed.seal.statement.session;
      const { progress } = await storage.read.selectFrom('ledger_anchors').select('progress').where('transcript_id', '=', id).executeTakeFirstOrThrow();
      await storage.write((queries) => queries.updateTable('ledger_anchors').set({ progress: older(progress) }).where('transcript_id', '=', id).execute());
      for (const message of network.messages) {
        message.chunk!.initialTransactionId = older(message.chunk!.initialTransactionId);
        message.consensusAt -= BigInt(seconds) * 1_000_000_000n;
      }
    }
  });

  it('are submitted by one server at a time, and the other waits for it: both say the same', async () => {
    await open();
    const sealed = await sealLong();
    const other = await house.another();
    const records = await Promise.all([handOver(sealed), other.anchor(sealed).then((all) => all[1]!)]);
    expect(records[0]).toMatchObject({ state: 'done', problem: null });
    expect(records[1]).toEqual(records[0]);
    expect(network.messages).toHaveLength(records[0]!.parts!);
  });

  it('are not waited for longer than asked, and taken over from a server that has died', async () => {
    await open({ content: 'proof' });
    const sealed = await sealLong(2);
    const { storage } = house.database;
    const id = sealed.seal.statement.session;
    network.fault = () => ({ receipt: 'INSUFFICIENT_PAYER_BALANCE' });
    await handOver(sealed);
    network.fault = () => null;
    await storage.write((queries) => queries.updateTable('ledger_anchors').set({ owner: 'dead', lease_until: Date.now() + 60_000 }).where('transcript_id', '=', id).execute());
    expect(await handOver(sealed, { timeoutMs: 300 })).toMatchObject({ state: 'failed', transactions: [] });
    const waiting = handOver(sealed);
    await storage.write((queries) => queries.updateTable('ledger_anchors').set({ lease_until: Date.now() - 1 }).where('transcript_id', '=', id).execute());
    expect(await waiting).toMatchObject({ state: 'done' });
  });

  describe('A mirror that lies', () => {
    const submitted = async (): Promise<SealedTranscript> => {
      await open();
      const sealed = await sealLong();
      await handOver(sealed);
      return sealed;
    };

    it('about a message is found out by the transcript', async () => {
      const sealed = await submitted();
      network.mirror.shows = (message) => (message.sequence === 2 ? { ...message, bytes: Buffer.from(message.bytes.toString().replace('word', 'lies')) } : message);
      expect(await readBack(sealed)).toMatchObject({ outcome: 'different' });
    });

    it('about the topic is found out by the running hash of the receipts', async () => {
      const sealed = await submitted();
      network.mirror.shows = (message) => ({ ...message, runningHash: Buffer.alloc(48) });
      expect(await readBack(sealed)).toMatchObject({ outcome: 'different', problem: expect.stringContaining('running hash') as string });
    });

    it('by leaving a message out is found out', async () => {
      const sealed = await submitted();
      network.mirror.shows = (message) => (message.sequence === 2 ? null : message);
      expect(await readBack(sealed)).toMatchObject({ outcome: 'missing' });
    });

    it('about the time shows a server whose clock was ahead', async () => {
      const sealed = await submitted();
      network.mirror.shows = (message) => ({ ...message, consensusAt: message.consensusAt - 3_600_000_000_000n });
      expect(await readBack(sealed)).toMatchObject({ outcome: 'different', problem: expect.stringContaining('clock') as string });
    });

    it('or is away says nothing about the transcript', async () => {
      const sealed = await submitted();
      network.mirror.brokenWith = 500;
      expect(await readBack(sealed)).toMatchObject({ outcome: 'unreachable' });
    });
  });
});

describe('The Hedera part', () => {
  const folder = mkdtempSync(join(tmpdir(), 'parley-part-'));
  afterEach(() => rmSync(join(folder, 'node_modules'), { recursive: true, force: true }));
  const settings: HederaSettings = { accountId: '0.0.1001', privateKey: 'a'.repeat(64), topicId: '0.0.5005', network: 'testnet', mirrorUrl: '', content: 'transcript', mostChunks: 200, timeoutMs: 1000, partFolders: [folder] };

  it('that is not installed is told with what installs it, and nothing is lost', async () => {
    const house = await openLedgerHouse('sqlite', settings);
    expect(house.ledger.anchorStatus()[1]).toEqual({ name: 'hedera', state: 'absent', problem: expect.stringContaining('parley part install hedera') as string });
    const sealed = await house.ledger.seal(house.transcript());
    expect((await house.ledger.anchor(sealed))[1]).toMatchObject({ state: 'failed', transactions: [], problem: expect.stringContaining('not installed') as string });
    expect(await house.ledger.verify(sealed, await house.ledger.keys())).toMatchObject({ verdict: 'valid' });
    await house.close();
  });

  it('of another version is not used', () => {
    const sdk = join(folder, 'node_modules', '@hiero-ledger', 'sdk');
    mkdirSync(sdk, { recursive: true });
    writeFileSync(join(sdk, 'package.json'), '{"version":"1.0.0"}');
    expect(findPart([folder])).toMatchObject({ state: 'misconfigured', problem: expect.stringContaining('1.0.0') as string });
  });

  test.each([
    [{ accountId: '6154098' }, 'HEDERA_ACCOUNT_ID'],
    [{ accountId: '00.0.01' }, 'HEDERA_ACCOUNT_ID'],
    [{ topicId: 'my topic' }, 'HEDERA_TOPIC_ID'],
    [{ privateKey: 'secret!' }, 'HEDERA_PRIVATE_KEY'],
    [{ network: 'moonnet' }, 'HEDERA_NETWORK'],
    [{ network: '127.0.0.1:50211' }, 'HEDERA_NETWORK'],
    [{ mirrorUrl: 'file:///etc/passwd' }, 'HEDERA_MIRROR_URL'],
  ])('with %j says which setting is wrong, and not its value', async (changes, name) => {
    const problem = wrongSetting({ ...settings, ...changes })!;
    expect(problem).toContain(name);
    expect(problem).not.toContain('secret!');
    const house = await openLedgerHouse('sqlite', { ...settings, ...changes });
    expect(house.ledger.anchorStatus()[1]).toMatchObject({ state: 'misconfigured', problem });
    await house.close();
  });

  it('takes keys in each form they are given in', () => {
    for (const privateKey of ['a'.repeat(64), `0x${'b'.repeat(64)}`, `302e020100300506032b657004220420${'c'.repeat(64)}`]) expect(wrongSetting({ ...settings, privateKey })).toBeNull();
  });

  it('knows the mirror of a public network, and none of a private one', () => {
    expect(networkOf({ network: 'mainnet', mirrorUrl: '' })?.mirrorUrl).toBe('https://mainnet.mirrornode.hedera.com');
    expect(networkOf({ network: 'testnet', mirrorUrl: 'https://mirror.example/' })?.mirrorUrl).toBe('https://mirror.example');
    expect(networkOf({ network: 'localhost:50211=0.0.3,localhost:50212=0.0.4', mirrorUrl: '' })).toEqual({ name: 'private', nodes: { 'localhost:50211': '0.0.3', 'localhost:50212': '0.0.4' }, mirrorUrl: null });
  });

  it('links to HashScan on the network that it was sent to, and nowhere else', () => {
    const id = '0.0.1001@1736937730.280003043';
    expect(hashscanUrl('testnet', id)).toBe(`https://hashscan.io/testnet/transaction/${id}`);
    expect(hashscanUrl('mainnet', id)).toBe(`https://hashscan.io/mainnet/transaction/${id}`);
    expect(hashscanUrl('private', id)).toBeNull();
  });
});
