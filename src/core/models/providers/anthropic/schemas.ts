/** JSON objects with values of any kind. */
type Json = Record<string, unknown>;

/** What may stand in a schema that Anthropic holds a model to. */
const allowed = new Set([
  '$schema', '$id', '$ref', '$defs', 'definitions', 'title', 'description', 'type', 'properties', 'required', 'additionalProperties',
  'items', 'enum', 'const', 'anyOf', 'allOf', 'default', 'format', 'minItems',
]);
/** Formats of strings it can hold to. */
const formats = new Set(['date-time', 'time', 'date', 'duration', 'email', 'hostname', 'uri', 'ipv4', 'ipv6', 'uuid']);
/** Deepest schema that is looked through. */
const mostDeep = 64;

/** A schema as Anthropic takes it. */
export interface NarrowSchema {
  schema: Json;
  /** Whether it says exactly what the given one does; else it leaves some bounds out, or allows no further fields. */
  isExact: boolean;
}

/**
 * The part of a JSON Schema that Anthropic can hold a model to: no bounds of numbers and lengths, and every object closed.
 * What is left out is checked afterwards, see keepToFormat. Null where the rest would not mean the same any more: objects
 * without named fields, references that go round in circles, and choices it does not have (`oneOf`, `not`, `if`).
 */
export function narrowSchema(schema: Json): NarrowSchema | null {
  const state = { isExact: true };
  try {
    const narrow = narrowed(schema, state, 0);
    if (narrow['type'] !== 'object' || referencesInCircles(narrow)) return null;
    return { schema: narrow, isExact: state.isExact };
  } catch (thrown) {
    if (thrown instanceof NotNarrow) return null;
    throw thrown;
  }
}

class NotNarrow extends Error {}

function narrowed(schema: unknown, state: { isExact: boolean }, depth: number): Json {
  if (!isObject(schema) || depth > mostDeep) throw new NotNarrow();
  const result: Json = {};
  for (const [key, value] of Object.entries(schema)) {
    if (['oneOf', 'not', 'if', 'then', 'else', 'patternProperties', 'propertyNames', 'dependentSchemas', 'prefixItems', 'unevaluatedProperties', 'contains'].includes(key)) throw new NotNarrow();
    if (!allowed.has(key) || (key === 'format' && !formats.has(String(value))) || (key === 'minItems' && value !== 0 && value !== 1)) {
      state.isExact = false;
      continue;
    }
    if (key === 'properties' || key === '$defs' || key === 'definitions') result[key] = eachNarrowed(value, state, depth);
    else if (key === 'items') result[key] = narrowed(value, state, depth + 1);
    else if (key === 'anyOf' || key === 'allOf') result[key] = listNarrowed(value, state, depth);
    else result[key] = value;
  }
  if (schema['type'] === 'object' || schema['properties'] !== undefined) close(schema, result, state);
  return result;
}

/** Only closed objects are taken. */
function close(schema: Json, result: Json, state: { isExact: boolean }): void {
  if (!isObject(schema['properties']) || isObject(schema['additionalProperties'])) throw new NotNarrow();
  if (schema['additionalProperties'] !== false) state.isExact = false;
  result['additionalProperties'] = false;
}

function eachNarrowed(value: unknown, state: { isExact: boolean }, depth: number): Json {
  if (!isObject(value)) throw new NotNarrow();
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, narrowed(inner, state, depth + 1)]));
}

function listNarrowed(value: unknown, state: { isExact: boolean }, depth: number): Json[] {
  if (!Array.isArray(value)) throw new NotNarrow();
  return value.map((inner) => narrowed(inner, state, depth + 1));
}

/** Whether a definition refers to itself, by whatever way round; references out of the document count, too. */
function referencesInCircles(schema: Json): boolean {
  const definitions = new Map<string, unknown>();
  for (const holder of ['$defs', 'definitions']) {
    for (const [name, inner] of Object.entries(isObject(schema[holder]) ? schema[holder] : {})) definitions.set(`#/${holder}/${name}`, inner);
  }
  const settled = new Set<string>();
  const circles = (value: unknown, path: readonly string[]): boolean => {
    if (Array.isArray(value)) return value.some((inner) => circles(inner, path));
    if (!isObject(value)) return false;
    const reference = value['$ref'];
    if (typeof reference === 'string' && !settled.has(reference)) {
      if (path.includes(reference) || !definitions.has(reference) || circles(definitions.get(reference), [...path, reference])) return true;
      settled.add(reference);
    }
    return Object.entries(value).some(([key, inner]) => key !== '$defs' && key !== 'definitions' && circles(inner, path));
  };
  return circles(schema, []) || [...definitions].some(([name, inner]) => !settled.has(name) && circles(inner, [name]));
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
