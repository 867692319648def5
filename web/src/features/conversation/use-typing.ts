import { useRef } from 'react';
import { sayTyping } from './api.ts';

/** Milliseconds between two words that one is typing. */
const sayEveryMs = 3000;

export interface TypingSignal {
  /** Something was typed: the others are told, now and then. */
  typed: () => void;
  /** It was sent: what is typed next is told at once. */
  sent: () => void;
}

/** Tells the others in a chat that one is typing. */
export function useTypingSignal(chatId: string, isShared: boolean): TypingSignal {
  const last = useRef(-Infinity);
  return {
    typed() {
      if (!isShared || performance.now() - last.current < sayEveryMs) return;
      last.current = performance.now();
      // Nothing is lost when nobody hears it.
      sayTyping(chatId).catch(() => {});
    },
    sent() {
      last.current = -Infinity;
    },
  };
}
