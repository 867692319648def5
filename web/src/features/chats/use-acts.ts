import { useMemo } from 'react';
import { messageOf, type Chat } from '../../shared/api/index.ts';
import { showToast } from '../../shared/ui/index.ts';
import { useChatChanges } from './use-chats.ts';

/** What can be done with a chat of the list at once, each saying so and offering to undo it. */
export interface ChatActs {
  togglePin(chat: Chat): void;
  archive(chat: Chat): void;
  trash(chat: Chat): void;
}

interface ActsOptions {
  /** The chat on the page; null when none is. */
  openId: string | null;
  /** Shows a chat; null shows the beginning of a new one. */
  onShow: (chatId: string | null) => void;
}

const said = { archive: 'is in the archive', trash: 'is in the trash' };

export function useChatActs({ openId, onShow }: ActsOptions): ChatActs {
  const { pin, putAway, restore } = useChatChanges();
  return useMemo(() => {
    const failed = (what: string) => (reason: unknown) => showToast({ text: `${what} ${messageOf(reason)}`, isError: true });
    const put = (chat: Chat, act: 'archive' | 'trash'): void => {
      const wasOpen = chat.id === openId;
      const undo = (): void => {
        restore(chat.id).then(() => wasOpen && onShow(chat.id), failed('It was not brought back.'));
      };
      // Its page is left first: it ends as soon as the server knows.
      if (wasOpen) onShow(null);
      putAway(chat.id, act).then(
        () => showToast({ text: `“${short(chat.title)}” ${said[act]}.`, action: { name: 'Undo', run: undo } }),
        (reason: unknown) => {
          failed('Nothing was changed.')(reason);
          if (wasOpen) onShow(chat.id);
        },
      );
    };
    return {
      togglePin: (chat) => void pin(chat.id, !chat.pinned_at).catch(failed('The pin was not changed.')),
      archive: (chat) => put(chat, 'archive'),
      trash: (chat) => put(chat, 'trash'),
    };
  }, [openId, onShow, pin, putAway, restore]);
}

function short(title: string): string {
  return title.length > 40 ? `${title.slice(0, 39).trimEnd()}…` : title;
}
