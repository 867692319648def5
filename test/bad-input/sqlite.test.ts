import { badInputSuite } from './bad-input-suite.ts';

await badInputSuite('sqlite');
