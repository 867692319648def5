import { systemClock, type Clock } from '../../../../base/clock.ts';
import { ParleyError } from '../../../../base/errors.ts';
import type { Log } from '../../../../base/observability/index.ts';
import type {
  CallOptions,
  EmbedRequest,
  EmbedResult,
  LoadedModelInfo,
  ModelBatch,
  ModelInfo,
  ModelProvider,
  ModelRequest,
  ProviderState,
  ReplyEvent,
} from '../../types.ts';
import { openBatch, type OpenBatch } from './batches.ts';
import { embedTexts } from './embedding.ts';
import { createEngine, mostWaiting, type Engine, type LoadedModel } from './engine.ts';
import { asReplyError } from './errors.ts';
import { createEventQueue } from './event-queue.ts';
import { createReadingPace, type ReadingPace } from './generation.ts';
import { createModelFiles, type ModelFile, type ModelFiles } from './model-files.ts';
import { createModelShelf, type ModelShelf } from './model-shelf.ts';
import { memoryBudget, memoryError, modelMemory } from './memory.ts';
import { contextLength, type EngineSettings } from './options.ts';
import { reply } from './reply.ts';
import { createThreadTable } from './threads.ts';
import { createTokenCounter, type TokenCounter } from './token-counter.ts';

export interface LlamaProviderOptions {
  /** The models folder. It need not exist. */
  folder: string;
  settings: EngineSettings;
  /** Folder for what is measured of this machine; without one nothing is measured. */
  dataFolder?: string;
  log: Log;
  clock?: Clock;
  /** Bytes of memory that may be used now. @default what the system, or the container's limit, says */
  availableMemory?: () => number;
}

/**
 * Answers with llama.cpp in this process, from the .gguf files in the models folder. A model is loaded when it is first
 * asked for and kept while there is memory for it.
 */
export function createLlamaProvider(options: LlamaProviderOptions): ModelProvider {
  return new LlamaProvider(options);
}

class LlamaProvider implements ModelProvider {
  readonly id = 'llama';
  readonly kind = 'llama';
  readonly location = 'local';
  readonly needsKey = false;
  readonly #folder: string;
  readonly #settings: EngineSettings;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #files: ModelFiles;
  readonly #engine: Engine;
  readonly #shelf: ModelShelf<ModelFile, LoadedModel>;
  readonly #counter: TokenCounter;
  readonly #paces = new WeakMap<LoadedModel, ReadingPace>();
  readonly #batches = new WeakMap<ModelBatch, OpenBatch>();
  readonly #stopping = new AbortController();
  /** With a GPU its memory counts, and llama.cpp itself knows how much of it there is. */
  #onGpu = false;

  constructor(options: LlamaProviderOptions) {
    const { folder, settings, dataFolder, log, clock = systemClock, availableMemory = () => process.availableMemory() } = options;
    this.#folder = folder;
    this.#settings = settings;
    this.#log = log;
    this.#clock = clock;
    this.#files = createModelFiles(folder, log);
    const threadTable = dataFolder === undefined ? null : createThreadTable(dataFolder, clock, log);
    const engine = createEngine({ settings, log, clock, threadTable });
    const atStart = memoryBudget(settings, availableMemory());
    const budget = (): number => (this.#onGpu && settings.memoryBytes === 0 ? Infinity : atStart);
    const available = (): number => (this.#onGpu ? Infinity : availableMemory());
    this.#shelf = createModelShelf<ModelFile, LoadedModel>({
      same: isSameFile,
      size: (file) => modelMemory(file, settings).bytes,
      budget,
      available,
      tooLarge: (file, limit) => memoryError(file, settings, limit, limit === 'budget' ? budget() : available()),
      load: (file) => engine.load(file),
      unload: (loaded) => engine.unload(loaded),
      idleMs: settings.idleMs,
      bounds: mostWaiting,
      clock,
    });
    this.#engine = engine;
    this.#counter = createTokenCounter(engine);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all([this.#shelf.close(), this.#counter.close()]);
    this.#engine.close();
  }

