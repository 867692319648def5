import { mostNesting, type Json } from './canonical-json.ts';

/** A text is no JSON, or JSON that two readers may understand differently. */
export class StrictJsonError extends Error {}

/**
 * Reads JSON as I-JSON (RFC 7493): two members of one name are refused, because `JSON.parse` keeps the last and another
 * reader may keep the first, so that one signed file would say two things. For the same reason numbers are refused that say
 * more than a double holds, such as 9007199254740993: a reader with longer numbers would show another value than the one
 * that is hashed. So are unpaired surrogates, numbers without a finite value and nesting deeper than `mostNesting`.
 * @throws {StrictJsonError}
 */
export function parseStrictJson(text: string): Json {
  const reader = new Reader(text);
  return reader.document();
}

/** What stands in a JSON string as it is, and one escape (RFC 8259, section 7). Apart, because one expression for a whole string of millions of characters needs more stack than there is. */
// oxlint-disable-next-line no-control-regex
const plainForm = /[^"\\\u0000-\u001f]*/y;
const escapeForm = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
const numberForm = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const spaceForm = /[ \t\n\r]*/y;

/** Characters of a number: no double needs as many. */
const longestNumber = 400;

/** What a JSON number says, digit for digit: 1.50e1 and 15 are the same. */
function decimalOf(written: string): string {
  const [, sign, whole, fraction = '', exponent = '0'] = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(written)!;
  const digits = `${whole}${fraction}`.replace(/^0+/, '');
  const short = digits.replace(/0+$/, '');
  return short === '' ? '0' : `${sign}${short}e${Number(exponent) - fraction.length + (digits.length - short.length)}`;
}

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): Json {
    const value = this.#value(0);
    this.#space();
    if (this.#at !== this.#text.length) throw this.#wrong('something follows the value');
    return value;
  }

  #value(depth: number): Json {
    if (depth > mostNesting) throw this.#wrong(`nested deeper than ${mostNesting} levels`);
    this.#space();
    const first = this.#text[this.#at];
    if (first === '{') return this.#object(depth);
    if (first === '[') return this.#list(depth);
    if (first === '"') return this.#string();
    for (const [word, value] of [['true', true], ['false', false], ['null', null]] as const) {
      if (this.#text.startsWith(word, this.#at)) {
        this.#at += word.length;
        return value;
      }
    }
    return this.#number();
  }

  #object(depth: number): Json {
    const members: [string, Json][] = [];
    const names = new Set<string>();
    this.#at += 1;
    if (this.#takes('}')) return {};
    do {
      this.#space();
      const name = this.#string();
      if (names.has(name)) throw this.#wrong(`two members are named ${JSON.stringify(name.slice(0, 40))}`);
      names.add(name);
      if (!this.#takes(':')) throw this.#wrong('a colon is missing');
      members.push([name, this.#value(depth + 1)]);
    } while (this.#takes(','));
    if (!this.#takes('}')) throw this.#wrong('an object does not end');
    // fromEntries makes members, also of names such as __proto__ that an assignment would take for something else.
    return Object.fromEntries(members);
  }

  #list(depth: number): Json {
    const items: Json[] = [];
    this.#at += 1;
    if (this.#takes(']')) return items;
    do items.push(this.#value(depth + 1));
    while (this.#takes(','));
    if (!this.#takes(']')) throw this.#wrong('a list does not end');
    return items;
  }

  #string(): string {
    const from = this.#at;
    if (this.#text[from] !== '"') throw this.#wrong('a text is expected');
    this.#at += 1;
    do this.#match(plainForm);
    while (this.#match(escapeForm) !== null);
    if (this.#text[this.#at] !== '"') throw this.#wrong('a text is expected');
    this.#at += 1;
    const text = JSON.parse(this.#text.slice(from, this.#at)) as string;
    if (!text.isWellFormed()) throw this.#wrong('a text has an unpaired surrogate');
    return text;
  }

  #number(): number {
    const written = this.#match(numberForm);
    if (written === null) throw this.#wrong('a value is expected');
    const value = Number(written);
    if (!Number.isFinite(value)) throw this.#wrong('a number is too large');
    if (written.length > longestNumber || decimalOf(written) !== decimalOf(JSON.stringify(value))) throw this.#wrong('a number has more digits than every reader keeps');
    return value;
  }

  /** Whether the next character but for white space is this one, which is then read. */
  #takes(character: string): boolean {
    this.#space();
    if (this.#text[this.#at] !== character) return false;
    this.#at += 1;
    return true;
  }

  #space(): void {
    this.#match(spaceForm);
  }

  #match(form: RegExp): string | null {
    form.lastIndex = this.#at;
    const found = form.exec(this.#text);
    if (found === null) return null;
    this.#at = form.lastIndex;
    return found[0];
  }

  #wrong(what: string): StrictJsonError {
    return new StrictJsonError(`${what}, at character ${this.#at}`);
  }
}
