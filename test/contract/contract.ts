import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Validator, type Schema } from '@cfworker/json-schema';
import { expect } from 'vitest';
import { sendRequest, type Json, type RequestOptions, type TestResponse } from '../../src/dialects/testing.ts';
import { notYet, unknowable } from './not-yet.ts';

/** Folder of the published documents; undefined where there is none, and the suites of this folder do not run. */
export const documents = process.env['DOCUMENTS'];

/** An operation of a published contract. */
export interface Operation {
  id: string;
  method: string;
  /** With `{names}`. */
  path: string;
  definition: Json;
}

/** A call: what fills the names of the path, what stands behind the `?`, and the request itself. */
export interface Call extends RequestOptions {
  path?: Record<string, string>;
  query?: Record<string, string | number>;
  /** The status that is expected; default the first one of the contract. */
  status?: number;
}

/**
 * One published contract, held against a running server: every call through it is checked with the schema of its
 * status, and what was called and heard is remembered, so that `left` can name what was not.
 */
export class Contract {
  readonly name: string;
  readonly document: Json;
  readonly operations: ReadonlyMap<string, Operation>;
  private readonly url: () => string;
  private readonly called = new Set<string>();
  private readonly heard = new Set<string>();

  constructor(name: string, url: () => string) {
    this.name = name;
    this.url = url;
    this.document = documents === undefined ? { paths: {}, 'x-events': {} } : JSON.parse(readFileSync(join(documents, 'contract', `${name}.openapi.json`), 'utf8'));
    this.operations = new Map(
      Object.entries<Json>(this.document.paths).flatMap(([path, methods]) =>
        Object.entries<Json>(methods).map(([method, definition]): [string, Operation] => [definition.operationId, { id: definition.operationId, method: method.toUpperCase(), path, definition }]),
      ),
    );
  }

  operation(id: string): Operation {
    const operation = this.operations.get(id);
    if (!operation) throw new Error(`The contract ${this.name} has no operation ${id}`);
    return operation;
  }

  /** Calls an operation and checks the answer: its status and its form. */
  async call(id: string, { path = {}, query = {}, status, ...request }: Call = {}): Promise<TestResponse> {
    const operation = this.operation(id);
    const address = operation.path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(path[name] ?? 'missing'));
    const search = new URLSearchParams(Object.entries(query).map(([name, value]): [string, string] => [name, String(value)])).toString();
    const answer = await sendRequest(this.url(), operation.method, search === '' ? address : `${address}?${search}`, request);
    this.check(id, answer, status);
    return answer;
  }

  /** Checks an answer that was fetched in another way. */
  check(id: string, answer: TestResponse, status?: number): void {
    const { definition } = this.operation(id);
    const expected = status ?? Number(Object.keys(definition.responses)[0]);
    expect([id, answer.status, answer.status === expected ? '' : answer.text]).toEqual([id, expected, '']);
    const response = definition.responses[String(expected)] ?? definition.responses['default'];
    if (expected < 300) this.called.add(id);
    // Of two operations the document shows the request only; the contract proposes an answer.
    const form = response?.content?.['application/json']?.schema ?? (expected === 200 ? definition['x-recommended-response']?.['application/json']?.schema : undefined);
    if (form) this.expectForm(expected < 300 ? this.allowing(form, id) : form, answer.json, `${id} ${expected}`);
    if (expected < 300) this.expectStillNull(id, answer.json);
  }

  /** Bodies of requests that the document gives as examples. */
  examples(id: string): Json[] {
    const body = this.operation(id).definition.requestBody?.content?.['application/json'];
    if (!body) return [];
    return body.examples ? Object.values<Json>(body.examples).map((example) => example.value) : body.example === undefined ? [] : [body.example];
  }

  /** Example of an answer. */
  exampleAnswer(id: string, status: number): Json {
    return this.operation(id).definition.responses[String(status)].content['application/json'].example;
  }

  /** Checks an event that came from the server, or was taken by it. */
  hear(channel: string, event: string, payload: unknown, schema: Json): void {
    this.heard.add(`${channel} ${event}`);
    this.expectForm(this.allowing(schema, `${channel} ${event}`), payload, `${channel} ${event}`);
    this.expectStillNull(`${channel} ${event}`, payload);
  }

  /** Remembers an event that the server has taken from a client. */
  took(channel: string, event: string): void {
    this.heard.add(`${channel} ${event}`);
  }

  /** Operations that were not called, but for those that are not built yet. */
  uncalled(): string[] {
    return [...this.operations.keys()].filter((id) => !this.called.has(id) && !(notYet[this.name]?.operations ?? []).includes(id));
  }

  /** Events of a list that were neither heard nor sent, but for those that are not built yet. */
  unheard(channel: string, events: readonly string[]): string[] {
    const missing = notYet[this.name]?.events ?? [];
    return events.filter((event) => !this.heard.has(`${channel} ${event}`) && !missing.includes(`${channel} ${event}`));
  }

  /** The schema, with null let in where a field cannot be true yet, or cannot be known. */
  private allowing(schema: Json, place: string): Json {
    const fields = [...(notYet[this.name]?.fields[place] ?? []), ...(unknowable[this.name]?.[place] ?? [])];
    return fields.reduce((form, field) => withNull(form, field.split('.')), schema);
  }

  /** A field that is on the list of what cannot be true yet must be null: once it is true, it comes off the list. */
  private expectStillNull(place: string, value: unknown): void {
    for (const field of notYet[this.name]?.fields[place] ?? []) {
      expect(valuesAt(value, field.split('.')).filter((found) => found !== null), `${place}: ${field} is true now, take it off the list`).toEqual([]);
    }
  }

  private expectForm(schema: Json, value: unknown, place: string): void {
    const { valid, errors } = new Validator(schema as Schema, '2020-12', false).validate(value);
    expect(valid ? [] : errors.map(({ instanceLocation, error }) => `${instanceLocation}: ${error}`), `${place}: ${JSON.stringify(value)?.slice(0, 600)}`).toEqual([]);
  }
}

function valuesAt(value: Json, [name, ...rest]: readonly string[]): unknown[] {
  if (name === undefined) return [value];
  const inner: Json[] = name === '[]' ? (value ?? []) : [value?.[name]];
  return inner.flatMap((each) => valuesAt(each, rest));
}

/** A copy of a schema in which the field of this path may be null. `[]` stands for the items of a list. */
function withNull(schema: Json, path: readonly string[]): Json {
  const [name, ...rest] = path;
  if (name === undefined) return { anyOf: [schema, { type: 'null' }] };
  if (name === '[]') return { ...schema, items: withNull(schema.items, rest) };
  if (schema.properties?.[name] === undefined) throw new Error(`The schema has no field ${name}`);
  return { ...schema, properties: { ...schema.properties, [name]: withNull(schema.properties[name], rest) } };
}
