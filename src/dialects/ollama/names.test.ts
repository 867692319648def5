import { describe, expect, it } from 'vitest';
import type { ModelInfo } from '../../core/models/index.ts';
import { createNames, tagged } from './names.ts';
import { sourceOf } from './sources.ts';

const info = (provider: string, model: string): ModelInfo => ({
  id: `${provider}/${model}`, provider, model, label: model, kinds: ['chat'], location: 'local', contextLength: null, sizeBytes: null, createdAt: null,
});

describe('Names of models', () => {
  it('have a tag, like all of Ollama\'s', () => {
    expect(['llama3', 'llama3:8b', 'a/b', 'host:5000/a', 'host:5000/a:b'].map(tagged)).toEqual(['llama3:latest', 'llama3:8b', 'a/b:latest', 'host:5000/a:latest', 'host:5000/a:b']);
  });

  it('are the models\' own where that leaves no doubt, and can be sent back', () => {
    const models = [info('llama', 'qwen2.5'), info('ollama', 'llama3:8b'), info('near', 'llama3'), info('openai', 'gpt-4o')];
    const names = createNames(models);
    expect(models.map(({ id }) => names.shown(id))).toEqual(['qwen2.5:latest', 'llama3:8b', 'llama3:latest', 'gpt-4o:latest']);
    for (const model of models) for (const name of [names.shown(model.id), model.id, model.model, `${model.id}:latest`.replace(':8b:latest', ':8b')]) expect(names.listed(name)).toBe(model);
  });

  it('have the provider in front where two models share a name, and then mean neither without it', () => {
    const names = createNames([info('llama', 'one'), info('ollama', 'one:latest'), info('ollama', 'one:8b')]);
    expect(['llama/one', 'ollama/one:latest', 'ollama/one:8b'].map(names.shown)).toEqual(['llama/one:latest', 'ollama/one:latest', 'one:8b']);
    expect(names.listed('one')).toBeUndefined();
    expect(names.listed('one:latest')).toBeUndefined();
    expect(names.listed('ollama/one')?.id).toBe('ollama/one:latest');
  });

  it('never look like an id of another provider', () => {
    const names = createNames([info('groq', 'openai/gpt-oss-20b'), info('openai', 'gpt-4o')]);
    expect(names.shown('groq/openai/gpt-oss-20b')).toBe('groq/openai/gpt-oss-20b:latest');
    expect(names.listed('openai/gpt-oss-20b')).toBeUndefined();
    expect(names.shown('elsewhere/not-listed')).toBe('elsewhere/not-listed:latest');
  });
});

describe('What can be pulled', () => {
  it.each([
    ['hf.co/owner/repo:Q8_0', 'hf:owner/repo:Q8_0'],
    ['huggingface.co/owner/repo', 'hf:owner/repo:Q4_K_M'],
    ['https://huggingface.co/owner/repo', 'hf:owner/repo:Q4_K_M'],
    ['hf.co/owner/repo:latest', 'hf:owner/repo:Q4_K_M'],
    ['hf.co/owner/repo/folder/file.gguf', 'hf:owner/repo/folder/file.gguf'],
    ['hf:owner/repo/file.gguf', 'hf:owner/repo/file.gguf'],
    ['https://host.example/file.gguf', 'https://host.example/file.gguf'],
    ['https://host.example/file.gguf:latest', 'https://host.example/file.gguf'],
    ['llama3.2', null],
    ['llama3.2:1b', null],
    ['owner/model', null],
    ['registry.example/owner/model', null],
  ])('%s', (name, source) => expect(sourceOf(name)).toBe(source));
});
