import { createContext, use, useCallback, useMemo, useRef, useState } from 'react';
import { ApiError, messageOf } from '../../shared/api/index.ts';
import { cancelAnswer, continueAnswer, editMessage, fetchMessage, regenerateAnswer, selectBranch } from './api.ts';
import type { Conversation } from './state/conversation.ts';
import { reveal } from './state/revealing.ts';

/** What can be done with messages that are there. */
export interface MessageActions {
  stop(messageId: string): void;
  regenerate(messageId: string): void;
  continue(messageId: string): void;
  /** Resolves to whether it was taken, so that the form can close. */
  edit(messageId: string, content: string): Promise<boolean>;
  select(messageId: string): void;
  /** Shows the branch of a message and loads as far back as it; resolves to whether it is there. */
  reveal(messageId: string): Promise<boolean>;
}

export const ActionsContext = createContext<MessageActions | null>(null);

export function useActions(): MessageActions {
  const actions = use(ActionsContext);
  if (!actions) throw new Error('This is drawn outside of a conversation.');
  return actions;
}

/** Actions for a conversation, and what went wrong with the last one. A second click on the same thing does nothing. */
export function useMessageActions(conversation: Conversation): { actions: MessageActions; error: string | null; clearError: () => void } {
  const [error, setError] = useState<string | null>(null);
  const underWay = useRef(new Set<string>());
  const act = useCallback(async (name: string, work: () => Promise<unknown>): Promise<boolean> => {
    if (underWay.current.has(name)) return false;
    underWay.current.add(name);
    setError(null);
    try {
      await work();
      return true;
    } catch (reason) {
      setError(messageOf(reason));
      return false;
    } finally {
      underWay.current.delete(name);
    }
  }, []);
  const actions = useMemo<MessageActions>(() => {
    const { chatId } = conversation;
    return {
      stop: (id) => void act(`stop ${id}`, async () => conversation.takeMessage(await cancelAnswer(chatId, id))),
      regenerate: (id) => void act('answer', async () => conversation.takeMade(await regenerateAnswer(chatId, id))),
      continue: (id) => void act('answer', async () => conversation.takeMade(await continueAnswer(chatId, id))),
      edit: (id, content) =>
        act('answer', async () => {
          const { message, answer } = await editMessage(chatId, id, content);
          conversation.takeMade(message, answer);
        }),
      select: (id) =>
        void act('select', async () => {
          await selectBranch(chatId, id);
          await conversation.refresh();
        }),
      async reveal(id) {
        let isThere = false;
        await act('select', async () => {
          isThere = await reveal(conversation, id, { fetchMessage, selectBranch });
          if (!isThere) throw new ApiError('The message could not be loaded. Try again.', 0);
        });
        return isThere;
      },
    };
  }, [conversation, act]);
  return { actions, error, clearError: useCallback(() => setError(null), []) };
}
