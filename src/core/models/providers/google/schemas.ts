type Json = Record<string, unknown>;

/** Deepest schema that is looked through; what lies below is passed on as it is. */
const mostDeep = 64;

/** Where a schema holds others: by name, or in a list or alone. */
const byName = new Set(['properties', '$defs', 'definitions']);
const within = new Set(['items', 'prefixItems', 'additionalProperties', 'anyOf', 'oneOf', 'allOf']);

/** A JSON Schema as Gemini takes it: it knows no `const`, for which an `enum` of one value says the same. */
export function toWireSchema(schema: Json): Json {
  return translated(schema, 0) as Json;
}

function translated(schema: unknown, depth: number): unknown {
  if (Array.isArray(schema)) return schema.map((item) => translated(item, depth + 1));
  if (typeof schema !== 'object' || schema === null || depth > mostDeep) return schema;
  return Object.fromEntries(Object.entries(schema).map(([key, value]) => {
    if (key === 'const') return ['enum', [value]];
    if (within.has(key)) return [key, translated(value, depth + 1)];
    if (!byName.has(key) || typeof value !== 'object' || value === null) return [key, value];
    return [key, Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, translated(inner, depth + 1)]))];
  }));
}
