import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ollama, type ProgressResponse } from 'ollama';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/observability/index.ts';
import { readConfig } from '../../src/config.ts';
import { createOllamaProvider } from '../../src/core/models/index.ts';
import { createParts, type Parts } from '../../src/parts.ts';
import { writeTestModel } from '../gguf/index.ts';

const script = 'Hello there! I am a tiny model and these words never change.';

/** A host of model files on this machine. Each test may say how fast it is. */
let host: Server;
let hostUrl: string;
let file: Buffer;
let serve: (response: ServerResponse, body: Buffer) => void;
const atOnce = (response: ServerResponse, body: Buffer): void => void response.end(body);

let dataDir: string;
let modelsDir: string;
let parts: Parts;
let url: string;
let ollama: Ollama;

beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'parley-ollama-api-'));
  modelsDir = join(dataDir, 'models');
  mkdirSync(modelsDir);
  writeTestModel(join(modelsDir, 'script.gguf'), { says: script, contextTokens: 1024 });
  writeTestModel(join(modelsDir, 'vectors.gguf'), { embedding: true, contextTokens: 256 });
  file = readFileSync(writeTestModel(join(dataDir, 'pulled.gguf'), { seed: 2 }).path);
  host = createServer((request, response) => answer(request, response));
  await new Promise<void>((resolve) => host.listen(0, '127.0.0.1', resolve));
  hostUrl = `http://127.0.0.1:${(host.address() as AddressInfo).port}`;
  const config = readConfig({ PORT: '0', OLLAMA_API_PORT: '0', DATA_DIR: dataDir, MODELS_DIR: modelsDir, OLLAMA_URLS: 'off', DRAIN_SECONDS: '0', LLAMA_THREADS: '1', LLAMA_CONTEXT: '512' });
  parts = createParts(config, { log: silentLog(), webDir: join(dataDir, 'no-page') });
  await parts.start();
  url = `http://127.0.0.1:${parts.ollama!.addresses()[0]!.port}`;
  ollama = new Ollama({ host: url });
});
afterAll(async () => {
  await parts.stop();
  host.closeAllConnections();
  await new Promise((resolve) => host.close(resolve));
  rmSync(dataDir, { recursive: true, force: true });
});

/** Serves the file under any name but `absent`, whole or from where it is asked. */
function answer(request: IncomingMessage, response: ServerResponse): void {
  if (request.url!.includes('absent')) return void response.writeHead(404).end();
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  if (!range) return serve(response.writeHead(200, { 'content-length': file.length, etag: '"1"' }), file);
  const last = range[2] === '' ? file.length - 1 : Math.min(Number(range[2]), file.length - 1);
  const body = file.subarray(Number(range[1]), last + 1);
  response.writeHead(206, { 'content-range': `bytes ${range[1]}-${last}/${file.length}`, 'content-length': body.length, etag: '"1"' });
  if (range[2] === '') serve(response, body);
  else response.end(body);
}

