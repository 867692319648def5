import { describe } from 'vitest';
import { badInputSuite } from './bad-input-suite.ts';

const isThere = Boolean(process.env['DATABASE_URL_TEST']);
describe.skipIf(!isThere)('PostgreSQL', async () => {
  if (isThere) await badInputSuite('postgres');
});
