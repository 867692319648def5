import { createLineSplitter, StreamFormError, type LineSplitter } from './lines.ts';

/**
 * Reads server-sent events as the HTML standard defines them (section 9.2.6, "Interpreting an event stream"), except
 * that an event the stream breaks off in is handed over too: whether it is whole is for its reader to see.
 * @param onEvent gets the data of each event, its lines joined by LF, and its name (empty when it has none)
 * @param maxLength longest data of one event, in UTF-16 units
 */
export function createSseParser(onEvent: (data: string, name: string) => void, maxLength: number): LineSplitter {
  let data: string | null = null;
  let name = '';

  const dispatch = (): void => {
    const whole = data;
    const named = name;
    data = null;
    name = '';
    if (whole !== null) onEvent(whole, named);
  };

  const lines = createLineSplitter((line) => {
    if (line === '') return dispatch();
    if (line.startsWith('data:')) {
      const value = line.slice(line.charCodeAt(5) === 0x20 ? 6 : 5);
      data = data === null ? value : `${data}\n${value}`;
      if (data.length > maxLength) throw new StreamFormError(`an event of more than ${maxLength} characters`);
    } else if (line.startsWith('event:')) {
      name = line.slice(6).trim();
    } else if (line === 'data') {
      data = data === null ? '' : `${data}\n`;
    }
    // Comments (a colon first), `id`, `retry` and unknown fields mean nothing to us.
  }, maxLength);

  return {
    push: lines.push,
    end() {
      lines.end();
      dispatch();
    },
  };
}
