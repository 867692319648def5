/** Characters that end a JSON string or stand for another one. */
const notPlain = /["\\]|[^ -\uffff]/;
/** How often the form of a stream is looked for; some services put noise into every chunk. */
const mostLooks = 4;

/**
 * The chunks of one answer are the same JSON but for the text in them. Once one was parsed, the text of the next ones
 * is cut out between what stands before and behind it: parsing each is the largest part of what a chunk costs. Anything
 * that is not exactly of this form is left to the parser.
 */
export class TextChunks {
  private before = '';
  private behind = '';
  private looks = 0;

  /** The text of a chunk of the known form; null when it must be parsed. */
  textOf(data: string): string | null {
    const { before, behind } = this;
    const length = data.length - before.length - behind.length;
    if (before === '' || length <= 0 || !data.startsWith(before) || !data.endsWith(behind)) return null;
    const text = data.slice(before.length, before.length + length);
    return notPlain.test(text) ? null : text;
  }

  /**
   * Learns the form of a chunk that was nothing but a text.
   * @param readText reads a chunk: its text, when it holds that and nothing else, else null
   */
  learn(data: string, text: string, readText: (data: string) => string | null): void {
    if (this.looks >= mostLooks || notPlain.test(text)) return;
    this.looks += 1;
    const at = data.indexOf(`:"${text}"`);
    if (at < 0) return;
    const before = data.slice(0, at + 2);
    const behind = data.slice(at + 2 + text.length);
    // Another text in this place must be read as that text: then nothing else of the chunk depends on it.
    const probe = `${text}?`;
    if (readText(before + probe + behind) !== probe) return;
    this.before = before;
    this.behind = behind;
  }
}
