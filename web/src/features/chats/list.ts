import type { InfiniteData } from '@tanstack/react-query';
import type { Chat } from '../../shared/api/index.ts';
import { dayGroup } from '../../shared/format.ts';
import type { ChatPage } from './api.ts';

export type ChatPages = InfiniteData<ChatPage, unknown>;

/** All chats of the loaded pages, each once: a chat that becomes active moves between pages while they are read. */
export function allChats(pages: ChatPages | undefined): Chat[] {
  const seen = new Map<string, Chat>();
  for (const chat of pages?.pages.flatMap(({ chats }) => chats) ?? []) if (!seen.has(chat.id)) seen.set(chat.id, chat);
  return [...seen.values()].sort((one, other) => other.last_activity_at.localeCompare(one.last_activity_at));
}

/** The pages with a chat as it is now; a new one comes first. Pages that hold it already are left alone. */
export function withChat(pages: ChatPages | undefined, chat: Chat): ChatPages | undefined {
  if (!pages) return pages;
  const holds = ({ chats }: ChatPage): boolean => chats.some((known) => known.id === chat.id);
  if (!pages.pages.some(holds)) {
    const [first = { chats: [], hasMore: false }, ...others] = pages.pages;
    return { ...pages, pages: [{ ...first, chats: [chat, ...first.chats] }, ...others] };
  }
  return { ...pages, pages: pages.pages.map((page) => (holds(page) ? { ...page, chats: page.chats.map((known) => (known.id === chat.id ? { ...known, ...chat } : known)) } : page)) };
}

export function withoutChat(pages: ChatPages | undefined, chatId: string): ChatPages | undefined {
  return pages && { ...pages, pages: pages.pages.map((page) => ({ ...page, chats: page.chats.filter((chat) => chat.id !== chatId) })) };
}

/** The list under its headings, both in their order: what is pinned, then the others by day. */
export function chatsBySection(chats: readonly Chat[], now: Date): [string, Chat[]][] {
  const groups = new Map<string, Chat[]>();
  const pinned = chats.filter((chat) => chat.pinned_at);
  if (pinned.length > 0) groups.set('Pinned', pinned);
  for (const chat of chats) {
    if (chat.pinned_at) continue;
    const name = dayGroup(chat.last_activity_at, now);
    const group = groups.get(name);
    if (group) group.push(chat);
    else groups.set(name, [chat]);
  }
  return [...groups];
}

/** Chats whose title has every word of what was typed, whatever its case and accents. */
export function matchingChats(chats: readonly Chat[], typed: string): Chat[] {
  const words = plain(typed).split(/\s+/).filter(Boolean);
  return chats.filter((chat) => {
    const title = plain(chat.title);
    return words.every((word) => title.includes(word));
  });
}

function plain(text: string): string {
  return text.normalize('NFKD').replaceAll(/\p{M}/gu, '').toLowerCase();
}
