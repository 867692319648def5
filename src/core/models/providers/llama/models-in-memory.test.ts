import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createLog, silentLog } from '../../../../base/observability/index.ts';
import { writeTestModel } from '../../../../../test/gguf/index.ts';
import type { ModelProvider } from '../../types.ts';
import { createLlamaProvider, readThreadMeasurements } from './index.ts';
import type { LlamaProviderOptions } from './provider.ts';
import { fastest, threadCandidates } from './threads.ts';

let folder: string;
const providers: ModelProvider[] = [];
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'parley-llama-memory-'));
  for (const name of ['one', 'two', 'three']) {
    writeTestModel(join(folder, `${name}.gguf`), { says: `I am ${name} of all.`, repeats: name === 'three' });
  }
});
afterEach(async () => {
  for (const provider of providers.splice(0)) await provider.stop!();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function open(settings: Partial<LlamaProviderOptions['settings']> = {}, rest: Partial<LlamaProviderOptions> = {}): ModelProvider {
  const provider = createLlamaProvider({
    folder,
    settings: { threads: 1, sequences: 2, contextTokens: 512, gpu: 'off', memoryBytes: 0, idleMs: 0, ...settings },
    log: silentLog(),
    ...rest,
  });
  providers.push(provider);
  return provider;
}

async function ask(provider: ModelProvider, model: string, signal = new AbortController().signal): Promise<string> {
  let text = '';
  for await (const batch of provider.stream({ model, messages: [{ role: 'user', content: 'Hi' }], temperature: 0 }, { signal, apiKey: null })) {
    for (const event of batch) {
      if (event.type === 'text') text += event.text;
      if (event.type === 'error') text += event.error.code;
    }
  }
  return text;
}

const names = (provider: ModelProvider): string[] => provider.loaded!().map(({ model }) => model);

describe('several models in memory', () => {
  it('stay there beside each other, and can be listed', async () => {
    const provider = open({ idleMs: 60_000 });
    expect(provider.loaded!()).toEqual([]);
    const before = Date.now();
    expect([await ask(provider, 'one'), await ask(provider, 'two')]).toEqual(['I am one of all.', 'I am two of all.']);
    const [one, two] = provider.loaded!();
    expect([one!.model, two!.model]).toEqual(['one', 'two']);
    expect(one).toMatchObject({ id: 'llama/one', provider: 'llama', contextLength: 512, gpuBytes: 0 });
    expect(one!.sizeBytes).toBeGreaterThan(200e6);
    expect(one!.loadedAt).toBeGreaterThanOrEqual(before);
    expect(one!.expiresAt).toBe(one!.lastUsedAt + 60_000);
    const state = await provider.state({ signal: new AbortController().signal, apiKey: null });
    expect(state.detail).toContain('In memory: one, two.');
  });

  it('make room for each other within the budget', async () => {
    // Each takes about 212 MB: two fit.
    const provider = open({ memoryBytes: 450e6 });
    for (const model of ['one', 'two', 'one']) await ask(provider, model);
    expect(names(provider)).toEqual(['one', 'two']);
    const cancel = new AbortController();
    const endless = ask(provider, 'three', cancel.signal);
    await expect.poll(() => names(provider), { timeout: 20_000 }).toEqual(['one', 'three']);
    expect(provider.loaded!()[1]!.expiresAt).toBeNull();
    // The one in use stays, the other one goes.
    expect(await ask(provider, 'two')).toBe('I am two of all.');
    expect(names(provider)).toEqual(['three', 'two']);
    cancel.abort();
    await endless;
  });

  it('go when nobody has used them for a while', async () => {
    const provider = open({ idleMs: 30 });
    await ask(provider, 'one');
    await expect.poll(() => names(provider), { timeout: 20_000 }).toEqual([]);
    expect(await ask(provider, 'one')).toBe('I am one of all.');
  });
});

describe('the number of threads', () => {
  it('is measured when a model is first loaded, kept, and not measured again', async () => {
    const dataFolder = mkdtempSync(join(folder, 'data-'));
    const began = performance.now();
    expect(await ask(open({ threads: 0 }, { dataFolder }), 'one')).toBe('I am one of all.');
    expect(performance.now() - began).toBeLessThan(8000);
    const [row, ...others] = readThreadMeasurements(dataFolder);
    expect(others).toEqual([]);
    expect(row).toMatchObject({ size: 'up to 0.25 GB', machine: expect.stringContaining('cores') });
    expect(row!.threads).toBeGreaterThanOrEqual(1);
    expect(row!.threads).toBeLessThanOrEqual(availableParallelism());
    expect(Object.keys(row!.tokensPerSecond).length).toBeGreaterThanOrEqual(1);
    const written = readFileSync(join(dataFolder, 'llama-threads.json'), 'utf8');
    await ask(open({ threads: 0 }, { dataFolder }), 'two');
    expect(readFileSync(join(dataFolder, 'llama-threads.json'), 'utf8')).toBe(written);
  });

  it('is not measured where the setting names it, and a damaged file is no obstacle', async () => {
    const dataFolder = mkdtempSync(join(folder, 'data-'));
    writeFileSync(join(dataFolder, 'llama-threads.json'), '[{"machine":"x"},');
    expect(readThreadMeasurements(dataFolder)).toEqual([]);
    await ask(open({ threads: 1 }, { dataFolder }), 'one');
    expect(readFileSync(join(dataFolder, 'llama-threads.json'), 'utf8')).toBe('[{"machine":"x"},');
    await ask(open({ threads: 0 }, { dataFolder }), 'one');
    expect(readThreadMeasurements(dataFolder)).toHaveLength(1);
  });

  it('is the smallest that is nearly as fast as the fastest', () => {
    expect(fastest(new Map([[1, 50], [2, 90], [4, 100], [8, 99], [16, 20]]))).toBe(4);
    expect(fastest(new Map([[3, 96], [4, 100]]))).toBe(3);
    expect(threadCandidates(1)).toEqual([1]);
    expect(threadCandidates(2)).toEqual([1, 2]);
    expect(threadCandidates(12)).toEqual([11, 1, 2, 4, 8, 12]);
  });
});

describe('LLAMA_GPU=auto on a machine without a GPU', () => {
  it('answers on the processor and says so once', async () => {
    const lines: string[] = [];
    const log = createLog('info', new Writable({ write: (line, _encoding, done) => { lines.push(String(line)); done(); } }));
    const provider = open({ gpu: 'auto' }, { log });
    expect(await ask(provider, 'one')).toBe('I am one of all.');
    expect(await ask(provider, 'two')).toBe('I am two of all.');
    const { llama } = await import('./library.ts').then(({ openLibrary }) => openLibrary('auto'));
    if (llama.gpu !== false) return;
    expect(lines.filter((line) => line.includes('no GPU can be used here'))).toHaveLength(1);
    expect(provider.loaded!().map(({ gpuBytes }) => gpuBytes)).toEqual([0, 0]);
  });
});
