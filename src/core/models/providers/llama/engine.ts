import { setImmediate as setImmediateNow } from 'node:timers';
import { setImmediate } from 'node:timers/promises';
import type { ChatWrapper, Llama, LlamaContext, LlamaContextSequence, LlamaEmbeddingContext, LlamaModel, Token } from 'node-llama-cpp';
import type { Clock } from '../../../../base/clock.ts';
import type { Log } from '../../../../base/observability/index.ts';
import { onComplaint, openLibrary, type EngineLibrary, type OpenLibrary } from './library.ts';
import { gigabytes } from './memory.ts';
import type { ModelFile } from './model-files.ts';
import { loadFailure } from './errors.ts';
import { contextLength, sequenceCount, type EngineSettings } from './options.ts';
import { orderBeforeSampling } from './ordering.ts';
import { createSequencePool, type SequencePool } from './sequence-pool.ts';
import { defaultThreads, measureThreads, type ThreadTable } from './threads.ts';
import { toolForm, type ToolForm } from './tool-form.ts';
import type { LineBounds } from './waiting-line.ts';

/** A model in memory. Its parts are made when they are first used. */
export interface LoadedModel {
  file: ModelFile;
  library: EngineLibrary;
  llama: Llama;
  model: LlamaModel;
  /** Bytes of the model in the memory of a GPU; 0 without one. */
  gpuBytes: number;
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
  /** How this model writes calls of tools. */
  toolForm: ToolForm;
}

/** llama.cpp in this process. Nothing of it is loaded before the first use. */
export interface Engine {
  /** Whether the models run on a GPU. @throws {ParleyError} `provider_error` when the engine cannot start here */
  usesGpu(): Promise<boolean>;
  load(file: ModelFile): Promise<LoadedModel>;
  /** Never rejects. */
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
  /** Where the fastest numbers of threads are kept; null measures nothing. */
  threadTable: ThreadTable | null;
}

/** Most answers that wait for a free sequence of one model. */
export const mostWaiting: LineBounds = { ofOne: 32, ofAll: 256 };
/** Lines of the engine kept to explain a failure. */
const mostComplaints = 5;
/** Milliseconds between two log lines about a slow load. */
const progressPause = 2000;
/** Most tokens of one text to embed: they are read in one piece, and the memory for that grows with it. */
const longestEmbedded = 2048;

export function createEngine(options: EngineOptions): Engine {
  return new LlamaEngine(options);
}

