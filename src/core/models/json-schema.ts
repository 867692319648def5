import vm from 'node:vm';
import { dereference, validate, type Schema } from '@cfworker/json-schema';
import { ParleyError } from '../../base/errors.ts';

/** Holds JSON texts against a schema. */
export interface SchemaCheck {
  /** What is wrong with the text, as a clause for a person; empty when it is JSON that fits. */
  complaint(text: string): string;
}

/** Longest schema as JSON, in UTF-16 units, and its deepest nesting. */
const maxSchemaLength = 262_144;
const maxSchemaDepth = 64;

/**
 * Milliseconds that one check may take. Schemas come from outside: a `pattern` can take for ever (its matching
 * backtracks), and so can schemas that refer to themselves twice over. Instead of telling good ones from bad ones, the
 * whole check runs under a clock that ends it wherever it is; a usual one takes well below a millisecond.
 */
const maxCheckMs = 250;

/** Every part of a schema by its address. */
type Lookup = ReturnType<typeof dereference>;

/** Draft of JSON Schema by which schemas are read. */
const draft = '2020-12';

/**
 * Prepares a schema (JSON Schema 2020-12; interpreted, no code is made of it). References must stay within it.
 * @throws {ParleyError} `invalid_request` for one that cannot be used, saying why
 */
export function createSchemaCheck(given: Record<string, unknown>): SchemaCheck {
  const schema = copyOf(given);
  let lookup: Lookup;
  try {
    lookup = dereference(schema);
  } catch (cause) {
    throw unusable(cause instanceof Error ? cause.message : 'it cannot be read', cause);
  }
  refuseOpenReferences(lookup);
  return {
    complaint(text) {
      try {
        return inTime(() => complaintOf(schema, lookup, text));
      } catch (thrown) {
        return failureOf(thrown);
      }
    },
  };
}

/** A copy that the validator may mark, with bounds, and without patterns that only other dialects of expressions know. */
function copyOf(given: Record<string, unknown>): Schema {
  const text = JSON.stringify(given);
  if (text.length > maxSchemaLength) throw unusable(`it has more than ${maxSchemaLength} characters as JSON`);
  const schema = JSON.parse(text) as Schema;
  walk(schema, 0);
  return schema;
}

function walk(value: unknown, depth: number): void {
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
  for (const inner of Object.values(holder)) walk(inner, depth + 1);
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

function failureOf(thrown: unknown): string {
  if ((thrown as { code?: unknown } | null)?.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return `to check it took longer than ${maxCheckMs} ms`;
  if (thrown instanceof RangeError) return 'the schema refers to itself without end';
  return 'the schema could not be applied to it';
}

/** One context for all checks: only its clock is of use, the work itself comes from here. */
const clocked = { work: (): string => '' };
const script = new vm.Script('work()');
let context: vm.Context | null = null;

/** Runs something that awaits nothing; throws `ERR_SCRIPT_EXECUTION_TIMEOUT` when it takes too long. */
function inTime(work: () => string): string {
  context ??= vm.createContext(clocked);
  clocked.work = work;
  return script.runInContext(context, { timeout: maxCheckMs }) as string;
}

function unusable(why: string, cause?: unknown): ParleyError {
  return new ParleyError('invalid_request', { message: `The schema in response_format cannot be used: ${why}.`, parameter: 'response_format', cause });
}
