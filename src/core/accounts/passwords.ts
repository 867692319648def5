import { argon2, randomBytes, timingSafeEqual } from 'node:crypto';
import { ParleyError } from '../../base/errors.ts';

/** Cost of a hash (RFC 9106, section 3.1): memory in KiB, at least 8 for each lane; passes over it; lanes. */
export interface Cost {
  memory: number;
  passes: number;
  parallelism: number;
}

/** 19 MiB, 2 passes, 1 lane: the first choice of the OWASP Password Storage Cheat Sheet; about 35 ms here. */
const recommendedCost: Cost = { memory: 19_456, passes: 2, parallelism: 1 };
const saltBytes = 16;
const hashBytes = 32;
/** Node's thread pool has 4 threads; files and name look-ups need the other two. */
const hashesAtOnce = 2;
/** Waiting hashes beyond this are refused: the last one waits about 0.7 s. */
const maxWaiting = 40;
/** No stored hash may make us spend more than this. */
const maxCost: Cost = { memory: 262_144, passes: 16, parallelism: 4 };

export interface PasswordHasher {
  /**
   * argon2id (RFC 9106) in PHC string form.
   * @throws {ParleyError} `rate_limited` when too many hashes wait already
   */
  hash(password: string): Promise<string>;
  /**
   * Whether the password is the one of `stored`. With null, for an account that does not exist, it takes the same time
   * and is false.
   * @throws {ParleyError} `rate_limited`
   */
  verify(password: string, stored: string | null): Promise<boolean>;
  /** Whether a hash was made at another cost than today's, and should be made again at the next sign-in. */
  isOutdated(stored: string): boolean;
}

/** @param presentCost of new hashes; those of another cost are outdated. A server always uses the default. */
export function createPasswordHasher(presentCost: Cost = recommendedCost): PasswordHasher {
  const gate = createGate(hashesAtOnce, maxWaiting);
  // Any hash does, because nothing is equal to random bytes.
  const nobody = formatPhc({ cost: presentCost, salt: randomBytes(saltBytes), hash: randomBytes(hashBytes) });
  return {
    async hash(password) {
      const salt = randomBytes(saltBytes);
      return formatPhc({ cost: presentCost, salt, hash: await gate(() => derive(password, salt, presentCost, hashBytes)) });
    },
    async verify(password, stored) {
      const { cost, salt, hash } = parsePhc(stored ?? nobody);
      const derived = await gate(() => derive(password, salt, cost, hash.length));
      return timingSafeEqual(derived, hash) && stored !== null;
    },
    isOutdated(stored) {
      const { cost, salt, hash } = parsePhc(stored);
      return cost.memory !== presentCost.memory || cost.passes !== presentCost.passes || cost.parallelism !== presentCost.parallelism
        || salt.length < saltBytes || hash.length < hashBytes;
    },
  };
}

/** The same password typed on two systems may be composed differently; NFC makes both one (RFC 8265, section 4.2). */
function derive(password: string, salt: Buffer, cost: Cost, tagLength: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const message = password.toWellFormed().normalize('NFC');
    argon2('argon2id', { message, nonce: salt, tagLength, ...cost }, (error, hash) => (error ? reject(error) : resolve(hash)));
  });
}

interface Phc {
  cost: Cost;
  salt: Buffer;
  hash: Buffer;
}

function formatPhc({ cost, salt, hash }: Phc): string {
  const base64 = (bytes: Buffer): string => bytes.toString('base64').replace(/=+$/, '');
  return `$argon2id$v=19$m=${cost.memory},t=${cost.passes},p=${cost.parallelism}$${base64(salt)}$${base64(hash)}`;
}

/** Version 19 (0x13) is the only one of RFC 9106. The form is that of the PHC string specification. */
const phcForm = /^\$argon2id\$v=19\$m=(\d{1,9}),t=(\d{1,4}),p=(\d{1,3})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/;

function parsePhc(text: string): Phc {
  const match = phcForm.exec(text);
  if (!match) throw new Error('A stored password hash has not the form of argon2id.');
  const cost: Cost = { memory: Number(match[1]), passes: Number(match[2]), parallelism: Number(match[3]) };
  if (cost.memory > maxCost.memory || cost.passes > maxCost.passes || cost.parallelism > maxCost.parallelism) {
    throw new Error('A stored password hash is too expensive to check.');
  }
  return { cost, salt: Buffer.from(match[4]!, 'base64'), hash: Buffer.from(match[5]!, 'base64') };
}

/** Lets `atOnce` tasks run and `waiting` ones wait, in order; refuses the next. */
export function createGate(atOnce: number, waiting: number): <Result>(task: () => Promise<Result>) => Promise<Result> {
  let running = 0;
  const queue: (() => void)[] = [];
  return async (task) => {
    if (running >= atOnce) {
      if (queue.length >= waiting) throw new ParleyError('rate_limited', { retryAfterMs: 1000 });
      // Who ends hands its place on, so that nobody can take it in between.
      await new Promise<void>((resolve) => queue.push(resolve));
    } else {
      running += 1;
    }
    try {
      return await task();
    } finally {
      const next = queue.shift();
      if (next) next();
      else running -= 1;
    }
  };
}
