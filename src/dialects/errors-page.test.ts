import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { errorTable, ParleyError, type ErrorCode } from '../base/errors.ts';
import { errorObject, openaiDialect } from './openai/errors.ts';

/** The rows as the page must have them. */
function rows(): string[] {
  return (Object.keys(errorTable) as ErrorCode[]).map((code) => {
    const { status, closeCode, sentence } = errorTable[code];
    const error = new ParleyError(code);
    const form = errorObject(error);
    const openaiStatus = openaiDialect.status!(error);
    const openai = `${openaiStatus === status ? '' : `${openaiStatus} `}${form.type}${form.code === null ? '' : `, \`${form.code}\``}`;
    return `| \`${code}\` | ${status} | ${closeCode} | ${openai} | ${sentence} |`;
  });
}

describe('docs/errors.md', () => {
  it('lists every error as the program knows it', async () => {
    const page = await readFile(new URL('../../docs/errors.md', import.meta.url), 'utf8');
    expect(page.split('\n').filter((line) => /^\| `[a-z_]+` \| \d{3} /.test(line))).toEqual(rows());
  });
});
