import OpenAI from 'openai';
import { zodTextFormat } from 'openai/helpers/zod';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { engines } from '../../../base/storage/testing.ts';
import { whitePng } from '../../../../test/stand-in/index.ts';
import { startTestServer, type TestServer } from '../../testing.ts';

let server: TestServer;
let openai: OpenAI;
beforeAll(async () => {
  server = await startTestServer({ engine: engines.at(-1)! });
  openai = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'local', maxRetries: 0 });
});
afterAll(() => server.stop());

const model = 'scripted/one';
const weather = { type: 'function' as const, name: 'weather', description: 'Weather of a town', parameters: { type: 'object', properties: { town: { type: 'string' } } }, strict: true };

/** One whole exchange: what is asked, and what the model says. */
async function exchange(body: OpenAI.Responses.ResponseCreateParamsNonStreaming, ...words: string[]) {
  const asked = openai.responses.create({ model, ...body });
  const call = await server.models.call();
  for (const word of words) call.text(word);
  call.finish();
  return { response: await asked, request: call.request };
}

describe('A response', () => {
  it('says what was said, by whom, and what was asked', async () => {
    const asked = { instructions: 'Be kind.', temperature: 0.5, top_p: 0.9, max_output_tokens: 50, metadata: { a: 'b' }, reasoning: { effort: 'low' as const }, user: 'somebody', text: { verbosity: 'low' as const } };
    const { response, request } = await exchange({ input: 'Hello?', ...asked }, 'Hi ', 'there.');
    expect(request).toMatchObject({
      messages: [{ role: 'system', content: 'Be kind.' }, { role: 'user', content: 'Hello?' }], temperature: 0.5, topP: 0.9, maxTokens: 50, reasoningEffort: 'low',
    });
    expect(response).toMatchObject({
      id: expect.stringMatching(/^resp_/), object: 'response', status: 'completed', model, output_text: 'Hi there.', error: null, incomplete_details: null,
      created_at: expect.any(Number), completed_at: expect.any(Number), service_tier: null, background: false, parallel_tool_calls: true, tool_choice: 'auto', tools: [], truncation: 'disabled',
      output: [{ id: expect.stringMatching(/^msg_/), type: 'message', role: 'assistant', status: 'completed', content: [{ type: 'output_text', text: 'Hi there.', annotations: [] }] }],
      usage: { input_tokens: 7, input_tokens_details: { cached_tokens: null }, output_tokens: 3, output_tokens_details: { reasoning_tokens: null }, total_tokens: 10 },
      ...asked, reasoning: { effort: 'low', summary: null }, text: { format: { type: 'text' }, verbosity: 'low' },
    });
    expect(await openai.responses.retrieve(response.id)).toEqual(response);
  });

  it('says what is known of the tokens', async () => {
    const asked = openai.responses.create({ model, input: 'Hello?' });
    const call = await server.models.call();
    call.say({ type: 'reasoning', text: 'Hm.' }, { type: 'text', text: 'Hi' }, { type: 'usage', usage: { tokensIn: 9, tokensOut: 4, tokensReasoning: 2, tokensCached: 5 } }, { type: 'finish', reason: 'length' });
    const response = await asked;
    expect(response).toMatchObject({
      status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' },
      usage: { input_tokens: 9, input_tokens_details: { cached_tokens: 5 }, output_tokens: 4, output_tokens_details: { reasoning_tokens: 2 }, total_tokens: 13 },
      output: [{ type: 'reasoning', summary: [], content: [{ type: 'reasoning_text', text: 'Hm.' }] }, { type: 'message', status: 'incomplete' }],
    });
    expect(await openai.responses.retrieve(response.id)).toEqual(response);
  });

  it('understands every form of input', async () => {
    const { request } = await exchange({
      store: false,
      input: [
        { role: 'developer', content: 'Be brief.' },
        { role: 'user', content: [{ type: 'input_text', text: 'What is this?' }, { type: 'input_image', image_url: 'data:image/png;base64,AAAA', detail: 'low' }] },
        { type: 'message', id: 'msg_1', role: 'assistant', status: 'completed', content: [{ type: 'output_text', text: 'I look.', annotations: [] }] },
        { type: 'reasoning', id: 'rs_1', summary: [{ type: 'summary_text', text: 'Hm.' }] },
        { type: 'function_call', call_id: 'call_1', name: 'look', arguments: '{}' },
        { type: 'function_call', call_id: 'call_2', name: 'listen', arguments: '{}' },
        { type: 'function_call_output', call_id: 'call_1', output: 'a tree' },
        { type: 'function_call_output', call_id: 'call_2', output: [{ type: 'input_text', text: 'wind' }] },
      ],
    }, 'A tree.');
    expect(request.messages).toEqual([
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'What is this?', parts: [{ type: 'text', text: 'What is this?' }, { type: 'image', url: 'data:image/png;base64,AAAA', detail: 'low' }] },
      { role: 'assistant', content: 'I look.', toolCalls: [{ id: 'call_1', name: 'look', arguments: '{}' }, { id: 'call_2', name: 'listen', arguments: '{}' }] },
      { role: 'tool', content: 'a tree', toolCallId: 'call_1' },
      { role: 'tool', content: 'wind', toolCallId: 'call_2' },
    ]);
  });

  it('keeps the pictures of its input, for all that follow it', async () => {
    const image_url = `data:image/png;base64,${whitePng(1, 1).toString('base64')}`;
    const parts = [{ type: 'text', text: 'What is this?' }, { type: 'image', url: image_url, detail: 'low' }];
    const { response, request } = await exchange({ input: [{ role: 'user', content: [{ type: 'input_text', text: 'What is this?' }, { type: 'input_image', image_url, detail: 'low' }] }] }, 'A wall.');
    expect(request.messages).toEqual([{ role: 'user', content: 'What is this?', parts }]);
    for (const store of [false, true]) {
      const next = await exchange({ input: 'And now?', previous_response_id: response.id, store }, 'Still.');
      expect(next.request.messages[0]).toEqual({ role: 'user', content: 'What is this?', parts });
    }
    const items = await openai.responses.inputItems.list(response.id);
    expect(items.data).toMatchObject([{ role: 'user', content: [{ type: 'input_image', image_url: null, detail: 'low' }, { type: 'input_text', text: 'What is this?' }] }]);
    const [{ id }] = items.data as { id: string }[] as [{ id: string }];
    const again = await exchange({ input: [{ type: 'item_reference', id }], store: false }, 'A wall.');
    expect(again.request.messages[0]).toMatchObject({ parts });
  });

  it('that is not kept cannot be found again', async () => {
    const { response } = await exchange({ input: 'Hello?', store: false }, 'Hi');
    expect(response).toMatchObject({ store: false, status: 'completed' });
    await expect(openai.responses.retrieve(response.id)).rejects.toMatchObject({ status: 404 });
  });

  it('brings the probabilities of its tokens when they are asked for', async () => {
    const asked = openai.responses.create({ model, input: 'Hello?', include: ['message.output_text.logprobs'], top_logprobs: 1 });
    const call = await server.models.call();
    expect(call.request.logprobs).toEqual({ top: 1 });
    const token = { token: 'Hi', logprob: -0.5, bytes: [72, 105] };
    call.say({ type: 'text', text: 'Hi' }, { type: 'logprobs', tokens: [{ ...token, top: [token] }] }, { type: 'finish', reason: 'stop' });
    expect((await asked).output).toMatchObject([{ content: [{ text: 'Hi', logprobs: [{ ...token, top_logprobs: [token] }] }] }]);
  });

  it('is asked for as a whole when only its end is read, so that a form it does not keep to is asked for again', async () => {
    for (const [body, whole] of [[{}, true], [{ store: false }, true], [{ background: true }, false], [{ stream: true }, false]] as const) {
      const asked = server.request('POST', '/v1/responses', { body: { model, input: 'Hello?', text: { verbosity: 'low' }, ...body } });
      const call = await server.models.call();
      expect([body, Boolean(call.request.whole)]).toEqual([body, whole]);
      expect(call.request.verbosity).toBe('low');
      call.finish();
      await asked;
    }
  });

  it('keeps to a schema, and is parsed', async () => {
    const Town = z.object({ town: z.string(), people: z.number() });
    const asked = openai.responses.parse({ model, input: 'Which town?', text: { format: zodTextFormat(Town, 'town') } });
    const call = await server.models.call();
    expect(call.request.responseFormat).toMatchObject({ type: 'json_schema', name: 'town', strict: true, schema: { type: 'object', required: ['town', 'people'] } });
    call.text('{"town":"Bern","people":134000}');
    call.finish();
    expect((await asked).output_parsed).toEqual({ town: 'Bern', people: 134_000 });
  });
});

