import { describe, it } from 'vitest';
import { badInputSuite } from './bad-input-suite.ts';

if (process.env['DATABASE_URL_TEST']) await badInputSuite('postgres');
else describe.skip('On postgres', () => it('needs DATABASE_URL_TEST', () => {}));
