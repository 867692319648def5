export { createChat } from './api.ts';
export { ChatList } from './chat-list.tsx';
export { Switcher } from './switcher.tsx';
export { chatsQuery, useChatChanges, useChats } from './use-chats.ts';
