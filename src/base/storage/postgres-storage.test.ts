import { describe } from 'vitest';
import { storageSuite } from './storage-suite.ts';
import { postgresTestUrl } from './testing.ts';

describe.skipIf(postgresTestUrl() === null)('storage on PostgreSQL', () => storageSuite('postgres'));
