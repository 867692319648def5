import { describe } from 'vitest';
import { dialectSuite, limitSuite } from './suite.ts';
import { tongues } from './tongues.ts';

for (const tongue of tongues) dialectSuite(tongue, 1);

describe('A limit holds', () => {
  for (const tongue of tongues) limitSuite(tongue, 1);
});