describe('A chain of responses', () => {
  it('is one conversation, in the page, too', async () => {
    const first = await exchange({ input: 'My name is Ann.' }, 'Hello Ann.');
    const second = await exchange({ input: 'What is my name?', previous_response_id: first.response.id }, 'Ann.');
    expect(second.request.messages.map(({ content }) => content)).toEqual(['My name is Ann.', 'Hello Ann.', 'What is my name?']);
    const { json } = await server.request('GET', '/api/v1/chat/chats?limit=1', { as: await owner() });
    expect(json[0]).toMatchObject({ title: 'My name is Ann.' });
    const chat = await server.request('GET', `/api/v1/chat/chats/${json[0].id}`, { as: await owner() });
    expect(chat.json.messages.map((message: { content: string }) => message.content)).toEqual(['My name is Ann.', 'Hello Ann.', 'What is my name?', 'Ann.']);
  });

  it('forgets instructions, and keeps what its input began with', async () => {
    const first = await exchange({ input: [{ role: 'system', content: 'Speak French.' }, { role: 'user', content: 'Hello?' }], instructions: 'Be rude.' }, 'Quoi?');
    expect(first.request.messages).toEqual([{ role: 'system', content: 'Be rude.\n\nSpeak French.' }, { role: 'user', content: 'Hello?' }]);
    expect((await openai.responses.inputItems.list(first.response.id)).data).toMatchObject([{ role: 'user' }, { role: 'system', content: [{ text: 'Speak French.' }] }]);
    const second = await exchange({ input: 'And now?', previous_response_id: first.response.id, instructions: 'Be kind.' }, 'Oui.');
    expect(second.request.messages[0]).toEqual({ role: 'system', content: 'Be kind.\n\nSpeak French.' });
    const third = await exchange({ input: 'And now?', previous_response_id: second.response.id }, 'Oui.');
    expect(third.request.messages[0]).toEqual({ role: 'system', content: 'Speak French.' });
    const apart = await exchange({ input: 'Not kept.', previous_response_id: second.response.id, instructions: 'Be brief.', store: false }, 'Oui.');
    expect(apart.request.messages.map(({ content }) => content)).toEqual(['Be brief.\n\nSpeak French.', 'Hello?', 'Quoi?', 'And now?', 'Oui.', 'Not kept.']);
  });

  it('branches behind an older response', async () => {
    const first = await exchange({ input: 'One.' }, 'First.');
    await exchange({ input: 'Two.', previous_response_id: first.response.id }, 'Second.');
    const other = await exchange({ input: 'Other.', previous_response_id: first.response.id }, 'Third.');
    expect(other.request.messages.map(({ content }) => content)).toEqual(['One.', 'First.', 'Other.']);
  });

  it('goes through calls of functions', async () => {
    const asked = openai.responses.create({ model, input: 'Weather in Bern and Rome?', tools: [weather], parallel_tool_calls: true, tool_choice: { type: 'function', name: 'weather' } });
    const call = await server.models.call();
    expect(call.request).toMatchObject({ tools: [{ name: 'weather', description: 'Weather of a town', strict: true }], toolChoice: { name: 'weather' }, parallelToolCalls: true });
    call.say(
      { type: 'tool', index: 0, id: 'call_1', name: 'weather', arguments: '{"to' }, { type: 'tool', index: 0, arguments: 'wn":"Bern"}' },
      { type: 'tool', index: 1, id: 'call_2', name: 'weather', arguments: '{"town":"Rome"}' }, { type: 'finish', reason: 'tool' },
    );
    const first = await asked;
    expect(first).toMatchObject({ status: 'completed', tools: [weather] });
    expect(first.output).toMatchObject([
      { type: 'function_call', call_id: 'call_1', name: 'weather', arguments: '{"town":"Bern"}', status: 'completed' },
      { type: 'function_call', call_id: 'call_2', name: 'weather', arguments: '{"town":"Rome"}', status: 'completed' },
    ]);
    expect((await openai.responses.retrieve(first.id)).output).toEqual(first.output);
    const outputs = ['call_1', 'call_2'].map((call_id) => ({ type: 'function_call_output' as const, call_id, output: `${call_id} is sunny` }));
    await expect(openai.responses.create({ model, input: 'Well?', previous_response_id: first.id })).rejects.toMatchObject({ status: 400, param: 'input', message: expect.stringContaining('No tool output found') });
    await expect(openai.responses.create({ model, input: [...outputs, { ...outputs[0]!, call_id: 'call_9' }], previous_response_id: first.id })).rejects.toMatchObject({ status: 400, message: expect.stringContaining('No tool call found') });
    const { response, request } = await exchange({ input: outputs, previous_response_id: first.id, tools: [weather] }, 'Sunny.');
    expect(request.messages.slice(1)).toEqual([
      { role: 'assistant', content: '', toolCalls: [{ id: 'call_1', name: 'weather', arguments: '{"town":"Bern"}' }, { id: 'call_2', name: 'weather', arguments: '{"town":"Rome"}' }] },
      { role: 'tool', content: 'call_1 is sunny', toolCallId: 'call_1' },
      { role: 'tool', content: 'call_2 is sunny', toolCallId: 'call_2' },
    ]);
    const items = await openai.responses.inputItems.list(response.id, { order: 'asc' });
    expect(items.data).toMatchObject(outputs.map((output) => ({ ...output, status: 'completed' })));
  });

  it('is found again by clients that send everything each time', async () => {
    const first = await exchange({ input: [{ role: 'user', content: 'Say one.' }] }, 'One.');
    const again = [{ role: 'user' as const, content: 'Say one.' }, ...first.response.output as OpenAI.Responses.ResponseOutputMessage[], { role: 'user' as const, content: 'Say two.' }];
    const second = await exchange({ input: again }, 'Two.');
    expect(second.request.messages).toHaveLength(3);
    const messageOf = async (id: string) => server.parts.conversations.message(await viewer(), id.slice('resp_'.length));
    expect((await messageOf(second.response.id)).conversationId).toBe((await messageOf(first.response.id)).conversationId);
  });

  it('may name what is stored in place of repeating it', async () => {
    const first = await exchange({ input: 'Say one.' }, 'One.');
    const { request } = await exchange({ input: [{ role: 'user', content: 'Say one.' }, { type: 'item_reference', id: first.response.output[0]!.id! }, { role: 'user', content: 'Say two.' }] }, 'Two.');
    expect(request.messages.map(({ role, content }) => [role, content])).toEqual([['user', 'Say one.'], ['assistant', 'One.'], ['user', 'Say two.']]);
    // What was forgotten is nothing that could be named, though it is still there as a part of what follows it.
    await exchange({ input: 'And two?', previous_response_id: first.response.id }, 'Two.');
    await openai.responses.delete(first.response.id);
    await expect(openai.responses.create({ model, input: [{ type: 'item_reference', id: first.response.output[0]!.id! }, { role: 'user', content: 'Say one.' }] })).rejects.toMatchObject({ status: 404 });
    await expect(openai.responses.create({ model, input: [{ type: 'item_reference', id: 'msg_nothing' }] })).rejects.toMatchObject({ status: 404, param: 'input[0]' });
  });
});

