import { existsSync } from 'node:fs';
import { dropFreeSchemas } from '../../src/base/storage/testing/postgres-schemas.ts';
import { findPython } from '../documents/python.ts';

/** Suites that need something of the machine, and how to give it to them. */
const needs = [
  { variable: 'DATABASE_URL_TEST', suite: 'PostgreSQL', how: 'DATABASE_URL_TEST=postgres://user:password@127.0.0.1:5432/database (an empty database; the tests make schemas of their own in it)' },
  { variable: 'REDIS_URL_TEST', suite: 'Redis', how: 'REDIS_URL_TEST=redis://127.0.0.1:6379 (the tests use keys of their own; some start a redis-server of theirs, which must be on the PATH)' },
  { variable: 'CHROMIUM_PATH', suite: 'browser', how: 'CHROMIUM_PATH=/usr/bin/chromium (found by itself when Chromium is on the PATH)' },
  { variable: 'DOCUMENTS', suite: 'documents', how: 'DOCUMENTS=folder with the published API documents' },
];

/** Says once, before the first test, which suites run and how to switch on the others. */
export function setup(): void {
  const lines = needs.map(({ variable, suite, how }) => {
    const value = process.env[variable];
    if (!value) return `  ${suite} suites: off. To run them: ${how}`;
    if (!variable.endsWith('_URL_TEST') && !existsSync(value)) throw new Error(`${variable} names ${value}, which does not exist.`);
    return `  ${suite} suites: on`;
  });
  const python = process.env['PYTHON_PATH'];
  if (python && !existsSync(python)) throw new Error(`PYTHON_PATH names ${python}, which does not exist.`);
  const hasPython = Boolean(process.env['DOCUMENTS']) && findPython() !== null;
  lines.push(hasPython ? '  Python suite: on' : '  Python suite: off. To run it: DOCUMENTS, and PYTHON_PATH=interpreter with aiohttp and websockets (Debian: python3-aiohttp and python3-websockets; /usr/bin/python3 is found by itself)');
  const hasHedera = existsSync(new URL('../../parts/hedera/node_modules/@hiero-ledger/sdk/package.json', import.meta.url));
  lines.push(hasHedera ? '  Hedera suites: on' : '  Hedera suites: off. To run them: npm ci --prefix parts/hedera (about 220 MB)');
  process.stdout.write(`\nSuites that need something of this machine:\n${lines.join('\n')}\n\n`);
}

/** After the last test: drops the schemas that tests handed on to one another. */
export async function teardown(): Promise<void> {
  const server = process.env['DATABASE_URL_TEST'];
  if (server) await dropFreeSchemas(server);
}
