import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { canonicalJson } from '../verify/index.ts';
import type { AnchorRecord, AnchorStatus, HederaSettings, SealedTranscript } from '../types.ts';
import { copyOf, openLedgerHouse, type LedgerHouse } from '../testing.ts';

/** A place where transcripts are handed over to, for the suite. */
export interface AnchorUnderTest {
  name: string;
  /** Settings with which a ledger has it. */
  hedera: HederaSettings | null;
  close(): Promise<void>;
}

/** What holds for every anchor. */
export function anchorSuite(title: string, open: () => Promise<AnchorUnderTest>): void {
  describe(`An anchor: ${title}`, () => {
    let place: AnchorUnderTest;
    let house: LedgerHouse;
    beforeEach(async () => {
      place = await open();
      house = await openLedgerHouse('sqlite', place.hedera);
    });
    afterEach(async () => {
      await house.close();
      await place.close();
    });
    const mine = <One extends { anchor: string } | AnchorStatus>(all: readonly One[]): One => all.find((one) => ('anchor' in one ? one.anchor : one.name) === place.name)!;
    const handOver = async (sealed: SealedTranscript): Promise<AnchorRecord> => mine(await house.ledger.anchor(sealed));

    it('is ready', () => {
      expect(mine(house.ledger.anchorStatus())).toEqual({ name: place.name, state: 'ready', problem: null });
    });

    it('takes a transcript, says where, and shows the same when asked back', async () => {
      const sealed = await house.ledger.seal(house.transcript());
      const record = await handOver(sealed);
      expect(record).toMatchObject({ state: 'done', problem: null });
      expect(record.place).not.toBe('');
      expect(record.parts).toBeGreaterThan(0);
      expect(mine(await house.ledger.anchors(sealed.seal.statement.session))).toEqual(record);
      expect(mine(await house.ledger.checkAnchors(sealed))).toEqual({ anchor: place.name, outcome: 'same', problem: null, at: expect.stringMatching(/^\d{4}-/) as string });
    });

    it('stands in the file from then on, and the file stays valid', async () => {
      const sealed = await house.ledger.seal(house.transcript());
      const record = await handOver(sealed);
      const file = (await house.ledger.transcript({ userId: house.ownerId, role: 'user' }, sealed.seal.statement.session))!;
      expect(mine(file.anchors)).toEqual(record);
      expect(await house.ledger.verify(canonicalJson(file), await house.ledger.keys())).toMatchObject({ verdict: 'valid' });
    });

    it('takes the same once, however often it is handed over', async () => {
      const sealed = await house.ledger.seal(house.transcript());
      const first = await handOver(sealed);
      expect(await handOver(sealed)).toEqual(first);
    });

    it('notices a transcript that is another one than it has', async () => {
      const sealed = await house.ledger.seal(house.transcript());
      await handOver(sealed);
      const other = copyOf(sealed);
      other.seal.signature = other.seal.signature.replace(/^./, (letter) => (letter === 'A' ? 'B' : 'A'));
      other.seal.statement.root = 'a'.repeat(64);
      expect(mine(await house.ledger.checkAnchors(other))).toMatchObject({ outcome: 'different' });
    });

    it('keeps several transcripts apart', async () => {
      const sealed = await Promise.all([1, 2, 3].map(() => house.ledger.seal(house.transcript())));
      await Promise.all(sealed.map(handOver));
      for (const one of sealed) expect(mine(await house.ledger.checkAnchors(one))).toMatchObject({ outcome: 'same' });
    });
  });
}
