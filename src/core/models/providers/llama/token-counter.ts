import type { LlamaModel } from 'node-llama-cpp';
import type { Engine, LoadedModel } from './engine.ts';
import type { ModelFile } from './model-files.ts';

/** Counts tokens by a model's own tokenizer, without loading the model for it. */
export interface TokenCounter {
  count(file: ModelFile, text: string): Promise<number>;
  close(): Promise<void>;
}

/** Vocabularies kept at the same time; the one unused the longest is let go. */
const mostKept = 2;

/** @param loadedModel the model of a file, if it happens to be loaded */
export function createTokenCounter(engine: Engine, loadedModel: (file: ModelFile) => LoadedModel | null): TokenCounter {
  const kept = new Map<string, Promise<LlamaModel>>();

  function vocabulary(file: ModelFile): Promise<LlamaModel> {
    const key = `${file.path} ${file.sizeBytes} ${file.modifiedAt}`;
    let model = kept.get(key);
    kept.delete(key);
    model ??= engine.loadVocabulary(file);
    kept.set(key, model);
    model.catch(() => kept.delete(key));
    if (kept.size > mostKept) {
      const [oldest, unused] = [...kept][0]!;
      kept.delete(oldest);
      void unused.then((old) => old.dispose(), () => undefined);
    }
    return model;
  }

  return {
    count(file, text) {
      const loaded = loadedModel(file);
      if (loaded !== null) return Promise.resolve(loaded.model.tokenize(text).length);
      // Counting is the first to wait for the vocabulary, so it comes before a disposal that waits for it too.
      return vocabulary(file).then((model) => model.tokenize(text).length);
    },
    async close() {
      const models = [...kept.values()];
      kept.clear();
      await Promise.all(models.map((model) => model.then((loaded) => loaded.dispose(), () => undefined)));
    },
  };
}
