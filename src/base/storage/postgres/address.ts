import { ParleyError } from '../../errors.ts';

/** What pg takes for an address: a URL, or a Unix socket. */
const knownForm = /^(?:postgres(?:ql)?:\/\/|socket:|\/)/;

/**
 * Sees to it that an address can be read at all. The text itself is in no error: it may hold a password.
 * @throws {ParleyError} `invalid_request`
 */
export async function checkAddress(databaseUrl: string): Promise<void> {
  const { default: pg } = await import('pg');
  try {
    if (!knownForm.test(databaseUrl)) throw new TypeError('another form');
    // Reads the address, and connects to nothing.
    void new pg.Client({ connectionString: databaseUrl });
  } catch {
    throw new ParleyError('invalid_request', {
      message: 'DATABASE_URL is no address of a PostgreSQL database. It looks like postgres://user:password@host:5432/database; special characters of a password are written as in URLs (% as %25, / as %2F).',
    });
  }
}
