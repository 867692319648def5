import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './installed.ts';

/** The TypeScript of a page of docs/, block by block. */
export function programsOf(page: string): { name: string; text: string }[] {
  const text = readFileSync(join(root, 'docs', page), 'utf8');
  let heading = '';
  return [...text.matchAll(/^#+ (.+)$|^```ts\n([^]*?)^```$/gm)].flatMap(([, title, program]) => {
    if (title !== undefined) heading = title;
    return program === undefined ? [] : [{ name: heading.replaceAll('`', ''), text: program }];
  });
}
