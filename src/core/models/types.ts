import type { ErrorCode } from '../../base/errors.ts';

/** One message as models see it. */
export interface ModelMessage {
  role: 'system' | 'user' | 'assistant' | 'tool';
  /** The text. With `parts` the text of these alone, one below the other. */
  content: string;
  /** Text and pictures in the order in which they were sent; only set where there is more than text. */
  parts?: ContentPart[];
  /** Tool calls the assistant made in this message. */
  toolCalls?: ToolCall[];
  /** For role `tool`: which call this answers. */
  toolCallId?: string;
}

/** A piece of a message that is more than text. */
export type ContentPart =
  | { type: 'text'; text: string }
  /** `url`: https: or data: with base64. `detail` as in the OpenAI API. */
  | { type: 'image'; url: string; detail?: 'auto' | 'low' | 'high' };

export interface ToolCall {
  id: string;
  name: string;
  /** JSON text of the arguments, as the model wrote it. */
  arguments: string;
}

/** A tool offered to the model. `parameters` is a JSON Schema. */
export interface ToolDefinition {
  name: string;
  description?: string;
  parameters: Record<string, unknown>;
  /** Whether the arguments must keep to `parameters`, where the model can promise it. */
  strict?: boolean;
}

/** The form an answer must have. */
export type ResponseFormat =
  | { type: 'json_object' }
  | { type: 'json_schema'; name: string; description?: string; schema: Record<string, unknown>; strict?: boolean };

/** Settings of one answer; what is undefined is left to the model. */
export interface Sampling {
  temperature?: number;
  topP?: number;
  topK?: number;
  minP?: number;
  repeatPenalty?: number;
  /** Most tokens to make, reasoning included. */
  maxTokens?: number;
  stop?: string[];
  seed?: number;
  frequencyPenalty?: number;
  presencePenalty?: number;
  /** -100 to 100 for token numbers of the model's own tokenizer. */
  logitBias?: Record<string, number>;
  /** How long a reasoning model thinks: `none`, `minimal`, `low`, `medium`, `high`, ... as its service names it. */
  reasoningEffort?: string;
  /** How much is said: `low`, `medium` or `high`. A hint: models that know no such setting answer without it. */
  verbosity?: string;
  /** Asks for log-probabilities: of each token of the text and of the `top` likeliest in its place (0 to 20). */
  logprobs?: { top: number };
  responseFormat?: ResponseFormat;
  /** Whether several tools may be called in one answer. */
  parallelToolCalls?: boolean;
}

/** One question to a model. */
export interface ModelRequest extends Sampling {
  /** The provider's own name of the model, without our `provider/` in front. */
  model: string;
  messages: ModelMessage[];
  tools?: ToolDefinition[];
  /** As in the OpenAI API. */
  toolChoice?: ToolChoiceRequest;
  /**
   * Text the answer already begins with: the model goes on behind it (continue after an interruption). Providers
   * without a way to prefill send it as a last assistant message and an instruction to go on.
   */
  prefill?: string;
  /**
   * The caller reads the answer only when it is complete. So nothing counts as said before its end: the answer may be
   * made again when it does not keep to `responseFormat`, and a service may be asked without streaming. Default false.
   */
  whole?: boolean;
}

/** Tokens as the model counts them; undefined where it does not say and they cannot be counted. */
export interface Usage {
  tokensIn?: number;
  tokensOut?: number;
  /** Part of `tokensOut` spent on reasoning. */
  tokensReasoning?: number;
  /** Part of `tokensIn` read from the service's prompt cache. */
  tokensCached?: number;
  /** Nanoseconds of the whole call as the service itself measured them, where it does (Ollama). */
  durationNs?: number;
}

export type FinishReason = 'stop' | 'length' | 'tool' | 'content_filter';

/**
 * One reply, in order. It ends with exactly one `finish` or `error`; after the first event nothing is thrown.
 * `usage` may come any number of times before the end; the last one counts.
 */
export type ReplyEvent =
  /** `isRefusal`: the model declines, where its service tells that apart from an answer; such text keeps to no format. */
  | { type: 'text'; text: string; isRefusal?: true }
  | { type: 'reasoning'; text: string }
  /** A piece of a tool call. `id` and `name` come with its first piece; `arguments` pieces add up to JSON text. */
  | { type: 'tool'; index: number; id?: string; name?: string; arguments: string }
  /**
   * The model's own name of itself, when it says one; before any text. The registry turns it into `provider/model` and
   * leaves it out where it says nothing new.
   */
  | { type: 'model'; model: string }
  | { type: 'usage'; usage: Usage }
  /** Log-probabilities of tokens of the text, in order, where the model gives them; behind the text they are of, or before it. */
  | { type: 'logprobs'; tokens: TokenLogprob[] }
  | { type: 'finish'; reason: FinishReason }
  | { type: 'error'; error: ReplyError };

