import { systemClock, type Clock } from '../../../../base/clock.ts';
import { ParleyError } from '../../../../base/errors.ts';
import type { Log } from '../../../../base/observability/index.ts';
import type { ModelInfo, ModelProvider, ModelRequest, ReplyEvent } from '../../types.ts';
import { embedTexts } from './embedding.ts';
import { contextLength, createEngine, type EngineSettings, type LoadedModel } from './engine.ts';
import { createEventQueue } from './event-queue.ts';
import { createReadingPace, generate, type ReadingPace } from './generation.ts';
import { createModelFiles, type ModelFile } from './model-files.ts';
import { createModelSlot, type ModelSlot } from './model-slot.ts';
import { asReplyError } from './problems.ts';
import { buildPrompt, type Prompt } from './prompt.ts';
import { createReplyText } from './reply-text.ts';
import { createTokenCounter } from './token-counter.ts';

export interface LlamaProviderOptions {
  /** The models folder. It need not exist. */
  folder: string;
  settings: EngineSettings;
  log: Log;
  clock?: Clock;
  /** Bytes of memory that may be used now. @default what the system, or the container's limit, says */
  availableMemory?: () => number;
}

/** Most requests that wait for another model to be loaded. */
const mostWaiting = 64;

/**
 * Answers with llama.cpp in this process, from the .gguf files in the models folder. One chat model and one embedding
 * model are kept in memory, each loaded when it is first asked for and until another one is.
 */
