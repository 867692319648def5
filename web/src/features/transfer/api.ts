import { ApiError, errorFrom, readCookie, request, type Import } from '../../shared/api/index.ts';
import { chatAddress } from '../../shared/people/index.ts';

/** Where everything can be fetched as one file: the browser itself saves it, however long it is. */
export const exportAllAddress = '/api/v1/chat/export';

export type ExportFormat = 'json' | 'markdown';

/**
 * One chat as a file.
 * @throws {ApiError} also when the file breaks off
 */
export async function fetchExport(chatId: string, format: ExportFormat): Promise<Blob> {
  const response = await fetch(`${chatAddress(chatId)}/export?format=${format}`, { cache: 'no-store' }).catch(() => {
    throw new ApiError('The server cannot be reached.', 0);
  });
  if (!response.ok) throw errorFrom(response.status, await response.json().catch(() => null), response.headers.get('retry-after'));
  return response.blob().catch(() => {
    throw new ApiError('The file broke off before its end. Try again.', 0);
  });
}

/**
 * Sends a file of chats to be imported.
 * @param onProgress told how much is sent, 0 to 1
 * @throws {ApiError}; `AbortError` when `signal` ends it
 */
export function sendImport(file: Blob, onProgress: (part: number) => void, signal: AbortSignal): Promise<Import> {
  // Not fetch: that does not say how much of a body is sent.
  return new Promise((resolve, reject) => {
    const sending = new XMLHttpRequest();
    sending.open('POST', '/api/v1/chat/import');
    sending.setRequestHeader('content-type', 'application/octet-stream');
    const csrf = readCookie('parley_csrf', document.cookie);
    if (csrf) sending.setRequestHeader('x-csrf-token', csrf);
    sending.responseType = 'json';
    sending.upload.addEventListener('progress', ({ loaded, total }) => onProgress(total > 0 ? loaded / total : 0));
    sending.addEventListener('load', () => {
      if (sending.status === 202) resolve(sending.response as Import);
      else reject(errorFrom(sending.status, sending.response, sending.getResponseHeader('retry-after')));
    });
    sending.addEventListener('error', () => reject(new ApiError('The file did not arrive: the server cannot be reached, or it takes no file of this size.', 0)));
    sending.addEventListener('abort', () => reject(new DOMException('Cancelled.', 'AbortError')));
    signal.addEventListener('abort', () => sending.abort(), { once: true });
    sending.send(file);
  });
}

export function fetchImport(importId: string): Promise<Import> {
  return request('GET', `/api/v1/chat/imports/${encodeURIComponent(importId)}`);
}

/** Own imports, the newest first, without what became of each chat. */
export async function fetchImports(): Promise<Import[]> {
  return (await request<{ imports: Import[] }>('GET', '/api/v1/chat/imports')).imports;
}

export function cancelImport(importId: string): Promise<Import> {
  return request('POST', `/api/v1/chat/imports/${encodeURIComponent(importId)}/cancel`);
}
