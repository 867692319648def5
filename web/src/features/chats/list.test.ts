import { describe, expect, it } from 'vitest';
import type { Chat } from '../../shared/api/index.ts';
import { allChats, chatsBySection, matchingChats, withChat, withoutChat, type ChatPages } from './list.ts';

const chat = (id: string, minute: number, title = id): Chat => ({
  id, title, description: null, chat_type: 'DIRECT', is_private: false, ai_model: 'default', message_count: 0, created_at: '', last_activity_at: `2026-01-01T00:${String(minute).padStart(2, '0')}:00.000Z`,
});
const pages = (...lists: Chat[][]): ChatPages => ({ pages: lists.map((chats) => ({ chats, hasMore: false })), pageParams: lists.map((_list, at) => at * 50) });

describe('the list of chats', () => {
  it('has the most recently active first, and each once', () => {
    const list = allChats(pages([chat('a', 5), chat('b', 4)], [chat('b', 4), chat('c', 9)]));
    expect(list.map(({ id }) => id)).toEqual(['c', 'a', 'b']);
    expect(allChats(undefined)).toEqual([]);
  });

  it('takes a new chat in and keeps a known one in its page', () => {
    const before = pages([chat('a', 5)], [chat('b', 4)]);
    expect(allChats(withChat(before, chat('c', 9))).map(({ id }) => id)).toEqual(['c', 'a', 'b']);
    const after = withChat(before, chat('b', 10, 'Renamed'))!;
    expect(after.pages[0]).toBe(before.pages[0]);
    expect(allChats(after)[0]).toMatchObject({ id: 'b', title: 'Renamed' });
    expect(withChat(undefined, chat('a', 1))).toBeUndefined();
  });

  it('loses a deleted one', () => {
    expect(allChats(withoutChat(pages([chat('a', 5), chat('b', 4)]), 'a')).map(({ id }) => id)).toEqual(['b']);
  });

  it('puts what is pinned above the days', () => {
    const pinned = { ...chat('old', 1), pinned_at: '2026-01-02T00:00:00.000Z' };
    const sections = chatsBySection([chat('a', 5), pinned, chat('b', 4)], new Date('2026-01-01T12:00:00.000Z'));
    expect(sections.map(([name, members]) => [name, members.map(({ id }) => id)])).toEqual([['Pinned', ['old']], ['Today', ['a', 'b']]]);
  });

  it('keeps a pin when the chat is heard of without it, as in what everybody is told', () => {
    const before = pages([{ ...chat('a', 5), pinned_at: '2026-01-02T00:00:00.000Z' }]);
    expect(allChats(withChat(before, chat('a', 6, 'Renamed')))[0]).toMatchObject({ title: 'Renamed', pinned_at: '2026-01-02T00:00:00.000Z' });
  });

  it('finds chats by words of their titles', () => {
    const chats = [chat('a', 1, 'Café in Orléans'), chat('b', 2, 'Tea at home')];
    expect(matchingChats(chats, 'ORLEANS cafe').map(({ id }) => id)).toEqual(['a']);
    expect(matchingChats(chats, '  ')).toHaveLength(2);
    expect(matchingChats(chats, 'cafe home')).toEqual([]);
  });
});
