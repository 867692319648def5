/** A value is not of the form it should be. `place` leads to it, as in `entries.3.hash`. */
export class WrongForm extends Error {
  readonly place: string;

  constructor(place: string, what: string) {
    super(what);
    this.place = place;
  }
}

/** Tells a value of one form from all others, and gives it back. @throws {WrongForm} */
export type Form<Value> = (value: unknown, place: string) => Value;

export type ValueOf<Of> = Of extends Form<infer Value> ? Value : never;

export function textForm({ least = 0, most = Infinity, matching }: { least?: number; most?: number; matching?: RegExp } = {}): Form<string> {
  return (value, place) => {
    if (typeof value !== 'string') throw new WrongForm(place, 'a text is expected');
    if (value.length < least || value.length > most) throw new WrongForm(place, `a text of ${least} to ${most} characters is expected`);
    if (matching && !matching.test(value)) throw new WrongForm(place, 'a text of another form is expected');
    return value;
  };
}

/** A whole number from 0 on. */
export const countForm: Form<number> = (value, place) => {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw new WrongForm(place, 'a whole number from 0 on is expected');
  return value;
};

/** One of some texts or numbers. */
export function oneOf<const Choice extends string | number>(...choices: readonly Choice[]): Form<Choice> {
  return (value, place) => {
    const found = choices.find((choice) => choice === value);
    if (found === undefined) throw new WrongForm(place, `${choices.map((choice) => JSON.stringify(choice)).join(' or ')} is expected`);
    return found;
  };
}

export function orNull<Value>(form: Form<Value>): Form<Value | null> {
  return (value, place) => (value === null ? null : form(value, place));
}

export function listForm<Value>(form: Form<Value>, { least = 0, most }: { least?: number; most: number }): Form<Value[]> {
  return (value, place) => {
    if (!Array.isArray(value)) throw new WrongForm(place, 'a list is expected');
    if (value.length < least || value.length > most) throw new WrongForm(place, `a list of ${least} to ${most} is expected`);
    return value.map((item: unknown, index) => form(item, below(place, index)));
  };
}

/** An object of whatever members. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** An object that has these members and no others. */
export function objectForm<const Members extends Readonly<Record<string, Form<unknown>>>>(members: Members): Form<{ [Name in keyof Members]: ValueOf<Members[Name]> }> {
  const names = Object.keys(members);
  return (value, place) => {
    if (!isObject(value)) throw new WrongForm(place, 'an object is expected');
    const unknown = Object.keys(value).find((name) => !Object.hasOwn(members, name));
    if (unknown !== undefined) throw new WrongForm(place, `it has a member ${JSON.stringify(unknown.slice(0, 40))}, which it cannot have`);
    const read = names.map((name) => {
      if (!Object.hasOwn(value, name)) throw new WrongForm(below(place, name), 'it is missing');
      return [name, members[name]!(value[name], below(place, name))] as const;
    });
    return Object.fromEntries(read) as { [Name in keyof Members]: ValueOf<Members[Name]> };
  };
}

function below(place: string, member: string | number): string {
  return place === '' ? String(member) : `${place}.${member}`;
}
