import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../base/clock.ts';
import { newId } from '../../../base/ids.ts';
import { createJobs, type Jobs } from '../../../base/jobs/index.ts';
import { createMetrics, silentLog } from '../../../base/observability/index.ts';
import { openStorage, type Storage } from '../../../base/storage/index.ts';
import { writeTestModel } from '../../../../test/gguf/index.ts';
import { createModelStore, type ModelStoreOptions } from './store.ts';
import type { ModelPull, ModelStore } from './types.ts';

const log = silentLog();
const metrics = createMetrics();

/** A real model file, larger than what is read to look at it. */
let model: Buffer;
let checksum: string;
/** A host on loopback; each test says what it answers. */
let host: Server;
let base: string;
let answer: (request: IncomingMessage, response: ServerResponse) => void;
let requests: { path: string; range: string | undefined; ifRange: string | undefined }[];

beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'parley-host-'));
  model = readFileSync(writeTestModel(join(folder, 'model.gguf'), { licence: 'mit', contextTokens: 1024 }).path);
  rmSync(folder, { recursive: true });
  checksum = createHash('sha256').update(model).digest('hex');
  host = createServer((request, response) => {
    requests.push({ path: request.url ?? '', range: request.headers.range, ifRange: request.headers['if-range'] as string | undefined });
    answer(request, response);
  });
  await new Promise<void>((resolve) => host.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(host.address() as AddressInfo).port}`;
});
afterAll(
  () =>
    new Promise((resolve) => {
      host.closeAllConnections();
      host.close(resolve);
    }),
);

/** Ranges as hosts of files serve them. `cutAt`: the connection breaks after so many bytes of an answer. */
function serve(bytes: Buffer, options: { etag?: string; cutAt?: () => number | null; ranges?: boolean } = {}) {
  return (request: IncomingMessage, response: ServerResponse): void => {
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
    if (options.etag !== undefined) response.setHeader('etag', options.etag);
    let body = bytes;
    const changed = request.headers['if-range'] !== undefined && request.headers['if-range'] !== options.etag;
    if (range !== null && options.ranges !== false && !changed) {
      const first = Number(range[1]);
      const last = range[2] === '' ? bytes.length - 1 : Math.min(Number(range[2]), bytes.length - 1);
      if (first >= bytes.length) return void response.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end();
      body = bytes.subarray(first, last + 1);
      response.writeHead(206, { 'content-range': `bytes ${first}-${last}/${bytes.length}`, 'content-length': body.length });
    } else {
      response.writeHead(200, { 'content-length': body.length });
    }
    const cut = isTransfer(request) ? (options.cutAt?.() ?? null) : null;
    if (cut === null || cut >= body.length) response.end(body);
    else response.write(body.subarray(0, cut), () => response.destroy());
  };
}

/** Looking at a file asks for its first bytes only; fetching it has no last one. */
function isTransfer(request: IncomingMessage): boolean {
  return /^bytes=\d+-$/.test(request.headers.range ?? '');
}

let folder: string;
let dataDir: string;
let storage: Storage;
let jobs: Jobs;

beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'parley-store-'));
  folder = join(dataDir, 'models');
  requests = [];
  answer = serve(model);
  await start();
});
afterEach(async () => {
  await stop();
  rmSync(dataDir, { recursive: true, force: true });
});

async function start(): Promise<void> {
  storage = openStorage({ databaseUrl: null, dataDir, fullSync: false, clock: systemClock, log, metrics });
  await storage.start();
  jobs = createJobs({
    storage,
    clock: systemClock,
    log,
    metrics,
    instanceId: newId(),
    timings: { firstRetryMs: 5, maxRetryMs: 20, pollMs: 10, reportMs: 5 },
  });
}

async function stop(): Promise<void> {
  await jobs.stop?.();
  await storage.stop();
}

async function open(options: Partial<ModelStoreOptions> = {}): Promise<ModelStore> {
  const store = createModelStore({
    folder,
    jobs,
    log,
    clock: systemClock,
    hubEndpoint: base,
    answerMs: 2000,
    stallMs: 2000,
    pauseMs: 1,
    reserveBytes: 0,
    ...options,
  });
  await jobs.start?.();
  return store;
}

async function fetchModel(store: ModelStore, source: string, sha256?: string): Promise<ModelPull> {
  const { id } = await store.pull(source, { sha256: sha256 ?? null, userId: null });
  return store.wait(id, AbortSignal.timeout(20_000));
}

const files = (): string[] => readdirSync(folder).sort();
const stored = (name: string): Buffer => readFileSync(join(folder, name));

describe('looking at a model', () => {
  it('tells size, licence, kind and whether there is room, from its first bytes', async () => {
    const store = await open();
    const source = `${base}/tiny.gguf?token=secret`;
    expect(await store.inspect(source)).toMatchObject({
      source,
      url: `${base}/tiny.gguf`,
      fileName: 'tiny.gguf',
      sizeBytes: model.length,
      licence: 'mit',
      architecture: 'llama',
      contextLength: 1024,
      sha256: null,
      fits: true,
    });
    expect(requests).toEqual([{ path: '/tiny.gguf?token=secret', range: 'bytes=0-262143', ifRange: undefined }]);
    expect((await createTightStore()).fits).toBe(false);
  });

  const createTightStore = async () => {
    const other = createModelStore({
      folder,
      jobs: { ...jobs, register: () => undefined } as Jobs,
      log,
      clock: systemClock,
      freeBytes: async () => 1000,
    });
    return other.inspect(`${base}/tiny.gguf`);
  };

  it('finds files in the hub, by name and by quantisation, with licence and checksum', async () => {
    const store = await open();
    const siblings = [
      { rfilename: 'README.md' },
      { rfilename: 'mmproj-tiny-Q4_K_M.gguf' },
      { rfilename: 'sub/tiny-Q4_K_M.gguf', lfs: { sha256: checksum } },
      { rfilename: 'tiny-Q8_0.gguf', lfs: { sha256: checksum } },
      { rfilename: 'big-Q2_K-00001-of-00002.gguf' },
    ];
    answer = (request, response) => {
      if (request.url === '/api/models/owner/tiny?blobs=true')
        response.end(JSON.stringify({ cardData: { license: 'apache-2.0' }, siblings }));
      else if (request.url?.startsWith('/owner/tiny/resolve/main/'))
        response.writeHead(302, { location: '/cdn/bytes', 'x-linked-etag': `"${checksum}"` }).end();
      else serve(model)(request, response);
    };
    const found = { sizeBytes: model.length, licence: 'apache-2.0', sha256: checksum };
    expect(await store.inspect('hf:owner/tiny/tiny-Q8_0.gguf')).toMatchObject({
      ...found,
      fileName: 'tiny-Q8_0.gguf',
      url: `${base}/owner/tiny/resolve/main/tiny-Q8_0.gguf`,
    });
    expect(await store.inspect('hf:owner/tiny:q4_k_m')).toMatchObject({ ...found, fileName: 'tiny-Q4_K_M.gguf' });
    await expect(store.inspect('hf:owner/tiny:Q5_0')).rejects.toMatchObject({
      code: 'not_found',
      message: expect.stringContaining('It has: sub/tiny-Q4_K_M.gguf, tiny-Q8_0.gguf.'),
    });
    await expect(store.inspect('hf:owner/tiny/absent.gguf')).rejects.toMatchObject({ code: 'not_found' });
    await expect(store.inspect('hf:owner/tiny/big-Q2_K-00001-of-00002.gguf')).rejects.toMatchObject({ code: 'unsupported_value' });
    // By its address the hub's own description is used as well.
    expect(await store.inspect(`${base}/owner/tiny/resolve/main/tiny-Q8_0.gguf`)).toMatchObject({ sha256: checksum, licence: 'mit' });
  });

  it.each<[string, (request: IncomingMessage, response: ServerResponse) => void, string]>([
    ['is not there', (_, response) => response.writeHead(404).end(), 'not_found'],
    ['needs an account', (_, response) => response.writeHead(401).end(), 'forbidden'],
    ['has no size', (_, response) => response.write(model.subarray(0, 1000), () => response.end()), 'invalid_request'],
    ['is a page', (_, response) => response.end('<!doctype html><title>Sign in</title>'), 'unsupported_media_type'],
    ['is empty', (_, response) => response.end(), 'invalid_request'],
    ['turns in a circle', (_, response) => response.writeHead(302, { location: '/tiny.gguf' }).end(), 'invalid_request'],
    ['leads to nowhere', (_, response) => response.writeHead(302).end(), 'invalid_request'],
    ['leads to a local file', (_, response) => response.writeHead(302, { location: 'file:///etc/passwd' }).end(), 'invalid_request'],
    ['is on a host with an error', (_, response) => response.writeHead(500).end(), 'provider_unavailable'],
    ['is on a host that hangs up', (request) => request.socket.destroy(), 'provider_unavailable'],
    ['is on a host that says nothing', () => undefined, 'provider_unavailable'],
    ['is on a busy host', (_, response) => response.writeHead(429, { 'retry-after': '7' }).end(), 'rate_limited'],
  ])('refuses one that %s', async (_, behaviour, code) => {
    answer = behaviour;
    const store = await open({ answerMs: 300 });
    await expect(store.inspect(`${base}/tiny.gguf`)).rejects.toMatchObject({ code });
  });

  it('asks nobody unless it is told to', async () => {
    const store = await open();
    expect(store.recommended.length).toBeGreaterThan(2);
    await store.list();
    await store.pulls();
    await expect(store.inspect('nonsense')).rejects.toMatchObject({ code: 'invalid_request' });
    expect(requests).toEqual([]);
  });
});

describe('fetching a model', () => {
  it('puts the whole file under its name, with checksum, figures and progress', async () => {
    const store = await open();
    expect(await fetchModel(store, `${base}/tiny.gguf`, checksum.toUpperCase())).toMatchObject({
      state: 'done',
      fileName: 'tiny.gguf',
      receivedBytes: model.length,
      sizeBytes: model.length,
      error: null,
    });
    expect(files()).toEqual(['tiny.gguf']);
    expect(stored('tiny.gguf').equals(model)).toBe(true);
    expect(await store.list()).toMatchObject([{ fileName: 'tiny.gguf', sizeBytes: model.length, licence: 'mit', usable: true }]);
  });

  it('goes on where the line broke, as often as it breaks', async () => {
    let cuts = 0;
    answer = serve(model, { etag: '"v1"', cutAt: () => (cuts++ < 12 ? 100_000 : null) });
    const pulled = await fetchModel(await open(), `${base}/tiny.gguf`, checksum);
    expect(pulled).toMatchObject({ state: 'done', receivedBytes: model.length });
    expect(stored('tiny.gguf').equals(model)).toBe(true);
    const transfers = requests.filter(({ range }) => range?.endsWith('-'));
    const starts = transfers.map(({ range }) => Number(/\d+/.exec(range!)![0]));
    expect(starts).toHaveLength(13);
    // Some of what was sent last may be lost with the line, but nothing is fetched twice.
    expect(starts).toEqual([...starts].sort((one, other) => one - other));
    expect(starts.at(-1)).toBeGreaterThan(500_000);
    expect(transfers.every(({ ifRange }) => ifRange === '"v1"')).toBe(true);
  });

  it('begins anew where the host cannot go on from the middle', async () => {
    let cuts = 0;
    answer = serve(model, { ranges: false, cutAt: () => (cuts++ < 2 ? 500_000 : null) });
    expect(await fetchModel(await open(), `${base}/tiny.gguf`, checksum)).toMatchObject({ state: 'done' });
    expect(stored('tiny.gguf').equals(model)).toBe(true);
  });

  it('gives up when nothing comes any more, and resumes when asked', async () => {
    let broken = true;
    answer = serve(model, { cutAt: () => (broken ? 0 : null) });
    const store = await open();
    const failed = await fetchModel(store, `${base}/tiny.gguf`);
    expect(failed).toMatchObject({ state: 'failed', error: expect.stringMatching(/broke|too early/) });
    broken = false;
    await store.resume(failed.id);
    expect(await store.wait(failed.id)).toMatchObject({ state: 'done', error: null });
  });

  it('does not wait for ever for a host that goes silent', async () => {
    let silent = true;
    answer = (request, response) => {
      if (!isTransfer(request) || !silent) return serve(model)(request, response);
      silent = false;
      response.writeHead(206, { 'content-range': `bytes 0-${model.length - 1}/${model.length}`, 'content-length': model.length });
      response.write(model.subarray(0, 1000));
    };
    expect(await fetchModel(await open({ stallMs: 200 }), `${base}/tiny.gguf`)).toMatchObject({ state: 'done' });
    expect(requests.map(({ range }) => range)).toContain('bytes=1000-');
  });

  it('refuses a wrong checksum and keeps nothing', async () => {
    const store = await open();
    const failed = await fetchModel(store, `${base}/tiny.gguf`, '0'.repeat(64));
    expect(failed).toMatchObject({ state: 'failed', error: expect.stringContaining(`SHA-256 ${checksum}, expected 000`) });
    expect(files()).toEqual([]);
    await expect(store.pull(`${base}/tiny.gguf`, { sha256: 'abc', userId: null })).rejects.toMatchObject({
      code: 'invalid_request',
      parameter: 'sha256',
    });
  });

  it('holds the file to the checksum that the hub names', async () => {
    answer = (request, response) => {
      response.setHeader('x-linked-etag', `"${'1'.repeat(64)}"`);
      serve(model)(request, response);
    };
    const store = await open();
    expect(await fetchModel(store, `${base}/tiny.gguf`)).toMatchObject({ state: 'failed', error: expect.stringContaining('expected 111') });
    expect(await fetchModel(store, `${base}/tiny.gguf`, checksum)).toMatchObject({
      state: 'failed',
      error: expect.stringContaining('The hub names'),
    });
    expect(files()).toEqual([]);
  });

  it.each<[string, (request: IncomingMessage, response: ServerResponse) => void]>([
    [
      'sends more than it announced',
      (request, response) => {
        if (!isTransfer(request)) return serve(model)(request, response);
        response.writeHead(206, { 'content-range': `bytes 0-${model.length - 1}/${model.length}` });
        response.end(Buffer.concat([model, Buffer.alloc(100)]));
      },
    ],
    [
      'announces another size in the middle',
      (request, response) => serve(isTransfer(request) ? model.subarray(0, 900_000) : model)(request, response),
    ],
    [
      'answers with another place of the file',
      (request, response) => {
        if (!isTransfer(request)) return serve(model)(request, response);
        response.writeHead(206, { 'content-range': `bytes 7-${model.length - 1}/${model.length}` }).end(model.subarray(7));
      },
    ],
  ])('does not trust a host that %s', async (_, behaviour) => {
    answer = behaviour;
    expect(await fetchModel(await open(), `${base}/tiny.gguf`)).toMatchObject({
      state: 'failed',
      error: expect.stringMatching(/more bytes|contradicts/),
    });
    expect(files().filter((name) => name.endsWith('.gguf'))).toEqual([]);
  });

  it('takes bytes of an earlier version for none of the new one', async () => {
    const store = await open();
    let transfers = 0;
    answer = serve(model, { etag: '"old"', cutAt: () => (transfers++ === 0 ? 900_000 : 0) });
    const { id, state } = await fetchModel(store, `${base}/tiny.gguf`);
    expect(state).toBe('failed');
    expect(files()).toHaveLength(1);
    const other = Buffer.from(model);
    other.fill(7, 600_000, 700_000);
    answer = serve(other, { etag: '"new"' });
    await store.resume(id);
    expect(await store.wait(id)).toMatchObject({ state: 'done' });
    expect(stored('tiny.gguf').equals(other)).toBe(true);
    expect(files()).toEqual(['tiny.gguf']);
  });

  it('leaves a file that is there alone', async () => {
    mkdirSync(folder);
    writeFileSync(join(folder, 'tiny.gguf'), 'mine');
    const store = await open();
    await expect(store.pull(`${base}/tiny.gguf`, { userId: null })).rejects.toMatchObject({ code: 'conflict' });
    expect(stored('tiny.gguf').toString()).toBe('mine');
  });

  it('leaves a file alone that came while it was fetching', async () => {
    answer = (request, response) => {
      if (isTransfer(request)) writeFileSync(join(folder, 'tiny.gguf'), 'mine');
      serve(model)(request, response);
    };
    expect(await fetchModel(await open(), `${base}/tiny.gguf`)).toMatchObject({
      state: 'failed',
      error: expect.stringContaining('already'),
    });
    expect(stored('tiny.gguf').toString()).toBe('mine');
  });

  it('fetches the same file only once at a time', async () => {
    answer = serve(model, { cutAt: () => 1000 });
    const store = await open();
    const { id } = await store.pull(`${base}/tiny.gguf`, { userId: null });
    await expect(store.pull(`${base}/tiny.gguf`, { userId: null })).rejects.toMatchObject({ code: 'conflict' });
    await store.cancel(id);
    expect(await store.wait(id)).toMatchObject({ state: 'cancelled', bytesPerSecond: null });
  });

  it('refuses at once what has no room', async () => {
    const store = await open({ freeBytes: async () => 1_000_000 });
    expect(await fetchModel(store, `${base}/tiny.gguf`)).toMatchObject({
      state: 'failed',
      error: expect.stringMatching(/2 MB are needed and 1 MB are free/),
    });
    expect(requests.filter(({ range }) => range?.endsWith('-'))).toEqual([]);
  });
});

describe('a pull that is cut off', () => {
  /** Sends a third and then waits, until it is told to send all. */
  let slow: boolean;
  beforeEach(() => {
    slow = true;
    answer = (request, response) => {
      if (!isTransfer(request) || !slow) return serve(model)(request, response);
      response.writeHead(206, { 'content-range': `bytes 0-${model.length - 1}/${model.length}`, 'content-length': model.length });
      response.write(model.subarray(0, 600_000));
    };
  });

  const third = async (store: ModelStore, id: string): Promise<void> => {
    while ((await store.pullState(id)).receivedBytes < 600_000) await new Promise((resolve) => setImmediate(resolve));
  };

  it('is cancelled at once and resumed with what it had', async () => {
    const store = await open();
    const { id } = await store.pull(`${base}/tiny.gguf`, { userId: null });
    await third(store, id);
    const began = performance.now();
    await store.cancel(id);
    expect(await store.wait(id)).toMatchObject({ state: 'cancelled', receivedBytes: 600_000 });
    expect(performance.now() - began).toBeLessThan(1000);
    expect(files()).toEqual([expect.stringMatching(/^\.tiny\.gguf\.[0-9a-f]{16}\.part$/)]);
    slow = false;
    await store.resume(id);
    expect(await store.wait(id)).toMatchObject({ state: 'done' });
    expect(requests.at(-1)?.range).toBe('bytes=600000-');
    expect(stored('tiny.gguf').equals(model)).toBe(true);
  });

  it('goes on by itself when the server comes back', async () => {
    const { id } = await (await open()).pull(`${base}/tiny.gguf`, { userId: null });
    await third(await reopened(), id);
    slow = false;
    await stop();
    await start();
    expect(await (await open()).wait(id)).toMatchObject({ state: 'done' });
    expect(requests.at(-1)?.range).toBe('bytes=600000-');
    expect(stored('tiny.gguf').equals(model)).toBe(true);
  });

  /** A second view of the same jobs, without a handler of its own. */
  const reopened = async (): Promise<ModelStore> =>
    createModelStore({
      folder,
      log,
      clock: systemClock,
      jobs: new Proxy(jobs, { get: (target, name) => (name === 'register' ? () => undefined : bound(target, name)) }),
    });
  const bound = (target: Jobs, name: string | symbol): unknown => {
    const found = Reflect.get(target, name) as unknown;
    return typeof found === 'function' ? found.bind(target) : found;
  };

  it('goes on after the process was killed', async () => {
    await stop();
    const program = join(dataDir, 'pull.mts');
    const from = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);
    writeFileSync(
      program,
      `
      import { systemClock } from ${from('../../../base/clock.ts')};
      import { createJobs } from ${from('../../../base/jobs/index.ts')};
      import { createMetrics, silentLog } from ${from('../../../base/observability/index.ts')};
      import { openStorage } from ${from('../../../base/storage/index.ts')};
      import { createModelStore } from ${from('./store.ts')};
      const shared = { clock: systemClock, log: silentLog(), metrics: createMetrics() };
      const storage = openStorage({ databaseUrl: null, dataDir: ${JSON.stringify(dataDir)}, fullSync: false, ...shared });
      await storage.start();
      const jobs = createJobs({ storage, instanceId: 'killed', ...shared });
      const store = createModelStore({ folder: ${JSON.stringify(folder)}, jobs, ...shared });
      await jobs.start();
      const { id } = await store.pull(${JSON.stringify(`${base}/tiny.gguf`)}, { sha256: ${JSON.stringify(checksum)}, userId: null });
      while ((await store.pullState(id)).receivedBytes < 600_000) await new Promise((resolve) => setTimeout(resolve, 5));
      process.stdout.write(id);
      await new Promise((resolve) => setTimeout(resolve, 60_000));`,
    );
    const child = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] });
    const id = await new Promise<string>((resolve) => child.stdout.once('data', (data: Buffer) => resolve(data.toString())));
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
    slow = false;
    await start();
    expect(await (await open()).wait(id)).toMatchObject({ state: 'done', receivedBytes: model.length });
    expect(requests.at(-1)?.range).toBe('bytes=600000-');
    expect(stored('tiny.gguf').equals(model)).toBe(true);
    expect(files()).toEqual(['tiny.gguf']);
  });
});

/** Mounting a small disk needs root and permission to mount. */
function mountSmallDisk(path: string): boolean {
  try {
    mkdirSync(path, { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', path], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

describe('a full disk', () => {
  it('is told apart, and the pull goes on when there is room again', async ({ annotate }) => {
    if (!mountSmallDisk(folder)) {
      await annotate('No small disk can be mounted here: the disk is played by a file system that says it is full.');
      return expectNoRoom();
    }
    try {
      writeFileSync(join(folder, 'other'), Buffer.alloc(1_200_000));
      // The check before the transfer is told that there is room, as when another program fills the disk meanwhile.
      const store = await open({ freeBytes: async () => 1e9 });
      const failed = await fetchModel(store, `${base}/tiny.gguf`);
      expect(failed).toMatchObject({ state: 'failed', error: expect.stringContaining('disk of the models folder is full') });
      rmSync(join(folder, 'other'));
      await store.resume(failed.id);
      expect(await store.wait(failed.id)).toMatchObject({ state: 'done' });
      expect(stored('tiny.gguf').equals(model)).toBe(true);
    } finally {
      execFileSync('umount', [folder]);
    }
  });

  const expectNoRoom = async (): Promise<void> => {
    const store = await open({ freeBytes: async () => 0 });
    expect(await fetchModel(store, `${base}/tiny.gguf`)).toMatchObject({
      state: 'failed',
      error: expect.stringContaining('not enough room'),
    });
  };
});

describe('the models folder', () => {
  it('lists all its model files and says which cannot be used', async () => {
    mkdirSync(folder);
    writeTestModel(join(folder, 'good.gguf'), { name: 'Good one' });
    writeFileSync(join(folder, 'bad.gguf'), 'no model');
    writeFileSync(join(folder, 'notes.txt'), '');
    expect(await (await open()).list()).toMatchObject([
      { fileName: 'bad.gguf', label: 'bad.gguf', usable: false },
      { fileName: 'good.gguf', label: 'Good one', usable: true },
    ]);
  });

  it('loses a file and what was fetched of it when asked, and nothing else', async () => {
    mkdirSync(folder);
    writeFileSync(join(folder, 'one.gguf'), '1');
    writeFileSync(join(folder, `.one.gguf.${'a'.repeat(16)}.part`), '1');
    writeFileSync(join(folder, 'two.gguf'), '2');
    writeFileSync(join(dataDir, 'outside.gguf'), 'keep');
    const store = await open();
    await store.remove('one.gguf');
    expect(files()).toEqual(['two.gguf']);
    for (const name of ['one.gguf', '../outside.gguf', '..\\outside.gguf', '/etc/passwd', 'notes.txt', '.two.gguf', '']) {
      await expect(store.remove(name)).rejects.toMatchObject({ code: 'not_found' });
    }
    expect(readFileSync(join(dataDir, 'outside.gguf')).toString()).toBe('keep');
  });

  it('knows nothing of jobs that are no downloads', async () => {
    const store = await open();
    const other = await jobs.enqueue({ kind: 'other', payload: {} });
    for (const call of [store.pullState(other!), store.cancel(other!), store.resume(newId()), store.wait('x')]) {
      await expect(call).rejects.toMatchObject({ code: 'not_found' });
    }
  });
});
