import { HumanMessage, ToolMessage, type AIMessageChunk } from '@langchain/core/messages';
import { tool } from '@langchain/core/tools';
import { ChatOpenAI } from '@langchain/openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { startTestServer, type TestServer } from '../../testing.ts';

let server: TestServer;
let chat: ChatOpenAI;
beforeAll(async () => {
  server = await startTestServer();
  chat = new ChatOpenAI({ model: 'scripted/one', apiKey: 'local', useResponsesApi: true, maxRetries: 0, configuration: { baseURL: `${server.url}/v1` } });
});
afterAll(() => server.stop());

const weather = tool(() => 'Sunny', { name: 'weather', description: 'Weather of a town', schema: z.object({ town: z.string() }) });

describe("LangChain's ChatOpenAI over responses", () => {
  it('asks and is answered, with usage', async () => {
    const asked = chat.invoke('Hello?');
    const call = await server.models.call();
    call.text('Hi there.');
    call.finish();
    const answer = await asked;
    expect(answer.text).toBe('Hi there.');
    expect(answer.usage_metadata).toMatchObject({ input_tokens: 7, output_tokens: 3, total_tokens: 10 });
    expect(answer.response_metadata).toMatchObject({ status: 'completed' });
  });

  it('streams', async () => {
    const stream = chat.stream('Hello?');
    const call = await server.models.call();
    for (const word of ['Hi ', 'there', '.']) call.text(word);
    call.finish();
    let whole: AIMessageChunk | undefined;
    for await (const chunk of await stream) whole = whole ? whole.concat(chunk) : chunk;
    expect(whole!.text).toBe('Hi there.');
    expect(whole!.usage_metadata).toMatchObject({ input_tokens: 7, output_tokens: 3 });
  });

  it('does without usage where the model says none', async () => {
    const asked = [chat.invoke('Hello?'), chat.stream('Hello?')] as const;
    for (const call of [await server.models.call(), await server.models.call()]) call.say({ type: 'text', text: 'Hi.' }, { type: 'finish', reason: 'stop' });
    expect((await asked[0]).text).toBe('Hi.');
    let text = '';
    for await (const chunk of await asked[1]) text += chunk.text;
    expect(text).toBe('Hi.');
  });

  it('tells reasoning', async () => {
    const asked = chat.invoke('Hello?');
    (await server.models.call()).say({ type: 'reasoning', text: 'Hm.' }, { type: 'text', text: 'Hi.' }, { type: 'finish', reason: 'stop' });
    const answer = await asked;
    expect(answer.text).toBe('Hi.');
    expect(answer.additional_kwargs['reasoning']).toMatchObject({ type: 'reasoning', content: [{ type: 'reasoning_text', text: 'Hm.' }] });
  });

  it('calls tools, and goes on with what they say', async () => {
    const model = chat.bindTools([weather]);
    const question = new HumanMessage('Weather in Bern?');
    const asked = model.invoke([question]);
    const call = await server.models.call();
    expect(call.request.tools).toMatchObject([{ name: 'weather', parameters: { type: 'object', properties: { town: { type: 'string' } } } }]);
    call.say({ type: 'tool', index: 0, id: 'call_1', name: 'weather', arguments: '{"town":"Bern"}' }, { type: 'finish', reason: 'tool' });
    const answer = await asked;
    expect(answer.tool_calls).toMatchObject([{ id: 'call_1', name: 'weather', args: { town: 'Bern' } }]);
    const followed = model.invoke([question, answer, new ToolMessage({ tool_call_id: 'call_1', content: 'Sunny' })]);
    const next = await server.models.call();
    expect(next.request.messages).toEqual([
      { role: 'user', content: 'Weather in Bern?' },
      { role: 'assistant', content: '', toolCalls: [{ id: 'call_1', name: 'weather', arguments: '{"town":"Bern"}' }] },
      { role: 'tool', content: 'Sunny', toolCallId: 'call_1' },
    ]);
    next.text('It is sunny.');
    next.finish();
    expect((await followed).text).toBe('It is sunny.');
  });

  it('reads answers of a form', async () => {
    const asked = chat.withStructuredOutput(z.object({ town: z.string() }), { method: 'jsonSchema' }).invoke('Which town?');
    const call = await server.models.call();
    expect(call.request.responseFormat).toMatchObject({ type: 'json_schema', schema: { type: 'object' } });
    call.text('{"town":"Bern"}');
    call.finish();
    expect(await asked).toEqual({ town: 'Bern' });
  });
});
