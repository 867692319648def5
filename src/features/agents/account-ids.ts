import { ParleyError } from '../../base/errors.ts';

/** The greatest number of a shard, a realm or an account: 64 bits with a sign. */
const greatest = 9_223_372_036_854_775_807n;

const form = /^(0|[1-9]\d{0,18})\.(0|[1-9]\d{0,18})\.(0|[1-9]\d{0,18})(?:-([a-z]{5}))?$/;

/** First bytes of the ids of Hedera's public networks: main net, test net, preview net. A checksum is made for one of them. */
const ledgers: readonly number[] = [0, 1, 2];

/**
 * An account id as it is compared and stored: `shard.realm.num`, without checksum. That there is such an account is not
 * checked. @throws {ParleyError} `invalid_request` for another form, and for a checksum (HIP-15) of no public network
 */
export function accountId(text: string): string {
  const [whole, shard, realm, num, checksum] = form.exec(text) ?? [];
  if (whole === undefined || [shard, realm, num].some((part) => BigInt(part!) > greatest)) throw invalid('An agent is named by its account, as in 0.0.6154098.');
  const id = `${shard}.${realm}.${num}`;
  if (checksum !== undefined && !ledgers.some((ledger) => checksumOf(id, ledger) === checksum)) throw invalid(`The checksum of ${whole} is wrong.`);
  return id;
}

function invalid(message: string): ParleyError {
  return new ParleyError('invalid_request', { message, parameter: 'agentAccountId' });
}

/**
 * The five letters behind an account id that catch slips of the pen (HIP-15).
 * @param ledger first byte of the ledger's id
 */
export function checksumOf(id: string, ledger: number): string {
  const digits = [...id].map((character) => (character === '.' ? 10 : Number(character)));
  const sumOf = (parity: number): number => digits.filter((_, index) => index % 2 === parity).reduce((sum, digit) => sum + digit, 0) % 11;
  const weighted = digits.reduce((sum, digit) => (sum * 31 + digit) % 26 ** 3, 0);
  const ledgerSum = [ledger, 0, 0, 0, 0, 0, 0].reduce((sum, byte) => (sum * 31 + byte) % 26 ** 5, 0);
  const mixed = ((((id.length % 5) * 11 + sumOf(0)) * 11 + sumOf(1)) * 26 ** 3 + weighted + ledgerSum) % 26 ** 5;
  let rest = (mixed * 1_000_003) % 26 ** 5;
  let letters = '';
  for (let place = 0; place < 5; place += 1) {
    letters = String.fromCharCode(97 + (rest % 26)) + letters;
    rest = Math.floor(rest / 26);
  }
  return letters;
}
