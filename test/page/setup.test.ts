import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { writeTestModel } from '../gguf/index.ts';
import { startStandIn, type StandIn } from '../stand-in/index.ts';
import { answers, answerWith, eventually, hasBrowser, say, startWorld, type World } from './world.ts';

const script = 'Fetched by the page, I answer from this machine.';

/** A host of model files that sends half of what is asked for, and the rest when told. */
class FileHost {
  readonly requests: string[] = [];
  private readonly bytes: Buffer;
  private readonly server: Server;
  private release = Promise.withResolvers<void>();

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.server = createServer((request, response) => {
      const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
      this.requests.push(request.headers.range ?? 'all');
      const first = Number(range?.[1] ?? 0);
      const last = range?.[2] ? Math.min(Number(range[2]), bytes.length - 1) : bytes.length - 1;
      const body = this.bytes.subarray(first, last + 1);
      response.writeHead(range ? 206 : 200, { etag: '"one"', 'content-length': body.length, ...(range ? { 'content-range': `bytes ${first}-${last}/${bytes.length}` } : {}) });
      if (range?.[2]) return void response.end(body);
      response.write(body.subarray(0, body.length / 2));
      void this.release.promise.then(() => response.end(body.subarray(body.length / 2)));
    });
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  sendRest(): void {
    this.release.resolve();
  }

  close(): Promise<void> {
    this.server.closeAllConnections();
    return new Promise((resolve) => void this.server.close(() => resolve()));
  }
}

describe.skipIf(!hasBrowser)('The set-up page', () => {
  let world: World;
  let host: FileHost;
  let address: string;
  let size: number;
  let service: StandIn;
  beforeAll(async () => {
    const folder = mkdtempSync(join(tmpdir(), 'parley-host-'));
    const model = readFileSync(writeTestModel(join(folder, 'model.gguf'), { licence: 'mit', contextTokens: 1024, says: script }).path);
    rmSync(folder, { recursive: true });
    size = model.length;
    host = new FileHost(model);
    address = await host.listen();
    service = await startStandIn({ models: ['large'], apiKey: 'sk-the-right-key' });
    world = await startWorld({ settings: { DEFAULT_MODEL: '', COMPATIBLE_SERVERS: '', OPENAI_BASE_URL: `${service.url}/v1`, LLAMA_THREADS: '1' } });
  });
  afterAll(async () => {
    await world.close();
    await service.close();
    await host.close();
  });
  afterEach(() => expect(world.complaints()).toEqual([]));

  it('is offered where no language model is there, and says what was found and what was not', async () => {
    const page = await world.open();
    await page.getByRole('link', { name: 'Set up a model' }).click();
    const found = page.getByRole('region', { name: 'What can answer' });
    await found.getByRole('heading', { name: 'Model files' }).waitFor();
    const text = await found.textContent();
    expect(text).toContain('Not found');
    expect(text).toContain(join(world.dataDir, 'models'));
    expect(text).toContain('builtin/parley');
    expect(text).toContain('Needs a key');
    const recommended = page.getByRole('region', { name: 'Get a model for this machine' }).getByRole('listitem').first();
    expect(await recommended.textContent()).toMatch(/\d (MB|GB) · \S+/);
    expect(service.requests).toEqual([]);
  });

  it('looks at a model only when asked, and shows its size, licence and room', async () => {
    const page = await world.open('/setup');
    await page.getByLabel('Another GGUF model').fill(`${address}/model.gguf`);
    expect(host.requests).toEqual([]);
    await page.getByRole('button', { name: 'Look at it' }).click();
    const dialog = page.getByRole('dialog', { name: 'Get this model?' });
    await dialog.getByText('model.gguf', { exact: true }).waitFor();
    const text = await dialog.textContent();
    expect(text).toContain('mit');
    expect(text).toMatch(/Free space\d/);
    expect(text).toContain('1,024 tokens');
    expect(text).toContain(`Size${(size / 1e6).toFixed(1)} MB`);
    await dialog.getByRole('button', { name: 'Not now' }).click();
    await dialog.waitFor({ state: 'detached' });
    expect(host.requests.every((range) => range.includes('-') && !range.endsWith('-'))).toBe(true);
  });

  it('says what is wrong with a source', async () => {
    const page = await world.open('/setup');
    await page.getByLabel('Another GGUF model').fill('not a source');
    await page.getByRole('button', { name: 'Look at it' }).click();
    await page.getByRole('alert').getByText('A source is the address of a .gguf file').waitFor();
  });

  it('fetches a model with its progress, stops, goes on, and then it answers', async () => {
    const page = await world.open('/setup');
    await page.getByLabel('Another GGUF model').fill(`${address}/model.gguf`);
    await page.getByRole('button', { name: 'Look at it' }).click();
    await page.getByRole('button', { name: /^Download/ }).click();
    const downloads = page.getByRole('region', { name: 'Downloads' });
    await downloads.getByRole('progressbar').waitFor();
    await eventually(() => downloads.textContent()).toMatch(/[\d.]+ [KM]B of [\d.]+ MB/);
    await downloads.getByRole('button', { name: 'Stop' }).click();
    await downloads.getByText(/^Stopped · [\d.]+ [KM]B of [\d.]+ MB kept$/).waitFor();
    host.sendRest();
    await downloads.getByRole('button', { name: 'Go on' }).click();
    await downloads.getByText(/^Ready · /).waitFor();
    expect(host.requests.at(-1)).not.toBe('bytes=0-');
    await page.getByRole('region', { name: 'What can answer' }).getByText('llama/').waitFor();
    await page.getByRole('button', { name: 'New chat' }).click();
    await page.getByText('Nothing leaves it.').waitFor();
    await say(page, 'Who are you?');
    await answerWith(page, script);
    await answers(page, 'DELIVERED').waitFor();
  });

  it('takes keys for every service that asks for one', async () => {
    const page = await world.open('/setup');
    for (const service of ['openai', 'anthropic', 'google', 'cohere']) await page.getByLabel(`Key for ${service}`, { exact: true }).waitFor();
  });

  it('keeps one’s key for a service, which brings its models, and never shows it again', async () => {
    const page = await world.open('/setup');
    await page.getByLabel('Key for openai', { exact: true }).fill('sk-the-right-key');
    await page.getByRole('button', { name: 'Save the key for openai' }).click();
    await page.getByRole('region', { name: 'What can answer' }).getByText('openai/large').waitFor();
    expect(await page.content()).not.toContain('sk-the-right-key');
    await eventually(() => page.getByLabel('Key for openai', { exact: true }).getAttribute('placeholder')).toMatch(/^Set: .*key$/);
    await page.getByRole('button', { name: 'New chat' }).click();
    await page.getByRole('button', { name: /^Model:/ }).click();
    await page.getByRole('menuitemradio', { name: /openai\/large/ }).click();
    await page.getByText(/^large (answers on this server|is a remote service)/).waitFor();
    await page.goto(`${world.url}/setup`);
    await page.getByRole('button', { name: 'Remove the key for openai' }).click();
    await eventually(() => page.getByLabel('Key for openai', { exact: true }).getAttribute('placeholder')).toBe('Not set');
  });
});
