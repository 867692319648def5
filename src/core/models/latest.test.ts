import { expect, test } from 'vitest';
import { latestModel, latestModels } from './latest.ts';

test('names a model to chat with for each of the documented services, and one that embeds where there is one', () => {
  for (const provider of ['openai', 'anthropic', 'google', 'cohere'] as const) expect(latestModel(provider)).toMatchObject({ provider, kind: 'chat' });
  expect(latestModel('openai', 'embedding')?.model).toBe('text-embedding-3-small');
  expect(latestModel('anthropic', 'embedding')).toBeNull();
});

test('every row has a day and a source, and none is there twice', () => {
  for (const row of latestModels) {
    expect(row.date).toMatch(/^\d{4}-\d{2}-\d{2}$/);
    expect(row.source).not.toBe('');
  }
  expect(new Set(latestModels.map(({ provider, kind }) => `${provider} ${kind}`)).size).toBe(latestModels.length);
});
