import { describe, expect, it, vi } from 'vitest';
import type { Chat, Message } from '../../../shared/api/index.ts';
import { Conversation } from './conversation.ts';
import { reveal } from './revealing.ts';
import { sampleMessage } from './sample.ts';

const chat = { id: 'chat', title: 'Title' } as Chat;

/** Messages one behind the other, `branch-1` with seq 1 and so on. */
function line(branch: string, count: number): Message[] {
  return Array.from({ length: count }, (_none, at) => sampleMessage({ id: `${branch}-${at + 1}`, seq: at + 1, parent_id: at === 0 ? null : `${branch}-${at}` }));
}

/** A conversation of which the newest 50 messages are loaded, beside a server that has all branches. */
async function opened(shown: Message[], others: Message[] = []) {
  const server = { shown, selected: [] as string[], pages: [] as number[] };
  const conversation = new Conversation('chat', {
    fetchPage: async (_chatId, offset, limit = 50) => {
      server.pages.push(limit);
      const end = server.shown.length - offset;
      return { chat, messages: server.shown.slice(Math.max(0, end - limit), Math.max(0, end)) };
    },
    sendMessage: () => Promise.reject(new Error('nothing is sent here')),
    openSocket: () => ({ send: () => {}, close: () => {} }),
    storage: { read: () => null, write: () => {} },
    newKey: () => 'key', spread: () => 0, schedule: (callback) => callback(), onChat: () => {}, onSignedOut: () => {},
  });
  await conversation.refresh();
  const parts = {
    fetchMessage: async (_chatId: string, id: string) => [...shown, ...others].find((message) => message.id === id)!,
    selectBranch: vi.fn(async (_chatId: string, id: string) => {
      server.selected.push(id);
      server.shown = others;
    }),
  };
  return { conversation, server, reveal: (id: string) => reveal(conversation, id, parts) };
}

describe('bringing a message into sight', () => {
  it('asks for nothing when it is loaded', async () => {
    const { server, reveal: show } = await opened(line('a', 60));
    expect(await show('a-55')).toBe(true);
    expect(server.pages).toEqual([50]);
  });

  it('loads as far back as it is old', async () => {
    const { conversation, server, reveal: show } = await opened(line('a', 600));
    expect(await show('a-300')).toBe(true);
    expect(server.pages).toEqual([50, 200, 200]);
    expect(conversation.view.path[0]).toBe('a-151');
    expect(server.selected).toEqual([]);
  });

  it('shows another branch only when the message is not on this one, and does not load all of it to know', async () => {
    const { server, reveal: show } = await opened(line('a', 600), line('b', 600));
    expect(await show('b-590')).toBe(true);
    expect(server.selected).toEqual(['b-590']);
    expect(server.pages).toEqual([50, 50]);
  });

  it('gives up when the server does not give what is before', async () => {
    const { conversation, reveal: show } = await opened(line('a', 600));
    vi.spyOn(conversation, 'loadOlder').mockResolvedValue();
    expect(await show('a-10')).toBe(false);
  });
});
