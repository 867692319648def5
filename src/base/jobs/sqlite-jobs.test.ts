import { describe } from 'vitest';
import { jobsSuite } from './jobs-suite.ts';

describe('jobs on SQLite', () => jobsSuite('sqlite'));
