import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { ReplyEvent } from '../../types.ts';
import { replyErrorOf, type ReplyReader } from '../../wire/index.ts';
import { createMessageReader, createMessageReplyReader, type ReplyReading } from './reply.ts';

const reading: ReplyReading = { label: 'Anthropic', apiKey: 'sk-ant-secret', blankEnd: '' };

/** Reads a body in reads of `size` bytes; what is thrown becomes an error event, as the caller makes it one. */
function read(body: string | Buffer, size = Infinity, reader: ReplyReader = createMessageReplyReader(reading)): ReplyEvent[] {
  const bytes = Buffer.from(body);
  const events: ReplyEvent[] = [];
  try {
    for (let at = 0; at < bytes.length && !reader.isOver; at += size) reader.push(bytes.subarray(at, at + size), events);
    if (!reader.isOver) reader.end(events);
  } catch (thrown) {
    events.push({ type: 'error', error: replyErrorOf(thrown) });
  }
  return events;
}

const fixture = (path: string): Buffer => readFileSync(new URL(`fixtures/${path}`, import.meta.url));
const event = (type: string, more: object = {}): string => `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`;
const text = (words: string): string => event('content_block_delta', { index: 0, delta: { type: 'text_delta', text: words } });
const stop = (reason: string): string => event('message_delta', { delta: { stop_reason: reason } }) + event('message_stop');

describe('answers as the service sends them', () => {
  test('text, with what was read from the cache and written to it counted as sent', () => {
    for (const size of [Infinity, 1, 100]) {
      expect(read(fixture('chat.txt'), size), `in reads of ${size} bytes`).toEqual([
        { type: 'model', model: 'claude-haiku-4-5-20251001' },
        // What was made by then is no figure yet: an answer that is stopped here would count as one token.
        { type: 'usage', usage: { tokensIn: 1249, tokensCached: 1200 } },
        { type: 'text', text: 'Hello' },
        { type: 'text', text: '! How can' },
        { type: 'text', text: ' I help you today?' },
        { type: 'usage', usage: { tokensIn: 1249, tokensOut: 12, tokensCached: 1200 } },
        { type: 'finish', reason: 'stop' },
      ]);
    }
  });

  test('thoughts, and tools with and without arguments', () => {
    const events = read(fixture('thinking-and-tools.txt'));
    expect(events.filter(({ type }) => type === 'reasoning' || type === 'text' || type === 'tool')).toEqual([
      { type: 'reasoning', text: 'The user asks for the weather' },
      { type: 'reasoning', text: ' in two cities.' },
      { type: 'text', text: 'I look.' },
      { type: 'tool', index: 0, id: 'toolu_01T1x1fJ34qAmk2tNTrN7Up6', name: 'get_weather', arguments: '' },
      { type: 'tool', index: 0, arguments: '{"location": "San' },
      { type: 'tool', index: 0, arguments: ' Francisco, CA"}' },
      { type: 'tool', index: 1, id: 'toolu_01A09q90qw90lq917835lq9', name: 'get_time', arguments: '' },
      { type: 'tool', index: 1, arguments: '{}' },
    ]);
    expect(events.slice(-2)).toEqual([{ type: 'usage', usage: { tokensIn: 472, tokensOut: 89, tokensReasoning: 31, tokensCached: 0 } }, { type: 'finish', reason: 'tool' }]);
  });

  test('a whole answer', () => {
    expect(read(fixture('message.json'), 7, createMessageReader(reading))).toEqual([
      { type: 'model', model: 'claude-sonnet-4-5-20250929' },
      { type: 'reasoning', text: 'A greeting.' },
      { type: 'text', text: 'Hello!' },
      { type: 'tool', index: 0, id: 'toolu_01D7FLrfh4GYq7yT1ULFeyMV', name: 'get_stock_price', arguments: '' },
      { type: 'tool', index: 0, arguments: '{"ticker":"^GSPC"}' },
      { type: 'usage', usage: { tokensIn: 3095, tokensOut: 503, tokensCached: 1000 } },
      { type: 'finish', reason: 'tool' },
    ]);
  });

  test('a refusal: why, where the model says nothing itself', () => {
    expect(read(fixture('refusal.txt')).slice(-2)).toEqual([{ type: 'text', text: 'This request could enable cyber harm.', isRefusal: true }, { type: 'finish', reason: 'content_filter' }]);
  });

  test.each([['end_turn', 'stop'], ['stop_sequence', 'stop'], ['pause_turn', 'stop'], ['max_tokens', 'length'], ['model_context_window_exceeded', 'length'], ['tool_use', 'tool'], ['refusal', 'content_filter'], ['something_new', 'stop']])(
    'the reason %s, which is %s here',
    (reason, meant) => expect(read(stop(reason))).toEqual([{ type: 'finish', reason: meant }]),
  );

  test('events of kinds that nobody knows yet, which are passed over', () => {
    expect(read(event('weather_report', { rain: true }) + text('Hi') + event('content_block_delta', { index: 0, delta: { type: 'hum_delta', hum: 'mm' } }) + stop('end_turn')))
      .toEqual([{ type: 'text', text: 'Hi' }, { type: 'finish', reason: 'stop' }]);
  });
});