  loaded(): LoadedModelInfo[] {
    return this.#shelf.list().map(({ key, loaded, bytes, ...times }) => ({
      id: `llama/${key.name}`,
      provider: 'llama',
      model: key.name,
      sizeBytes: bytes,
      gpuBytes: loaded.gpuBytes,
      contextLength: loaded.contextTokens,
      ...times,
    }));
  }

  async models(): Promise<ModelInfo[]> {
    return (await this.#list()).map((file) => modelInfo(file, this.#settings));
  }

  async *stream(request: ModelRequest, { signal, userId, batch }: CallOptions): AsyncGenerator<ReplyEvent[], void, void> {
    const events = createEventQueue();
    const left = new AbortController();
    const any = AbortSignal.any([signal, this.#stopping.signal, left.signal]);
    const held = batch && this.#batches.get(batch);
    const ended = (held?.loaded.file.name === request.model ? this.#answerInBatch(held, request, any, userId, events.push) : this.#answer(request, any, userId, events.push))
      .catch((error: unknown) => {
        const shown = asReplyError(error);
        if (shown.serviceFault) this.#log.error({ err: error, model: request.model }, 'The embedded engine failed');
        events.push({ type: 'error', error: shown });
      })
      .finally(events.end);
    try {
      for (let batch = await events.next(); batch !== null; batch = await events.next()) yield batch;
    } finally {
      left.abort();
      await ended;
    }
  }

  async openBatch(requests: readonly ModelRequest[], { signal, userId }: CallOptions): Promise<ModelBatch | null> {
    const file = await this.#find(requests[0]!.model);
    if (file.kind === 'embedding') return null;
    const done = new AbortController();
    const any = AbortSignal.any([signal, this.#stopping.signal, done.signal]);
    const { loaded, release } = await this.#use(file, any, userId);
    try {
      const opened = await openBatch({ loaded, settings: this.#settings, clock: this.#clock, room: () => this.#shelf.room(), borrow: (bytes) => this.#shelf.borrow(bytes), signal: any, user: userId }, requests);
      if (opened === null) {
        release();
        return null;
      }
      const batch: ModelBatch = { places: opened.places, figures: opened.figures, close: () => opened.close().catch((error: unknown) => this.#log.error({ err: error }, 'The places of a batch could not be given back')).finally(release) };
      this.#batches.set(batch, opened);
      return batch;
    } catch (error) {
      release();
      throw error;
    } finally {
      // A combined signal that never aborts is kept for as long as the signals it was made of.
      done.abort();
    }
  }

  async embed(request: EmbedRequest, { signal, userId }: CallOptions): Promise<EmbedResult> {
    const file = await this.#find(request.model);
    const done = new AbortController();
    const any = AbortSignal.any([signal, this.#stopping.signal, done.signal]);
    try {
      const { loaded, release } = await this.#use(file, any, userId);
      try {
        return await embedTexts(loaded, request, any);
      } finally {
        release();
      }
    } finally {
      // A combined signal that never aborts is kept for as long as the signals it was made of.
      done.abort();
    }
  }

  async countTokens(model: string, text: string): Promise<number | null> {
    const file = await this.#files.find(model);
    if (file === null) return null;
    // Who counts is about to ask: where no other model is in the way, loading it now saves reading the vocabulary twice.
    const use = this.#shelf.isFreeFor(file) ? await this.#use(file, this.#stopping.signal).catch(() => null) : null;
    if (use === null) return this.#counter.count(file, text);
    try {
      return use.loaded.model.tokenize(text).length;
    } finally {
      use.release();
    }
  }

  async state(): Promise<ProviderState> {
    const howToAdd = `Put a .gguf file into ${this.#folder}, or run: parley model pull hf:owner/repository/file.gguf`;
    try {
      const names = (await this.#files.list()).map((file) => file.name);
      if (names.length === 0) return { state: 'absent', detail: `No model files in ${this.#folder}.`, howToAdd };
      return {
        state: 'ready',
        detail: `${names.length === 1 ? 'One model file' : `${names.length} model files`}: ${names.join(', ')}.${this.#loadedNames()}`,
        howToAdd: '',
      };
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
      return { state: 'error', detail: `The models folder ${this.#folder} cannot be read (${code}).`, howToAdd };
    }
  }

  async #answer(request: ModelRequest, signal: AbortSignal, user: string | undefined, push: (event: ReplyEvent) => void): Promise<void> {
    const file = await this.#find(request.model);
    if (file.kind === 'embedding') {
      throw new ParleyError('unsupported_value', { message: `${file.name} makes embeddings and cannot chat.`, parameter: 'model' });
    }
    const { loaded, release } = await this.#use(file, signal, user);
    try {
      await reply({ loaded, request, signal, user, push, clock: this.#clock, pace: this.#paceOf(loaded) });
    } finally {
      release();
    }
  }

  /** The model is held by the batch. */
  async #answerInBatch(batch: OpenBatch, request: ModelRequest, signal: AbortSignal, user: string | undefined, push: (event: ReplyEvent) => void): Promise<void> {
    try {
      await reply({ loaded: batch.loaded, request, signal, user, push, clock: this.#clock, pace: this.#paceOf(batch.loaded) });
    } catch (error) {
      if (!(error instanceof ParleyError) || error.code !== 'context_overflow') throw error;
      // Longer than what the places of the batch were made for: then the model has no room for it either, and says so itself.
      await this.#answer(request, signal, user, push);
    }
  }

  /** Starts the engine first: whether there is a GPU decides how much room there is. */
  async #use(file: ModelFile, signal: AbortSignal, user?: string): ReturnType<ModelShelf<ModelFile, LoadedModel>['use']> {
    if (this.#settings.gpu === 'auto' && !signal.aborted) this.#onGpu = await this.#engine.usesGpu();
    return this.#shelf.use(file, signal, user);
  }

  #loadedNames(): string {
    const names = this.#shelf.list().map(({ key }) => key.name);
    return names.length === 0 ? '' : ` In memory: ${names.join(', ')}.`;
  }

  #paceOf(loaded: LoadedModel): ReadingPace {
    let pace = this.#paces.get(loaded);
    if (pace === undefined) this.#paces.set(loaded, (pace = createReadingPace()));
    return pace;
  }

  async #find(name: string): Promise<ModelFile> {
    const file = (await this.#list()).find((other) => other.name === name);
    if (file !== undefined) return file;
    throw new ParleyError('model_not_found', { message: `There is no model file ${name}.gguf in the models folder ${this.#folder}.` });
  }

  async #list(): Promise<ModelFile[]> {
    try {
      return await this.#files.list();
    } catch (error) {
      throw new ParleyError('provider_unavailable', { message: `The models folder ${this.#folder} cannot be read.`, cause: error });
    }
  }
}

function isSameFile(left: ModelFile, right: ModelFile): boolean {
  return left.path === right.path && left.sizeBytes === right.sizeBytes && left.modifiedAt === right.modifiedAt;
}

function modelInfo(file: ModelFile, settings: EngineSettings): ModelInfo {
  return {
    id: `llama/${file.name}`,
    provider: 'llama',
    model: file.name,
    label: file.label,
    kinds: [file.kind],
    location: 'local',
    contextLength: contextLength(file, settings),
    sizeBytes: file.sizeBytes,
    createdAt: file.modifiedAt,
    details: file.details,
  };
}
