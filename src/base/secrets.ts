import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';
import { closeSync, fstatSync, fsyncSync, linkSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { randomToken } from './ids.ts';

/** A secret key with a name, so that what was made with it says which key it needs. */
export interface SecretKey {
  id: string;
  /** 32 random bytes. */
  key: Buffer;
}

/** The server's own secrets: one ring of keys that encrypt, one ring of keys that sign tokens. */
export interface Secrets {
  /**
   * Encrypts with the current key (AES-256-GCM, NIST SP 800-38D, random 96-bit nonce).
   * @param associated says what the text belongs to; decrypting needs the same value, so a text moved elsewhere is refused
   */
  encrypt(plain: string, associated: string): string;
  /** @throws {SecretsError} when the key is gone, or text or `associated` are not those of the encryption. */
  decrypt(cipher: string, associated: string): string;
  /** Whether the key is there that a text was encrypted with. */
  holdsKeyOf(cipher: string): boolean;
  /** Whether a text was encrypted with a key that is no longer the current one. */
  isOutdated(cipher: string): boolean;
  /** Keys that sign tokens: new ones with `current`; any of `all` may verify. */
  signingKeys(): { current: SecretKey; all: readonly SecretKey[] };
  /** The signing key of this id, also when another process has just added it; null when there is none. */
  signingKey(id: string): SecretKey | null;
  /**
   * Makes new current keys. Old encryption keys stay, because what they encrypted must stay readable; old signing keys
   * stay too, so that nobody is signed out, unless `forgetSigningKeys` is set (do so after a leak).
   * @throws {SecretsError} when the file cannot be replaced, or another process is rotating
   */
  rotate(options?: { forgetSigningKeys?: boolean }): void;
  /** The file, for messages to the operator. */
  readonly path: string;
  /**
   * Reads the file again, because another process may have rotated; true when it has. Keeps the keys when the file is gone.
   * @throws {SecretsError} when the file cannot be used any more; the keys stay those of before
   */
  refresh(): boolean;
  /** Marks of all encryption keys, which are never forgotten: the same keys have the same marks, and nobody learns a key from its mark. */
  marks(): string[];
}

/** The secrets cannot be read, written or used. The message is for the operator and holds no secret. */
export class SecretsError extends Error {}

interface KeyRing {
  encryption: SecretKey[];
  signing: SecretKey[];
}

const fileName = 'secrets.json';
const cipherVersion = 'v1';
const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;
/** A secrets file is a few hundred bytes; anything near this is not one. */
const maxFileBytes = 1_000_000;
/** A rotation takes milliseconds; what it left behind after this time is from one that broke off. */
const abandonedAfterMs = 60_000;
/** How often an unknown key id may make us look at the file again. */
const reloadEveryMs = 1000;

/**
 * Opens DATA_DIR/secrets.json, and makes it with fresh random keys when it is not there. There are no default keys.
 * @param dataDir made with mode 0700 when missing
 * @param path another file in its place, such as one that several instances share
 * @throws {SecretsError} when the file is damaged, cannot be read or written, or other users of the machine may read
 * it. Such a file is refused and not repaired: its keys may be known already, and only the operator can decide.
 */
export function openSecrets(dataDir: string, path: string = join(dataDir, fileName)): Secrets {
  let ring = readRing(path) ?? createFile(dirname(path), path);
  let lookedAt = -reloadEveryMs;

  /** Reads the file again, at most once a second, because another process may have rotated. */
  const reload = (): void => {
    if (performance.now() - lookedAt < reloadEveryMs) return;
    lookedAt = performance.now();
    ring = readRing(path) ?? ring;
  };
  const find = (kind: keyof KeyRing, id: string): SecretKey | null => {
    const known = ring[kind].find((key) => key.id === id);
    if (known) return known;
    reload();
    return ring[kind].find((key) => key.id === id) ?? null;
  };

  return {
    encrypt: (plain, associated) => encryptWith(ring.encryption[0]!, plain, associated),
    decrypt(cipher, associated) {
      const id = keyIdOf(cipher);
      const key = id === null ? null : find('encryption', id);
      if (!key) throw new SecretsError('A stored secret was encrypted with a key that is not in secrets.json.');
      return decryptWith(key, cipher, associated);
    },
    holdsKeyOf(cipher) {
      const id = keyIdOf(cipher);
      return id !== null && find('encryption', id) !== null;
    },
    isOutdated: (cipher) => keyIdOf(cipher) !== ring.encryption[0]!.id,
    signingKeys: () => ({ current: ring.signing[0]!, all: ring.signing }),
    signingKey: (id) => find('signing', id),
    rotate(options = {}) {
      ring = replaceFile(path, (present) => ({
        encryption: [newKey(), ...present.encryption],
        signing: [newKey(), ...(options.forgetSigningKeys ? [] : present.signing)],
      }));
    },
    path,
    refresh() {
      const before = ring;
      lookedAt = performance.now();
      ring = readRing(path) ?? ring;
      return formatRing(before) !== formatRing(ring);
    },
    marks: () => ring.encryption.map(markOf),
  };
}

/** A mark that only who holds the key can make (HMAC-SHA-256, RFC 2104, cut to 96 bits). */
function markOf({ id, key }: SecretKey): string {
  return `${id}.${createHmac('sha256', key).update('mark of a key').digest('base64url').slice(0, 16)}`;
}

function newKey(): SecretKey {
  return { id: randomToken(9), key: randomBytes(keyBytes) };
}

/** `v1.<key id>.<nonce, text and tag in base64url>`. Version and key id are authenticated with the rest. */
export function encryptWith(key: SecretKey, plain: string, associated: string): string {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', key.key, nonce, { authTagLength: tagBytes });
  cipher.setAAD(Buffer.from(`${cipherVersion}.${key.id}.${associated}`));
  const text = Buffer.concat([nonce, cipher.update(plain, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return `${cipherVersion}.${key.id}.${text.toString('base64url')}`;
}

/** The text of `encryptWith`. @throws {SecretsError} when it is damaged, or belongs to another key or thing */
export function decryptWith(key: SecretKey, text: string, associated: string): string {
  const bytes = Buffer.from(text.split('.')[2] ?? '', 'base64url');
  if (bytes.length < nonceBytes + tagBytes) throw new SecretsError('A stored secret is damaged.');
  const decipher = createDecipheriv('aes-256-gcm', key.key, bytes.subarray(0, nonceBytes), { authTagLength: tagBytes });
  decipher.setAAD(Buffer.from(`${cipherVersion}.${key.id}.${associated}`));
  decipher.setAuthTag(bytes.subarray(bytes.length - tagBytes));
  try {
    return decipher.update(bytes.subarray(nonceBytes, bytes.length - tagBytes), undefined, 'utf8') + decipher.final('utf8');
  } catch (error) {
    throw new SecretsError('A stored secret was changed or belongs to something else.', { cause: error });
  }
}

/** The id of the key that a text was encrypted with; null when it is no such text. */
export function keyIdOf(cipher: string): string | null {
  const parts = cipher.split('.');
  return parts.length === 3 && parts[0] === cipherVersion ? parts[1]! : null;
}

/** The keys of the file; null when there is no file. */
function readRing(path: string): KeyRing | null {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new SecretsError(`${path} cannot be read (${(error as NodeJS.ErrnoException).code}).`, { cause: error });
  }
  try {
    const status = fstatSync(file);
    if (process.platform !== 'win32' && (status.mode & 0o077) !== 0) {
      throw new SecretsError(
        `Other users of this machine may read or change ${path} (mode ${(status.mode & 0o777).toString(8)}). ` +
          `Run: chmod 600 '${path}'. If somebody may have read it, then rotate the secrets: see docs/accounts.md.`,
      );
    }
    if (!status.isFile() || status.size > maxFileBytes) throw new SecretsError(`${path} is not a secrets file.`);
    return parseRing(readFileSync(file, 'utf8'), path);
  } finally {
    closeSync(file);
  }
}

function parseRing(text: string, path: string): KeyRing {
  const damaged = (): SecretsError => new SecretsError(`${path} is damaged. Restore it from a backup: what it encrypted cannot be read without it.`);
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    // The parser's own message would quote the file, so it is not kept as the cause.
    throw damaged();
  }
  const keysOf = (name: string): SecretKey[] => {
    const rows: unknown = isRecord(content) && content['version'] === 1 ? content[name] : null;
    if (!Array.isArray(rows) || rows.length === 0) throw damaged();
    return rows.map((row: unknown) => {
      const key = isRecord(row) && typeof row['key'] === 'string' ? Buffer.from(row['key'], 'base64url') : null;
      if (!isRecord(row) || typeof row['id'] !== 'string' || !/^[\w-]{1,64}$/.test(row['id']) || key?.length !== keyBytes) throw damaged();
      return { id: row['id'], key };
    });
  };
  return { encryption: keysOf('encryption'), signing: keysOf('signing') };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function formatRing(ring: KeyRing): string {
  const rows = (keys: SecretKey[]) => keys.map(({ id, key }) => ({ id, key: key.toString('base64url') }));
  return `${JSON.stringify({ version: 1, encryption: rows(ring.encryption), signing: rows(ring.signing) }, null, 2)}\n`;
}

/** Makes the file. When another process makes it at the same moment, the first one wins and both use its keys. */
function createFile(dataDir: string, path: string): KeyRing {
  const draft = `${path}.${randomToken(6)}`;
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    const ring = writeDurably(draft, () => ({ encryption: [newKey()], signing: [newKey()] }));
    moveWithoutReplacing(draft, path);
    syncFolder(dataDir);
    return readRing(path) ?? ring;
  } catch (error) {
    if (error instanceof SecretsError) throw error;
    throw new SecretsError(`${path} cannot be made (${(error as NodeJS.ErrnoException).code}).`, { cause: error });
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Replaces the file as a whole. The draft has a fixed name and is made exclusively, so that it also is the lock between two rotations. */
function replaceFile(path: string, change: (present: KeyRing) => KeyRing): KeyRing {
  const draft = `${path}.new`;
  try {
    removeAbandoned(draft);
    const changed = writeDurably(draft, () => {
      const present = readRing(path);
      if (!present) throw new SecretsError(`${path} is gone.`);
      return change(present);
    });
    renameSync(draft, path);
    syncFolder(dirname(path));
    return changed;
  } catch (error) {
    if (error instanceof SecretsError) throw error;
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'EEXIST') throw new SecretsError('Another process is rotating the secrets. Try again in a minute.', { cause: error });
    throw new SecretsError(`${path} cannot be replaced (${code}).`, { cause: error });
  }
}

function removeAbandoned(draft: string): void {
  const status = statSync(draft, { throwIfNoEntry: false });
  if (status && Date.now() - status.mtimeMs > abandonedAfterMs) rmSync(draft, { force: true });
}

/**
 * Makes a file that only its owner may read, and waits until the disk has it; leaves none when something fails.
 * @param make called once the file is ours
 */
function writeDurably(path: string, make: () => KeyRing): KeyRing {
  const file = openSync(path, 'wx', 0o600);
  try {
    const ring = make();
    writeFileSync(file, formatRing(ring));
    fsyncSync(file);
    return ring;
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
}

function moveWithoutReplacing(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'EEXIST') return;
    // Some file systems have no hard links; there two first starts at one moment are the operator's affair.
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'ENOSYS') throw error;
    renameSync(from, to);
  }
}

/** A rename is durable only when its folder is; Windows has no such call. */
function syncFolder(folder: string): void {
  if (process.platform === 'win32') return;
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