/** The log-probability of one token. */
export interface TokenLogprob {
  token: string;
  /** Natural logarithm. */
  logprob: number;
  /** UTF-8 bytes of the token; null where they are not known. */
  bytes: number[] | null;
  /** The likeliest tokens in its place, with itself where it is among them; empty when none were asked for. */
  top: { token: string; logprob: number; bytes: number[] | null }[];
}

/** Why a reply failed. */
export interface ReplyError {
  code: Extract<ErrorCode,
    | 'no_api_key' | 'invalid_api_key' | 'quota_exceeded' | 'rate_limited' | 'model_not_found' | 'context_overflow'
    | 'invalid_request' | 'provider_unavailable' | 'provider_error' | 'provider_timeout' | 'cancelled'
    | 'unsupported_value' | 'internal'>;
  /** For a person: what happened and what to do. Names no secret. */
  message: string;
  /** As asked by the service (Retry-After). */
  retryAfterMs?: number;
  /** HTTP status of the service's answer, where there was one. */
  status?: number;
  /** The one setting of the request at fault, by OpenAI's name for it (`response_format`), where it is known. */
  parameter?: string;
  /** Whether the service (not the user's key or request) is at fault: counts for the breaker, may be tried again. */
  serviceFault: boolean;
}

/** A model that can be asked. */
export interface ModelInfo {
  /** `provider/model`. */
  id: string;
  provider: string;
  /** The provider's own name. */
  model: string;
  /** For a person. */
  label: string;
  kinds: ('chat' | 'embedding' | 'image')[];
  /** Runs on this machine, or leaves it. */
  location: 'local' | 'remote';
  /** Tokens; null when not known. */
  contextLength: number | null;
  /** File size for local files; null otherwise. */
  sizeBytes: number | null;
  /** Milliseconds since the epoch; null when not known. */
  createdAt: number | null;
  /** What else it says of itself, where it says anything. */
  details?: ModelDetails;
}

/** What a model says of itself; null where nobody knows. */
export interface ModelDetails {
  /** Form of its file, such as `gguf`. */
  format: string | null;
  /** Its architecture, as GGUF names it: `llama`, `qwen2`, ... */
  architecture: string | null;
  /** Count of its parameters, as people write it: `494M`, `7.6B`. */
  parameterSize: string | null;
  /** How its numbers are stored: `Q4_K_M`, `F16`, ... */
  quantisation: string | null;
  licence: string | null;
  /** Tokens it was trained for; it may be run with less. */
  trainedTokens: number | null;
  /** Numbers in one of its vectors. */
  embeddingLength: number | null;
  /** What it can do besides answering in text. */
  capabilities: readonly ('tools' | 'vision' | 'thinking')[] | null;
  /** Of its file, or of what stands for it, in hexadecimal. */
  sha256: string | null;
}

/** What a call carries besides the request. */
export interface CallOptions {
  /** Aborting ends the call at the service within a second; the stream then ends with error `cancelled`. */
  signal: AbortSignal;
  /** The key to use; null for services without keys. */
  apiKey: string | null;
  /** Who asks: the embedded engine serves people in turn. Undefined for work of the server itself. */
  userId?: string;
  /**
   * For calls of several requests, each of which costs: tries a request again after faults that pass, until `signal` ends
   * that. Absent where nothing is to be tried again.
   */
  again?<Result>(step: () => Promise<Result>, signal: AbortSignal): Promise<Result>;
  /** The batch that the request belongs to, opened with this provider; other providers answer as if there were none. */
  batch?: ModelBatch;
}

/**
 * Requests of one model that are evaluated together: its places belong to them alone. Every request is asked by `stream` with this
 * batch in its options, at most `places` at the same time.
 */
export interface ModelBatch {
  /** Requests that may be under way at the same time; at least 1. */
  readonly places: number;
  /** What was evaluated so far. */
  figures(): BatchFigures;
  /** Gives the places back; called when no request of the batch is under way any more. Never rejects. */
  close(): Promise<void>;
}

/** Calls of the engine for a batch, as counted where they are made. */
export interface BatchFigures {
  /** Calls of the engine, each of which evaluates tokens of one or more requests. */
  evaluations: number;
  /** Those of them that evaluated tokens of several requests. */
  shared: number;
  /** Most requests in one of them. */
  most: number;
}

/**
 * Someone who can answer. All providers have the same file set and pass the suite in ./providers/provider-suite.ts.
 * `stream` yields batches: all events of one network read together, never an empty batch.
 */
