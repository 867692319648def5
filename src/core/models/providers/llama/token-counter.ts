import type { LlamaModel } from 'node-llama-cpp';
import type { Engine } from './engine.ts';
import type { ModelFile } from './model-files.ts';

/** Counts tokens by a model's own tokenizer, without its weights. */
export interface TokenCounter {
  count(file: ModelFile, text: string): Promise<number>;
  close(): Promise<void>;
}

/** Vocabularies kept at the same time; the one unused the longest is let go. */
const mostKept = 2;

export function createTokenCounter(engine: Engine): TokenCounter {
  const kept = new Map<string, Promise<LlamaModel>>();

  function vocabulary(file: ModelFile): Promise<LlamaModel> {
    const key = `${file.path} ${file.sizeBytes} ${file.modifiedAt}`;
    let model = kept.get(key);
    kept.delete(key);
    model ??= engine.loadVocabulary(file);
    kept.set(key, model);
    model.catch(() => kept.delete(key));
    if (kept.size > mostKept) letGo([...kept.keys()][0]!);
    return model;
  }

  function letGo(key: string): void {
    const unused = kept.get(key);
    kept.delete(key);
    void unused?.then(
      (model) => model.dispose(),
      () => undefined,
    );
  }

  return {
    count(file, text) {
      // Counting is the first to wait for the vocabulary, so it comes before a disposal that waits for it too.
      return vocabulary(file).then((model) => model.tokenize(text).length);
    },
    async close() {
      const models = [...kept.values()];
      kept.clear();
      await Promise.all(
        models.map((model) =>
          model.then(
            (loaded) => loaded.dispose(),
            () => undefined,
          ),
        ),
      );
    },
  };
}
