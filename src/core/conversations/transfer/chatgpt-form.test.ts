import { describe, expect, it } from 'vitest';
import { readChatgpt } from './chatgpt-form.ts';

interface Message {
  role?: string;
  name?: string;
  at?: number;
  content?: unknown;
  text?: string;
  [more: string]: unknown;
}

/** A tree in the form of the export; each node names its parent. */
function tree(nodes: Record<string, [parent: string | null, message: Message | null]>, changes: Record<string, unknown> = {}): unknown {
  const mapping = Object.fromEntries(
    Object.entries(nodes).map(([id, [parent, message]]) => {
      if (!message) return [id, { id, message: null, parent, children: [] }];
      const { role = 'user', name = null, at, text, content = { content_type: 'text', parts: [text ?? ''] }, ...more } = message;
      return [id, { id, parent, children: [], message: { id, author: { role, name, metadata: {} }, create_time: at ?? null, content, status: 'finished_successfully', weight: 1, recipient: 'all', metadata: {}, ...more } }];
    }),
  );
  return { title: 'A talk', create_time: 1_700_000_000.5, update_time: 1_700_000_100, conversation_id: 'c-1', current_node: Object.keys(nodes).at(-1), mapping, ...changes };
}
const read = (value: unknown) => readChatgpt(value, JSON.stringify(value));
const said = (value: unknown) => read(value).messages.map(({ role, content }) => [role, content]);
const remarks = (value: unknown) => read(value).remarks.map(({ what, count }) => `${count} ${what}`);

