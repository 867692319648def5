import { Link, useNavigate } from '@tanstack/react-router';
import { ArrowRight } from 'lucide-react';
import { useState } from 'react';
import { createChat, useChatChanges } from '../features/chats/index.ts';
import { NewConversation } from '../features/conversation/index.ts';
import { defaultChoice, ModelPicker, SpeakerNote, useSpeaker } from '../features/models/index.ts';
import { useUser } from '../features/session/index.ts';
import { tellTabs } from '../shared/browser/index.ts';
import { Logo } from '../shared/ui/index.ts';
import { PageHead } from './page-head.tsx';

/** A chat that is not made yet: it is when its first message is sent. */
export function NewChatPage() {
  const navigate = useNavigate();
  const user = useUser();
  const { take } = useChatChanges();
  const [model, setModel] = useState<string | null>(defaultChoice);
  const speaker = useSpeaker(model);
  const openSetup = (): void => void navigate({ to: '/setup' });
  const create = async (): Promise<string> => {
    const chat = await createChat(model);
    take(chat);
    tellTabs('chats');
    return chat.id;
  };
  const firstName = user.claimed ? (user.name || user.username).split(' ')[0] : null;
  return (
    <>
      <PageHead title="Parley">
        <h1 className="sr-only">New chat</h1>
        <ModelPicker value={model} onChange={setModel} onOpenSetup={openSetup} />
      </PageHead>
      <NewConversation create={create} onCreated={(chatId) => void navigate({ to: '/c/$chatId', params: { chatId } })} note={<SpeakerNote speaker={speaker} />}>
        <div className="text-center">
          <div className="mb-4 flex justify-center">
            <Logo size={44} />
          </div>
          <p className="text-2xl font-semibold tracking-tight">{firstName ? `Hello, ${firstName}` : 'Hello'}</p>
          <p className="mt-2 text-soft">What would you like to talk about?</p>
        </div>
        {(speaker?.kind === 'builtin' || speaker?.kind === 'none') && (
          <div className="card mx-auto mt-8 max-w-md">
            <p className="font-medium">No language model yet</p>
            <p className="mt-1 text-sm leading-relaxed text-soft">
              You can try everything with the built-in responder. For real answers, add a model that runs on this machine, or a key for a remote service.
            </p>
            <Link to="/setup" className="control control-primary mt-4">
              Set up a model <ArrowRight aria-hidden size={16} />
            </Link>
          </div>
        )}
      </NewConversation>
    </>
  );
}