describe('The models of a real server', () => {
  it('are listed with what their files say, under names that can be sent back', async () => {
    const { models } = await ollama.list();
    expect(models.map(({ name }) => name).sort()).toEqual(['parley:latest', 'script:latest', 'vectors:latest']);
    const script = models.find(({ name }) => name === 'script:latest')!;
    expect(script).toMatchObject({ model: 'script:latest', digest: '0'.repeat(64), details: { format: 'gguf', family: 'llama', families: ['llama'] } });
    expect(script.size).toBe(readFileSync(join(modelsDir, 'script.gguf')).length);
    expect(models.find(({ name }) => name === 'parley:latest')).toMatchObject({ modified_at: '0001-01-01T00:00:00Z', size: 0, details: { family: '', families: [] } });
    for (const { name } of models) expect((await ollama.show({ model: name })).details).toEqual(models.find((model) => model.name === name)!.details);
  });

  it('show the context that can be used, and what they can do', async () => {
    const shown = await ollama.show({ model: 'script' });
    expect(shown).toMatchObject({
      license: 'mit', parameters: 'num_ctx 512', capabilities: ['completion', 'tools'],
      model_info: { 'general.architecture': 'llama', 'general.basename': 'script', 'llama.context_length': 512, 'llama.embedding_length': 128 },
    });
    expect((await ollama.show({ model: 'llama/vectors' })).capabilities).toEqual(['embedding']);
    await expect(ollama.show({ model: 'scrip' })).rejects.toMatchObject({ status_code: 404, message: 'model "scrip" not found, try pulling it first' });
  });

  it('answer, and are in memory from then on', async () => {
    expect(await ollama.ps()).toEqual({ models: [] });
    const stream = await ollama.chat({ model: 'script:latest', messages: [{ role: 'user', content: 'Hello?' }], stream: true, options: { temperature: 0 } });
    let text = '';
    for await (const piece of stream) {
      text += piece.message.content;
      if (piece.done) expect(piece).toMatchObject({ model: 'script:latest', done_reason: 'stop', prompt_eval_count: expect.any(Number), eval_count: expect.any(Number), eval_duration: expect.any(Number) });
    }
    expect(text).toBe(script);
    expect((await ollama.generate({ model: 'llama/script', prompt: 'Hello?', options: { num_predict: 2 } })).done_reason).toBe('length');
    const { models } = await ollama.ps();
    expect(models).toMatchObject([{ name: 'script:latest', model: 'script:latest', size_vram: 0, context_length: 512, details: { family: 'llama' } }]);
    expect(models[0]!.size).toBeGreaterThan(0);
    expect(Date.parse(String(models[0]!.expires_at))).toBeGreaterThan(Date.now());
    await expect(ollama.generate({ model: 'script', prompt: '', keep_alive: 0 })).rejects.toMatchObject({ status_code: 501 });
  });

  it('make vectors', async () => {
    const { embeddings, prompt_eval_count: tokens } = await ollama.embed({ model: 'vectors', input: ['one text', 'another'] });
    expect(embeddings.map((vector) => [vector.length, Math.round(Math.hypot(...vector) * 1e4) / 1e4])).toEqual([[128, 1], [128, 1]]);
    expect(tokens).toBeGreaterThan(0);
  });

  it('of the responder answer under their own name, and refuse what they cannot do', async () => {
    const { message, model } = await ollama.chat({ model: 'parley', messages: [{ role: 'user', content: 'Hello?' }] });
    expect([model, message.content.length > 0]).toEqual(['parley:latest', true]);
    await expect(ollama.chat({ model: 'parley', messages: [{ role: 'user', content: 'Hello?' }], format: 'json' })).rejects.toMatchObject({ status_code: 400 });
  });
});

