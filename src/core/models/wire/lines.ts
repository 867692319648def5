import { StringDecoder } from 'node:string_decoder';

/** A stream broke its bounds or its form; the message says how. */
export class StreamFormError extends Error {}

/** Takes bytes as they come and hands over whole lines. */
export interface LineSplitter {
  /** @throws {StreamFormError} when a line grows beyond the bound; whatever `onLine` throws passes through. */
  push(bytes: Buffer): void;
  /** The stream is over: hands over the last line if it had no end. */
  end(): void;
}

/**
 * Splits UTF-8 bytes into lines. Ends may be LF, CRLF or CR, characters and ends may be split between reads, a byte
 * order mark at the beginning is dropped. The part of a line that waits for its end is never searched twice, so slow
 * drips cost no more than one large read.
 * @param maxLength longest line, in UTF-16 units
 */
export function createLineSplitter(onLine: (line: string) => void, maxLength: number): LineSplitter {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  let isFirst = true;
  let skipLineFeed = false;

  const split = (decoded: string): void => {
    let text = decoded;
    if (text === '') return;
    if (isFirst) {
      isFirst = false;
      if (text.charCodeAt(0) === 0xfeff) text = text.slice(1);
    }
    if (skipLineFeed) {
      skipLineFeed = false;
      if (text.charCodeAt(0) === 0x0a) text = text.slice(1);
    }
    if (text.includes('\r')) {
      // A CR at the very end already ends its line; an LF that comes with the next read belongs to it.
      skipLineFeed = text.endsWith('\r');
      text = text.replace(/\r\n?/g, '\n');
    }
    let start = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
      const line = text.slice(start, end);
      start = end + 1;
      const whole = rest === '' ? line : rest + line;
      rest = '';
      if (whole.length > maxLength) throw new StreamFormError(`a line of more than ${maxLength} characters`);
      onLine(whole);
    }
    if (start < text.length) rest += start === 0 ? text : text.slice(start);
    if (rest.length > maxLength) throw new StreamFormError(`a line of more than ${maxLength} characters`);
  };

  return {
    push: (bytes) => split(decoder.write(bytes)),
    end() {
      split(decoder.end());
      if (rest === '') return;
      const last = rest;
      rest = '';
      onLine(last);
    },
  };
}
