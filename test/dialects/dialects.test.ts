import { dialectSuite, limitSuite } from './suite.ts';
import { tongues } from './tongues.ts';

for (const tongue of tongues) dialectSuite(tongue, 1);

limitSuite(tongues, 1);
