import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Folder of the published documents; undefined where there is none, and the suites of this folder do not run. */
export const documents = process.env['DOCUMENTS'];

/** The text of one published document. */
export function documentText(name: string): string {
  return readFileSync(join(documents!, 'seeds', `${name}.md`), 'utf8');
}

/** Listings between fences of a language, with the heading above them, as printed. */
export function fencedListings(document: string, language: string): { heading: string; code: string }[] {
  const found: { heading: string; code: string }[] = [];
  let heading = '';
  let open: string[] | null = null;
  let ours = false;
  for (const line of documentText(document).split('\n')) {
    if (open === null && /^#+ /.test(line)) heading = line.replace(/^#+ /, '');
    if (!line.startsWith('```')) {
      open?.push(line);
      continue;
    }
    if (open === null) {
      open = [];
      ours = line === `\`\`\`${language}`;
    } else {
      if (ours) found.push({ heading, code: open.join('\n') });
      open = null;
    }
  }
  return found;
}

/** A request that a document prints between fences of `http`. */
export interface PrintedRequest {
  heading: string;
  method: string;
  /** With its query. */
  path: string;
  headers: Record<string, string>;
  /** As printed; undefined without one. */
  body: string | undefined;
}

/** Every request that a document prints, in order; one listing may hold several. */
export function printedRequests(document: string): PrintedRequest[] {
  return fencedListings(document, 'http').flatMap(({ heading, code }) =>
    code.split(/^(?=(?:GET|POST|PUT|PATCH|DELETE) \/)/m).flatMap((text) => {
      const [head = '', ...body] = text.split('\n\n');
      const [first = '', ...fields] = head.trim().split('\n');
      const [, method, path] = /^([A-Z]+) (\/\S+)$/.exec(first) ?? [];
      if (method === undefined || path === undefined) return [];
      const headers = Object.fromEntries(fields.map((field) => field.split(': ') as [string, string]));
      return [{ heading, method, path, headers, body: body.length === 0 ? undefined : body.join('\n\n') }];
    }),
  );
}

/** The listings of a document that marks them with `javascript` at their first word, as printed. */
export function wordMarkedListings(document: string): string[] {
  const mark = 'javascript';
  const lines = documentText(document).split('\n');
  return lines.flatMap((line, index) => {
    if (!/^javascript(const|let|var|function)\b/.test(line)) return [];
    // A listing ends where the prose goes on: with the sentence about its timing.
    const end = lines.findIndex((later, at) => at > index && later.startsWith('Timing'));
    return [[line.slice(mark.length), ...lines.slice(index + 1, end)].join('\n')];
  });
}

/** The listing with names filled in that the document leaves open. @throws {Error} for a name that does not occur */
export function filled(code: string, names: Record<string, string>): string {
  return Object.entries(names).reduce((text, [name, value]) => {
    if (!text.includes(name)) throw new Error(`The listing has no ${name}`);
    return text.replaceAll(name, value);
  }, code);
}
