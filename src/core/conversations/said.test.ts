import { expect, it } from 'vitest';
import { isSaid } from './said.ts';
import type { Message } from './types.ts';

const statuses: Message['status'][] = ['QUEUED', 'PROCESSING', 'DELIVERED', 'CANCELLED', 'INTERRUPTED', 'FAILED'];
const said = (role: Message['role'], content: string): Message['status'][] => statuses.filter((status) => isSaid({ role, status, content }));

it('belongs to what was said: an answer that has ended with words, or was delivered without any', () => {
  expect(said('assistant', 'Hello')).toEqual(['DELIVERED', 'CANCELLED', 'INTERRUPTED']);
  expect(said('assistant', '')).toEqual(['DELIVERED']);
});

it('belongs to what was said: whatever no model made', () => {
  expect(said('user', '')).toEqual(statuses);
});