describe('the white space that a text to go on with may not end with', () => {
  const goesOn = (blankEnd: string, ...pieces: string[]): string =>
    read(pieces.map(text).join('') + stop('end_turn'), Infinity, createMessageReplyReader({ ...reading, blankEnd })).map((said) => (said.type === 'text' ? said.text : '')).join('');

  test('is not said twice, however it is cut', () => {
    expect(goesOn(' ', ' world')).toBe('world');
    expect(goesOn('\n\n', '\n', '\nNext', ' one')).toBe('Next one');
    expect(goesOn('\n\n', '\n  Next')).toBe('  Next');
    expect(goesOn(' ', 'world')).toBe('world');
    expect(goesOn('', ' world')).toBe(' world');
  });
});

describe('what the service may do wrong', () => {
  test('an error in the middle: what was said stays', () => {
    expect(read(fixture('overloaded.txt')).slice(-2)).toMatchObject([{ type: 'text', text: 'Once' }, { type: 'error', error: { code: 'provider_unavailable', serviceFault: true } }]);
  });

  test('an end without a reason, a half event, pieces of nothing, things that are no JSON', () => {
    expect(read(text('Hi')).at(-1)).toMatchObject({ type: 'error', error: { code: 'provider_error', message: expect.stringContaining('broke off') as string } });
    expect(read(`${text('Hi')}event: message_delta\ndata: {"type":"mess`).at(-1)).toMatchObject({ type: 'error', error: { code: 'provider_error' } });
    expect(read(event('content_block_delta', { index: 4, delta: { type: 'input_json_delta', partial_json: '{' } })).at(-1)).toMatchObject({ type: 'error', error: { message: expect.stringContaining('has not begun') as string } });
    for (const body of ['data: null\n\n', 'data: [\n\n', 'data: "x"\n\n']) expect(read(body).at(-1)).toMatchObject({ type: 'error', error: { code: 'provider_error', serviceFault: true } });
    for (const body of ['', '{}', 'null', '[1]', '{"type":"message","content":7}']) expect(read(body, Infinity, createMessageReader(reading)).at(-1)).toMatchObject({ type: 'error', error: { code: 'provider_error' } });
  });

  test('calls of tools without ids get some that no other call has', () => {
    const begins = event('content_block_start', { index: 0, content_block: { type: 'tool_use', name: 'x' } });
    const ids = [read(begins), read(begins)].map(([first]) => (first?.type === 'tool' ? first.id : ''));
    expect(ids).toEqual([expect.stringMatching(/^toolu_\w{20,}$/), expect.stringMatching(/^toolu_\w{20,}$/)]);
    expect(ids[0]).not.toBe(ids[1]);
  });

  test('a break behind the reason to stop does no harm', () => {
    expect(read(text('Hi') + event('message_delta', { delta: { stop_reason: 'end_turn' } })).at(-1)).toEqual({ type: 'finish', reason: 'stop' });
  });

  test('more calls of tools than anybody makes', () => {
    const calls = Array.from({ length: 129 }, (_call, index) => event('content_block_start', { index, content_block: { type: 'tool_use', id: `a${index}`, name: 'x', input: {} } })).join('');
    expect(read(calls).at(-1)).toMatchObject({ type: 'error', error: { message: expect.stringContaining('more than 128') as string } });
  });
});
