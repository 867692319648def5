import type { Message } from '../../../shared/api/index.ts';
import { placeMessage, withNewestPage, withOlderPage, type Path } from './path.ts';
import { isOpen, mergeMessage } from './status.ts';
import { applyPiece, type Piece } from './stream.ts';

/** The messages of a chat as this page knows them, and which of them are shown in which order. Knows no network. */
export class Timeline {
  private readonly messages = new Map<string, Message>();
  private shown: Path = [];

  get path(): Path {
    return this.shown;
  }

  message(id: string): Message | undefined {
    return this.messages.get(id);
  }

  /** Whether the beginning of the branch is loaded. */
  get isComplete(): boolean {
    const first = this.shown[0];
    return first === undefined || this.messages.get(first)?.parent_id === null;
  }

  /** The answer that is being made now; null when none is. */
  get running(): Message | null {
    return this.openAnswers().find((message) => message.status === 'PROCESSING') ?? null;
  }

  /** Answers of the shown branch that are not at their end, oldest first. Only the newest messages can be. */
  openAnswers(): Message[] {
    return this.shown.slice(-64).flatMap((id) => {
      const message = this.messages.get(id);
      return message && message.message_type === 'AI' && isOpen(message.status) ? [message] : [];
    });
  }

  /** Takes the newest page of the branch. Returns the ids of messages that changed. */
  takeNewest(page: readonly Message[]): string[] {
    const changed = page.map((message) => this.store(message));
    this.shown = sameList(this.shown, withNewestPage(this.shown, page));
    return changed;
  }

  takeOlder(page: readonly Message[]): void {
    for (const message of page) this.store(message);
    this.shown = withOlderPage(this.shown, page);
  }

  /** A message has been made: shows it behind its parent. False when the branch must be read again. */
  place(message: Message): boolean {
    this.store(message);
    const placement = placeMessage(this.shown, message);
    if (placement.kind === 'placed') this.shown = placement.path;
    return placement.kind !== 'elsewhere';
  }

  /** What is heard of a message, wherever it stands. */
  store(message: Message): string {
    this.messages.set(message.id, mergeMessage(this.messages.get(message.id), message));
    return message.id;
  }

  /** Adds a piece to a running answer. */
  grow(messageId: string, piece: Piece): 'applied' | 'repeat' | 'gap' | 'unknown' {
    const message = this.messages.get(messageId);
    if (!message) return 'unknown';
    if (!isOpen(message.status)) return 'repeat';
    const outcome = applyPiece(message, piece);
    if (outcome.kind === 'applied') this.messages.set(messageId, { ...outcome.message, status: 'PROCESSING' });
    return outcome.kind;
  }
}

/** The old list when both hold the same, so that nothing is drawn again. */
function sameList(known: Path, heard: Path): Path {
  return known.length === heard.length && known.every((id, at) => id === heard[at]) ? known : heard;
}
