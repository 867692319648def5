import { io, type Socket } from 'socket.io-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sendRequest, type Json } from '../../src/dialects/testing.ts';
import { Contract } from '../contract/contract.ts';
import { notYet } from '../contract/not-yet.ts';
import { startContractWorld, type ContractWorld } from '../contract/world.ts';
import { documents, fencedListings, filled, printedRequests } from './listings.ts';

const missing = notYet['ultimate']!;
const debug = '/api/v4/config/debug';
/** The one that changes what is logged comes last. */
const printed = documents === undefined ? [] : printedRequests('ultimate-agent').toSorted((one, other) => Number(one.path === debug) - Number(other.path === debug));
const listings = documents === undefined ? [] : fencedListings('ultimate-agent', 'javascript').filter(({ code }) => /^(\/\/ .*\n)?socket\./.test(code));

describe.skipIf(!documents)('The requests and events that the document of ultimate prints', () => {
  let world: ContractWorld;
  let conversationId: string;
  const contract = new Contract('ultimate', () => world.url);

  beforeAll(async () => {
    world = await startContractWorld((standIn) => ({ LOCAL_TRUST: 'on', OLLAMA_URLS: standIn, DEFAULT_MODEL: 'ollama/llama2:latest' }));
    await world.userWithoutKey('ann');
    conversationId = (await sendRequest(world.url, 'POST', '/api/ai/conversations', { body: { user_id: 'local_user' } })).json.conversation_id;
    await sendRequest(world.url, 'POST', '/api/v4/auth/oauth/clients', { body: { client_id: 'mobile_app_123', name: 'Mobile', scope: ['chat', 'inference', 'monitoring'] } });
  });
  afterAll(() => world.stop());

  /** The text with the names filled in that only this server can know. */
  const named = (text: string): string =>
    text.replaceAll('conv_1640995400abc', conversationId).replaceAll('conv_abc123', conversationId).replaceAll('localhost:11434', new URL(world.standIn.url).host);

  /** The operation of the contract behind a printed request. */
  function operationOf(method: string, path: string): string {
    const address = path.split('?')[0]!;
    const found = [...contract.operations.values()].filter((operation) => operation.method === method && new RegExp(`^${operation.path.replace(/\{\w+\}/g, '[^/]+')}$`).test(address));
    expect([method, path, found.length]).toEqual([method, path, 1]);
    return found[0]!.id;
  }

  it('are all there', () => {
    // The batch is printed as a call of fetch.
    const operations = [...printed.map(({ method, path }) => operationOf(method, path)), 'batchInference'];
    expect(operations.toSorted()).toEqual([...contract.operations.keys()].toSorted());
    expect(listings).toHaveLength(7);
  });

  it.each(printed)('$method $path', async ({ method, path, headers, body }) => {
    const answer = await sendRequest(world.url, method, named(path), { headers, ...(body === undefined ? {} : { raw: named(body) }) });
    const isMissing = missing.operations.includes(operationOf(method, path));
    expect([answer.status, isMissing ? answer.json.error.code : null, answer.text.slice(0, 300)]).toEqual([isMissing ? 501 : 200, isMissing ? 'not_implemented' : null, expect.any(String)]);
    // Of the printed headers only the parts that work differ from server to server.
    const [security] = fencedListings('ultimate-agent', 'http').filter(({ heading }) => heading === 'Security Headers');
    for (const line of security!.code.split('\n')) {
      const [name, value] = line.split(/: (.*)/) as [string, string];
      expect([name, answer.headers.get(name)]).toEqual([name, name === 'X-Features-Enabled' ? expect.stringContaining('chat') : value]);
    }
    if (path === debug) expect((await sendRequest(world.url, 'POST', debug, { body: { debug_level: 'off' } })).status).toBe(200);
  });

  describe('over Socket.IO', () => {
    let socket: Socket;
    const heard: { event: string; payload: Json }[] = [];
    const lines: string[] = [];
    const run = (code: string, fetcher: unknown = null): void => void new Function('socket', 'console', 'fetch', code)(socket, { log: (...words: unknown[]) => lines.push(words.map(String).join(' ')) }, fetcher);
    const payloads = (event: string): Json[] => heard.filter((each) => each.event === event).map(({ payload }) => payload);
    const refusals = (): string[] => payloads('agent_error').map(({ event, code }) => `${code} / ${event}`);

    beforeAll(() => {
      socket = io(world.url, { transports: ['websocket'], forceNew: true, autoConnect: false });
      socket.onAny((event: string, payload: Json) => heard.push({ event, payload }));
    });
    afterAll(() => void socket.close());

    it('every event that is listened to and sent is spoken, or is still missing', async () => {
      for (const { code } of listings.filter(({ code }) => code.startsWith('socket.on') || code.includes('\nsocket.on'))) run(code);
      socket.connect();
      await expect.poll(() => payloads('connected')).toHaveLength(1);
      expect(lines).toEqual(expect.arrayContaining([expect.stringMatching(/^Agent ID: ultimate-/), 'Version: 4.1.0-enhanced', 'Chat Enabled: true']));
      const emitted: string[] = [];
      for (const { heading, code } of listings.filter(({ code }) => code.includes('socket.emit(') && !code.includes('chatOptions'))) {
        run(heading === 'Chat Operations' ? filled(code, { conv_abc123: conversationId }) : code);
        emitted.push(...Array.from(code.matchAll(/socket\.emit\('(\w+)'/g), ([, event]) => `/ ${event}`));
      }
      const absent = emitted.filter((event) => missing.events.includes(event));
      await expect.poll(refusals).toEqual(absent.map((event) => `not_implemented ${event}`));
      await expect.poll(() => ['conversation_started', 'conversation_history', 'comprehensive_health', 'chat_response'].map((event) => payloads(event).length)).toEqual([1, 1, 1, 1]);
      expect(payloads('conversation_history')[0]).toMatchObject({ conversation: { id: conversationId } });
      expect(lines).toEqual(expect.arrayContaining(['User: Explain machine learning', 'Model: technical', 'AI Response: Hello from the stand-in.', expect.stringMatching(/^Response Time: \d/), 'Done: true']));
    });

    it('the advice of how to chat quickly holds', async () => {
      const [advice] = listings.filter(({ code }) => code.includes('chatOptions'));
      run(advice!.code);
      await expect.poll(() => payloads('chat_response')).toHaveLength(2);
    });
  });

  it('the batch is asked for as printed', async () => {
    const [batch] = fencedListings('ultimate-agent', 'javascript').filter(({ heading }) => heading === 'Inference Batching');
    // A browser knows where its page is from; what fetch adds by itself is the same there and here.
    const asked: Promise<Response>[] = [];
    new Function('fetch', batch!.code)((path: string, init: RequestInit) => void asked.push(fetch(world.url + path, init)));
    const [response] = await Promise.all(asked);
    const answer: Json = await response!.json();
    if (missing.operations.includes('batchInference')) expect([response!.status, answer.error.code]).toEqual([501, 'not_implemented']);
    else expect([response!.status, answer.success]).toEqual([200, true]);
  });
});
