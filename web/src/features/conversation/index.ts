export { ConversationView } from './conversation-view.tsx';
export { NewConversation } from './new-conversation.tsx';
export { useConversation } from './use-conversation.ts';
export type { Conversation, View } from './state/conversation.ts';
