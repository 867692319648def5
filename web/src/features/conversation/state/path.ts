import type { Message } from '../../../shared/api/index.ts';

/**
 * The shown branch, oldest first, as far as it is loaded. What stands before a message never changes (its parent, its
 * parent's parent, ...), so that any known message fixes everything before it.
 */
export type Path = readonly string[];

/** The newest page of the branch, heard again: keeps what is loaded before it as far as it belongs to the same branch. */
export function withNewestPage(path: Path, page: readonly Pick<Message, 'id' | 'parent_id'>[]): Path {
  const first = page[0];
  if (!first) return [];
  const ids = page.map((message) => message.id);
  const at = path.indexOf(first.id);
  if (at >= 0) return [...path.slice(0, at), ...ids];
  const parentAt = first.parent_id === null ? -1 : path.indexOf(first.parent_id);
  return parentAt >= 0 ? [...path.slice(0, parentAt + 1), ...ids] : ids;
}

/** An older page in front of what is loaded. Pages overlap when messages were added meanwhile: what is known is not taken twice. */
export function withOlderPage(path: Path, page: readonly Pick<Message, 'id'>[]): Path {
  const known = new Set(path);
  const older = page.map((message) => message.id).filter((id) => !known.has(id));
  return older.length === 0 ? path : [...older, ...path];
}

export type Placement = { kind: 'placed'; path: Path } | { kind: 'known' } | { kind: 'elsewhere' };

/**
 * Puts a new message behind its parent. What stood there before belongs to another branch now. `elsewhere` when the
 * parent is not loaded: the branch has to be read again.
 */
export function placeMessage(path: Path, message: Pick<Message, 'id' | 'parent_id'>): Placement {
  if (path.includes(message.id)) return { kind: 'known' };
  if (message.parent_id === null) return { kind: 'placed', path: [message.id] };
  const parentAt = path.lastIndexOf(message.parent_id);
  return parentAt < 0 ? { kind: 'elsewhere' } : { kind: 'placed', path: [...path.slice(0, parentAt + 1), message.id] };
}

/** Where a message stands among its siblings; null when it has none. */
export function branchOf(message: Pick<Message, 'id' | 'siblings'>): { index: number; count: number; previous: string | null; next: string | null } | null {
  const index = message.siblings.indexOf(message.id);
  if (message.siblings.length < 2 || index < 0) return null;
  return { index, count: message.siblings.length, previous: message.siblings[index - 1] ?? null, next: message.siblings[index + 1] ?? null };
}
