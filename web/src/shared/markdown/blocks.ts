/**
 * Cuts Markdown into pieces that can be parsed on their own, so that while an answer grows only its last piece is
 * parsed again. Joined with '', the pieces are the text. Pieces that belong together for a parser (a list with empty
 * lines, an open fence, indented lines) stay together; a text with link definitions or footnotes stays whole, because
 * those reach across pieces.
 */
export function splitBlocks(text: string): string[] {
  if (/^ {0,3}\[[^\]\n]+\]:/m.test(text)) return [text];
  const blocks: string[] = [];
  let block = '';
  let fence: string | null = null;
  let wasBlank = false;
  for (const line of linesOf(text)) {
    const isBlank = line.trim() === '';
    if (fence === null && wasBlank && !isBlank && !continues(block, line)) {
      blocks.push(block);
      block = '';
    }
    block += line;
    fence = fenceAfter(fence, line);
    wasBlank = isBlank && fence === null;
  }
  if (block !== '') blocks.push(block);
  return blocks;
}

/** Lines with their ends. */
function linesOf(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}

/** The fence that is open behind a line: its marker, or null. A fence inside a list may be indented. */
function fenceAfter(open: string | null, line: string): string | null {
  const marker = /^\s*(?:[-*+]\s+|\d{1,9}[.)]\s+)?(`{3,}|~{3,})(.*)$/s.exec(line);
  if (open === null) return marker && !(marker[1]!.startsWith('`') && marker[2]!.includes('`')) ? marker[1]! : null;
  const closing = /^\s*(`{3,}|~{3,})\s*$/.exec(line);
  return closing && closing[1]![0] === open[0] && closing[1]!.length >= open.length ? null : open;
}

const bullet = /^ {0,3}[-*+]\s/;
const numbered = /^ {0,3}\d{1,9}[.)]\s/;

/** Whether a line behind an empty one still belongs to the block: more of a list, or indented below it. */
function continues(block: string, line: string): boolean {
  if (/^(\t| {2,})\S/.test(line)) return true;
  if (bullet.test(block)) return bullet.test(line);
  if (numbered.test(block)) return numbered.test(line);
  return false;
}
