import { newId } from '../../../../base/ids.ts';
import type { ReplyEvent } from '../../types.ts';
import { StreamFormError } from '../../wire/index.ts';

/** A piece of a tool call. Nothing in it is trusted to be there. */
export interface WireToolPiece {
  index?: unknown;
  id?: unknown;
  function?: { name?: unknown; arguments?: unknown } | null;
}

/** Most tool calls in one answer. */
const maxToolCalls = 128;

interface KnownCall {
  number: number;
  /** As the service named it; empty when it did not. */
  id: string;
}

/**
 * Tells which call a piece belongs to. OpenAI numbers them; other servers leave the number out, or give several calls the
 * same one, or no id: whole calls then come one to a chunk. Each call gets a number and an id here, once, with its first piece.
 */
export class ToolPieces {
  /** By the service's number. */
  private readonly numbered = new Map<number, KnownCall>();
  private last: KnownCall | null = null;
  private count = 0;

  /** @throws {StreamFormError} for a number that cannot be one, and more calls than anybody makes */
  read(piece: WireToolPiece): ReplyEvent {
    const id = typeof piece.id === 'string' ? piece.id : '';
    const name = typeof piece.function?.name === 'string' ? piece.function.name : '';
    const index = typeof piece.index === 'number' ? piece.index : null;
    if (index !== null && (!Number.isInteger(index) || index < 0 || index >= maxToolCalls)) throw new StreamFormError(`a tool call with the number ${index}`);
    const known = index === null ? this.last : (this.numbered.get(index) ?? null);
    const isNew = known === null || (name !== '' && (index === null ? id === '' || id !== known.id : id !== '' && known.id !== '' && id !== known.id));
    const call = isNew ? this.begin(id) : known;
    if (index !== null) this.numbered.set(index, call);
    this.last = call;
    return {
      type: 'tool',
      index: call.number,
      ...(isNew ? { id: id || `call_${newId().replaceAll('-', '')}` } : {}),
      ...(name === '' ? {} : { name }),
      arguments: argumentsOf(piece.function?.arguments),
    };
  }

  private begin(id: string): KnownCall {
    if (this.count >= maxToolCalls) throw new StreamFormError(`more than ${maxToolCalls} tool calls`);
    this.count += 1;
    return { number: this.count - 1, id };
  }
}

/** A text, as OpenAI sends it; some servers send the object itself. */
function argumentsOf(value: unknown): string {
  if (typeof value === 'string') return value;
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : '';
}
