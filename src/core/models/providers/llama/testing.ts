import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '../../../../base/observability/index.ts';
import { writeTestModel, type TestModelOptions, type Tokenizer } from '../../../../../test/gguf/index.ts';
import type { ModelMessage, ModelProvider, ModelRequest, ReplyError, ReplyEvent, TokenLogprob, ToolCall, Usage } from '../../types.ts';
import { createLlamaProvider, type LlamaProviderOptions } from './provider.ts';

/** A models folder and providers over it, for tests. */
export interface ModelBench {
  folder: string;
  write(name: string, options?: TestModelOptions): Tokenizer;
  open(settings?: Partial<LlamaProviderOptions['settings']>, rest?: Partial<LlamaProviderOptions>): ModelProvider;
  /** Stops the providers that were opened. */
  stop(): Promise<void>;
  remove(): void;
}

export function createModelBench(): ModelBench {
  const folder = mkdtempSync(join(tmpdir(), 'parley-llama-'));
  const providers: ModelProvider[] = [];
  return {
    folder,
    write: (name, options) => writeTestModel(join(folder, `${name}.gguf`), options).tokenizer,
    open(settings = {}, rest = {}) {
      const provider = createLlamaProvider({
        folder,
        settings: { threads: 1, sequences: 2, contextTokens: 1024, gpu: 'off', memoryBytes: 0, idleMs: 0, ...settings },
        log: silentLog(),
        ...rest,
      });
      providers.push(provider);
      return provider;
    },
    async stop() {
      for (const provider of providers.splice(0)) await provider.stop!();
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

export const user = (content: string): ModelMessage => ({ role: 'user', content });

/** All that came of one question. */
export interface Heard {
  text: string;
  reasoning: string;
  calls: ToolCall[];
  logprobs: TokenLogprob[];
  usage: Usage;
  /** The finish reason, or the code of the error. */
  end: string;
  error: ReplyError | null;
}

/** Asks "Hi" at temperature 0, unless told otherwise. */
export async function hear(
  provider: ModelProvider,
  request: Partial<ModelRequest> & { model: string },
  options: { signal?: AbortSignal; userId?: string; onEvent?(event: ReplyEvent): void } = {},
): Promise<Heard> {
  const heard: Heard = { text: '', reasoning: '', calls: [], logprobs: [], usage: {}, end: '', error: null };
  const call = { signal: options.signal ?? new AbortController().signal, apiKey: null, ...(options.userId === undefined ? {} : { userId: options.userId }) };
  for await (const batch of provider.stream({ messages: [user('Hi')], temperature: 0, ...request }, call)) {
    for (const event of batch) {
      options.onEvent?.(event);
      add(heard, event);
    }
  }
  return heard;
}

function add(heard: Heard, event: ReplyEvent): void {
  if (event.type === 'text') heard.text += event.text;
  else if (event.type === 'reasoning') heard.reasoning += event.text;
  else if (event.type === 'logprobs') heard.logprobs.push(...event.tokens);
  else if (event.type === 'usage') heard.usage = event.usage;
  else if (event.type === 'finish') heard.end = event.reason;
  else if (event.type === 'error') [heard.end, heard.error] = [event.error.code, event.error];
  else if (event.type === 'tool') {
    const call = (heard.calls[event.index] ??= { id: event.id ?? '', name: event.name ?? '', arguments: '' });
    call.arguments += event.arguments;
  }
}
