import type { Llama } from 'node-llama-cpp';

export type EngineLibrary = typeof import('node-llama-cpp');

export interface OpenLibrary {
  library: EngineLibrary;
  llama: Llama;
}

/**
 * llama.cpp keeps its back ends and its log once for the whole process, so its handle is made once too and stays:
 * making a second one after letting the first go loses the log. An idle handle holds no model.
 */
const handles = new Map<'off' | 'auto', Promise<OpenLibrary>>();
const listeners = new Set<(message: string) => void>();

/**
 * Loads the engine on first use; a later call tries again when that failed. Never compiles or fetches anything.
 * @throws when there is no build for this machine
 */
export function openLibrary(gpu: 'off' | 'auto'): Promise<OpenLibrary> {
  let handle = handles.get(gpu);
  if (handle === undefined) {
    handle = load(gpu);
    handles.set(gpu, handle);
    handle.catch(() => handles.delete(gpu));
  }
  return handle;
}

/** Calls `listener` with each error the engine reports, until the returned function is called. */
export function onComplaint(listener: (message: string) => void): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

async function load(gpu: 'off' | 'auto'): Promise<OpenLibrary> {
  const library = await import('node-llama-cpp');
  const llama = await library.getLlama({
    gpu: gpu === 'auto' ? 'auto' : false,
    build: 'never',
    skipDownload: true,
    progressLogs: false,
    logLevel: library.LlamaLogLevel.error,
    logger: (_, message) => {
      for (const listener of listeners) listener(message.trim());
    },
  });
  return { library, llama };
}
