import { describe, expect, it } from 'vitest';
import { isProviderName, splitModel } from './splitting.ts';

const models = { hasProvider: (id: string) => id === 'ollama' };

describe('The name of a model', () => {
  it.each([
    ['openai/gpt-4o', 'openai', 'gpt-4o'],
    ['ollama/hf.co/org/model', 'ollama', 'hf.co/org/model'],
    ['org/model', null, 'org/model'],
    ['gpt-4o', null, 'gpt-4o'],
    ['/gpt-4o', null, '/gpt-4o'],
  ])('%s is of %s', (id, provider, model) => {
    expect(splitModel(models, id)).toEqual({ provider, model });
  });

  it('has providers that the document names, and those of this server', () => {
    expect(['cohere', 'ollama', 'org', ''].map((name) => isProviderName(models, name))).toEqual([true, true, false, false]);
  });
});
