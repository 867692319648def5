import { expect, it } from 'vitest';
import type { Models } from '../../shared/api/index.ts';
import { speakerOf } from './use-models.ts';

const models: Models = {
  models: [
    { id: 'builtin/parley', label: 'Built-in responder', provider: 'builtin', location: 'local', context_length: null, size_bytes: null },
    { id: 'llama/small', label: 'small.gguf', provider: 'llama', location: 'local', context_length: 2048, size_bytes: 5 },
    { id: 'openai/large', label: 'large', provider: 'openai', location: 'remote', context_length: null, size_bytes: null },
  ],
  default: 'builtin/parley',
};

it.each([
  ['default', 'Built-in responder', 'builtin'],
  [null, 'Nobody answers', 'nobody'],
  ['llama/small', 'small.gguf', 'local'],
  ['openai/large', 'large', 'remote'],
  ['large', 'large', 'remote'],
  ['gone/model', 'gone/model', 'unknown'],
])('%s is answered by %s (%s)', (choice, name, kind) => {
  expect(speakerOf(choice, models)).toEqual({ id: choice, name, kind });
});

it('says when there is no model at all', () => {
  expect(speakerOf('default', { models: [], default: null })).toMatchObject({ kind: 'none' });
  expect(speakerOf('default', undefined)).toBeUndefined();
});
