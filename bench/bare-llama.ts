import { getLlama, resolveChatWrapper, type LlamaContextSequence } from 'node-llama-cpp';

/*
 * node-llama-cpp with nothing around it: the file, threads and number of sequences come as arguments, requests over the
 * channel of the parent. Tokens are turned into text, as anybody who shows them must.
 */

const [path, threads, sequences, contextTokens] = process.argv.slice(2);
const llama = await getLlama({ gpu: false, build: 'never', progressLogs: false, maxThreads: Number(threads) });
const model = await llama.loadModel({ modelPath: path! });
const context = await model.createContext({ sequences: Number(sequences), contextSize: Number(contextTokens), threads: Number(threads) });
const all = Array.from({ length: Number(sequences) }, () => context.getSequence());
const { contextText } = resolveChatWrapper(model).generateContextState({ chatHistory: [{ type: 'user', text: 'Say some words.' }, { type: 'model', response: [] }] });
const prompt = contextText.tokenize(model.tokenizer);

export interface BareRequest {
  streams: number;
  tokens: number;
}

export interface BareAnswer {
  /** Tokens of all streams behind each one's first. */
  tokens: number;
  /** From the first token of any stream to the last of all. */
  seconds: number;
}

async function run(sequence: LlamaContextSequence, tokens: number): Promise<{ count: number; first: number; last: number }> {
  await sequence.clearHistory();
  let count = 0;
  let first = 0;
  let text = '';
  for await (const token of sequence.evaluate(prompt, { temperature: 0 })) {
    if (count === 0) first = performance.now();
    count += 1;
    text += model.detokenize([token]);
    if (count >= tokens) break;
  }
  if (text.length === 0) throw new Error('The model said nothing.');
  return { count, first, last: performance.now() };
}

process.on('message', ({ streams, tokens }: BareRequest) => {
  void Promise.all(all.slice(0, streams).map((sequence) => run(sequence, tokens))).then((ended) => {
    const first = Math.min(...ended.map((one) => one.first));
    const last = Math.max(...ended.map((one) => one.last));
    process.send!({ tokens: ended.reduce((sum, one) => sum + one.count - 1, 0), seconds: (last - first) / 1000 } satisfies BareAnswer);
  });
});
process.on('disconnect', () => process.exit(0));
process.send!('ready');
