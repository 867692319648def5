import { Link, useNavigate } from '@tanstack/react-router';
import { useCallback, useState, useSyncExternalStore } from 'react';
import { useChatChanges, useChats } from '../features/chats/index.ts';
import { ConversationView, useConversation, type Conversation } from '../features/conversation/index.ts';
import { defaultChoice, ModelPicker, SpeakerNote, useModels, useSpeaker } from '../features/models/index.ts';
import { useUser } from '../features/session/index.ts';
import { messageOf, type Chat } from '../shared/api/index.ts';
import { Notice } from '../shared/ui/index.ts';
import { PageHead } from './page-head.tsx';
import { askWhoIsSignedIn } from './queries.ts';

/** One chat. */
export function ChatPage({ chatId }: { chatId: string }) {
  const { take, forget } = useChatChanges();
  const onChat = useCallback((chat: Chat | null) => void (chat ? take(chat) : forget(chatId)), [take, forget, chatId]);
  const conversation = useConversation(chatId, { onChat, onSignedOut: askWhoIsSignedIn });
  return conversation ? <OpenChat conversation={conversation} /> : null;
}

function OpenChat({ conversation }: { conversation: Conversation }) {
  const navigate = useNavigate();
  const user = useUser();
  const { change } = useChatChanges();
  const { chats } = useChats();
  const models = useModels().data;
  const view = useSyncExternalStore(
    useCallback((listener) => conversation.subscribe(listener), [conversation]),
    () => conversation.view.chat,
  );
  // The list may know a change before the conversation does, and the other way round: both are told of both.
  const chat = view ?? chats.find(({ id }) => id === conversation.chatId) ?? null;
  const speaker = useSpeaker(chat ? chat.ai_model : defaultChoice);
  const modelName = useCallback((id: string | null) => (id === null ? null : (models?.models.find((model) => model.id === id)?.label ?? id)), [models]);
  const openSetup = useCallback(() => void navigate({ to: '/setup' }), [navigate]);
  const [error, setError] = useState<string | null>(null);
  const chooseModel = (chatId: string, model: string | null): void => {
    setError(null);
    change(chatId, { ai_model: model }).then((changed) => conversation.takeChat(changed), (reason: unknown) => setError(messageOf(reason)));
  };
  const title = chat?.title ?? 'Chat';
  return (
    <>
      <PageHead title={title}>
        <h1 className="min-w-0 flex-1 truncate text-[0.95rem] font-semibold" title={title}>
          {title}
        </h1>
        {chat && (
          <div className="min-w-0 max-w-[55%] shrink-0">
            <ModelPicker value={chat.ai_model} onChange={(model) => chooseModel(chat.id, model)} onOpenSetup={openSetup} />
          </div>
        )}
      </PageHead>
      {error && (
        <div className="mx-auto mt-2 w-full max-w-3xl px-4">
          <Notice kind="error">The model was not changed. {error}</Notice>
        </div>
      )}
      <ConversationView
        conversation={conversation}
        userId={user.id}
        modelName={modelName}
        onOpenSetup={openSetup}
        note={<SpeakerNote speaker={speaker} />}
        missing={
          <div className="m-auto max-w-md p-6 text-center">
            <h2 className="text-lg font-semibold">This chat is not here</h2>
            <p className="mt-2 text-sm text-soft">It was deleted, or it belongs to somebody else.</p>
            <Link to="/" className="control control-primary mt-5">
              Begin a new chat
            </Link>
          </div>
        }
      />
    </>
  );
}
