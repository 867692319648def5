import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as utilities from '../../src/library/utilities/index.ts';
import { deriveKey } from '../../src/library/utilities/security.ts';

/** One case as the documents write it: a call, sometimes in words, and what it gives. */
interface DocumentedCase {
  call: string;
  result: unknown;
  /** Where `result` is only an example of a form. */
  match?: string;
}

interface DocumentedFunction {
  documented: string;
  documentedCases: DocumentedCase[];
  derivedCases: DocumentedCase[];
}

const contract = join(process.env.DOCUMENTS ?? '', 'contract', 'studio.openapi.json');
const isThere = Boolean(process.env.DOCUMENTS) && existsSync(contract);
const functions: [string, DocumentedFunction][] = isThere
  ? Object.values((JSON.parse(readFileSync(contract, 'utf8')) as { 'x-utilities': Record<string, unknown> })['x-utilities'])
    .filter((group) => typeof group === 'object' && group !== null)
    .flatMap((group) => Object.entries(group as Record<string, DocumentedFunction>))
  : [];

const unitMs: Record<string, number> = { s: 1000, min: 60_000, h: 3_600_000, hours: 3_600_000, d: 86_400_000 };

/** What a case says in words, as an expression. What is not listed here is one already. */
const wordings: [RegExp, (match: RegExpExecArray) => string][] = [
  [/^new Set\((\d+) tokens\)\.size$/, ([, count]) => `new Set(Array.from({ length: ${count} }, () => generateSecureToken())).size`],
  [/^hash or salt contains '(.*)'$/, ([, text]) => `Object.values(await hashPassword('${text}')).some((value) => value.includes('${text}'))`],
  [/^PBKDF2-HMAC-SHA256\('(\w+)', '(\w+)', (\d+) iterations, 32 bytes\)/, ([, password, salt, rounds]) => `await deriveKey('${password}', '${salt}', ${rounds})`],
  [/^empty file, (\w+)$/, ([, algorithm]) => `await calculateFileHash(emptyFile, '${algorithm}')`],
  [/^file 'hello world\\n', (\w+)$/, ([, algorithm]) => `await calculateFileHash(helloFile, '${algorithm}')`],
  [/^formatDatetime\(<any time on 15 January 2024>, (.*)\)$/, ([, format]) => `formatDatetime(new Date('2024-01-15T17:20:31Z'), ${format})`],
  [/^timeAgo\((\d+) (s|min|h|hours|d) before now\)$/, ([, count, unit]) => `timeAgo(new Date(now.getTime() - ${Number(count) * unitMs[unit!]!}), now)`],
  [/^timeAgo\(a time in the future\)$/, () => 'timeAgo(new Date(now.getTime() + 60_000), now)'],
  [/^const r = (.*); (await verifyPassword.*)$/, ([, made, asked]) => `((r) => ${asked!.replace('await ', '')})(${made})`],
  [/^verifyPassword\(.*\br\..*\)$/, ([call]) => `((r) => ${call})(await hashPassword('mypassword'))`],
];

function expressionOf(call: string): string {
  for (const [form, write] of wordings) {
    const match = form.exec(call);
    if (match) return write(match);
  }
  return call;
}

describe.skipIf(!isThere)('The utility functions of the studio document', () => {
  let folder: string;
  let surroundings: Record<string, unknown>;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'parley-cases-'));
    await writeFile(join(folder, 'empty'), '');
    await writeFile(join(folder, 'hello'), 'hello world\n');
    surroundings = { ...utilities, deriveKey, Date, emptyFile: join(folder, 'empty'), helloFile: join(folder, 'hello'), now: new Date() };
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('are all there, under their names in camel case', () => {
    expect(functions.length).toBe(10);
    for (const [name, { documented }] of functions) {
      expect(documented.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase())).toBe(name);
      expect(utilities).toHaveProperty(name, expect.any(Function));
    }
  });

  const cases = functions.flatMap(([name, { documentedCases, derivedCases }]) => [...documentedCases, ...derivedCases].map((documented) => ({ name, ...documented })));

  it.each(cases)('$name: $call', async ({ call, result, match }) => {
    const value: unknown = await runInNewContext(`(async () => (${expressionOf(call)}))()`, surroundings);
    if (match === undefined) expect(value).toEqual(result);
    else expect(value).toMatch(new RegExp(match));
  });
});
