import { availableParallelism } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import type { ChatWrapper, LlamaContext, LlamaContextSequence, LlamaEmbeddingContext, LlamaModel, Token } from 'node-llama-cpp';
import type { Clock } from '../../../../base/clock.ts';
import type { Log } from '../../../../base/observability/index.ts';
import { onComplaint, openLibrary, type EngineLibrary, type OpenLibrary } from './library.ts';
import { checkMemory, gigabytes } from './memory.ts';
import type { ModelFile } from './model-files.ts';
import { loadFailure } from './errors.ts';
import { contextLength, type EngineSettings } from './options.ts';
import { createSequencePool, type SequencePool } from './sequence-pool.ts';

/** A model in memory. Its parts are made when they are first used. */
export interface LoadedModel {
  file: ModelFile;
  library: EngineLibrary;
  model: LlamaModel;
  /** Tokens a conversation may have, question and answer together. */
  contextTokens: number;
  /** Tokens one text to embed may have. */
  embeddingTokens: number;
  chat(): Promise<LoadedChat>;
  embedding(): Promise<LlamaEmbeddingContext>;
}

/** Texts of tokens in the middle of a text, by token; filled while answers are made, so at most as many as the model has. */
export type TokenTexts = Map<Token, string>;

export interface LoadedChat {
  context: LlamaContext;
  texts: TokenTexts;
  sequences: SequencePool<Token, LlamaContextSequence>;
  wrapper: ChatWrapper;
}

/** llama.cpp in this process. Nothing of it is loaded before the first use. */
export interface Engine {
  load(file: ModelFile): Promise<LoadedModel>;
  unload(loaded: LoadedModel): Promise<void>;
  /** Only the vocabulary of a file, to count tokens with: quick, and needs little memory. */
  loadVocabulary(file: ModelFile): Promise<LlamaModel>;
  /** Models still loaded are unaffected. */
  close(): void;
}

export interface EngineOptions {
  settings: EngineSettings;
  log: Log;
  clock: Clock;
  /** Bytes of memory that may be used now. */
  availableMemory: () => number;
}

/** Most answers that wait for a free sequence. */
const mostWaiting = 64;
/** Lines of the engine kept to explain a failure. */
const mostComplaints = 5;
/** Milliseconds between two log lines about a slow load. */
const progressPause = 2000;
/** Most tokens of one text to embed: they are read in one piece, and the memory for that grows with it. */
const longestEmbedded = 2048;

export function createEngine(options: EngineOptions): Engine {
  const { settings, log } = options;
  const threads = settings.threads > 0 ? Math.floor(settings.threads) : Math.max(1, availableParallelism() - 1);
  /** What the engine said of a failure; its own errors only say that there was one. */
  let complaints: string[] = [];
  const stopListening = onComplaint((message) => {
    log.warn({ message }, 'The embedded engine complains');
    complaints = [...complaints, message].slice(-mostComplaints);
  });

  function start(): Promise<OpenLibrary> {
    return openLibrary(settings.gpu, threads).catch((error: unknown) => {
      throw loadFailure('The embedded engine cannot start on this machine', error);
    });
  }

  /** Runs a native call that may fail; the error says what was tried and what the engine said. */
  async function attempt<Result>(what: string, call: () => Promise<Result>): Promise<Result> {
    complaints = [];
    try {
      return await call();
    } catch (error) {
      // What the engine said comes from its own thread through the event loop.
      await setImmediate();
      throw loadFailure(what, error, complaints);
    }
  }

  return {
    async load(file) {
      const { library, llama } = await start();
      const began = options.clock.monotonic();
      const size = contextSize(file, settings, threads);
      const { contextTokens, sequences } = size;
      const cachedTokens = file.kind === 'chat' ? contextTokens * sequences : contextTokens;
      if (llama.gpu === false) checkMemory(file, cachedTokens, options.availableMemory());
      const model = await attempt(`The model ${file.name} cannot be loaded`, () =>
        llama.loadModel({ modelPath: file.path, onLoadProgress: progressLog(file, options) }),
      );
      const ms = Math.round(options.clock.monotonic() - began);
      log.info({ model: file.name, size: gigabytes(file.sizeBytes), ms, threads, gpu: llama.gpu }, 'Model loaded');
      const noRoom = `There is no room for ${sequences} conversations of ${contextTokens} tokens; lower LLAMA_CONTEXT or LLAMA_SEQUENCES`;
      const embeddingTokens = Math.min(contextTokens, longestEmbedded) - 1;
      return {
        file,
        library,
        model,
        contextTokens,
        embeddingTokens,
        chat: lazily(() => attempt(noRoom, () => openChat(library, model, size, log))),
        embedding: lazily(() =>
          attempt('There is no room to make embeddings with this model', () =>
            model.createEmbeddingContext({ contextSize: embeddingTokens + 1, batchSize: embeddingTokens + 1, threads }),
          ),
        ),
      };
    },
    async unload(loaded) {
      await loaded.model.dispose();
      log.info({ model: loaded.file.name }, 'Model unloaded');
    },
    async loadVocabulary(file) {
      const { llama } = await start();
      return attempt(`The vocabulary of ${file.name} cannot be loaded`, () => llama.loadModel({ modelPath: file.path, vocabOnly: true }));
    },
    close: stopListening,
  };
}

interface ContextSize {
  contextTokens: number;
  sequences: number;
  threads: number;
}

function contextSize(file: Parameters<typeof contextLength>[0], settings: EngineOptions['settings'], threads: number): ContextSize {
  return { contextTokens: contextLength(file, settings), sequences: Math.max(1, Math.floor(settings.sequences)), threads };
}

async function openChat(
  library: EngineLibrary,
  model: LlamaModel,
  { contextTokens, sequences, threads }: ContextSize,
  log: Log,
): Promise<LoadedChat> {
  const wrapper = chatTemplate(library, model, log);
  const context = await model.createContext({ sequences, contextSize: contextTokens, threads, failedCreationRemedy: false });
  const kept = Array.from({ length: sequences }, () => context.getSequence());
  return { context, texts: new Map(), sequences: createSequencePool(kept, mostWaiting), wrapper };
}

function progressLog(file: ModelFile, { clock, log }: EngineOptions): (part: number) => void {
  let reported = clock.monotonic();
  return (part) => {
    if (clock.monotonic() - reported < progressPause) return;
    reported = clock.monotonic();
    log.info({ model: file.name, percent: Math.round(part * 100) }, 'Loading model');
  };
}

/** The template in the file; when it cannot be used, the one that fits the model by its name and kind. */
function chatTemplate(library: EngineLibrary, model: LlamaModel, log: Log): ChatWrapper {
  const options = { warningLogs: false, fallbackToOtherWrappersOnJinjaError: false };
  try {
    return library.resolveChatWrapper(model, options);
  } catch (error) {
    log.warn({ model: model.filename, err: error }, 'The chat template of the model cannot be used; another one is taken');
    return library.resolveChatWrapper(model, { ...options, noJinja: true });
  }
}

/** Made once; made again by the next caller when it failed. */
function lazily<Value>(make: () => Promise<Value>): () => Promise<Value> {
  let made: Promise<Value> | null = null;
  return () => {
    made ??= make().catch((error: unknown) => {
      made = null;
      throw error;
    });
    return made;
  };
}
