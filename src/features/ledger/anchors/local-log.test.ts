import { anchorSuite } from './anchor-suite.ts';

anchorSuite('the log of the server', async () => ({ name: 'log', hedera: null, close: async () => undefined }));