export function createLlamaProvider(options: LlamaProviderOptions): ModelProvider {
  const { folder, log, settings, clock = systemClock } = options;
  const files = createModelFiles(folder, log);
  const engine = createEngine({ settings, log, clock, availableMemory: options.availableMemory ?? (() => process.availableMemory()) });
  const newSlot = (): ModelSlot<ModelFile, LoadedModel> =>
    createModelSlot({ same: isSameFile, load: engine.load, unload: engine.unload, maxWaiting: mostWaiting });
  const slots = { chat: newSlot(), embedding: newSlot() };
  const counter = createTokenCounter(engine, (file) => slots[file.kind].peek(file));
  const paces = new WeakMap<LoadedModel, ReadingPace>();
  const stopping = new AbortController();

  async function find(name: string): Promise<ModelFile> {
    const file = await files.find(name);
    if (file !== null) return file;
    throw new ParleyError('model_not_found', { message: `There is no model file ${name}.gguf in the models folder ${folder}.` });
  }

  async function answer(request: ModelRequest, signal: AbortSignal, push: (event: ReplyEvent) => void): Promise<void> {
    refuseUnsupported(request);
    const file = await find(request.model);
    const { loaded, release } = await slots[file.kind].use(file, signal);
    try {
      if (file.kind === 'embedding') throw new ParleyError('unsupported_value', { message: `${file.name} makes embeddings and cannot chat.`, parameter: 'model' });
      let pace = paces.get(loaded);
      if (pace === undefined) paces.set(loaded, (pace = createReadingPace()));
      await reply({ loaded, request, signal, push, clock, pace });
    } finally {
      release();
    }
  }

  return {
    id: 'llama',
    kind: 'llama',
    location: 'local',
    needsKey: false,
    async stop() {
      stopping.abort();
      await Promise.all([slots.chat.close(), slots.embedding.close(), counter.close()]);
      await engine.close();
    },
    async models() {
      return (await list()).map((file) => modelInfo(file, settings));
    },
    async *stream(request, { signal }) {
      const events = createEventQueue();
      const left = new AbortController();
      const ended = answer(request, AbortSignal.any([signal, stopping.signal, left.signal]), events.push)
        .catch((error: unknown) => {
          const shown = asReplyError(error);
          if (shown.serviceFault) log.error({ err: error, model: request.model }, 'The embedded engine failed');
          events.push({ type: 'error', error: shown });
        })
        .finally(events.end);
      try {
        yield* events.batches();
      } finally {
        left.abort();
        await ended;
      }
    },
    async embed(request, { signal }) {
      const file = await find(request.model);
      const either = AbortSignal.any([signal, stopping.signal]);
      const { loaded, release } = await slots[file.kind].use(file, either);
      try {
        return await embedTexts(loaded, request, either);
      } finally {
        release();
      }
    },
    async countTokens(model, text) {
      const file = await files.find(model);
      return file === null ? null : counter.count(file, text);
    },
    async state() {
      const howToAdd = `Put a .gguf file into ${folder}, or run: parley model pull hf:owner/repository/file.gguf`;
      try {
        const names = (await files.list()).map((file) => file.name);
        if (names.length === 0) return { state: 'absent', detail: `No model files in ${folder}.`, howToAdd };
        return { state: 'ready', detail: `${names.length === 1 ? 'One model file' : `${names.length} model files`}: ${names.join(', ')}.`, howToAdd: '' };
      } catch (error) {
        return { state: 'error', detail: `The models folder ${folder} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'}).`, howToAdd };
      }
    },
  };

  async function list(): Promise<ModelFile[]> {
    try {
      return await files.list();
    } catch (error) {
      throw new ParleyError('provider_unavailable', { message: `The models folder ${folder} cannot be read.`, cause: error });
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
  };
}

function refuseUnsupported(request: ModelRequest): void {
  if (request.tools === undefined || request.tools.length === 0 || request.toolChoice === 'none') return;
  throw new ParleyError('unsupported_value', {
    message: 'Models of the embedded engine cannot call tools yet. Leave `tools` out, or take a model of another provider.',
    parameter: 'tools',
  });
}

interface Reply {
  loaded: LoadedModel;
  request: ModelRequest;
  signal: AbortSignal;
  push(event: ReplyEvent): void;
  clock: Clock;
  pace: ReadingPace;
}

/** Question in, events out; whatever happens, what was used is reported before the end. */
async function reply({ loaded, request, signal, push, clock, pace }: Reply): Promise<void> {
  const chat = await loaded.chat();
  const prompt = buildPrompt(loaded, chat.wrapper, request.messages, request.prefill ?? '');
  const room = answerRoom(loaded, prompt);
  const most = Math.min(request.maxTokens ?? Infinity, room);
  const text = createReplyText(loaded.model, prompt, request.stop ?? [], push);
  const sequence = await chat.sequences.take(prompt.tokens, signal);
  let tokensCached = 0;
  const reportUsage = (): void => push({ type: 'usage', usage: {
    tokensIn: prompt.tokens.length,
    tokensOut: text.tokens,
    tokensCached,
    ...(prompt.reasoning === null ? {} : { tokensReasoning: text.reasoningTokens }),
  } });
  try {
    let stopped = false;
    const ended = await generate({
      sequence,
      prompt: prompt.tokens,
      sampling: request,
      pace,
      clock,
      signal,
      onReused: (tokens) => (tokensCached = tokens),
      onToken: (token) => {
        stopped = !text.take(token);
        return !stopped && text.tokens < most;
      },
    });
    if (!stopped) text.finish();
    reportUsage();
    push({ type: 'finish', reason: ended || stopped ? 'stop' : 'length' });
  } catch (error) {
    reportUsage();
    throw error;
  } finally {
    chat.sequences.give(sequence);
  }
}

/** Tokens left for the answer. @throws {ParleyError} `context_overflow` when there are none */
function answerRoom(loaded: LoadedModel, prompt: Prompt): number {
  const room = loaded.contextTokens - prompt.tokens.length;
  if (room >= 1) return room;
  throw new ParleyError('context_overflow', {
    message: `The conversation has ${prompt.tokens.length} tokens and ${loaded.file.name} has a context of ${loaded.contextTokens}. ` +
      'Shorten it, or raise LLAMA_CONTEXT if the model allows more.',
  });
}
