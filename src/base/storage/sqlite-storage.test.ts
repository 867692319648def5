import { describe } from 'vitest';
import { storageSuite } from './storage-suite.ts';

describe('storage on SQLite', () => storageSuite('sqlite'));
