import { accessSync, constants } from 'node:fs';
import { availableParallelism } from 'node:os';
import { delimiter, join } from 'node:path';
import { defineConfig } from 'vitest/config';

/** The first Chromium on the PATH, so that the browser suites run wherever they can. */
function findChromium(): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter).filter(Boolean);
  const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

const chromium = process.env.CHROMIUM_PATH ?? findChromium();
if (chromium !== undefined) process.env.CHROMIUM_PATH = chromium;

/** Suites beside the code that start whole servers in their process; none of them keeps anything outside of its own. */
const wholeServers = ['src/dialects/**/*.test.ts'];
const wholeSystems = ['test/{page,contract,dialects,documents}/**/*.test.ts'];

/** Time limits, milliseconds, where servers and browsers are started. */
const patient = { testTimeout: 60_000, hookTimeout: 60_000 };

export default defineConfig({
  test: {
    globalSetup: ['test/setup/suites.ts'],
    testTimeout: 20_000,
    hookTimeout: 30_000,
    // Many suites wait for servers more than they compute: one more than there are processors keeps all of them at work.
    maxWorkers: availableParallelism() + 1,
    execArgv: ['--disable-warning=ExperimentalWarning'],
    // A developer's own settings must not reach the servers under test.
    env: { DATA_DIR: '', DATABASE_URL: '', OPENAI_API_KEY: '', OLLAMA_URLS: 'off', LOG_LEVEL: 'silent' },
    projects: [
      { extends: true, test: { name: 'unit', include: ['src/**/*.test.ts', 'scripts/**/*.test.ts', 'web/src/**/*.test.{ts,tsx}'], exclude: wholeServers } },
      // Each of these files loads the whole server, which takes longer than most of their tests: once for each worker is enough.
      { extends: true, test: { name: 'dialects', include: wholeServers, isolate: false } },
      { extends: true, test: { name: 'rules', include: ['test/rules/**/*.test.ts'] } },
      { extends: true, test: { name: 'system', include: ['test/**/*.test.ts'], exclude: ['test/rules/**', ...wholeSystems], ...patient } },
      { extends: true, test: { name: 'system-dialects', include: wholeSystems, isolate: false, ...patient } },
    ],
  },
});
