import { dereference, encodePointer, ignoredKeyword, schemaArrayKeyword, schemaMapKeyword, validate, type Schema } from '@cfworker/json-schema';
import { ParleyError } from '../../base/errors.ts';
import { runWithin } from './clocked.ts';
import { checkElsewhere } from './slow-checks.ts';

/** Holds JSON texts against a schema. */
export interface SchemaCheck {
  /**
   * What is wrong with the text, as a clause for a person; empty when it is JSON that fits.
   * @param signal ends the waiting for a check that takes long; what is resolved then means nothing
   */
  complaint(text: string, signal: AbortSignal): Promise<string>;
}

/** Longest schema as JSON, in UTF-16 units, and its deepest nesting. */
const maxSchemaLength = 262_144;
const maxSchemaDepth = 64;
/** Most schemas within a schema, and the length of all their addresses together: each part is kept under its own. */
const maxParts = 10_000;
const maxAddresses = 2_000_000;
/** Longest address that a schema gives itself or refers to. */
const maxAddress = 2000;

/**
 * Milliseconds that one check may take where everything else waits for it. Schemas come from outside: a `pattern` can
 * take for ever (its matching backtracks), and so can schemas that refer to themselves twice over. Instead of telling
 * good ones from bad ones, the whole check runs under a clock that ends it wherever it is; a usual one takes well below a
 * millisecond. What takes longer is done by a thread of its own, see ./slow-checks.ts.
 */
const maxHereMs = 20;
/** Longest text that is looked at here, in UTF-16 units: to read JSON is one step, which no clock ends. */
const maxHereLength = 500_000;

/** Every part of a schema by its address. */
type Lookup = ReturnType<typeof dereference>;

/** Draft of JSON Schema by which schemas are read. */
const draft = '2020-12';

/** Checks by the schema as it was given: one request asks for several answers, and is looked at before they are made. */
const prepared = new WeakMap<Record<string, unknown>, SchemaCheck>();

/**
 * Prepares a schema (JSON Schema 2020-12; interpreted, no code is made of it). References must stay within it.
 * @param given must not be changed afterwards
 * @throws {ParleyError} `invalid_request` for one that cannot be used, saying why
 */
export function createSchemaCheck(given: Record<string, unknown>): SchemaCheck {
  const known = prepared.get(given);
  if (known) return known;
  const source = sourceOf(given);
  const apply = readSchema(source);
  let isSlow = false;
  const check: SchemaCheck = {
    async complaint(text, signal) {
      if (!isSlow && text.length <= maxHereLength) {
        const found = runWithin(maxHereMs, () => apply(text));
        if (found !== null) return found;
        isSlow = true;
      }
      return checkElsewhere(source, text, signal);
    },
  };
  prepared.set(given, check);
  return check;
}

/**
 * What a schema, as JSON, says of a text: a clause, or nothing when it fits. Takes as long as it takes.
 * @throws {ParleyError} as `createSchemaCheck`
 */
export function readSchema(source: string): (text: string) => string {
  const schema = JSON.parse(source) as Schema;
  dropForeignPatterns(schema, 0);
  refuseExcess(schema);
  let lookup: Lookup;
  try {
    lookup = dereference(schema);
  } catch (cause) {
    throw unusable(cause instanceof Error ? cause.message.slice(0, 200) : 'it cannot be read', cause);
  }
  refuseOpenReferences(lookup);
  return (text) => {
    try {
      return complaintOf(schema, lookup, text);
    } catch (thrown) {
      if (thrown instanceof RangeError) return 'the schema refers to itself without end';
      return 'the schema could not be applied to it';
    }
  };
}

function sourceOf(given: Record<string, unknown>): string {
  let source: string;
  try {
    source = JSON.stringify(given);
  } catch (cause) {
    throw unusable(`it is nested more than ${maxSchemaDepth} levels deep`, cause);
  }
  if (source.length > maxSchemaLength) throw unusable(`it has more than ${maxSchemaLength} characters as JSON`);
  return source;
}

