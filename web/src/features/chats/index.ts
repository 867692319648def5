export { createChat } from './api.ts';
export { ChatList } from './chat-list.tsx';
export { ChatMenu, type ChatDoors } from './chat-menu.tsx';
export { PutAwayView } from './put-away-view.tsx';
export { Switcher, type Choice } from './switcher.tsx';
export { useChatActs } from './use-acts.ts';
export { chatsQuery, useChatChanges, useChats } from './use-chats.ts';
