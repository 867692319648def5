type Json = Record<string, unknown>;

/*
 * Cohere holds models to a part of JSON Schema: docs.cohere.com/docs/structured-outputs, "Parameter types support".
 */

/** Bounds that it does not know. */
const unknownBounds = new Set([
  'minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf', 'minItems', 'maxItems', 'uniqueItems',
  'minLength', 'maxLength', 'minProperties', 'maxProperties',
]);
/** What changes the meaning of a schema too much to be left out. */
const unknownChoices = new Set([
  'oneOf', 'allOf', 'not', 'if', 'then', 'else', 'patternProperties', 'propertyNames', 'dependentSchemas', 'dependentRequired',
  'prefixItems', 'contains', 'unevaluatedProperties', 'unevaluatedItems',
]);
/** Formats of strings that it knows. */
const formats = new Set(['date-time', 'uuid', 'date', 'time']);
/** Where a schema holds others: by name, or in a list or alone. */
const byName = new Set(['properties', '$defs', 'definitions']);
const within = new Set(['items', 'additionalProperties', 'anyOf']);
/** Deepest schema that is looked through. */
const mostDeep = 64;

/** A schema as Cohere takes it. */
export interface NarrowSchema {
  schema: Json;
  /** Whether it says exactly what the given one does; else it leaves some bounds out. */
  isExact: boolean;
}

/**
 * The part of a JSON Schema that Cohere can hold a model to. The bounds that are left out are checked afterwards, see
 * keepToFormat. Null where the rest would not mean the same any more, and for objects without a field that must be there.
 */
export function narrowSchema(given: Json): NarrowSchema | null {
  let isExact = true;
  let isHeld = given['type'] === 'object';

  const narrowed = (value: unknown, depth: number): unknown => {
    if (Array.isArray(value)) return value.map((inner) => narrowed(inner, depth + 1));
    if (!isObject(value)) return value;
    const { required } = value;
    const isNameless = value['type'] === 'object' && !(Array.isArray(required) && required.length > 0);
    if (depth > mostDeep || isNameless || Object.keys(value).some((key) => unknownChoices.has(key))) {
      isHeld = false;
      return value;
    }
    return Object.fromEntries(Object.entries(value).flatMap(([key, inner]) => {
      if (unknownBounds.has(key) || (key === 'format' && !formats.has(String(inner))) || (key === 'pattern' && /[\^$]|\?[=!]/.test(String(inner)))) {
        isExact = false;
        return [];
      }
      if (within.has(key)) return [[key, narrowed(inner, depth + 1)]];
      if (!byName.has(key) || !isObject(inner)) return [[key, inner]];
      return [[key, Object.fromEntries(Object.entries(inner).map(([name, one]) => [name, narrowed(one, depth + 1)]))]];
    }));
  };

  const schema = narrowed(given, 0) as Json;
  return isHeld ? { schema, isExact } : null;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
