import type http from 'node:http';
import type { Endpoint, Script, Step } from './script.ts';

/**
 * A wire format that the stand-in speaks: how requests look, and how a script becomes an answer. One file each; the
 * stand-in itself knows none of them.
 */
export interface Form {
  name: FormName;
  /** What a path means, behind the form's prefix; null for none of this form. */
  endpointOf(path: string): Endpoint | null;
  /** Type of a streamed answer. */
  streamType: string;
  /** What a request says, in words that are the same for all forms. */
  read(request: Asked): ReadRequest;
  /** The answer, step by step; `model` is the name that was asked for. */
  chatSteps(script: Script, asked: Asked, model: string): Step[];
  /** The answer as one document. */
  chatCompletion(script: Script, asked: Asked, model: string): object;
  /** Vectors for the texts of the request. */
  embeddings(texts: string[], model: string, vectorOf: (text: string) => number[]): object;
  /** The models, or the page of them that is asked for. */
  modelList(names: string[], asked: Asked): object;
  /** What a model says of itself, for services that tell it apart from the list. */
  modelDetails?(name: string, contextLength: number): object;
  /** The models in memory, for services that tell. */
  running?(names: readonly string[]): object;
  /** The answer to a request to fetch a model, step by step; `installed` is called when it is there, before that is told. */
  pullSteps?(script: Script, installed: () => void): Step[];
  /** A picture of the size that is asked for, or where it is: below `pictures`. Absent for services that draw none. */
  drawing?(asked: Asked, pictures: string): object | Refusal;
  /** An error as the service words it. */
  errorBody(status: number, code: string | undefined, message: string): object;
  /** The error of a service for a key it does not know, and for a model it does not have. */
  refusedKey(): Refusal;
  unknownModel(name: string): Refusal;
  /** Whether `name` is one of the listed ones. */
  isKnown(name: string, names: readonly string[]): boolean;
  /** An error in the middle of a stream, and in place of a whole answer. */
  errorEvent: string;
  errorDocument: object;
  /** A piece of a stream whose JSON is broken. */
  malformedEvent: string;
}

export type FormName = 'openai' | 'ollama' | 'anthropic' | 'google' | 'cohere';

export interface Refusal {
  status: number;
  body: object;
}

/** A request as forms look at it. */
export interface Asked {
  /** Path behind the form's prefix, without the query. */
  path: string;
  query: string;
  headers: http.IncomingHttpHeaders;
  body: Record<string, unknown>;
}

/** What a request to a service says. */
export interface ReadRequest {
  /** The key it carries; null for none. */
  key: string | null;
  /** The model it names; null where there is none. */
  model: string | null;
  stream: boolean;
  messages: ReadMessage[];
  /** Names of the tools it offers. */
  tools: string[];
  /** Only those that are set. */
  sampling: { temperature?: unknown; stop?: unknown; seed?: unknown; maxTokens?: unknown };
  /** The texts to embed. */
  texts: string[];
}

export interface ReadMessage {
  role: string;
  text: string;
  /** Tools it calls, with their arguments as values. */
  calls: { name: string; arguments: unknown }[];
}

/** Drops what is undefined, as JSON does. */
export function defined<Values extends object>(values: Values): Values {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Values;
}

/** A server-sent event, with a comment before it when the script wants some. */
export function sse(script: Script, data: string, name?: string): string {
  return `${script.comments ? ': keep-alive\n\n' : ''}${name === undefined ? '' : `event: ${name}\n`}data: ${data}\n\n`;
}

/** The token behind `Bearer` in the header Authorization; null without one. */
export function bearer(headers: http.IncomingHttpHeaders): string | null {
  return headers.authorization?.replace(/^Bearer /, '') ?? null;
}
