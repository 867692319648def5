import type { InfiniteData } from '@tanstack/react-query';
import type { Chat } from '../../shared/api/index.ts';
import { dayGroup } from '../../shared/format.ts';

export type ChatPages = InfiniteData<Chat[], unknown>;

/** All chats of the loaded pages, each once: a chat that becomes active moves between pages while they are read. */
export function allChats(pages: ChatPages | undefined): Chat[] {
  const seen = new Map<string, Chat>();
  for (const chat of pages?.pages.flat() ?? []) if (!seen.has(chat.id)) seen.set(chat.id, chat);
  return [...seen.values()].sort((one, other) => other.last_activity_at.localeCompare(one.last_activity_at));
}

/** The pages with a chat as it is now; a new one comes first. Pages that hold it already are left alone. */
export function withChat(pages: ChatPages | undefined, chat: Chat): ChatPages | undefined {
  if (!pages) return pages;
  const isKnown = pages.pages.some((page) => page.some((known) => known.id === chat.id));
  if (!isKnown) return { ...pages, pages: [[chat, ...(pages.pages[0] ?? [])], ...pages.pages.slice(1)] };
  return { ...pages, pages: pages.pages.map((page) => (page.some((known) => known.id === chat.id) ? page.map((known) => (known.id === chat.id ? { ...known, ...chat } : known)) : page)) };
}

export function withoutChat(pages: ChatPages | undefined, chatId: string): ChatPages | undefined {
  return pages && { ...pages, pages: pages.pages.map((page) => page.filter((chat) => chat.id !== chatId)) };
}

/** The list under its headings, both in their order. */
export function chatsByDay(chats: readonly Chat[], now: Date): [string, Chat[]][] {
  const groups = new Map<string, Chat[]>();
  for (const chat of chats) {
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
