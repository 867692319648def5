import { createContext, use, useCallback, useEffect, useState, useSyncExternalStore } from 'react';
import type { Chat, Message } from '../../shared/api/index.ts';
import { browserStorage, newKey } from '../../shared/browser/index.ts';
import { fetchPage, sendMessage, socketAddress } from './api.ts';
import { randomSpread } from './state/backoff.ts';
import { Conversation, type View } from './state/conversation.ts';
import type { SocketLike, SocketListener } from './state/socket.ts';

export interface ConversationEvents {
  /** The chat changed; null when it was deleted. */
  onChat: (chat: Chat | null) => void;
  /** Somebody came, left, or got another role. */
  onPeople: () => void;
  onSignedOut: () => void;
}

/** First messages on their way from the page that made a chat to the one that shows it. */
const handedOver = new Map<string, { content: string; images: readonly string[] }>();

/** Sends `content` as soon as the chat is shown. */
export function sendWhenOpen(chatId: string, content: string, images: readonly string[]): void {
  handedOver.set(chatId, { content, images });
}

/** The conversation of a chat, connected as long as it is shown; null before it is drawn the first time. */
export function useConversation(chatId: string, { onChat, onPeople, onSignedOut }: ConversationEvents): Conversation | null {
  const [conversation, setConversation] = useState<Conversation | null>(null);
  useEffect(() => {
    const opened = new Conversation(chatId, {
      fetchPage, sendMessage, storage: browserStorage, newKey, spread: randomSpread, schedule: soon, onChat, onPeople, onSignedOut, openSocket,
    });
    opened.start();
    const first = handedOver.get(chatId);
    handedOver.delete(chatId);
    if (first !== undefined) opened.send(first.content, first.images);
    setConversation(opened);
    const hurry = (): void => {
      if (document.visibilityState === 'visible') opened.hurry();
    };
    addEventListener('online', hurry);
    document.addEventListener('visibilitychange', hurry);
    return () => {
      removeEventListener('online', hurry);
      document.removeEventListener('visibilitychange', hurry);
      opened.stop();
    };
  }, [chatId, onChat, onPeople, onSignedOut]);
  return conversation?.chatId === chatId ? conversation : null;
}

function openSocket(chatId: string, listener: SocketListener): SocketLike {
  const socket = new WebSocket(socketAddress(chatId));
  socket.addEventListener('message', (event) => listener.onMessage(event.data));
  socket.addEventListener('close', (event) => listener.onClose(event.code));
  return socket;
}

/** With the next picture; in a hidden tab, which draws none, a little later. */
function soon(callback: () => void): void {
  if (document.visibilityState === 'visible') requestAnimationFrame(callback);
  else setTimeout(callback, 250);
}

/** What the parts of an open conversation share. */
export interface ConversationScope {
  conversation: Conversation;
  /** Id of whoever is signed in: own messages can be edited. */
  userId: string;
  /** The name of a model for a person. */
  modelName: (id: string | null) => string | null;
  onOpenSetup: () => void;
  /** The name of somebody who takes part, or did. */
  personName: (userId: string) => string;
  /** Whether the reader may write here, and ask for other answers; false for whoever only reads a channel. */
  mayWrite: boolean;
}

export const ConversationContext = createContext<ConversationScope | null>(null);

export function useScope(): ConversationScope {
  const scope = use(ConversationContext);
  if (!scope) throw new Error('This is drawn outside of a conversation.');
  return scope;
}

/** One value of the view; drawn again only when this value changes. */
export function useView<Value>(select: (view: View) => Value): Value {
  const { conversation } = useScope();
  const subscribe = useCallback((listener: () => void) => conversation.subscribe(listener), [conversation]);
  return useSyncExternalStore(subscribe, () => select(conversation.view));
}

/** One message; drawn again only when it changes. */
export function useMessage(id: string): Message | undefined {
  const { conversation } = useScope();
  const subscribe = useCallback((listener: () => void) => conversation.subscribeMessage(id, listener), [conversation, id]);
  return useSyncExternalStore(subscribe, () => conversation.message(id));
}
