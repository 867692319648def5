/**
 * What the stand-in does with one request. Everything is optional: an empty script is a short, healthy answer.
 */
export interface Script {
  /** Which kind of request takes this script; default `chat`. Others are answered as usual meanwhile. */
  endpoint?: Endpoint;
  /** The text of the answer, one piece a chunk. */
  pieces?: string[];
  /** Reasoning, sent before the text, one piece a chunk. */
  reasoning?: string[];
  /** Name of the field that carries reasoning in the OpenAI form; default `reasoning_content`. */
  reasoningField?: 'reasoning_content' | 'reasoning';
  /** Tool calls, sent behind the text. In the OpenAI form each call's arguments come in the given pieces. */
  toolCalls?: { id: string; name: string; argumentPieces: string[] }[];
  /** Log-probability of each piece of text, in the same order; sent only when the request asks for them. */
  logprobs?: number[];
  /** Tokens in the place of each piece; as many as the request asks for are sent. */
  topLogprobs?: { token: string; logprob: number }[];
  /** The model declines with these words in place of a text (OpenAI form). */
  refusal?: string;
  /** Why the answer ends; null leaves the reason out. Default `stop`, or `tool_calls` with tool calls. */
  finish?: string | null;
  /** Tokens reported; null reports none. Default: 7 in, one out for each piece. */
  usage?: { tokensIn: number; tokensOut: number; tokensReasoning?: number; tokensCached?: number } | null;
  /** Where usage stands in the OpenAI form; default `own-chunk` (empty choices), sent only when the request asks for it. */
  usagePlace?: 'own-chunk' | 'with-finish' | 'last-content' | 'every-chunk' | 'x_groq' | 'in-choice';
  /** Whether `data: [DONE]` ends the stream (OpenAI form). Default true. */
  done?: boolean;
  /** The name the model gives itself; default the requested one; null leaves it out. */
  model?: string | null;

  /** Bytes of each layer of a model that is pulled, each told in two pieces. Default one of 1000. */
  layers?: number[];
  /** Why the registry gives nothing: told behind the first line of a pull, as Ollama words it. */
  pullError?: string;

  /** Every piece (reasoning, text, tool argument, progress of a pull) waits for `release`. */
  gated?: boolean;
  /** Milliseconds before each piece. */
  delayMs?: number;
  /** Milliseconds before the first byte. */
  firstDelayMs?: number;

  /** Answers with this HTTP status and an error body. */
  status?: number;
  /** Body of the error: an object is sent as JSON, a text as it is (as text/html). */
  errorBody?: unknown;
  /** What the error says, in the form's own place for it. */
  errorMessage?: string;
  /** Error code and type in the OpenAI form. */
  errorCode?: string;
  /** More headers, such as `retry-after`. */
  headers?: Record<string, string>;
  /** Takes the request and never answers. */
  silent?: boolean;
  /** What goes wrong, and behind how many pieces. */
  fault?: { kind: Fault; after: number };
  /** Declares this length, whatever is sent, and ends the connection behind the last byte. */
  contentLength?: number;
  /** The whole answer as raw bytes, each part in a write of its own (and gated, when gated). Replaces everything above but status and headers. */
  raw?: (string | Uint8Array)[];

  /** Cuts the byte stream into writes of this many bytes, so that characters fall apart. */
  splitBytes?: number;
  /** Line end of the stream; default `\n`. */
  lineEnd?: '\n' | '\r\n' | '\r';
  /** Sends a comment line before each event (forms of server-sent events). */
  comments?: boolean;
  /** Begins the stream with a byte order mark. */
  byteOrderMark?: boolean;
}

export type Endpoint = 'chat' | 'embeddings' | 'models' | 'show' | 'images' | 'running' | 'pull' | 'load' | 'delete';

/**
 * `hang`: nothing more is sent. `cut`: the connection breaks. `end`: the answer ends early, but well-formed for HTTP.
 * `malformed`: broken JSON, then the stream goes on. `error-event`: an error inside the stream, then the end.
 * `garbage`: bytes that are no protocol at all.
 */
export type Fault = 'hang' | 'cut' | 'end' | 'malformed' | 'error-event' | 'garbage';

/** One step of a stream: a gate or delay before it, or none, and the text to send. */
export interface Step {
  /** Counts as a piece: waits for the gate and the delay, and faults count it. */
  piece: boolean;
  text: string;
  /** Done right before it is sent. */
  before?(): void;
}

/** The bytes of a token, as both forms list them. */
export function bytesOf(token: string): number[] {
  return [...Buffer.from(token)];
}

export const defaultPieces = ['Hello', ' from', ' the', ' stand-in', '.'];

/** Usage of a script: as given, or 7 tokens in and one out for each piece. */
export function usageOf(script: Script): { tokensIn: number; tokensOut: number; tokensReasoning?: number; tokensCached?: number } | null {
  if (script.usage !== undefined) return script.usage;
  return { tokensIn: 7, tokensOut: (script.pieces ?? defaultPieces).length + (script.reasoning?.length ?? 0) };
}
