import { writeGgufFile, type MetadataValue, type Tensor } from './gguf-file.ts';
import { tensorFormats, type TensorType } from './quantise.ts';
import { createRandom, randomWeights, seedFor } from './random.ts';
import { trainTokenizer, type Tokenizer } from './tokenizer.ts';

/** What kind of model to write. Without any options: about 2 MB, answers with nonsense, written in well under a second. */
export interface TestModelOptions {
  /** The same seed gives the same file, byte for byte. @default 1 */
  seed?: number;
  /** Name in the metadata. @default 'Parley test model' */
  name?: string;
  /** `general.license`; null leaves it out. @default 'mit' */
  licence?: string | null;
  /** How the matrices are stored. @default 'f32' */
  type?: TensorType;
  /** @default 2 */
  layers?: number;
  /** Width; a multiple of 32 and of `heads`. @default 128 */
  width?: number;
  /** @default 4 */
  heads?: number;
  /** Key and value heads. @default 2 */
  keyHeads?: number;
  /** @default 256 */
  feedForward?: number;
  /** Tokens in the vocabulary, at least 260. @default 512 */
  vocabulary?: number;
  /** Tokens the model says it was trained for. @default 2048 */
  contextTokens?: number;
  /** Jinja chat template; null leaves it out. @default ChatML */
  chatTemplate?: string | null;
  /** Control tokens beside the usual ones, such as `<think>`; a script may hold them. @default [] */
  controlTokens?: readonly string[];
  /** Marks the file as one that makes embeddings only (mean pooling). @default false */
  embedding?: boolean;
  /**
   * Makes the model answer every chat with exactly this text. Each token then decides the one after it, so none may
   * come twice: words must differ from each other. Without it the weights are random and so is the text.
   */
  says?: string;
  /** With `says`: begins again at the end, for ever, in place of ending the answer. @default false */
  repeats?: boolean;
}

/** What was written. */
export interface TestModel {
  path: string;
  /** Bytes of the file. */
  size: number;
  /** Numbers in all tensors. */
  parameters: number;
  tokenizer: Tokenizer;
}

/** The template of ChatML, as a line-for-line rendering of the messages. */
export const chatMlTemplate =
  "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

const sample = `The river runs past the mill and the old stone bridge. In the morning the baker opens her shop, and people come
for bread and for news. What is the weather like today? It is warm and dry, with a light wind from the west. Could you
tell me how to get to the station? Walk along the main street, turn left at the church, and you will see it on the right.
Thank you very much. You are welcome. She has three brothers and two sisters; they live in another town. He is reading a
book about ships and stars. When the rain stopped the children went out to play again. We have been waiting here for ten
minutes. Please write a short letter to the teacher. I think that this is the best answer to the question, because it says
what to do and why. user assistant system Hello there, how are you? `;

type Size = Required<Pick<TestModelOptions, 'layers' | 'width' | 'heads' | 'keyHeads' | 'feedForward' | 'vocabulary' | 'contextTokens'>>;

const smallest: Size = { layers: 2, width: 128, heads: 4, keyHeads: 2, feedForward: 256, vocabulary: 512, contextTokens: 2048 };

/**
 * Writes a small model of the llama architecture that llama.cpp loads: seeded weights, a byte-level tokenizer and a
 * chat template. Tests and benches use it, so that they need no model from elsewhere.
 * @param path the file, replaced when it exists
 */
export function writeTestModel(path: string, options: TestModelOptions = {}): TestModel {
  const size: Size = { ...smallest, ...definedOnly(options) };
  const type = options.type ?? 'f32';
  const script = options.says ?? '';
  const tokenizer = trainTokenizer(`${script.repeat(20)} ${sample}`, size.vocabulary, options.controlTokens);
  const next = options.says === undefined ? null : scriptSteps(script, options.repeats ?? false, tokenizer);
  const tensors = modelTensors(size, type, options.seed ?? 1, next);
  const written = writeGgufFile(path, modelMetadata(size, type, options, tokenizer), tensors);
  const parameters = tensors.reduce((sum, tensor) => sum + count(tensor.shape), 0);
  return { path, size: written, parameters, tokenizer };
}

function definedOnly<Value extends object>(value: Value): Value {
  return Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined)) as Value;
}

function count(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}

/** For each token of the script the one that follows; it begins behind the line break that ends "assistant". */
function scriptSteps(script: string, repeats: boolean, tokenizer: Tokenizer): Map<number, number> {
  const spoken = tokenizer.encode(script, true);
  const lineBreak = tokenizer.encode('\n');
  const last = repeats ? spoken[0]! : tokenizer.special.messageEnd;
  const path = [...lineBreak, ...spoken];
  const steps = new Map<number, number>();
  path.forEach((token, index) => {
    if (steps.has(token)) throw new RangeError(`The script holds "${tokenizer.tokens[token]}" twice, so what follows it is not clear.`);
    steps.set(token, path[index + 1] ?? last);
  });
  return steps;
}

