import { ParleyError } from '../../../../base/errors.ts';

/**
 * A JSON Schema as a grammar in the GBNF notation of llama.cpp (ggml-org/llama.cpp, grammars/README.md). Every text of
 * the grammar is JSON that keeps to the schema, as far as a grammar can say so: types, required and optional
 * properties in their order, no others, enumerations, alternatives, lengths, references, some formats. What counts or
 * compares (`pattern`, `minimum`, `multipleOf`, `uniqueItems`, ...) is left to a check of the finished answer; what
 * changes the shape in ways not handled here is refused.
 */
export interface JsonGrammar {
  /** The name of the rule for the whole value. */
  rule: string;
  /** Rules by name, without that name. */
  rules: ReadonlyMap<string, string>;
}

type Schema = Record<string, unknown>;

/** Bounds on a schema from outside. */
const deepest = 32;
const mostRules = 1500;
const mostChoices = 1000;
const longestLiteral = 2000;
/** Longest run that is counted exactly: llama.cpp writes each repetition out. Longer bounds are left to the check. */
const mostCounted = 200;
/** All such runs together: to read them is one step of the engine, and nobody else is served meanwhile. */
const mostRepeated = 20_000;

/** Digits are bounded, so that every number is one that JavaScript reads back without loss of its size. */
const sharedRules: Record<string, string> = {
  'json-ws': '| " " | "\\n" [ \\t]{0,20}',
  'json-value': 'json-object | json-array | json-string | json-number | json-boolean | json-null',
  'json-object': '"{" json-ws ( json-member ( "," json-ws json-member )* )? "}" json-ws',
  'json-member': 'json-string ":" json-ws json-value',
  'json-array': '"[" json-ws ( json-value ( "," json-ws json-value )* )? "]" json-ws',
  'json-string': '"\\"" json-char* "\\"" json-ws',
  // Characters of Unicode but controls and halves of pairs, which escapes do not make either.
  'json-char': '[ !#-\\[\\]-~\\u00a0-\\ud7ff\\ue000-\\U0010ffff] | "\\\\" ( ["\\\\/bfnrt] | "u" ( [0-9a-cA-CeEfF] [0-9a-fA-F]{3} | [dD] [0-7] [0-9a-fA-F]{2} ) )',
  'json-integer': '"-"? json-whole json-ws',
  'json-number': '"-"? json-whole ( "." [0-9]{1,15} )? ( [eE] [-+]? [0-9]{1,2} )? json-ws',
  'json-whole': '"0" | [1-9] [0-9]{0,14}',
  'json-boolean': '( "true" | "false" ) json-ws',
  'json-null': '"null" json-ws',
};

const formats: Record<string, string> = {
  date: '[0-9]{4} "-" ( "0" [1-9] | "1" [0-2] ) "-" ( "0" [1-9] | "1" [0-9] | "2" [0-8] )',
  time: '( [01] [0-9] | "2" [0-3] ) ":" [0-5] [0-9] ":" [0-5] [0-9] ( "." [0-9]{1,3} )? ( "Z" | [-+] ( [01] [0-9] | "2" [0-3] ) ":" [0-5] [0-9] )',
  uuid: '[0-9a-f]{8} "-" [0-9a-f]{4} "-" [0-9a-f]{4} "-" [0-9a-f]{4} "-" [0-9a-f]{12}',
};
formats['date-time'] = `${formats['date']} "T" ${formats['time']}`;

/** Keywords that change what is allowed in a way this grammar has no form for. */
const refused = [
  'not', 'if', 'then', 'else', 'patternProperties', 'propertyNames', 'dependentSchemas', 'dependentRequired', 'dependencies',
  'unevaluatedProperties', 'unevaluatedItems', 'contains', '$dynamicRef', '$recursiveRef',
];

/** Any JSON object. */
export function anyObjectGrammar(prefix: string): JsonGrammar {
  return { rule: `${prefix}-value`, rules: new Map([[`${prefix}-value`, 'json-object'], ...Object.entries(sharedRules)]) };
}

/**
 * @param prefix of the names of the rules, so that several grammars can be put together: letters
 * @param parameter the field of the request, for the error
 * @throws {ParleyError} `unsupported_value` for a schema that cannot be expressed, or is too large; it says where
 */
export function schemaGrammar(schema: unknown, prefix: string, parameter: string): JsonGrammar {
  return new GrammarWriter(schema, prefix, parameter).write();
}