export interface ModelProvider {
  /** First part of the model ids: `openai`, `ollama`, `llama`, `builtin`, or the configured name of a compatible server. */
  readonly id: string;
  readonly kind: 'llama' | 'ollama' | 'openai' | 'anthropic' | 'google' | 'cohere' | 'openai-compatible' | 'langchain' | 'builtin';
  readonly location: 'local' | 'remote';
  /** Whether calls need an API key. */
  readonly needsKey: boolean;
  /** Whether a call is one call: it is not tried again when its service fails, and no fallback model is asked in its place. Default false. */
  readonly triesOnce?: boolean;
  start?(): Promise<void>;
  stop?(): Promise<void>;
  /** The models at hand now. Rejects with a ParleyError (provider_unavailable, invalid_api_key) when they cannot be listed. */
  models(options: CallOptions): Promise<ModelInfo[]>;
  stream(request: ModelRequest, options: CallOptions): AsyncIterable<ReplyEvent[]>;
  /**
   * Opens places in which these requests are evaluated together; null when there is no room for that now: then they are asked one
   * by one. Waits for other batches of the model. Absent where the service gives no such thing.
   * @param requests at least one, all for the same model @throws {ParleyError} `cancelled`, `rate_limited`, or why the model cannot be used
   */
  openBatch?(requests: readonly ModelRequest[], options: CallOptions): Promise<ModelBatch | null>;
  embed?(request: EmbedRequest, options: CallOptions): Promise<EmbedResult>;
  /** Draws exactly as many pictures as asked, or rejects with a ParleyError: never fewer. Absent where the provider draws none. */
  draw?(request: DrawRequest, options: CallOptions): Promise<DrawResult>;
  /** Tokens of a text by the model's own tokenizer; null where there is none. */
  countTokens?(model: string, text: string): Promise<number | null>;
  /** State for the set-up page and `doctor`. */
  state(options: CallOptions): Promise<ProviderState>;
  /** Makes sure that the service is there before anything is asked; the error when it is not. Absent where only a call can tell. */
  ready?(): Promise<ReplyError | null>;
  /** What this provider holds in the memory of this process now; absent where it holds no models. */
  loaded?(): LoadedModelInfo[];
  /** Monotonic time at which its models were last seen to have changed: lists from before are out of date. Absent where nobody watches. */
  changedAt?(): number;
  /** Its servers; absent where it has one that is not looked at. */
  instances?(): ModelInstance[];
}

/** One server of a provider that may have several, as it was when it was last looked at. */
export interface ModelInstance {
  provider: string;
  /** Host and port. */
  host: string;
  isReachable: boolean;
  /** Whether it has answered since the start: one that never has may not be there at all. */
  hasAnswered: boolean;
  /** Models in its memory; 0 when it does not answer, or does not say. */
  modelsLoaded: number;
}

/** A model in the memory of this process. Times are milliseconds since the epoch. */
export interface LoadedModelInfo {
  /** `provider/model`. */
  id: string;
  provider: string;
  /** The provider's own name. */
  model: string;
  /** Memory for the model and the contexts opened with it, as estimated before loading. */
  sizeBytes: number;
  /** Part of it in the memory of a GPU, as the engine measures it; 0 without one. */
  gpuBytes: number;
  /** Tokens of one conversation. */
  contextLength: number;
  loadedAt: number;
  /** When it was last in use; the present while it is. */
  lastUsedAt: number;
  /** When it is unloaded for want of use; null while it is in use, or when it stays until its memory is needed. */
  expiresAt: number | null;
}

export interface EmbedRequest {
  model: string;
  texts: string[];
  /** Width asked for, where the model lets one choose. */
  dimensions?: number;
}

export interface EmbedResult {
  /** One for each text, in order. */
  vectors: Float32Array[];
  tokensIn: number | null;
}

/** Pictures to draw. */
export interface DrawRequest {
  model: string;
  /** What they show: 1 to 32,000 characters; some models take less and say so. */
  prompt: string;
  /** How many, 1 to 10. Default 1. */
  count?: number;
  /** Width and height in pixels, such as `1024x1024`, `1024x1792`, `1792x1024`; default the model's own. */
  size?: string;
  /** `standard`, `hd`, or as the model names it; default the model's own. */
  quality?: string;
  /**
   * The pictures themselves rather than addresses at the service, which are gone after about an hour. Default true. Where a
   * service gives only one of the two, that is what comes.
   */
  asData?: boolean;
}

/** A picture that was drawn. */
export interface DrawnPicture {
  /** `data:` with base64, or the https: address at the service. Parley fetches nothing from there. */
  url: string;
  /** The prompt as the model rewrote it for itself; null where it says nothing of the kind. */
  revisedPrompt: string | null;
}

export interface DrawResult {
  /** As many as were asked for. */
  pictures: DrawnPicture[];
  /** Width and height as drawn, where it was asked for or the service says so. */
  size: string | null;
  /** Tokens as the service counts them; null where it does not say. */
  tokensIn: number | null;
  tokensOut: number | null;
}

export interface ProviderState {
  state: 'ready' | 'absent' | 'needs-key' | 'error';
  /** One sentence for a person: what was found, or what is missing. */
  detail: string;
  /** How to add it: a sentence or a command; empty when ready. */
  howToAdd: string;
}

/** Whether and which tool must be called, as in the OpenAI API. */
export type ToolChoiceRequest = 'auto' | 'none' | 'required' | { name: string };
