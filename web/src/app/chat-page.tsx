import { useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { Users } from 'lucide-react';
import { useCallback, useState, useSyncExternalStore } from 'react';
import { ChatMenu, useChatActs, useChatChanges, useChats } from '../features/chats/index.ts';
import { ConversationView, useConversation, type Conversation } from '../features/conversation/index.ts';
import { defaultChoice, ModelPicker, SpeakerNote, useModels, useSpeaker } from '../features/models/index.ts';
import { usePeople } from '../features/people/index.ts';
import { useUser } from '../features/session/index.ts';
import { messageOf, type Chat } from '../shared/api/index.ts';
import { peopleQuery } from '../shared/people/index.ts';
import { Notice } from '../shared/ui/index.ts';
import { useLayout } from './layout.tsx';
import { PageHead } from './page-head.tsx';
import { askWhoIsSignedIn } from './queries.ts';

interface ChatPageProps {
  chatId: string;
  /** A message to be brought into sight; null when none is. */
  messageId: string | null;
}

/** One chat. */
export function ChatPage({ chatId, messageId }: ChatPageProps) {
  const queries = useQueryClient();
  const { take, forget } = useChatChanges();
  const onChat = useCallback((chat: Chat | null) => void (chat ? take(chat) : forget(chatId)), [take, forget, chatId]);
  const onPeople = useCallback(() => void queries.invalidateQueries(peopleQuery(chatId)), [queries, chatId]);
  const conversation = useConversation(chatId, { onChat, onPeople, onSignedOut: askWhoIsSignedIn });
  return conversation ? <OpenChat conversation={conversation} messageId={messageId} /> : null;
}

function OpenChat({ conversation, messageId }: { conversation: Conversation; messageId: string | null }) {
  const { chatId } = conversation;
  const navigate = useNavigate();
  const user = useUser();
  const { chats } = useChats();
  const models = useModels().data;
  const subscribe = useCallback((listener: () => void) => conversation.subscribe(listener), [conversation]);
  const view = useSyncExternalStore(subscribe, () => conversation.view.chat);
  const phase = useSyncExternalStore(subscribe, () => conversation.view.phase);
  const peopleCount = useSyncExternalStore(subscribe, () => conversation.view.peopleCount);
  const listed = chats.find(({ id }) => id === chatId);
  // The list may know a change before the conversation does, and the other way round: both are told of both. Pins are in the list alone.
  const chat = view ? { ...view, pinned_at: listed ? listed.pinned_at : view.pinned_at } : (listed ?? null);
  const isShared = chat !== null && (chat.chat_type !== 'DIRECT' || peopleCount > 1);
  const people = usePeople(chatId, user.id, isShared && phase === 'ready');
  const speaker = useSpeaker(chat ? chat.ai_model : defaultChoice);
  const modelName = useCallback((id: string | null) => (id === null ? null : (models?.models.find((model) => model.id === id)?.label ?? id)), [models]);
  const openSetup = useCallback(() => void navigate({ to: '/setup' }), [navigate]);
  const onShown = useCallback(() => void navigate({ to: '/c/$chatId', params: { chatId }, search: {}, replace: true }), [navigate, chatId]);
  const [error, setError] = useState<string | null>(null);
  return (
    <>
      <ChatHead conversation={conversation} chat={phase === 'gone' || phase === 'forbidden' ? null : chat} peopleCount={isShared ? (people.count ?? peopleCount) : null} onError={setError} />
      {error && (
        <div className="mx-auto mt-2 w-full max-w-3xl px-4">
          <Notice kind="error">The model was not changed. {error}</Notice>
        </div>
      )}
      <ConversationView
        conversation={conversation}
        userId={user.id}
        modelName={modelName}
        personName={people.personName}
        isShared={peopleCount > 1}
        mayWrite={people.me?.can_send_messages ?? true}
        onOpenSetup={openSetup}
        wanted={messageId}
        onShown={onShown}
        note={<SpeakerNote speaker={speaker} />}
        missing={<Missing />}
      />
    </>
  );
}

interface ChatHeadProps {
  conversation: Conversation;
  /** Null while it is not known, and when it is not there (any more). */
  chat: Chat | null;
  /** Null where nobody else takes part. */
  peopleCount: number | null;
  onError: (error: string | null) => void;
}

/** The title of a chat, who is in it, who answers, and everything that can be done with it. */
function ChatHead({ conversation, chat, peopleCount, onError }: ChatHeadProps) {
  const navigate = useNavigate();
  const { doors } = useLayout();
  const { change } = useChatChanges();
  const acts = useChatActs({ openId: conversation.chatId, onShow: doors.onShow });
  const [isMenuOpen, setMenuOpen] = useState(false);
  const chooseModel = (model: string | null): void => {
    onError(null);
    change(conversation.chatId, { ai_model: model }).then((changed) => conversation.takeChat(changed), (reason: unknown) => onError(messageOf(reason)));
  };
  const title = chat?.title ?? 'Chat';
  return (
    <PageHead title={title}>
      <h1 className="min-w-0 flex-1 truncate text-[0.95rem] font-semibold" title={title}>
        {title}
      </h1>
      {chat && (
        <>
          <div className="min-w-0 max-w-[45%] shrink-0">
            <ModelPicker value={chat.ai_model} onChange={chooseModel} onOpenSetup={() => void navigate({ to: '/setup' })} />
          </div>
          {peopleCount !== null && (
            <button type="button" className="control control-quiet hidden! shrink-0 px-2.5! tabular-nums sm:inline-flex!" aria-label={`People: ${peopleCount}`} title="People" onClick={() => doors.onPeople(chat)}>
              <Users aria-hidden size={16} /> {peopleCount}
            </button>
          )}
          <ChatMenu {...doors} chat={chat} acts={acts} isOpen={isMenuOpen} onOpenChange={setMenuOpen} label="More for this chat" />
        </>
      )}
    </PageHead>
  );
}

function Missing() {
  return (
    <div className="m-auto max-w-md p-6 text-center">
      <h2 className="text-lg font-semibold">This chat is not here</h2>
      <p className="mt-2 text-sm leading-relaxed text-soft">It was deleted or put away, or you take no part in it. What you put away yourself is in the archive or in the trash.</p>
      <Link to="/" className="control control-primary mt-5">
        Begin a new chat
      </Link>
    </div>
  );
}
