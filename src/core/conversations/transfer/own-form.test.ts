import { describe, expect, it } from 'vitest';
import { readOwn } from './own-form.ts';

const message = (id: string, createdAt: string) => ({ id, role: 'user', content: 'Hello', status: 'DELIVERED', created_at: createdAt });
const conversation = (lastActivityAt: string, messages: object[]) => ({ id: 'a', title: 'A', created_at: '2024-01-01T00:00:00Z', last_activity_at: lastActivityAt, messages });

describe('A conversation of a file of our own form', () => {
  it('was active as late as its last message, whatever the file says: lists and searches go by it', () => {
    const read = readOwn(conversation('2020-01-01T00:00:00Z', [message('1', '2025-01-05T00:00:00Z'), message('2', '2025-01-03T00:00:00Z')]), null);
    expect(new Date(read.lastActivityAt).toISOString()).toBe('2025-01-05T00:00:00.000Z');
  });

  it('keeps an activity that came behind its last message', () => {
    const read = readOwn(conversation('2025-02-01T00:00:00Z', [message('1', '2025-01-05T00:00:00Z')]), null);
    expect(new Date(read.lastActivityAt).toISOString()).toBe('2025-02-01T00:00:00.000Z');
  });
});
