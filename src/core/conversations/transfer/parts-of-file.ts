/** Bytes of a field beside the conversations. */
const maxFieldBytes = 65_536;
const [quote, backslash, comma, colon, openArray, closeArray, openObject, closeObject] = [0x22, 0x5c, 0x2c, 0x3a, 0x5b, 0x5d, 0x7b, 0x7d];

/** What a file of conversations consists of. */
export type FilePart =
  /** A value of the outer object. */
  | { kind: 'field'; name: string; text: string }
  /** An element of the list of conversations. */
  | { kind: 'element'; text: string }
  /** An element that is not read. */
  | { kind: 'refused'; reason: 'too large' | 'too deep' }
  /** What follows cannot be read. */
  | { kind: 'broken'; reason: string };

/** What is being gathered. */
interface Capture {
  as: 'key' | 'field' | 'element';
  pieces: Buffer[];
  bytes: number;
  /** Depth at which it ends. */
  depth: number;
  refused: 'too large' | 'too deep' | null;
}

/**
 * Takes a JSON file apart while it is being read: the elements of its outer list, or of the list `conversations` of its
 * outer object, one by one. Only one element is in memory at a time, and none that is larger than `maxBytes` or nested
 * deeper than `maxDepth`. What an element says is looked at by JSON.parse; here only strings and brackets are told apart.
 */
export class FileSplitter {
  private readonly maxBytes: number;
  private readonly maxDepth: number;
  private depth = 0;
  private inString = false;
  private escaped = false;
  private capture: Capture | null = null;
  /** Depth of the list of conversations; 0 while it has not begun. */
  private listDepth = 0;
  /** Whether the file is an object; before it has begun, false. */
  isObject = false;
  private fieldName: string | null = null;
  private ended = false;
  private started = false;

  constructor(maxBytes: number, maxDepth: number) {
    this.maxBytes = maxBytes;
    this.maxDepth = maxDepth;
  }

  /** Takes the next bytes. */
  *push(chunk: Buffer): Generator<FilePart> {
    let from = this.capture ? 0 : -1;
    for (let at = 0; at < chunk.length && !this.ended; at += 1) {
      const byte = chunk[at]!;
      if (this.inString) {
        if (this.escaped) this.escaped = false;
        else if (byte === backslash) this.escaped = true;
        else if (byte === quote) {
          this.inString = false;
          if (this.capture && this.depth === this.capture.depth) {
            yield* this.finish(chunk.subarray(Math.max(0, from), at + 1));
            from = -1;
          }
        }
        continue;
      }
      if (byte <= 0x20 || (!this.started && (byte === 0xef || byte === 0xbb || byte === 0xbf))) continue;
      if (this.capture && this.depth === this.capture.depth && (byte === comma || byte === closeArray || byte === closeObject)) {
        yield* this.finish(chunk.subarray(Math.max(0, from), at));
        from = -1;
      }
      if (!this.capture && this.begins(byte)) from = at;
      const wasOpen = this.capture !== null;
      yield* this.step(byte);
      if (wasOpen && this.capture && this.depth === this.capture.depth && (byte === closeArray || byte === closeObject)) {
        yield* this.finish(chunk.subarray(Math.max(0, from), at + 1));
        from = -1;
      }
    }
    if (this.capture && from >= 0) this.keep(chunk.subarray(from));
  }

  /** Ends the file. */
  *end(): Generator<FilePart> {
    if (!this.ended) yield { kind: 'broken', reason: this.started ? 'The file ends in the middle.' : 'The file is empty.' };
  }

  /** Whether something to gather begins with this byte. */
  private begins(byte: number): boolean {
    if (!this.started || byte === comma || byte === colon || byte === closeArray || byte === closeObject) return false;
    const open = (as: Capture['as']): true => {
      this.capture = { as, pieces: [], bytes: 0, depth: this.depth, refused: null };
      return true;
    };
    if (this.listDepth > 0 && this.depth === this.listDepth) return open('element');
    if (!this.isObject || this.depth !== 1) return false;
    if (this.fieldName === null) return open('key');
    if (this.fieldName === 'conversations' && byte === openArray) {
      this.listDepth = 2;
      return false;
    }
    return open('field');
  }

  private *step(byte: number): Generator<FilePart> {
    if (!this.started) {
      this.started = true;
      this.isObject = byte === openObject;
      if (byte === openArray) this.listDepth = 1;
      if (byte !== openArray && byte !== openObject) {
        this.ended = true;
        yield { kind: 'broken', reason: 'This is not a file of conversations.' };
        return;
      }
    }
    if (byte === quote) this.inString = true;
    else if (byte === openArray || byte === openObject) {
      this.depth += 1;
      if (this.capture && this.depth - this.capture.depth > this.maxDepth) this.capture.refused = 'too deep';
    } else if (byte === closeArray || byte === closeObject) {
      this.depth -= 1;
      if (this.depth < this.listDepth) {
        this.listDepth = 0;
        this.fieldName = null;
      }
      if (this.depth <= 0) this.ended = true;
    }
  }

  private keep(bytes: Buffer): void {
    const capture = this.capture!;
    capture.bytes += bytes.length;
    if (capture.bytes > (capture.as === 'element' ? this.maxBytes : maxFieldBytes)) capture.refused = 'too large';
    if (capture.refused) capture.pieces = [];
    else capture.pieces.push(Buffer.from(bytes));
  }

  private *finish(last: Buffer): Generator<FilePart> {
    this.keep(last);
    const { as, pieces, refused } = this.capture!;
    this.capture = null;
    if (as === 'element') {
      yield refused ? { kind: 'refused', reason: refused } : { kind: 'element', text: Buffer.concat(pieces).toString('utf8') };
      return;
    }
    const text = refused ? 'null' : Buffer.concat(pieces).toString('utf8').trim();
    if (as === 'key') {
      this.fieldName = text;
      try {
        this.fieldName = String(JSON.parse(text));
      } catch {
        // Not a name: whatever follows it is passed over.
      }
      return;
    }
    yield { kind: 'field', name: this.fieldName ?? '', text };
    this.fieldName = null;
  }
}