class LlamaEngine implements Engine {
  readonly #options: EngineOptions;
  readonly #stopListening: () => void;
  /** What the engine said of a failure; its own errors only say that there was one. */
  #complaints: string[] = [];
  /** Threads of the loaded models. */
  readonly #threads = new Map<LoadedModel, number>();
  #toldOfGpu = false;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#stopListening = onComplaint((message) => {
      options.log.warn({ message }, 'The embedded engine complains');
      this.#complaints = [...this.#complaints, message].slice(-mostComplaints);
    });
  }

  async usesGpu(): Promise<boolean> {
    return (await this.#start()).llama.gpu !== false;
  }

  async load(file: ModelFile): Promise<LoadedModel> {
    const { settings, clock, log } = this.#options;
    const { library, llama } = await this.#start();
    const began = clock.monotonic();
    const contextTokens = contextLength(file, settings);
    const sequences = sequenceCount(settings);
    const model = await this.#loadWeights(llama, file, contextTokens * sequences);
    const threads = await this.#chooseThreads(llama, model, file);
    const ms = Math.round(clock.monotonic() - began);
    log.info({ model: file.name, size: gigabytes(file.sizeBytes), ms, threads, gpu: llama.gpu, gpuLayers: model.gpuLayers }, 'Model loaded');
    const noRoom = `There is no room for ${sequences} conversations of ${contextTokens} tokens; lower LLAMA_CONTEXT or LLAMA_SEQUENCES`;
    const embeddingTokens = Math.min(contextTokens, longestEmbedded) - 1;
    const size: ContextSize = { contextTokens, sequences, threads };
    const loaded: LoadedModel = {
      file,
      library,
      llama,
      model,
      gpuBytes: model.memoryUsage.vram,
      contextTokens,
      embeddingTokens,
      chat: lazily(() => this.#attempt(noRoom, () => openChat(library, model, size, this.#options))),
      embedding: lazily(() =>
        this.#attempt('There is no room to make embeddings with this model', () =>
          model.createEmbeddingContext({ contextSize: embeddingTokens + 1, batchSize: embeddingTokens + 1, threads }),
        ),
      ),
    };
    this.#threads.set(loaded, threads);
    llama.maxThreads = Math.max(...this.#threads.values());
    return loaded;
  }

  async unload(loaded: LoadedModel): Promise<void> {
    const { log } = this.#options;
    this.#threads.delete(loaded);
    try {
      await loaded.model.dispose();
      log.info({ model: loaded.file.name }, 'Model unloaded');
    } catch (error) {
      log.error({ err: error, model: loaded.file.name }, 'A model could not be unloaded');
    }
  }

  async loadVocabulary(file: ModelFile): Promise<LlamaModel> {
    const { llama } = await this.#start();
    return this.#attempt(`The vocabulary of ${file.name} cannot be loaded`, () => llama.loadModel({ modelPath: file.path, vocabOnly: true }));
  }

  close(): void {
    this.#stopListening();
  }

  /** With `auto` and no GPU that works the processor is used, and the log says so. */
  async #start(): Promise<OpenLibrary> {
    const { settings, log } = this.#options;
    const opened = await openLibrary(settings.gpu).catch((error: unknown) => {
      if (settings.gpu === 'off') throw loadFailure('The embedded engine cannot start on this machine', error);
      this.#tellOfGpu({ err: error });
      return openLibrary('off').catch((second: unknown) => {
        throw loadFailure('The embedded engine cannot start on this machine', second);
      });
    });
    if (settings.gpu === 'auto') {
      if (opened.llama.gpu === false) this.#tellOfGpu({});
      else if (!this.#toldOfGpu) log.info({ gpu: opened.llama.gpu, devices: await opened.llama.getGpuDeviceNames() }, 'Models run on the GPU');
      this.#toldOfGpu = true;
    }
    return opened;
  }

  #tellOfGpu(details: object): void {
    if (this.#toldOfGpu) return;
    this.#toldOfGpu = true;
    this.#options.log.warn(details, 'LLAMA_GPU=auto, but no GPU can be used here: models run on the processor. See docs/gpu.md');
  }

  /** As many layers as fit go to the GPU; when that fails all stay on the processor. */
  async #loadWeights(llama: Llama, file: ModelFile, cachedTokens: number): Promise<LlamaModel> {
    const what = `The model ${file.name} cannot be loaded`;
    const options = { modelPath: file.path, onLoadProgress: progressLog(file, this.#options) };
    if (llama.gpu === false) return this.#attempt(what, () => llama.loadModel(options));
    try {
      return await this.#attempt(what, () => llama.loadModel({ ...options, gpuLayers: { fitContext: { contextSize: cachedTokens } } }));
    } catch (error) {
      this.#options.log.warn({ model: file.name, err: error }, 'The model cannot be put onto the GPU: it runs on the processor');
      return this.#attempt(what, () => llama.loadModel({ ...options, gpuLayers: 0 }));
    }
  }

  /** The setting; else what was measured; else it is measured now, unless another model would disturb that. */
  async #chooseThreads(llama: Llama, model: LlamaModel, file: ModelFile): Promise<number> {
    const { settings, threadTable, log, clock } = this.#options;
    if (settings.threads > 0) return Math.floor(settings.threads);
    const known = threadTable?.find(file.sizeBytes) ?? null;
    if (known !== null) return known;
    if (threadTable === null || file.kind !== 'chat' || this.#threads.size > 0) return defaultThreads();
    try {
      const began = clock.monotonic();
      const tokensPerSecond = await measureThreads(llama, model, clock);
      const threads = await threadTable.keep(file.sizeBytes, tokensPerSecond);
      log.info({ threads, tokensPerSecond: Object.fromEntries(tokensPerSecond), ms: Math.round(clock.monotonic() - began) }, 'Measured which number of threads is fastest');
      return threads;
    } catch (error) {
      log.warn({ err: error }, 'The number of threads could not be measured');
      return defaultThreads();
    }
  }

  /** Runs a native call that may fail; the error says what was tried and what the engine said. */
  async #attempt<Result>(what: string, call: () => Promise<Result>): Promise<Result> {
    this.#complaints = [];
    try {
      return await call();
    } catch (error) {
      // What the engine said comes from its own thread through the event loop.
      await setImmediate();
      throw loadFailure(what, error, this.#complaints);
    }
  }
}

interface ContextSize {
  contextTokens: number;
  sequences: number;
  threads: number;
}

async function openChat(
  library: EngineLibrary,
  model: LlamaModel,
  { contextTokens, sequences, threads }: ContextSize,
  { log, clock }: EngineOptions,
): Promise<LoadedChat> {
  const wrapper = chatTemplate(library, model, log);
  let isAlone = (): boolean => false;
  const context = await model.createContext({
    sequences,
    contextSize: contextTokens,
    threads,
    failedCreationRemedy: false,
    // An answer that runs alone need not wait for others to join its batch: it goes on while its last token is sent.
    batching: { dispatchSchedule: (dispatch) => (isAlone() ? dispatch() : setImmediateNow(dispatch)) },
  });
  orderBeforeSampling(context);
  const kept = Array.from({ length: sequences }, () => context.getSequence());
  const pool = createSequencePool(kept, {
    bounds: mostWaiting,
    now: () => clock.monotonic(),
    onWait: (waiting) => log.debug({ model: model.filename, waiting }, 'A request waits for a free place'),
  });
  isAlone = () => pool.taken <= 1;
  return { context, texts: new Map(), sequences: pool, wrapper, toolForm: toolForm(library, model, wrapper) };
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