/** Takes patterns away that only other dialects of expressions know. */
function dropForeignPatterns(value: unknown, depth: number): void {
  if (typeof value !== 'object' || value === null) return;
  if (depth > maxSchemaDepth) throw unusable(`it is nested more than ${maxSchemaDepth} levels deep`);
  const holder = value as Record<string, unknown>;
  const { pattern, patternProperties } = holder;
  if (typeof pattern === 'string' && !isExpression(pattern)) delete holder['pattern'];
  if (typeof patternProperties === 'object' && patternProperties !== null) {
    for (const expression of Object.keys(patternProperties)) {
      if (!isExpression(expression)) throw unusable(`${JSON.stringify(expression.slice(0, 100))} in patternProperties is no regular expression`);
    }
  }
  for (const inner of Object.values(holder)) dropForeignPatterns(inner, depth + 1);
}

/**
 * The validator gives each part of a schema an address, and goes twice through what has one of its own: with a few names
 * in a row, or one long name above many parts, that would take minutes. This walks as it does.
 */
function refuseExcess(root: Schema): void {
  let parts = 0;
  let addresses = 0;
  const visit = (schema: unknown, above: number): void => {
    if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) return;
    const holder = schema as Record<string, unknown>;
    // Of drafts before 2020-12; the validator would take it for `$id`.
    delete holder['id'];
    if (schema !== root && holder['$id'] !== undefined) throw unusable('only the whole of it may have an $id; a part can be referred to by its place (#/$defs/name)');
    for (const keyword of ['$id', '$ref', '$anchor', '$recursiveRef']) {
      const address = holder[keyword];
      if (address !== undefined && (typeof address !== 'string' || address.length > maxAddress)) throw unusable(`${keyword} must be a text of at most ${maxAddress} characters`);
    }
    parts += 1;
    addresses += above;
    if (parts > maxParts || addresses > maxAddresses) throw unusable(`it has too many parts, or names that are too long for so many: at most ${maxParts} schemas fit into one`);
    for (const [key, inner] of Object.entries(holder)) {
      if (ignoredKeyword[key]) continue;
      const place = above + encodePointer(key).length + 1;
      if (Array.isArray(inner)) {
        if (schemaArrayKeyword[key]) for (const one of inner) visit(one, place + 6);
      } else if (!schemaMapKeyword[key]) visit(inner, place);
      else if (typeof inner === 'object' && inner !== null) for (const [name, one] of Object.entries(inner)) visit(one, place + encodePointer(name).length + 1);
    }
  };
  visit(root, typeof root.$id === 'string' ? root.$id.length : 0);
}

/** Whether the validator can read it: it takes expressions with the flag `u`. */
function isExpression(source: string): boolean {
  try {
    return new RegExp(source, 'u') instanceof RegExp;
  } catch {
    return false;
  }
}

function refuseOpenReferences(lookup: Lookup): void {
  for (const schema of Object.values(lookup)) {
    const reference = typeof schema === 'object' ? (schema as { __absolute_ref__?: string }).__absolute_ref__ : undefined;
    if (reference !== undefined && lookup[reference] === undefined) {
      throw unusable(`its reference ${JSON.stringify((schema as Schema).$ref?.slice(0, 200))} leads nowhere; references must stay within the schema`);
    }
  }
}

function complaintOf(schema: Schema, lookup: Lookup, text: string): string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return 'it is no JSON';
  }
  const { valid, errors } = validate(value, schema, draft, lookup);
  if (valid) return '';
  const first = errors.findLast((error) => error.keyword !== 'properties' && error.keyword !== '$ref') ?? errors[0];
  return first ? `at ${first.instanceLocation.slice(0, 200)}: ${clause(first.error)}` : 'it does not fit';
}

/** The validator's sentence as a clause, bounded. */
function clause(sentence: string): string {
  const line = sentence.replaceAll(/\s+/g, ' ').replace(/\.$/, '');
  return line.length > 200 ? `${line.slice(0, 200)}...` : line;
}

function unusable(why: string, cause?: unknown): ParleyError {
  return new ParleyError('invalid_request', { message: `The schema in response_format cannot be used: ${why}.`, parameter: 'response_format', cause });
}