describe('A conversation of ChatGPT', () => {
  it('is read with its branches, its times and the models that spoke', () => {
    const talk = read(tree({
      root: [null, null],
      hidden: ['root', { role: 'system', text: '' }],
      question: ['hidden', { text: 'Hello?', at: 1_700_000_001.25 }],
      first: ['question', { role: 'assistant', text: 'First.', at: 1_700_000_002, metadata: { model_slug: 'gpt-4', finish_details: { type: 'max_tokens' } } }],
      second: ['question', { role: 'assistant', text: 'Second.', at: 1_700_000_003, status: 'finished_partial_completion', metadata: { model_slug: 'gpt-4o' } }],
    }, { current_node: 'first', is_archived: true, is_starred: true }));
    expect(talk).toMatchObject({
      source: 'chatgpt', sourceId: 'c-1', title: 'A talk', origin: 'chatgpt', headKey: 'first', createdAt: 1_700_000_000_500, lastActivityAt: 1_700_000_003_000, archivedAt: 1_700_000_100_000,
      pinnedAt: 1_700_000_100_000, model: null, isPrivate: true, remarks: [],
    });
    expect(talk.messages).toMatchObject([
      { key: 'question', parentKey: null, role: 'user', sender: true, content: 'Hello?', createdAt: 1_700_000_001_250, model: null },
      { key: 'first', parentKey: 'question', role: 'assistant', sender: null, content: 'First.', model: 'openai/gpt-4', finishReason: 'length', status: 'DELIVERED' },
      { key: 'second', parentKey: 'question', content: 'Second.', model: 'openai/gpt-4o', status: 'CANCELLED' },
    ]);
  });

  it('leaves out what nobody saw, and lets what follows move up', () => {
    const talk = tree({
      root: [null, null],
      context: ['root', { content: { content_type: 'user_editable_context', user_profile: 'I am', user_instructions: 'Do' } }],
      hidden: ['context', { role: 'system', text: 'You are', metadata: { is_visually_hidden_from_conversation: true } }],
      shown: ['hidden', { role: 'system', text: 'Be kind.' }],
      question: ['shown', { text: 'Hi' }],
    });
    expect(said(talk)).toEqual([['system', 'Be kind.'], ['user', 'Hi']]);
    expect(read(talk).messages[1]).toMatchObject({ parentKey: 'shown' });
    expect(remarks(talk)).toEqual(["1 the account's own instructions were left out", '1 hidden messages were left out']);
  });

  it('keeps code, results, quotes and pictures as Markdown, and thoughts with the answer behind them', () => {
    const talk = read(tree({
      picture: [null, { content: { content_type: 'multimodal_text', parts: [{ content_type: 'image_asset_pointer', asset_pointer: 'sediment://file_1', width: 10, height: 20 }, 'What is it?', { content_type: 'audio_transcription', text: 'spoken' }] } }],
      thoughts: ['picture', { role: 'assistant', content: { content_type: 'thoughts', thoughts: [{ summary: 'Looking', content: 'It is small.' }] } }],
      recap: ['thoughts', { role: 'assistant', content: { content_type: 'reasoning_recap', content: 'Thought for 2 seconds' } }],
      code: ['recap', { role: 'assistant', recipient: 'python', content: { content_type: 'code', language: 'python', text: 'print("`" * 3)' } }],
      result: ['code', { role: 'tool', name: 'python', content: { content_type: 'execution_output', text: '```' } }],
      quote: ['result', { role: 'tool', name: 'browser', content: { content_type: 'tether_quote', title: 'A page', url: 'https://example.com', text: 'It says' } }],
      answer: ['quote', { role: 'assistant', text: 'A dot.' }],
      odd: ['answer', { role: 'assistant', content: { content_type: 'hologram', beams: 7 } }],
    }));
    expect(talk.messages.map(({ role, content, tools, reasoning }) => [role, content, tools && JSON.parse(tools), reasoning])).toEqual([
      ['user', '[picture, 10 × 20]\n\nWhat is it?\n\nspoken', null, null],
      ['assistant', '', [{ id: 'code', name: 'python', arguments: '{"input":"print(\\"`\\" * 3)"}' }], 'Looking\nIt is small.'],
      ['tool', '````\n```\n````', { toolCallId: 'code' }, null],
      ['tool', 'A page\n\nhttps://example.com\n\nIt says', { toolCallId: 'code' }, null],
      ['assistant', 'A dot.', null, null],
    ]);
    expect(talk.remarks).toEqual([{ what: 'content of the type hologram was left out', count: 1 }]);
    expect(talk.headKey).toBe('answer');
  });

  it('stands odd trees: lost parents, circles, and nodes that are none', () => {
    const lost = tree({ orphan: ['nowhere', { text: 'alone', at: 5 }], a: ['b', { text: 'a' }], b: ['a', { text: 'b' }] });
    expect(said(lost).toSorted()).toEqual([['user', 'a'], ['user', 'alone'], ['user', 'b']]);
    const keys = new Set<string | null>([null]);
    for (const { key, parentKey } of read(lost).messages) {
      expect(keys.has(parentKey)).toBe(true);
      keys.add(key);
    }
    const odd = { title: null, mapping: { a: null, b: 'text', c: { message: { author: null, content: null } }, d: { message: { author: { role: 'user' }, create_time: 'late', content: { parts: ['kept', 3, null, { text: 'too' }] } } }, e: { message: 7 } } };
    expect(read(odd)).toMatchObject({ title: 'New chat', messages: [{ content: 'kept\n\ntoo', createdAt: 0 }] });
    expect(remarks(odd)).toEqual(['2 nodes that are no nodes were left out', '1 messages that are no messages were left out']);
  });

  it('puts parents before their children, also where times say otherwise', () => {
    const talk = read(tree({ late: [null, { text: 'first', at: 1_700_000_500 }], early: ['late', { role: 'assistant', text: 'second', at: 1_700_000_100 }], other: ['late', { role: 'assistant', text: 'third', at: 1_700_000_600 }] }));
    expect(talk.messages.map(({ key }) => key)).toEqual(['late', 'early', 'other']);
  });

  it('is safe to store, whatever characters it has', () => {
    expect(said(tree({ a: [null, { text: 'nul \0 and \ud800 half' }] }))).toEqual([['user', 'nul \ufffd and \ufffd half']]);
  });

  it('has an id of its content where it has none, and is refused when it is no conversation', () => {
    const without = tree({ a: [null, { text: 'x' }] }, { conversation_id: undefined });
    expect(read(without).sourceId).toMatch(/^[0-9a-f]{64}$/);
    expect(read(without).sourceId).toBe(read(without).sourceId);
    for (const value of [{}, { mapping: [] }, { mapping: 'x' }, null, 7]) expect(() => readChatgpt(value, ''), JSON.stringify(value)).toThrow('mapping');
    expect(() => read(tree({ root: [null, null] }))).toThrow('no messages');
  });

  it('takes long chains and wide trees in time', () => {
    const chain = tree(Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`n${index}`, [index === 0 ? null : `n${index - 1}`, index % 2 ? { role: 'assistant', content: { content_type: 'thoughts', thoughts: [{ content: 'hm' }] } } : { text: String(index) }] as [string | null, Message]])));
    const wide = tree(Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`n${index}`, [index === 0 ? null : 'n0', { text: String(index) }] as [string | null, Message]])));
    const started = performance.now();
    expect(read(chain).messages).toHaveLength(10_000);
    expect(read(wide).messages).toHaveLength(20_000);
    expect(performance.now() - started).toBeLessThan(15_000);
  });
});
