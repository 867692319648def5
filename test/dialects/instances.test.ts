import { describe } from 'vitest';
import { dialectSuite, limitSuite } from './suite.ts';
import { tongues } from './tongues.ts';

describe.skipIf(!process.env['DATABASE_URL_TEST'] || !process.env['REDIS_URL_TEST'])('Every dialect on several instances', () => {
  for (const tongue of tongues) dialectSuite(tongue, 2);

  limitSuite(tongues, 2);
});
