import { randomBytes, randomFillSync } from 'node:crypto';

/**
 * Ids are UUIDs of version 7 (RFC 9562, section 5.7): their first 48 bits are the time, so rows made one after
 * another lie beside each other in an index. Within one millisecond a counter in the next 12 bits keeps the order.
 */
let lastTime = 0;
let counter = 0;

/** Random bytes drawn ahead: asking the system for each id would cost more than the insert of its row. */
const pool = Buffer.alloc(10 * 256);
let poolAt = pool.length;

/** A new UUID, greater than every one this process made before. */
export function newId(): string {
  if (poolAt === pool.length) {
    randomFillSync(pool);
    poolAt = 0;
  }
  const time = Date.now();
  if (time > lastTime) {
    lastTime = time;
    counter = pool.readUInt16BE(poolAt) & 0x7ff;
  } else if (++counter > 0xfff) {
    lastTime += 1;
    counter = 0;
  }
  const clock = lastTime.toString(16).padStart(12, '0');
  const random = pool.toString('hex', poolAt + 2, poolAt + 10);
  poolAt += 10;
  const variant = (0x8 | (parseInt(random[0]!, 16) & 0x3)).toString(16);
  return `${clock.slice(0, 8)}-${clock.slice(8)}-7${counter.toString(16).padStart(3, '0')}-${variant}${random.slice(1, 4)}-${random.slice(4)}`;
}

const uuidForm = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Whether a text from outside has the form of our ids; what has not can be answered "not found" without a query. */
export function isId(text: string): boolean {
  return uuidForm.test(text);
}

/** Random text for secrets: `bytes` random bytes in base64url (32 bytes are 43 characters). */
export function randomToken(bytes = 32): string {
  return randomBytes(bytes).toString('base64url');
}
