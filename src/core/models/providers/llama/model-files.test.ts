import { mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../../../base/observability/index.ts';
import { writeGgufFile, writeTestModel } from '../../../../../test/gguf/index.ts';
import { parseGgufMetadata, readGgufMetadata } from './gguf-metadata.ts';
import { createModelFiles } from './model-files.ts';
import { memoryBudget, memoryError, modelMemory } from './memory.ts';
import type { EngineSettings } from './options.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'parley-models-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string): string => join(folder, name);

describe('the models folder', () => {
  it('tells what its files are', async () => {
    const chat = writeTestModel(at('tiny-chat.gguf'), { name: 'Tiny chat', contextTokens: 1234, licence: 'apache-2.0' });
    writeTestModel(at('vectors.gguf'), { embedding: true });
    const files = await createModelFiles(folder, silentLog()).list();
    expect(files).toMatchObject([
      {
        name: 'tiny-chat',
        kind: 'chat',
        label: 'Tiny chat',
        trainedTokens: 1234,
        sizeBytes: chat.size,
        licence: 'apache-2.0',
        architecture: 'llama',
      },
      { name: 'vectors', kind: 'embedding' },
    ]);
    // Two layers, two key heads of 32 numbers, keys and values, two bytes each.
    expect(files[0]!.cacheBytesPerToken).toBe(2 * 2 * (32 + 32) * 2);
  });

  it('holds nothing when it is empty or absent', async () => {
    expect(await createModelFiles(folder, silentLog()).list()).toEqual([]);
    expect(await createModelFiles(at('absent'), silentLog()).list()).toEqual([]);
  });

  it('leaves out what is no model', async () => {
    writeFileSync(at('notes.txt'), 'hello');
    writeFileSync(at('page.gguf'), '<!doctype html>');
    writeFileSync(at('empty.gguf'), '');
    writeTestModel(at('cut.gguf'));
    truncateSync(at('cut.gguf'), 3000);
    writeGgufFile(at('projector.gguf'), new Map([['general.architecture', { type: 'string', value: 'clip' }]]), []);
    expect(await createModelFiles(folder, silentLog()).list()).toEqual([]);
  });

  it('counts a model in several parts once, and only when all are there', async () => {
    const part = writeTestModel(at('big-00001-of-00002.gguf'));
    const files = createModelFiles(folder, silentLog());
    expect(await files.list()).toEqual([]);
    writeFileSync(at('big-00002-of-00002.gguf'), Buffer.alloc(1000));
    expect(await files.list()).toMatchObject([{ name: 'big-00001-of-00002', sizeBytes: part.size + 1000 }]);
  });

  it('sees files that come, go and change', async () => {
    const files = createModelFiles(folder, silentLog());
    writeTestModel(at('one.gguf'), { name: 'First' });
    expect(await files.find('one')).toMatchObject({ label: 'First' });
    writeTestModel(at('one.gguf'), { name: 'Another' });
    expect(await files.find('one')).toMatchObject({ label: 'Another' });
    rmSync(at('one.gguf'));
    expect(await files.find('one')).toBeNull();
    expect(await files.find('../one')).toBeNull();
  });
});

describe('GGUF metadata', () => {
  it('is read from the first bytes of a file, as far as they go', async () => {
    const { path } = writeTestModel(at('model.gguf'), { licence: 'mit' });
    const whole = await readGgufMetadata(path);
    expect(whole).toMatchObject({ complete: true });
    expect(whole.values.get('tokenizer.chat_template')).toContain('<|im_start|>');
    const { readFileSync } = await import('node:fs');
    const head = await parseGgufMetadata(readFileSync(path).subarray(0, 400));
    expect(head.complete).toBe(false);
    expect(head.values.get('general.license')).toBe('mit');
    expect(head.values.has('tokenizer.chat_template')).toBe(false);
  });

  it.each([
    ['text', Buffer.from('hello, this is no model')],
    ['nothing', Buffer.alloc(0)],
    ['an old version', Buffer.concat([Buffer.from('GGUF'), Buffer.from([1, 0, 0, 0]), Buffer.alloc(64)])],
    ['a big-endian file', Buffer.concat([Buffer.from('GGUF'), Buffer.from([0, 0, 0, 3]), Buffer.alloc(64)])],
    ['an impossible count', Buffer.concat([Buffer.from('GGUF'), Buffer.from([3, 0, 0, 0]), Buffer.alloc(16, 0xff)])],
  ])('refuses %s with a sentence', async (_, bytes) => {
    await expect(parseGgufMetadata(bytes)).rejects.toThrow(/GGUF file/);
  });
});

describe('the memory check', () => {
  it('says how much is needed and how much is free', async () => {
    const { path } = writeTestModel(at('model.gguf'));
    const file = (await createModelFiles(folder, silentLog()).find('model'))!;
    const settings: EngineSettings = { threads: 1, sequences: 4, contextTokens: 2048, gpu: 'off', memoryBytes: 0, idleMs: 0 };
    expect(modelMemory({ ...file, sizeBytes: 5e9, cacheBytesPerToken: 1e5 }, settings)).toMatchObject({ cachedTokens: 8192, cacheBytes: 819_200_000 });
    expect(modelMemory({ ...file, sizeBytes: 5e9, cacheBytesPerToken: 1e5 }, settings).bytes).toBeCloseTo(6.03e9, -7);
    const says = (changed: Partial<typeof file>, limit: 'budget' | 'available', more: Partial<EngineSettings> = {}): string =>
      memoryError({ ...file, ...changed }, { ...settings, ...more }, limit, 4e9).message;
    expect(says({ sizeBytes: 5e9 }, 'available')).toMatch(/needs about 5\.2 GB .*4\.0 GB are free.*smaller model.*other programs/);
    expect(says({ cacheBytesPerToken: 1e6 }, 'available')).toMatch(/8192 tokens of context.*LLAMA_CONTEXT/);
    expect(says({ sizeBytes: 5e9 }, 'budget')).toMatch(/models may take 4\.0 GB on this machine .*LLAMA_MEMORY/);
    expect(says({ sizeBytes: 5e9 }, 'budget', { memoryBytes: 4e9 })).toMatch(/LLAMA_MEMORY allows 4\.0 GB/);
    expect([memoryBudget(settings, 10e9), memoryBudget({ ...settings, memoryBytes: 3e9 }, 10e9)]).toEqual([8e9, 3e9]);
    expect(statSync(path).size).toBe(file.sizeBytes);
  });
});
