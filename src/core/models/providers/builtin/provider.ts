import type { CallOptions, ModelProvider, ModelRequest, ReplyEvent } from '../../types.ts';
import { cancelled, refusal } from './errors.ts';
import { topicOf } from './messages.ts';
import { answer, bounded, type Surroundings } from './reply.ts';

export interface BuiltinOptions {
  /** How the providers stand now, such as `Models.providers` says it; its own row among them is passed over. */
  surroundings(): Promise<readonly Surroundings[]>;
}

/**
 * `builtin/parley`: no language model, and it says so. It gives the same answer to the same question in the same
 * surroundings, and guides through setting up a model. It sends nothing anywhere and counts no tokens, having none.
 */
export function createBuiltinProvider(options: BuiltinOptions): ModelProvider {
  async function* stream(request: ModelRequest, { signal }: CallOptions): AsyncGenerator<ReplyEvent[]> {
    const refused = refusal(request);
    if (refused) {
      yield [{ type: 'error', error: refused }];
      return;
    }
    const { words, reason } = bounded(answer(topicOf(request), await options.surroundings()), request);
    for (const word of words) {
      // Between two words the event loop gets its turn, and a cancel is heard.
      await new Promise(setImmediate);
      if (signal.aborted) {
        yield [{ type: 'error', error: cancelled }];
        return;
      }
      yield [{ type: 'text', text: word }];
    }
    yield [{ type: 'finish', reason }];
  }

  return {
    id: 'builtin',
    kind: 'builtin',
    location: 'local',
    needsKey: false,
    stream,
    models: async () => [{
      id: 'builtin/parley', provider: 'builtin', model: 'parley', label: 'Built-in responder (no language model)', kinds: ['chat'],
      location: 'local', contextLength: null, sizeBytes: null, createdAt: null,
    }],
    state: async () => ({ state: 'ready', detail: 'The built-in responder is no language model; it helps to set one up.', howToAdd: '' }),
  };
}
