import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { io } from 'socket.io-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Json } from '../../src/dialects/testing.ts';
import { sendRequest } from '../../src/dialects/testing.ts';
import { notYet } from '../contract/not-yet.ts';
import { startContractWorld, type ContractWorld } from '../contract/world.ts';
import { hasBrowser, startDocumentBrowser, type DocumentBrowser } from './browser.ts';
import { documents, fencedListings, filled } from './listings.ts';
import { findPython } from './python.ts';

const run = promisify(execFile);
const documented = 'http://localhost:8080';
const answer = 'Hello from the stand-in.';
const isThere = documents !== undefined;
const python = isThere ? findPython() : null;
const missing = notYet['ultimate']!;

/** The client of Socket.IO for pages, as its package brings it. */
const socketIoForPages = join(dirname(createRequire(import.meta.url).resolve('socket.io-client/package.json')), 'dist', 'socket.io.min.js');

/** One listing, as printed, by a word of its heading. */
function listing(language: string, heading: string): string {
  const found = fencedListings('ultimate-agent', language).filter((each) => each.heading.includes(heading));
  expect(found.map((each) => each.heading)).toHaveLength(1);
  return found[0]!.code;
}

describe.skipIf(!isThere)('The clients that the document of ultimate prints', () => {
  let world: ContractWorld;

  beforeAll(async () => {
    world = await startContractWorld((standIn) => ({ LOCAL_TRUST: 'on', OLLAMA_URLS: standIn, DEFAULT_MODEL: 'ollama/llama2:latest' }));
    // The first user is the owner of the machine: as them acts whoever sends no credential on it, like all these clients.
    await world.user('ann');
  });
  afterAll(() => world.stop());

  const ask = async (path: string): Promise<Json> => (await sendRequest(world.url, 'GET', path)).json;
  const asked = (): number => world.standIn.requests.filter(({ endpoint }) => endpoint === 'chat').length;

  describe.skipIf(!hasBrowser)('in a browser', () => {
    let browser: DocumentBrowser;
    beforeAll(async () => {
      browser = await startDocumentBrowser(world.url, new URL(documented).host);
    });
    afterAll(() => browser.close());

    it('begins a conversation, sends into it and shows the answer', async () => {
      const page = await browser.nextDoor();
      const before = asked();
      const errors: string[] = [];
      page.on('pageerror', (error) => errors.push(error.message));
      await page.addScriptTag({ path: socketIoForPages });
      await page.evaluate('void (document.body.innerHTML = "<div id=chat-container></div>", window.measured = [])');
      // The class calls one method that it has not.
      await page.addScriptTag({ content: `${listing('javascript', 'Frontend (JavaScript)')}\nUltimateAgentChatClient.prototype.updateMetrics = (data) => measured.push(data);` });
      await page.waitForSelector('#chat-container .message.ai');
      expect(await page.locator('#chat-container .message').allTextContents()).toEqual([answer]);
      const [measured] = (await page.evaluate('measured')) as Json[];
      expect(measured).toMatchObject({ response: answer, conversation_id: await page.evaluate('chatClient.conversationId'), model_used: 'general', response_time: expect.any(Number) });
      const { conversation } = await ask(`/api/ai/conversations/${measured.conversation_id}`);
      expect([conversation.user_id, conversation.messages.map(({ content }: Json) => content)]).toEqual(['user123', ['Explain neural networks', answer]]);
      expect(asked()).toBe(before + 1);
      // By hand, as its user would go on.
      await page.evaluate('chatClient.sendMessage("And in one word?")');
      await page.waitForSelector('#chat-container .message.ai:nth-child(2)');
      if (missing.events.includes('/ start_distributed_inference')) {
        const refused = page.evaluate('new Promise((resolve) => chatClient.socket.once("agent_error", resolve))');
        await page.evaluate('chatClient.sendMessage("Anybody else?", true)');
        expect(await refused).toMatchObject({ event: 'start_distributed_inference', code: 'not_implemented' });
      }
      expect(errors).toEqual([]);
    });
  });

  describe('in React Native', () => {
    /** What the listing exports; React Native gives it fetch, the console and the client of Socket.IO that it imports. */
    function create(lines: string[]): Json {
      const code = filled(listing('javascript', 'React Native'), { "import io from 'socket.io-client';": '', 'export default UltimateAgentMobile;': '' });
      const make = new Function('io', 'fetch', 'console', `${code}; return UltimateAgentMobile;`) as (...names: unknown[]) => new (url: string) => Json;
      return new (make(io, fetch, { log: (line: string) => lines.push(line) }))(world.url);
    }

    it('connects, is greeted, and shows an alert when something has changed', async () => {
      const lines: string[] = [];
      const mobile = create(lines);
      try {
        await mobile.initialize();
        mobile.subscribeToSystemAlerts();
        await world.parts.monitoring.look();
        world.standIn.otherwise(({ path }) => (path.startsWith('/v1/') ? { status: 500 } : {}));
        const fail = () => sendRequest(world.url, 'POST', '/api/ai/chat', { body: { input: 'Are you there?', backend_model: 'openai/gpt-4o' } });
        await Promise.all(Array.from({ length: 8 }, fail));
        expect(world.parts.models.breaker('openai')!.state).toBe('OPEN');
        await world.parts.monitoring.look();
        await expect.poll(() => lines).toContainEqual(expect.stringMatching(/^Alert: Models: openai has failed \d+ times in a row/));
        expect(lines.filter((line) => line.startsWith('Alert: Models: openai'))).toHaveLength(1);
      } finally {
        world.standIn.otherwise({});
        mobile.socket.close();
      }
    });

    it('is refused speech as not built', async () => {
      const lines: string[] = [];
      const mobile = create(lines);
      try {
        const greeting = await mobile.initialize();
        expect(greeting).toMatchObject({ agent_id: expect.any(String), chat_enabled: true });
        expect(lines).toEqual(['Connected to Ultimate Agent Mobile']);
        // Speech is beyond what is built: the answer says so, and makes nothing.
        expect(await mobile.startVoiceConversation()).toMatchObject({ success: false, error: { code: 'not_implemented' } });
        expect(mobile.conversationId).toBeUndefined();
        expect(missing.events).toContain('/ voice_message');
        const refused = new Promise((resolve) => mobile.socket.once('agent_error', resolve));
        mobile.sendVoiceMessage('GkXfow==');
        expect(await refused).toMatchObject({ event: 'voice_message', code: 'not_implemented' });
      } finally {
        mobile.socket.close();
      }
    });
  });

  describe.skipIf(python === null)('in Python', () => {
    let folder: string;
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'parley-python-'));
      await writeFile(join(folder, 'listing.py'), filled(listing('python', 'Backend Integration'), { [documented]: world.url }));
    });
    afterAll(() => rm(folder, { recursive: true, force: true }));

    /** Runs lines of a program around the listing, which forgets to import aiohttp and leaves three methods open; what it prints. */
    async function execute(...lines: string[]): Promise<string[]> {
      const program = [
        'import asyncio, json, os, aiohttp, listing', 'listing.aiohttp = aiohttp', 'Agent = listing.UltimateAgentIntegration', 'heard = asyncio.Queue()',
        'async def note(self, data): heard.put_nowait(data)', 'Agent._handle_chat_response = Agent._handle_distributed_result = Agent._handle_task_completion = note',
        'def show(value): print(json.dumps(value), flush=True)', 'async def program():', ...lines.map((line) => `    ${line}`), 'asyncio.run(program())',
      ];
      await writeFile(join(folder, 'program.py'), program.join('\n'));
      const { stdout } = await run(python!, ['program.py'], { cwd: folder, timeout: 30_000, env: { PATH: process.env['PATH'], PYTHONDONTWRITEBYTECODE: '1' } });
      return stdout.trim().split('\n');
    }

    it('the class chats over HTTP, hears the room over its socket, reads the status and closes', async () => {
      const printed = await execute(
        'agent = Agent()', 'await agent.connect()', 'show((await agent.get_comprehensive_status())["running"])',
        'chat = await agent.chat_with_ai("Explain distributed training", model="technical")', 'show(chat)',
        'await agent.websocket.send(json.dumps({"type": "chat_message", "data": {"message": "Again", "conversation_id": chat["conversation_id"]}}))',
        'show(await asyncio.wait_for(heard.get(), 10))',
        'show([await agent.monitor_p2p_network(), await agent.chat_with_ai("Anybody?", use_distributed=True)])',
        'await agent.close()', 'show([agent.websocket.closed, agent.session.closed])',
      );
      const [running, chat, heard, beyond, closed] = printed.map((line): Json => JSON.parse(line));
      expect(running).toBe(true);
      expect(chat).toMatchObject({ success: true, response: answer, strategy: 'technical', message_count: 2, tokens_used: expect.any(Number) });
      expect(heard).toMatchObject({ success: true, response: answer, conversation_id: chat.conversation_id, message_count: 4, context_used: true });
      expect(missing.operations).toEqual(expect.arrayContaining(['getP2PStatus', 'p2pInference']));
      for (const refused of beyond) expect(refused).toMatchObject({ success: false, error: { code: 'not_implemented' } });
      expect(closed).toEqual([true, true]);
    });

    it('its example runs as far as what is built, which is up to the training', async () => {
      const printed = await execute('try:', '    await listing.main()', 'except KeyError as missing:', '    show(str(missing))', '    os._exit(0)');
      expect(missing.operations).toContain('startTask');
      expect(printed).toEqual(['Agent Status: True', 'P2P Enabled: False', JSON.stringify("'task_id'")]);
    });
  });
});
