import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readConfig } from '../config.ts';
import { checkOllamaApi, checkThreads } from './checks.ts';

/** What `doctor` says while a program on this machine answers so at the port of the Ollama API. */
async function whileAnswering(body: string): Promise<unknown> {
  const server = createServer((_request, response) => response.end(body));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    return await checkOllamaApi(readConfig({ OLLAMA_API_PORT: String((server.address() as AddressInfo).port) }));
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

describe('What doctor says of the port for clients of Ollama', () => {
  it('is nothing where none is set', async () => {
    expect(await checkOllamaApi(readConfig({}))).toBeNull();
  });

  it('tells Parley from Ollama and from anything else', async () => {
    expect(await whileAnswering('{"version":"0.1.0","parley":"1.2.3"}')).toMatchObject({ state: 'ok', fix: null });
    for (const body of ['{"version":"0.1.0"}', '<html>', 'null']) {
      expect(await whileAnswering(body)).toMatchObject({ state: 'broken', detail: expect.stringContaining('another program answers'), fix: expect.stringContaining('OLLAMA_API_PORT=') });
    }
  });

  it('says that nothing answers while the server does not run', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    expect(await checkOllamaApi(readConfig({ OLLAMA_API_PORT: String(port) }))).toMatchObject({ state: 'absent' });
  });
});

describe('What doctor says of threads', () => {
  it('is what was measured, or set', () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'parley-threads-'));
    try {
      expect(checkThreads({ dataDir, llama: { threads: 3 } })).toMatchObject({ state: 'ok', detail: '3, set by LLAMA_THREADS' });
      expect(checkThreads({ dataDir, llama: { threads: 0 } })).toMatchObject({ state: 'absent', detail: 'not measured yet' });
      const row = { machine: 'A processor, 4 cores', size: 'up to 1 GB', threads: 3, tokensPerSecond: { 1: 20, 3: 50.5, 4: 9 }, measuredAt: 1 };
      writeFileSync(join(dataDir, 'llama-threads.json'), JSON.stringify([row, { damaged: true }]));
      expect(checkThreads({ dataDir, llama: { threads: 0 } })).toMatchObject({ state: 'ok', detail: '3 for models up to 1 GB (tokens a second by threads 1: 20, 3: 50.5, 4: 9)' });
    } finally {
      rmSync(dataDir, { recursive: true, force: true });
    }
  });
});