function modelTensors(size: Size, type: TensorType, seed: number, next: Map<number, number> | null): Tensor[] {
  const { width, feedForward, vocabulary } = size;
  const keyWidth = (width / size.heads) * size.keyHeads;
  const random = (name: string, shape: readonly number[], deviation: number): Float32Array =>
    randomWeights(count(shape), deviation, createRandom(seedFor(seed, name)));
  const matrix = (name: string, rows: number, columns: number, silent = false): Tensor => ({
    name,
    shape: [rows, columns],
    type,
    weights: () => (silent ? new Float32Array(rows * columns) : random(name, [rows, columns], 1 / Math.sqrt(columns))),
  });
  const norm = (name: string): Tensor => ({ name, shape: [width], type: 'f32', weights: () => new Float32Array(width).fill(1) });
  const embedding: Tensor = {
    name: 'token_embd.weight',
    shape: [vocabulary, width],
    type,
    weights: () => random('token_embd.weight', [vocabulary, width], 1),
  };
  const output = matrix('output.weight', vocabulary, width);
  // A model with a script adds nothing in its layers: what leaves them is the embedding of the last token, and the
  // output matrix holds that embedding in the row of the token that has to follow.
  const scripted = next !== null;
  return [
    embedding,
    ...Array.from({ length: size.layers }, (_, layer) => [
      norm(`blk.${layer}.attn_norm.weight`),
      matrix(`blk.${layer}.attn_q.weight`, width, width),
      matrix(`blk.${layer}.attn_k.weight`, keyWidth, width),
      matrix(`blk.${layer}.attn_v.weight`, keyWidth, width),
      matrix(`blk.${layer}.attn_output.weight`, width, width, scripted),
      norm(`blk.${layer}.ffn_norm.weight`),
      matrix(`blk.${layer}.ffn_gate.weight`, feedForward, width),
      matrix(`blk.${layer}.ffn_up.weight`, feedForward, width),
      matrix(`blk.${layer}.ffn_down.weight`, width, feedForward, scripted),
    ]).flat(),
    norm('output_norm.weight'),
    next === null ? output : { ...output, weights: () => scriptedOutput(embedding.weights(), next, vocabulary, width) },
  ];
}

/** The right token's score is about 40, the others' below 15: certain at any usual temperature. */
function scriptedOutput(embeddings: Float32Array, next: Map<number, number>, vocabulary: number, width: number): Float32Array {
  const scale = 40 / width;
  const weights = new Float32Array(vocabulary * width);
  for (const [from, to] of next) {
    for (let column = 0; column < width; column += 1) weights[to * width + column]! += embeddings[from * width + column]! * scale;
  }
  return weights;
}

function modelMetadata(size: Size, type: TensorType, options: TestModelOptions, tokenizer: Tokenizer): Map<string, MetadataValue> {
  const licence = options.licence === undefined ? 'mit' : options.licence;
  const template = options.chatTemplate === undefined ? chatMlTemplate : options.chatTemplate;
  const number = (value: number): MetadataValue => ({ type: 'uint32', value });
  const text = (value: string): MetadataValue => ({ type: 'string', value });
  const entries: [string, MetadataValue | null][] = [
    ['general.architecture', text('llama')],
    ['general.name', text(options.name ?? 'Parley test model')],
    ['general.license', licence === null ? null : text(licence)],
    ['general.file_type', number(tensorFormats[type].fileType)],
    ['llama.block_count', number(size.layers)],
    ['llama.context_length', number(size.contextTokens)],
    ['llama.embedding_length', number(size.width)],
    ['llama.feed_forward_length', number(size.feedForward)],
    ['llama.attention.head_count', number(size.heads)],
    ['llama.attention.head_count_kv', number(size.keyHeads)],
    ['llama.attention.layer_norm_rms_epsilon', { type: 'float32', value: 1e-5 }],
    ['llama.rope.dimension_count', number(size.width / size.heads)],
    ['llama.rope.freq_base', { type: 'float32', value: 10_000 }],
    ['llama.vocab_size', number(size.vocabulary)],
    ['llama.pooling_type', options.embedding ? number(1) : null],
    ['tokenizer.ggml.model', text('gpt2')],
    ['tokenizer.ggml.pre', text('gpt-2')],
    ['tokenizer.ggml.tokens', { type: 'strings', value: tokenizer.tokens }],
    ['tokenizer.ggml.token_type', { type: 'int32s', value: tokenizer.kinds }],
    ['tokenizer.ggml.merges', { type: 'strings', value: tokenizer.merges }],
    ['tokenizer.ggml.bos_token_id', number(tokenizer.special.begin)],
    ['tokenizer.ggml.eos_token_id', number(tokenizer.special.messageEnd)],
    ['tokenizer.ggml.add_bos_token', { type: 'bool', value: true }],
    ['tokenizer.chat_template', template === null ? null : text(template)],
  ];
  return new Map(entries.filter((entry): entry is [string, MetadataValue] => entry[1] !== null));
}