describe('Pulling', () => {
  beforeEach(() => void (serve = atOnce));
  afterEach(() => rmSync(join(modelsDir, 'pulled.gguf'), { force: true }));

  it('tells how far it is, and the model can be asked at once', async () => {
    const steps: ProgressResponse[] = [];
    for await (const step of await ollama.pull({ model: `${hostUrl}/pulled.gguf`, stream: true })) steps.push(step);
    expect(steps[0]).toEqual({ status: 'pulling manifest' });
    expect(steps.at(-1)).toEqual({ status: 'success' });
    expect(steps.filter(({ total }) => total !== undefined).at(-1)).toEqual({ status: 'pulling pulled.gguf', total: file.length, completed: file.length });
    expect(createHash('sha256').update(readFileSync(join(modelsDir, 'pulled.gguf'))).digest('hex')).toBe(createHash('sha256').update(file).digest('hex'));
    expect((await ollama.show({ model: 'pulled' })).details.family).toBe('llama');
    expect((await ollama.show({ model: `${hostUrl}/pulled.gguf` })).details.family).toBe('llama');
    expect(await ollama.pull({ model: `${hostUrl}/pulled.gguf` })).toEqual({ status: 'success' });
    expect(await ollama.pull({ model: 'pulled' })).toEqual({ status: 'success' });
  });

  it('waits for the end where no stream is wanted', async () => {
    expect(await ollama.pull({ model: `${hostUrl}/pulled.gguf` })).toEqual({ status: 'success' });
    expect(existsSync(join(modelsDir, 'pulled.gguf'))).toBe(true);
  });

  it('stops with whoever asked, and goes on from there', async () => {
    let sent!: () => void;
    const half = new Promise<void>((resolve) => (sent = resolve));
    serve = (response, body) => void response.write(body.subarray(0, body.length / 2), () => sent());
    const stopped = new AbortController();
    const asked = fetch(`${url}/api/pull`, { method: 'POST', body: JSON.stringify({ model: `${hostUrl}/pulled.gguf` }), signal: stopped.signal });
    await Promise.all([half, asked]);
    stopped.abort();
    const state = async () => (await parts.modelStore.pulls())[0]!.state;
    while ((await state()) === 'running') await new Promise(setImmediate);
    expect(await state()).toBe('cancelled');
    serve = atOnce;
    expect(await ollama.pull({ model: `${hostUrl}/pulled.gguf` })).toEqual({ status: 'success' });
  });

  it('refuses what it cannot fetch with a status of its own', async () => {
    for (const stream of [true, false] as const) {
      const names = [['llama3.2', 400], [`${hostUrl}/absent.gguf`, 404], ['hf.co/only-an-owner', 400], ['', 400]] as const;
      for (const [model, status] of names) {
        const refused = await fetch(`${url}/api/pull`, { method: 'POST', body: JSON.stringify({ model, stream }) });
        expect([model, refused.status, await refused.json()]).toEqual([model, status, { error: expect.any(String) }]);
      }
    }
    await expect(ollama.pull({ model: 'llama3.2' })).rejects.toThrow("Ollama's own library, which is not read here");
  });

  it('says in the stream why it failed', async () => {
    serve = (response, body) => void response.end(Buffer.alloc(body.length, 7));
    const failing = ollama.pull({ model: `${hostUrl}/pulled.gguf`, stream: true });
    await expect((async () => {
      for await (const step of await failing) expect(step.status).not.toBe('success');
    })()).rejects.toThrow(/GGUF/);
  });
});

describe('Deleting', () => {
  it('removes a file, and nothing else', async () => {
    writeTestModel(join(modelsDir, 'old.gguf'));
    await ollama.delete({ model: 'old' });
    expect(existsSync(join(modelsDir, 'old.gguf'))).toBe(false);
    await expect(ollama.delete({ model: 'old' })).rejects.toMatchObject({ status_code: 404 });
    await expect(ollama.delete({ model: 'parley' })).rejects.toMatchObject({ status_code: 400, message: expect.stringContaining('no file of this server') });
    await expect(ollama.delete({ model: '../script' })).rejects.toMatchObject({ status_code: 404 });
    expect(existsSync(join(modelsDir, 'script.gguf'))).toBe(true);
  });
});

describe('A Parley that looks for Ollama', () => {
  it('is not answered by one, so that no question goes round in circles', async () => {
    const provider = createOllamaProvider({ urls: [url], timeoutMs: 2000, clock: systemClock });
    const call = { signal: AbortSignal.timeout(5000), apiKey: null };
    try {
      expect(await provider.state(call)).toMatchObject({ state: 'absent', detail: expect.stringContaining('answers Parley itself (OLLAMA_API_PORT)') });
      await expect(provider.models(call)).rejects.toMatchObject({ code: 'provider_unavailable' });
      const events = [];
      for await (const batch of provider.stream({ model: 'script', messages: [{ role: 'user', content: 'Hello?' }] }, call)) events.push(...batch);
      expect(events).toMatchObject([{ type: 'error', error: { code: 'provider_unavailable' } }]);
    } finally {
      await provider.stop!();
    }
  });
});
