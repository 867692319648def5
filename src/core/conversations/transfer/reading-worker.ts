import { parentPort, workerData } from 'node:worker_threads';
import { readConversationFile, type FileItem } from './reading-file.ts';

/* The thread that reads a file of conversations: one item for each message it gets. */

/** What the thread answers. */
export type FileAnswer = { item: FileItem | null } | { problem: string };

const items = readConversationFile(workerData as string);
parentPort!.on('message', () => {
  items.next().then(
    (result) => parentPort!.postMessage({ item: result.done ? null : result.value } satisfies FileAnswer),
    (error: Error) => parentPort!.postMessage({ problem: error.message } satisfies FileAnswer),
  );
});