/** A text as it stands, in a grammar. */
export function literal(text: string): string {
  return JSON.stringify(text).replace(/[\u007f-\u009f\u2028\u2029]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** The grammar as a text whose first rule is `root`. */
export function grammarText(root: string, ...parts: readonly ReadonlyMap<string, string>[]): string {
  const rules = new Map(parts.flatMap((part) => [...part]));
  return [`root ::= ${root}`, ...[...rules].map(([name, body]) => `${name} ::= ${body}`)].join('\n');
}

class GrammarWriter {
  readonly #root: unknown;
  readonly #prefix: string;
  readonly #parameter: string;
  readonly #rules = new Map<string, string>(Object.entries(sharedRules));
  /** Rules of schemas that `$ref` names. */
  readonly #references = new Map<string, string>();
  #count = 0;
  #repeated = 0;

  constructor(root: unknown, prefix: string, parameter: string) {
    this.#root = root;
    this.#prefix = prefix;
    this.#parameter = parameter;
  }

  write(): JsonGrammar {
    return { rule: this.#rule(this.#value(this.#root, '', 0)), rules: this.#rules };
  }

  /** A new rule; its name. */
  #rule(body: string): string {
    const name = `${this.#prefix}-${(this.#count += 1)}`;
    if (this.#count > mostRules) this.#refuse('', `is too large: it needs more than ${mostRules} rules`);
    this.#rules.set(name, body);
    return name;
  }

  #refuse(path: string, problem: string): never {
    const where = path === '' ? 'The schema' : `The schema at ${path}`;
    throw new ParleyError('unsupported_value', { message: `${where} ${problem}.`.slice(0, 500), parameter: this.#parameter });
  }

  /** How often something may come, as the notation has it. */
  #repeats(least: number, most: number | null, path: string): string {
    const text = repeats(least, most);
    if (text !== '*') this.#repeated += most === null || most > mostCounted ? Math.min(least, mostCounted) : Math.max(least, most);
    if (this.#repeated > mostRepeated) this.#refuse(path, `counts too far: its lengths and numbers of items come to more than ${mostRepeated} together`);
    return text;
  }

  /** What a value of this schema is made of. @param path where it stands, as a JSON pointer */
  #value(schema: unknown, path: string, depth: number): string {
    if (schema === true || schema === undefined) return 'json-value';
    if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) this.#refuse(path, 'is no schema that a value can keep to');
    if (depth > deepest) this.#refuse(path, `is nested more than ${deepest} deep`);
    const found = schema as Schema;
    const bad = refused.find((keyword) => keyword in found);
    if (bad !== undefined) this.#refuse(path, `has "${bad}", which the embedded engine cannot keep to`);
    if (typeof found['$ref'] === 'string') return this.#reference(found['$ref'], path, depth);
    if ('const' in found) return this.#choices([found['const']], path);
    if (Array.isArray(found['enum'])) return this.#choices(found['enum'], path);
    const alternatives = found['anyOf'] ?? found['oneOf'];
    if (Array.isArray(alternatives)) return this.#alternatives(found, alternatives, path, depth);
    if (Array.isArray(found['allOf'])) return this.#value(this.#merged(found, found['allOf'], path), path, depth + 1);
    if (Array.isArray(found['type'])) return this.#any(found['type'].map((type) => this.#typed(type, found, path, depth)), path);
    return this.#typed(found['type'] ?? impliedType(found), found, path, depth);
  }

  #typed(type: unknown, schema: Schema, path: string, depth: number): string {
    switch (type) {
      case 'object': return this.#object(schema, path, depth);
      case 'array': return this.#array(schema, path, depth);
      case 'string': return this.#string(schema, path);
      case 'integer': return isNotNegative(schema) ? 'json-whole json-ws' : 'json-integer';
      case 'number': return 'json-number';
      case 'boolean': return 'json-boolean';
      case 'null': return 'json-null';
      case undefined: return 'json-value';
      default: return this.#refuse(path, `has the type ${JSON.stringify(type)}, which is none of JSON`);
    }
  }

  #choices(values: readonly unknown[], path: string): string {
    if (values.length === 0) this.#refuse(path, 'allows no value');
    if (values.length > mostChoices) this.#refuse(path, `has more than ${mostChoices} choices`);
    const texts = values.map((value) => JSON.stringify(value) ?? 'null');
    if (texts.some((text) => text.length > longestLiteral)) this.#refuse(path, `has a choice longer than ${longestLiteral} characters`);
    return `( ${texts.map(literal).join(' | ')} ) json-ws`;
  }

  #any(bodies: readonly string[], path: string): string {
    if (bodies.length === 0) this.#refuse(path, 'allows no value');
    if (bodies.length > mostChoices) this.#refuse(path, `has more than ${mostChoices} choices`);
    return bodies.map((body) => this.#rule(body)).join(' | ');
  }

  /** What stands beside `anyOf` holds for each of its branches. */
  #alternatives(schema: Schema, branches: readonly unknown[], path: string, depth: number): string {
    const { anyOf: _anyOf, oneOf: _oneOf, ...beside } = schema;
    const says = ['type', 'properties', 'required', 'items', 'allOf'].some((keyword) => keyword in beside);
    const bodies = branches.map((branch, index) => {
      const at = `${path}/anyOf/${index}`;
      return this.#value(says ? this.#merged(beside, [branch], at) : branch, at, depth + 1);
    });
    return this.#rule(this.#any(bodies, path));
  }

  /** Several schemas that hold together, as one. */
  #merged(schema: Schema, parts: readonly unknown[], path: string): Schema {
    const { allOf: _allOf, ...own } = schema;
    let merged: Schema = own;
    for (const part of parts) {
      const other = this.#resolved(part, path);
      if (Array.isArray(other['allOf']) || (('anyOf' in other || 'oneOf' in other) && ('anyOf' in merged || 'oneOf' in merged))) {
        this.#refuse(path, 'puts together schemas in a way the embedded engine cannot keep to');
      }
      if (merged['type'] !== undefined && other['type'] !== undefined && JSON.stringify(merged['type']) !== JSON.stringify(other['type'])) {
        this.#refuse(path, 'puts together schemas of different types');
      }
      merged = {
        ...merged,
        ...other,
        ...('properties' in merged || 'properties' in other ? { properties: { ...asObject(merged['properties']), ...asObject(other['properties']) } } : {}),
        ...('required' in merged || 'required' in other ? { required: [...asArray(merged['required']), ...asArray(other['required'])] } : {}),
      };
    }
    return merged;
  }

  #resolved(schema: unknown, path: string): Schema {
    let found = schema;
    for (let step = 0; step <= deepest; step += 1) {
      if (typeof found !== 'object' || found === null || Array.isArray(found)) this.#refuse(path, 'is no schema that a value can keep to');
      const reference = (found as Schema)['$ref'];
      if (typeof reference !== 'string') return found as Schema;
      found = this.#target(reference, path);
    }
    return this.#refuse(path, 'refers to itself without end');
  }

  /** Rules may name each other, so a schema may hold itself. */
  #reference(reference: string, path: string, depth: number): string {
    const known = this.#references.get(reference);
    if (known !== undefined) return known;
    const name = this.#rule('');
    this.#references.set(reference, name);
    const target = this.#target(reference, path);
    const body = this.#value(target, reference, depth + 1);
    // A rule that begins with itself has no first character.
    if (body === name || body.split(' | ').includes(name)) this.#refuse(path, 'refers to itself without end');
    this.#rules.set(name, body);
    return name;
  }

  #target(reference: string, path: string): unknown {
    if (reference !== '#' && !reference.startsWith('#/')) this.#refuse(path, `refers to ${reference}, which lies outside of it`);
    let found: unknown = this.#root;
    for (const step of reference.split('/').slice(1)) {
      const key = pointerStep(step);
      if (key === null || typeof found !== 'object' || found === null || !Object.hasOwn(found, key)) this.#refuse(path, `refers to ${reference}, which is not there`);
      found = (found as Schema)[key];
    }
    return found;
  }

  #string(schema: Schema, path: string): string {
    const format = typeof schema['format'] === 'string' && Object.hasOwn(formats, schema['format']) ? formats[schema['format']] : undefined;
    if (format !== undefined) return `"\\"" ${format} "\\"" json-ws`;
    const least = count(schema['minLength']) ?? 0;
    const most = count(schema['maxLength']);
    if (least === 0 && most === null) return 'json-string';
    // Schemas often have one length for many texts: it is written out once.
    const name = `${this.#prefix}-text${repeats(least, most).replaceAll(/\D+/g, '-')}`;
    if (!this.#rules.has(name)) this.#rules.set(name, `"\\"" json-char${this.#repeats(least, most, path)} "\\"" json-ws`);
    return name;
  }

  #array(schema: Schema, path: string, depth: number): string {
    const first = Array.isArray(schema['prefixItems']) ? schema['prefixItems'] : Array.isArray(schema['items']) ? schema['items'] : [];
    if (first.length > mostCounted) this.#refuse(path, `has more than ${mostCounted} fixed items`);
    const fixed = first.map((item, index) => this.#rule(this.#value(item, `${path}/prefixItems/${index}`, depth + 1)));
    const rest = Array.isArray(schema['items']) ? schema['additionalItems'] : schema['items'];
    const least = Math.max(0, (count(schema['minItems']) ?? 0) - fixed.length);
    const most = count(schema['maxItems']);
    if (least > mostCounted) this.#refuse(path, `asks for more than ${mostCounted} items`);
    const head = fixed.join(' "," json-ws ');
    const mostRest = rest === false ? 0 : most === null ? null : Math.max(0, most - fixed.length);
    if (mostRest === 0) return `"[" json-ws ${head} "]" json-ws`;
    const item = this.#rule(this.#value(rest, `${path}/items`, depth + 1));
    if (head !== '') return `"[" json-ws ${head} ( "," json-ws ${item} )${this.#repeats(least, mostRest, path)} "]" json-ws`;
    const more = `${item} ( "," json-ws ${item} )${this.#repeats(Math.max(0, least - 1), mostRest === null ? null : mostRest - 1, path)}`;
    return `"[" json-ws ${least === 0 ? `( ${more} )?` : more} "]" json-ws`;
  }

  /** The properties in their order: what is optional may be left out, commas stand only between those that are there. */
  #object(schema: Schema, path: string, depth: number): string {
    const properties = Object.entries(asObject(schema['properties']));
    const required = new Set(asArray(schema['required']).filter((name) => typeof name === 'string'));
    for (const name of required) if (!properties.some(([known]) => known === name)) properties.push([name, true]);
    if (properties.length > mostChoices) this.#refuse(path, `has more than ${mostChoices} properties`);
    if (properties.length === 0) return this.#map(schema['additionalProperties'], path, depth);
    const members = properties.map(([name, value]) => {
      if (name.length > longestLiteral) this.#refuse(path, 'has a property whose name is too long');
      const body = this.#value(value, `${path}/properties/${name.slice(0, 100)}`, depth + 1);
      return { member: this.#rule(`${literal(JSON.stringify(name))} ":" json-ws ( ${body} )`), isRequired: required.has(name) };
    });
    // From the last to the first: what may follow when something stands before, and when nothing does yet.
    let following = '';
    let beginning: string | null = '';
    for (const { member, isRequired } of members.toReversed()) {
      const withMember: string = following === '' ? member : `${member} ${following}`;
      beginning = isRequired ? withMember : beginning === '' ? `( ${withMember} )?` : `( ${withMember} | ${beginning} )`;
      const comma = isRequired ? `"," json-ws ${member}` : `( "," json-ws ${member} )?`;
      following = this.#rule(following === '' ? comma : `${comma} ${following}`);
      beginning = this.#rule(beginning);
    }
    return `"{" json-ws ${beginning} "}" json-ws`;
  }

  #map(values: unknown, path: string, depth: number): string {
    if (values === false) return '"{" json-ws "}" json-ws';
    if (values === undefined || values === true) return 'json-object';
    const value = this.#rule(this.#value(values, `${path}/additionalProperties`, depth + 1));
    const member = this.#rule(`json-string ":" json-ws ${value}`);
    return `"{" json-ws ( ${member} ( "," json-ws ${member} )* )? "}" json-ws`;
  }
}

/** Schemas often leave the type out where it is clear. */
function impliedType(schema: Schema): string | undefined {
  if ('properties' in schema || 'additionalProperties' in schema || 'required' in schema) return 'object';
  if ('items' in schema || 'prefixItems' in schema || 'minItems' in schema || 'maxItems' in schema) return 'array';
  if ('minLength' in schema || 'maxLength' in schema || 'pattern' in schema || 'format' in schema) return 'string';
  return undefined;
}

function isNotNegative(schema: Schema): boolean {
  const least = schema['minimum'] ?? schema['exclusiveMinimum'];
  return typeof least === 'number' && least >= 0;
}

function count(value: unknown): number | null {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 ? value : null;
}

function repeats(least: number, most: number | null): string {
  const from = Math.min(least, mostCounted);
  return most === null || most > mostCounted ? (from === 0 ? '*' : `{${from},}`) : `{${from},${Math.max(from, most)}}`;
}

/** A step of a reference as the name it stands for (RFC 6901, section 6); null when its escapes are none. */
function pointerStep(step: string): string | null {
  try {
    return decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~');
  } catch {
    return null;
  }
}

function asObject(value: unknown): Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Schema) : {};
}

function asArray(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}
