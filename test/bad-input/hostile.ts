/** Values no field is made for, each with a name for the report. */
export const hostileValues: readonly (readonly [name: string, value: unknown])[] = [
  ['null', null],
  ['true', true],
  ['-1', -1],
  ['a fraction', 0.5],
  ['a number beyond 2^53', 1e300],
  ['an empty text', ''],
  ['blanks', ' \t\n'],
  ['a NUL', 'a\0b'],
  ['an unpaired surrogate', 'a\ud800b'],
  ['characters that reorder text', '\u202ea\u2066'],
  ['a path', '../../../../etc/passwd'],
  ['a query', `' OR 1=1; DROP TABLE users; --`],
  ['markup', '<script>alert(1)</script>'],
  ['line breaks for headers', 'a\r\nset-cookie: a=b'],
  ['a long text', 'x'.repeat(60_000)],
  ['an empty list', []],
  ['lists in lists', nested(60)],
  ['a long list', Array.from({ length: 5000 }, () => 'x')],
  ['an empty object', {}],
  ['an object with the keys of prototypes', JSON.parse('{"__proto__":{"a":1},"constructor":{"prototype":{"a":1}},"toString":1}')],
];

function nested(depth: number): unknown {
  let value: unknown = 'x';
  for (let at = 0; at < depth; at += 1) value = [value];
  return value;
}

/** Bodies that are wrong as a whole. */
export const hostileBodies: readonly (readonly [name: string, body: string | Uint8Array, type: string])[] = [
  ['nothing', '', 'application/json'],
  ['no JSON', '{"a":', 'application/json'],
  ['more than one JSON value', '{}{}', 'application/json'],
  ['null', 'null', 'application/json'],
  ['a list', '[]', 'application/json'],
  ['a text', '"x"', 'application/json'],
  ['a number', '1e999', 'application/json'],
  ['NaN', '{"a":NaN}', 'application/json'],
  ['a byte order mark', '\ufeff{}', 'application/json'],
  ['a hundred thousand brackets', '['.repeat(100_000), 'application/json'],
  ['a hundred thousand objects', '{"a":'.repeat(100_000), 'application/json'],
  ['bytes that are no UTF-8', Uint8Array.of(0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d), 'application/json'],
  ['nine megabytes', `{"a":"${'x'.repeat(9_000_000)}"}`, 'application/json'],
  ['a form', 'a=b', 'application/x-www-form-urlencoded'],
  ['plain text', 'a', 'text/plain'],
  ['XML', '<a/>', 'application/xml'],
  ['a media type of nobody', '{}', 'application/x-unknown'],
];

/** Path segments that name nothing. */
export const hostileSegments: readonly (readonly [name: string, segment: string])[] = [
  ['an unknown id', '01a1fc38-478b-7429-a13b-4e704d793342'],
  ['an id in capitals', '01A1FC38-478B-7429-A13B-4E704D793342'],
  ['dots', '%2e%2e%2f%2e%2e%2fetc'],
  ['a NUL', 'a%00b'],
  ['broken encoding', '%zz'],
  ['bytes that are no UTF-8', '%ff%fe'],
  ['a query', "'%20OR%201=1--"],
  ['a long text', 'x'.repeat(450)],
  ['a longer text', 'x'.repeat(5000)],
  ['other letters', encodeURIComponent('\u202e\u{1f600}')],
];

/** Values of one query parameter, as they stand in the address. */
export const hostileQueries: readonly string[] = ['', '-1', '0.5', '1e9', '999999999999999999999', 'NaN', '%00', '%ff', 'x'.repeat(2000), '%5B%5D', "'%20OR%201=1--"];

/** Credentials that prove nothing, for every way to send one. */
export const forgedCredentials: readonly (readonly [name: string, headers: Record<string, string>])[] = [
  ['a bearer that is no token', { authorization: 'Bearer nonsense' }],
  ['a token without a signature', { authorization: `Bearer ${part({ alg: 'none' })}.${part({ sub: '1', jti: '1', exp: 9e9 })}.` }],
  ['a token signed by nobody', { authorization: `Bearer ${part({ alg: 'HS256', kid: '../../secrets' })}.${part({ sub: '1', jti: '1', exp: 9e9 })}.AAAA` }],
  ['an API key that was never made', { authorization: `Bearer ask_${'A'.repeat(43)}` }],
  ['another scheme', { authorization: 'Basic YW5uOnNlY3JldA==' }],
  ['a very long bearer', { authorization: `Bearer ${'a'.repeat(8000)}` }],
  ['a cookie that is no session', { cookie: 'parley_session=nonsense; parley_csrf=x', 'x-csrf-token': 'x' }],
];

function part(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

/** The body with one field after the other replaced by each hostile value; also the fields one level further down. */
export function* mutations(body: Record<string, unknown>): Generator<{ name: string; body: unknown }> {
  for (const [key, original] of Object.entries(body)) {
    const { [key]: _, ...without } = body;
    yield { name: `without ${key}`, body: without };
    for (const [name, value] of hostileValues) yield { name: `${key}: ${name}`, body: { ...body, [key]: value } };
    const inner = Array.isArray(original) ? original[0] : original;
    if (typeof inner !== 'object' || inner === null) continue;
    for (const mutation of mutations(inner as Record<string, unknown>)) {
      yield { name: `${key}.${mutation.name}`, body: { ...body, [key]: Array.isArray(original) ? [mutation.body] : mutation.body } };
    }
  }
}
