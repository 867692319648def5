import { messageOf, type Chat } from '../../shared/api/index.ts';
import { showToast } from '../../shared/ui/index.ts';
import { fetchExport, type ExportFormat } from './api.ts';

/** Saves a chat as a file on this reader's machine, and says so when that fails. */
export async function saveChat(chat: Pick<Chat, 'id' | 'title'>, format: ExportFormat): Promise<void> {
  try {
    saveFile(await fetchExport(chat.id, format), `${fileNameOf(chat.title)}.${format === 'json' ? 'json' : 'md'}`);
  } catch (error) {
    showToast({ text: `The chat was not exported. ${messageOf(error)}`, isError: true, action: { name: 'Try again', run: () => void saveChat(chat, format) } });
  }
}

function saveFile(content: Blob, name: string): void {
  const address = URL.createObjectURL(content);
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  // The browser reads it after this call.
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

/** A title as the name of a file on any system. */
export function fileNameOf(title: string): string {
  const name = title.replaceAll(/[\p{Cc}<>:"/\\|?*]+/gu, ' ').replaceAll(/\s+/g, ' ').trim().replace(/^\.+/, '').slice(0, 80).trim();
  return name === '' ? 'chat' : name;
}
