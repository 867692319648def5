import { getLlama, resolveChatWrapper, type LlamaContextSequence } from 'node-llama-cpp';
import type { Decoded } from './decoding.ts';

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

export type BareAnswer = Decoded[];

async function run(sequence: LlamaContextSequence, wanted: number): Promise<Decoded> {
  await sequence.clearHistory();
  let tokens = 0;
  let first = 0;
  let text = '';
  for await (const token of sequence.evaluate(prompt, { temperature: 0 })) {
    if (tokens === 0) first = performance.now();
    tokens += 1;
    text += model.detokenize([token]);
    if (tokens >= wanted) break;
  }
  if (text.length === 0) throw new Error('The model said nothing.');
  return { first, last: performance.now(), tokens };
}

process.on('message', ({ streams, tokens }: BareRequest) => {
  void Promise.all(all.slice(0, streams).map((sequence) => run(sequence, tokens))).then((ended) => process.send!(ended satisfies BareAnswer));
});
process.on('disconnect', () => process.exit(0));
process.send!('ready');
