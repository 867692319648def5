import { getRandomValues, randomBytes } from 'node:crypto';

/**
 * Ids are UUIDs of version 7 (RFC 9562, section 5.7): their first 48 bits are the time, so rows made one after
 * another lie beside each other in an index. Within one millisecond a counter in the next 12 bits keeps the order.
 */
let lastTime = 0;
let counter = 0;

/** A new UUID, greater than every one this process made before. */
export function newId(): string {
  const time = Date.now();
  if (time > lastTime) {
    lastTime = time;
    counter = getRandomValues(new Uint16Array(1))[0]! & 0x7ff;
  } else if (++counter > 0xfff) {
    lastTime += 1;
    counter = 0;
  }
  const bytes = randomBytes(16);
  bytes.writeUIntBE(lastTime, 0, 6);
  bytes[6] = 0x70 | (counter >> 8);
  bytes[7] = counter & 0xff;
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
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
