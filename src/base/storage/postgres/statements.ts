/** Times that a text must come before it is prepared: queries that are made once (a list of so many ids) are not worth it. */
const worthIt = 3;
/** Most prepared statements on each connection, and texts that are counted; each takes some kilobytes of the server. */
const mostPrepared = 300;
const mostCounted = 2000;

/** Names of prepared statements by their text. A connection prepares a name when it first executes it. */
const names = new Map<string, string>();
const counts = new Map<string, number>();
let made = 0;

/**
 * The name under which a text is prepared, so that the server parses and plans it once for each connection and not at
 * every execution: that took a third of its time. Undefined for texts that are seldom, which are executed as they are.
 */
export function statementName(text: string): string | undefined {
  const name = names.get(text);
  if (name !== undefined || names.size >= mostPrepared) return name;
  const count = (counts.get(text) ?? 0) + 1;
  if (count < worthIt) {
    if (counts.size >= mostCounted) counts.clear();
    counts.set(text, count);
    return undefined;
  }
  counts.delete(text);
  const fresh = `parley-${(made += 1)}`;
  names.set(text, fresh);
  return fresh;
}

/** Lets a text get another name, because the one it has does not fit the tables any more. */
export function forgetStatement(text: string): void {
  names.delete(text);
}
