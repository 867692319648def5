import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { readChatgpt } from './chatgpt-form.ts';
import { bounds, exportFormat, exportVersion, fileHeader } from './form.ts';
import { FileSplitter, type FilePart } from './parts-of-file.ts';
import type { ReadConversation, ReadMessage } from './neutral.ts';
import { readOwn } from './own-form.ts';

/** Nesting of one conversation. */
const maxDepth = 64;
/** Messages that are handed over at once. */
const messagesAtOnce = 200;
/** The same in UTF-16 units of what they say, one message beyond. */
const unitsAtOnce = 1_048_576;
/** Conversations of one file. */
const mostConversations = 100_000;

/** What reading a file gives, piece by piece. `progress`: 0 to 1, by the bytes read. */
export type FileItem = { progress: number } & (
  /** Its messages follow. */
  | { kind: 'conversation'; head: Omit<ReadConversation, 'messages'>; messageCount: number }
  | { kind: 'messages'; messages: ReadMessage[]; isLast: boolean }
  | { kind: 'skipped'; title: string; sourceId: string | null; reason: string }
);

/**
 * Reads a file of conversations from its beginning to its end.
 * @throws {Error} for a file that is none, saying why
 */
export async function* readConversationFile(path: string): AsyncGenerator<FileItem> {
  const { size } = await stat(path);
  const splitter = new FileSplitter(bounds.conversationBytes, maxDepth);
  const reader = new Elements();
  let read = 0;
  let isAny = false;
  for await (const chunk of createReadStream(path, { highWaterMark: 262_144 }) as AsyncIterable<Buffer>) {
    read += chunk.length;
    for (const part of splitter.push(chunk)) {
      isAny ||= part.kind === 'element' || part.kind === 'refused';
      yield* reader.items(part, Math.min(1, read / size));
    }
  }
  for (const part of splitter.end()) {
    if (part.kind === 'broken' && !isAny) throw new Error(part.reason);
    yield* reader.items(part, 1);
  }
  if (splitter.isObject) reader.checkHeader();
}

/** Understands the parts of one file. */
class Elements {
  private readonly fields: Record<string, unknown> = {};
  private header: { exportedBy: string | null } | null = null;
  private count = 0;

  *items(part: FilePart, progress: number): Generator<FileItem> {
    if (part.kind === 'field') {
      this.fields[part.name] = parsed(part.text);
      return;
    }
    if (part.kind === 'broken') {
      if (this.count === 0) throw new Error(part.reason);
      yield { kind: 'skipped', progress, title: '', sourceId: null, reason: part.reason };
      return;
    }
    this.count += 1;
    if (this.count > mostConversations) throw new Error(`A file may hold ${mostConversations} conversations.`);
    if (part.kind === 'refused') {
      yield { kind: 'skipped', progress, title: '', sourceId: null, reason: part.reason === 'too deep' ? `It is nested deeper than ${maxDepth} levels.` : `It has more than ${bounds.conversationBytes} bytes.` };
      return;
    }
    yield* this.conversation(part.text, progress);
  }

  private *conversation(text: string, progress: number): Generator<FileItem> {
    const value = parsed(text);
    const raw = (typeof value === 'object' && value !== null ? value : {}) as { title?: unknown; id?: unknown; mapping?: unknown };
    let read: ReadConversation;
    try {
      if (value === undefined) throw new Error('It is not valid JSON.');
      read = Object.keys(this.fields).length === 0 && raw.mapping !== undefined ? readChatgpt(value, text) : readOwn(value, this.ownHeader().exportedBy);
    } catch (error) {
      if (error instanceof NotOurs) throw error;
      const title = typeof raw.title === 'string' ? raw.title.slice(0, 200) : '';
      yield { kind: 'skipped', progress, title, sourceId: typeof raw.id === 'string' ? raw.id.slice(0, 300) : null, reason: (error as Error).message };
      return;
    }
    const { messages, ...head } = read;
    yield { kind: 'conversation', progress, head, messageCount: messages.length };
    let end = 0;
    do {
      const first = end;
      end = endOfSome(messages, first);
      yield { kind: 'messages', progress, messages: messages.slice(first, end), isLast: end >= messages.length };
    } while (end < messages.length);
  }

  /** The beginning of a file of ours. @throws {NotOurs} */
  checkHeader(): { exportedBy: string | null } {
    const header = fileHeader.safeParse(this.fields);
    if (!header.success) throw new NotOurs(`This is neither a file of the form ${exportFormat} nor conversations.json of ChatGPT.`);
    if (header.data.version > exportVersion) throw new NotOurs(`The file is of version ${header.data.version} of the form ${exportFormat}; this server reads version ${exportVersion}.`);
    return { exportedBy: header.data.exported_by ?? null };
  }

  private ownHeader(): { exportedBy: string | null } {
    if (Object.keys(this.fields).length === 0) throw new Error('It has no tree of messages (`mapping`).');
    return (this.header ??= this.checkHeader());
  }
}

/** A file that is of another form as a whole. */
class NotOurs extends Error {}

/** How far messages go that are handed over at once: so that taking them over holds nobody up. */
function endOfSome(messages: readonly ReadMessage[], first: number): number {
  let end = first;
  for (let units = 0; end < messages.length && end - first < messagesAtOnce && units < unitsAtOnce; end += 1) {
    const { content, reasoning, pictures } = messages[end]!;
    units += content.length + (reasoning?.length ?? 0) + pictures.reduce((sum, { data }) => sum + (data?.length ?? 0), 0);
  }
  return end;
}

/** `undefined` for what is not JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
