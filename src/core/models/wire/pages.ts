/** Models on one page of a list, as many as services give, and pages read of one list, at most. */
export const pageSize = 1000;
const mostPages = 10;

/** One page of a list. */
export interface Page<Entry> {
  entries: readonly Entry[];
  /** What the next page is asked for with; anything but a text, or an empty one, ends the list. */
  next: unknown;
}

/**
 * A list that comes page by page.
 * @param ask one page; the mark is empty for the first. What it throws passes through
 */
export async function readPages<Entry>(ask: (mark: string) => Promise<Page<Entry>>): Promise<Entry[]> {
  const found: Entry[] = [];
  let mark = '';
  for (let page = 0; page < mostPages; page += 1) {
    const { entries, next } = await ask(mark);
    found.push(...entries.slice(0, pageSize));
    // A mark that comes again would lead round in circles.
    if (typeof next !== 'string' || next === '' || next === mark) break;
    mark = next;
  }
  return found;
}
