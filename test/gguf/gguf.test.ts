import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { getLlama, LlamaChatSession, LlamaLogLevel, readGgufFileInfo, type Llama } from 'node-llama-cpp';
import { writeTestModel, type TestModelOptions, type TensorType } from './index.ts';

const script = 'Hello there! I am a tiny model and these words never change 🙂 é漢 done.';

describe('the GGUF writer', () => {
  let folder: string;
  let llama: Llama;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'parley-gguf-'));
    llama = await getLlama({ gpu: false, build: 'never', logLevel: LlamaLogLevel.error });
  });
  afterAll(async () => {
    await llama.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  const answer = async (options: TestModelOptions): Promise<string> => {
    const model = await llama.loadModel({ modelPath: writeTestModel(join(folder, 'model.gguf'), options).path });
    const context = await model.createContext({ contextSize: 256, threads: 1 });
    const text = await new LlamaChatSession({ contextSequence: context.getSequence() }).prompt('Hi', { maxTokens: 60, temperature: 0.8 });
    await model.dispose();
    return text;
  };

  it.each(['f32', 'f16', 'q8_0', 'q4_0'] satisfies TensorType[])('writes a model that says its script, stored as %s', async (type) => {
    expect(await answer({ says: script, type })).toBe(script);
  });

  it('repeats a script for ever when asked', async () => {
    expect(await answer({ says: 'One two three.', repeats: true })).toMatch(/^(One two three\.){5,}/);
  });

  it('refuses a script in which a word comes twice', () => {
    expect(() => writeTestModel(join(folder, 'twice.gguf'), { says: 'on and on and on' })).toThrow(/twice/);
  });

  it('writes the same bytes for the same seed and others for another', () => {
    const digest = (seed: number): string =>
      createHash('sha256')
        .update(readFileSync(writeTestModel(join(folder, 'seed.gguf'), { seed }).path))
        .digest('hex');
    expect(digest(7)).toBe(digest(7));
    expect(digest(7)).not.toBe(digest(8));
  });

  it('writes metadata others can read', async () => {
    const written = writeTestModel(join(folder, 'named.gguf'), { name: 'Small one', licence: 'apache-2.0', contextTokens: 777 });
    const { metadata, tensorInfo } = await readGgufFileInfo(written.path, { logWarnings: false });
    expect(metadata.general).toMatchObject({ architecture: 'llama', name: 'Small one', license: 'apache-2.0' });
    expect(metadata.llama?.context_length).toBe(777);
    expect(tensorInfo?.find(({ name }) => name === 'blk.1.ffn_up.weight')?.dimensions).toEqual([128, 256]);
  });

  it('writes a tokenizer that cuts texts as llama.cpp does', async () => {
    const { path, tokenizer } = writeTestModel(join(folder, 'tokens.gguf'));
    const model = await llama.loadModel({ modelPath: path });
    for (const text of ["What's the weather like today?", '  two  spaces\n\nand lines\t', 'é漢🙂 12345', '']) {
      expect(tokenizer.encode(text)).toEqual([...model.tokenize(text)]);
      expect(model.detokenize(model.tokenize(text))).toBe(text);
    }
    await model.dispose();
  });
});