describe('What a response was asked with', () => {
  it('is listed in pages', async () => {
    const first = await exchange({ input: 'Before.' }, 'Yes.');
    const input = ['a', 'b', 'c', 'd', 'e'].map((content) => ({ role: 'user' as const, content }));
    const { response } = await exchange({ input, previous_response_id: first.response.id }, 'All.');
    const texts: string[] = [];
    for await (const item of openai.responses.inputItems.list(response.id, { limit: 2 })) texts.push((item as OpenAI.Responses.ResponseInputMessageItem).content.map((part) => 'text' in part ? part.text : '').join());
    expect(texts).toEqual(['e', 'd', 'c', 'b', 'a']);
    const page = await openai.responses.inputItems.list(response.id, { limit: 2, order: 'asc' });
    expect(page).toMatchObject({ has_more: true, data: [{ type: 'message', role: 'user', content: [{ type: 'input_text', text: 'a' }] }, {}] });
    await expect(openai.responses.inputItems.list(response.id, { after: 'msg_other' })).rejects.toMatchObject({ status: 400, param: 'after' });
  });
});

describe('A response that is deleted', () => {
  it('is gone, with what it was asked with', async () => {
    const { response } = await exchange({ input: 'Forget me.' }, 'Forgotten.');
    expect(await openai.responses.delete(response.id)).toMatchObject({ id: response.id, object: 'response', deleted: true });
    await expect(openai.responses.retrieve(response.id)).rejects.toMatchObject({ constructor: OpenAI.NotFoundError, message: expect.stringContaining(`Response with id '${response.id}' not found.`) });
    await expect(openai.responses.delete(response.id)).rejects.toMatchObject({ status: 404 });
    await expect(openai.responses.create({ model, input: 'Well?', previous_response_id: response.id })).rejects.toMatchObject({ status: 404, param: 'previous_response_id' });
  });

  it('stays a part of what follows it, without an id of its own', async () => {
    const first = await exchange({ input: 'One.' }, 'First.');
    const second = await exchange({ input: 'Two.', previous_response_id: first.response.id }, 'Second.');
    await openai.responses.delete(first.response.id);
    await expect(openai.responses.retrieve(first.response.id)).rejects.toMatchObject({ status: 404 });
    const third = await exchange({ input: 'Three.', previous_response_id: second.response.id }, 'Third.');
    expect(third.request.messages.map(({ content }) => content)).toEqual(['One.', 'First.', 'Two.', 'Second.', 'Three.']);
    expect((await openai.responses.inputItems.list(second.response.id)).data).toHaveLength(1);
  });
});

/** The one that requests without credentials act as: made by the first of them. */
async function viewer() {
  const row = await server.parts.storage.read.selectFrom('users').selectAll().where('role', '=', 'owner').executeTakeFirstOrThrow();
  return { userId: row.id, username: row.username, role: 'owner' as const, scopes: ['read' as const, 'write' as const, 'chat' as const], via: 'internal' as const, credentialId: null, expiresAt: null };
}

async function owner() {
  return server.user('ann');
}
