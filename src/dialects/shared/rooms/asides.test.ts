import { describe, expect, it } from 'vitest';
import type { Viewer } from '../../../core/accounts/index.ts';
import type { Message } from '../../../core/conversations/index.ts';
import { Asides } from './asides.ts';
import type { RoomFrames } from './frames.ts';
import { RoomMember, type Pieces } from './member.ts';

type Frame = { type: 'started' | 'ended'; content: string } | { type: 'chunk'; chunk: string; offset: number; fullContent?: string };

/** A socket that keeps what it is sent, and is as slow as the test says. */
class Listener extends RoomMember<Frame> {
  readonly pieces: Pieces;
  readonly got: Frame[] = [];
  readonly source = null;
  readonly isOpen = true;
  isSlow = false;

  constructor(pieces: Pieces) {
    super({ userId: 'ann' } as Viewer);
    this.pieces = pieces;
  }

  /** What its chunks add up to, one behind the other, as a client puts them together. */
  get text(): string {
    return this.got.map((frame) => (frame.type === 'chunk' ? frame.chunk : '')).join('');
  }

  get offsetsFit(): boolean {
    let length = 0;
    return this.got.every((frame) => {
      if (frame.type !== 'chunk') return true;
      const fits = frame.offset === length && (frame.fullContent ?? this.text).startsWith(this.text.slice(0, length) + frame.chunk);
      length += frame.chunk.length;
      return fits;
    });
  }

  send(frame: Frame): void {
    this.got.push(frame);
  }

  async sendAndWait(frame: Frame): Promise<void> {
    this.send(frame);
  }

  sendError(): void {}
  close(): void {}
}

const frames = {
  started: (message) => ({ type: 'started', content: message.content }),
  chunk: ({ chunk, offset, fullContent }) => ({ type: 'chunk', chunk, offset, ...(fullContent === undefined ? {} : { fullContent }) }),
  ended: (message) => ({ type: 'ended', content: message.content }),
  sendToMany: (members, frame) => members.forEach((member) => member.send(frame)),
} satisfies Partial<RoomFrames<Frame>> as unknown as RoomFrames<Frame>;

const answer = (content: string): Message => ({ id: 'answer', conversationId: 'chat', content, model: 'scripted/one', status: 'DELIVERED', error: null }) as Message;

describe.each<Pieces>(['each', 'whole'])('An answer that is not kept, told to sockets that take %s', (pieces) => {
  const tell = (said: readonly string[], between: (at: number, slow: Listener) => void): { slow: Listener; quick: Listener; whole: string } => {
    const [slow, quick] = [new Listener(pieces), new Listener(pieces)];
    const asides = new Asides<Frame>(frames, new Set([slow, quick]));
    asides.receive({ type: 'aside', step: 'began', message: answer('') });
    let whole = '';
    for (const [at, text] of said.entries()) {
      between(at, slow);
      asides.receive({ type: 'aside', step: 'text', messageId: 'answer', text, offset: whole.length });
      whole += text;
    }
    asides.receive({ type: 'aside', step: 'ended', message: answer(''), length: whole.length });
    return { slow, quick, whole };
  };

  it('comes to one that was slow for a while in fewer, larger pieces, and nothing of it is missing', () => {
    const { slow, quick, whole } = tell(['one ', 'two ', 'three ', 'four ', 'five'], (at, member) => { member.isSlow = at === 1 || at === 2; });
    expect([quick.text, slow.text]).toEqual([whole, whole]);
    expect(slow.offsetsFit).toBe(true);
    expect(slow.got.length).toBeLessThan(quick.got.length);
  });

  it('comes to one that stays slow with its end, as one piece before it', () => {
    const { slow, whole } = tell(['one ', 'two ', 'three'], (at, member) => { member.isSlow = at >= 1; });
    expect(slow.text).toBe(whole);
    expect(slow.offsetsFit).toBe(true);
    expect(slow.got.slice(-2).map(({ type }) => type)).toEqual(['chunk', 'ended']);
  });
});
