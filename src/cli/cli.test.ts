import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeTestModel } from '../../test/gguf/index.ts';
import { startStandIn, type StandIn } from '../../test/stand-in/index.ts';
import { settingTable } from '../config.ts';
import { version } from '../version.ts';
import { createCommandLine } from './testing.ts';

/** A password that the rules of accounts accept. */
const password = 'a long enough secret 1';

describe('parley', () => {
  let folder: string;
  let dataDir: string;
  let parley: ReturnType<typeof createCommandLine>;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'parley-cli-'));
    dataDir = join(folder, 'data');
    parley = createCommandLine({ DATA_DIR: dataDir, OLLAMA_URLS: 'off', LOG_LEVEL: 'warn' });
  });

  afterEach(async () => {
    await parley.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('says which version it is, and what it can do', async () => {
    expect(await parley.run(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
    expect((await parley.run(['--help'])).stdout).toMatch(/serve[^]*model[^]*user[^]*key[^]*backup[^]*restore[^]*doctor/);
  });

  it('refuses what it does not know', async () => {
    const { code, stderr } = await parley.run(['dance']);
    expect(code).toBe(1);
    expect(stderr).toContain('parley --help');
  });

  describe('serve', () => {
    it('says where the page is and which models answer, and ends with 0 when told to', async () => {
      const server = await parley.serve();
      expect(await (await fetch(`${server.url}/health`)).json()).toMatchObject({ status: 'healthy', version });
      const { code, stdout } = await server.stop();
      expect(code).toBe(0);
      expect(stdout).toContain(`OpenAI clients    ${server.url}/v1`);
      expect(stdout).toContain('Stopping');
    });

    it('says who needs the port, and what to do', async () => {
      const server = await parley.serve();
      const port = new URL(server.url).port;
      const { code, stderr } = await parley.run(['serve'], '', { PORT: port, DATA_DIR: join(folder, 'other') });
      expect(code).toBe(1);
      expect(stderr).toContain(`Port ${port} on 127.0.0.1 is taken by another program.`);
      expect(stderr).not.toContain('    at ');
    });

    it('does not start twice on the same data', async () => {
      await parley.serve();
      const { code, stderr } = await parley.run(['serve'], '', { PORT: '0' });
      expect(code).toBe(1);
      expect(stderr).toContain(`Another Parley uses the data folder ${dataDir}.`);
    });

    it('names a setting that cannot be used', async () => {
      expect(await parley.run(['serve'], '', { PORT: 'eighty' })).toMatchObject({ code: 1, stderr: expect.stringContaining('PORT must be a port between 0 and 65535, not "eighty".') });
    });

    it('shows the set-up code where this machine is not trusted', async () => {
      const server = await parley.serve({ LOCAL_TRUST: 'off' });
      const { stdout } = await server.stop();
      expect(stdout).toMatch(/Set-up code {7}\S{6,}\n/);
      expect(stdout).toContain('Requests need credentials: LOCAL_TRUST is off.');
    });
  });

  describe('serve with an answer under way', () => {
    let service: StandIn;
    let server: Awaited<ReturnType<typeof parley.serve>>;
    let answer: Promise<string>;

    beforeEach(async () => {
      service = await startStandIn();
      server = await parley.serve({ COMPATIBLE_SERVERS: `slow=${service.url}/v1`, DRAIN_SECONDS: '60' });
      const asked = service.next({ pieces: ['Slow ', 'but ', 'sure.'], gated: true });
      const request = { model: 'slow/gpt-4o', messages: [{ role: 'user', content: 'Hello' }], store: true };
      answer = fetch(`${server.url}/v1/chat/completions`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(request) }).then(
        (response) => response.text(),
        (error: Error) => error.message,
      );
      await asked.request;
    });

    afterEach(() => service.close());

    const stopping = async (): Promise<void> => {
      server.child.kill('SIGTERM');
      await expect.poll(() => server.result.stdout).toContain('Stopping');
    };

    it('lets it end before it stops', async () => {
      await stopping();
      service.release(Infinity);
      expect(await answer).toContain('Slow but sure.');
      expect((await server.ended).code).toBe(0);
    });

    it('ends at once at a second signal, but takes two that come together for one', async () => {
      await stopping();
      server.child.kill('SIGINT');
      await expect.poll(async () => (await fetch(`${server.url}/health`).catch(() => null))?.status ?? 'refused').not.toBe(200);
      expect(server.child.exitCode).toBeNull();
      const signals = setInterval(() => server.child.kill('SIGTERM'), 200);
      expect((await server.ended).code).toBe(1);
      clearInterval(signals);
    });
  });

  describe('user', () => {
    it('makes accounts whose password comes from standard input, and changes their role', async () => {
      expect(await parley.run(['user', 'add', 'anna', '--email', 'anna@example.com'], `${password}\n`)).toMatchObject({ code: 0, stdout: 'anna may sign in now (user).\n' });
      expect(await parley.run(['user', 'role', 'anna', 'admin'])).toMatchObject({ code: 0, stdout: 'anna is an administrator now.\n' });
      const users = JSON.parse((await parley.run(['user', 'list', '--json'])).stdout) as { username: string; role: string; email: string | null }[];
      expect(users.map(({ username, role, email }) => [username, role, email])).toEqual([
        ['owner', 'owner', null],
        ['anna', 'admin', 'anna@example.com'],
      ]);
      expect((await parley.run(['user', 'list'])).stdout).toMatch(/^NAME .*\nowner +owner, not claimed yet .*\nanna +admin +anna@example\.com/);
    });

    it('makes accounts beside a running server, and gives them new passwords', async () => {
      const server = await parley.serve();
      const signIn = async (secret: string): Promise<number> =>
        (await fetch(`${server.url}/api/auth/login`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ username: 'anna', password: secret }) })).status;
      await parley.run(['user', 'add', 'anna'], password);
      expect(await signIn(password)).toBe(200);
      expect((await parley.run(['user', 'password', 'anna'], `${password} new`)).code).toBe(0);
      expect(await signIn(password)).toBe(401);
      expect(await signIn(`${password} new`)).toBe(200);
    });

    it('locks an account beside a running server, and unlocks it', async () => {
      const server = await parley.serve();
      const signIn = async (): Promise<number> =>
        (await fetch(`${server.url}/api/auth/login`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ username: 'anna', password }) })).status;
      await parley.run(['user', 'add', 'anna'], password);
      expect((await parley.run(['user', 'disable', 'anna'])).stdout).toBe('anna is locked out; the data stays.\n');
      expect(await signIn()).toBe(401);
      expect((await parley.run(['user', 'enable', 'anna'])).stdout).toBe('anna may sign in again.\n');
      expect(await signIn()).toBe(200);
    });

    it('invites', async () => {
      const server = await parley.serve({ REGISTRATION: 'invite' });
      await parley.run(['user', 'add', 'anna'], password);
      const { stdout, stderr } = await parley.run(['user', 'invite', '--days', '1']);
      expect(stderr).toContain('Good for one registration until');
      const register = (username: string, code: string | null) =>
        fetch(`${server.url}/api/auth/register`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ username, password, email: `${username}@example.com`, name: username, code }) });
      await register('first', null); // Claims the owner.
      expect((await register('ben', null)).status).toBe(403);
      expect((await register('ben', stdout.trim())).status).toBe(201);
    });

    it.each([
      [['user', 'add', 'anna'], '', 'No password was given'],
      [['user', 'add', 'anna', '--role', 'king'], password, 'A role is user or admin, not "king".'],
      [['user', 'role', 'nobody', 'admin'], '', 'There is no account named nobody.'],
      [['user', 'invite', '--days', 'many'], '', '--days takes a number of days'],
    ])('refuses %j', async (args, input, sentence) => {
      const { code, stdout, stderr } = await parley.run(args, input);
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toContain(sentence);
      expect(stderr).not.toContain('    at ');
    });
  });

  describe('key', () => {
    it('keeps keys for model services encrypted, and shows them masked', async () => {
      const secret = 'sk-test-0123456789abcdefWXYZ';
      expect((await parley.run(['key', 'add', 'openai'], `${secret}\n`)).stdout).toBe('The key for openai is kept, encrypted, for owner.\n');
      const { stdout } = await parley.run(['key', 'list']);
      expect(stdout).toContain('WXYZ');
      expect(stdout).not.toContain(secret);
      for (const file of ['parley.db', 'parley.db-wal']) {
        const path = join(dataDir, file);
        if (existsSync(path)) expect(readFileSync(path).includes(secret)).toBe(false);
      }
      expect((await parley.run(['key', 'remove', 'openai'])).stdout).toBe('The key for openai is forgotten.\n');
      expect((await parley.run(['key', 'list'])).stdout).toContain('No keys for model services');
    });

    it('takes no key from the command line', async () => {
      const { code, stderr } = await parley.run(['key', 'add', 'sk-test-0123456789abcdefWXYZ']);
      expect(code).toBe(1);
      expect(stderr).not.toContain('WXYZ');
    });

    it('makes keys that a running server takes, until they are revoked', async () => {
      const server = await parley.serve({ LOCAL_TRUST: 'off' });
      const ask = async (key: string): Promise<number> => (await fetch(`${server.url}/v1/models`, { headers: { authorization: `Bearer ${key}` } })).status;
      const first = (await parley.run(['key', 'create', 'first', '--days', '30'])).stdout.trim();
      const second = (await parley.run(['key', 'create', 'second'])).stdout.trim();
      expect(first).toMatch(/^ask_/);
      expect(await ask(first)).toBe(200);
      expect((await parley.run(['key', 'list'])).stdout).toContain(`${second.slice(0, 12)}...`);
      expect((await parley.run(['key', 'remove', second.slice(0, 12)])).stdout).toBe(`The key ${second.slice(0, 12)}... (second) is revoked.\n`);
      expect(await ask(second)).toBe(401);
    });

    it('makes a key that reads the figures of the server, for administrators only', async () => {
      const server = await parley.serve({ LOCAL_TRUST: 'off' });
      const figures = async (key: string): Promise<number> => (await fetch(`${server.url}/metrics`, { headers: { authorization: `Bearer ${key}` } })).status;
      expect(await figures((await parley.run(['key', 'create', 'plain'])).stdout.trim())).toBe(403);
      expect(await figures((await parley.run(['key', 'create', 'prometheus', '--admin'])).stdout.trim())).toBe(200);
      await parley.run(['user', 'add', 'anna'], password);
      expect(await parley.run(['key', 'create', 'hers', '--admin', '--user', 'anna'])).toMatchObject({ code: 1, stdout: '' });
    });

    it('keeps what is encrypted readable when the secrets are rotated', async () => {
      await parley.run(['key', 'add', 'openai'], 'sk-test-0123456789abcdefWXYZ');
      const before = readFileSync(join(dataDir, 'secrets.json'), 'utf8');
      expect((await parley.run(['secrets', 'rotate'])).stdout).toBe('New keys are in use; 1 kept key was encrypted anew. Sign-ins stay good until they expire.\n');
      expect(readFileSync(join(dataDir, 'secrets.json'), 'utf8')).not.toBe(before);
      expect((await parley.run(['key', 'list'])).stdout).toContain('WXYZ');
    });

    it('makes the secrets of this machine those of the database', async () => {
      expect(await parley.run(['secrets', 'accept'])).toMatchObject({ code: 0, stdout: expect.stringContaining('are those of the database now') });
    });

    it.each([
      [['key', 'add', 'openai'], '', 'No key was given'],
      [['key', 'add', 'telepathy'], 'sk-1234567890', 'There is no provider of this name. There are: openai, anthropic, google, cohere.'],
      [['key', 'remove', 'ask_nothing'], '', 'There is no such key.'],
      [['key', 'create', 'one', '--days', '-1'], '', '--days takes a number of days'],
      [['key', 'list', '--user', 'nobody'], '', 'There is no account named nobody.'],
    ])('refuses %j', async (args, input, sentence) => {
      expect(await parley.run(args, input)).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining(sentence) });
    });
  });

  describe('backup and restore', () => {
    it('bring back what was there, also from a backup made beside a running server', async () => {
      const file = join(folder, 'saved.db');
      const server = await parley.serve();
      await parley.run(['user', 'add', 'anna'], password);
      const saved = await parley.run(['backup', file]);
      expect(saved).toMatchObject({ code: 0, stdout: expect.stringContaining(`Saved to ${file}`) });
      await parley.run(['user', 'add', 'ben'], password);

      expect(await parley.run(['restore', file, '--force'])).toMatchObject({ code: 1, stderr: expect.stringContaining('Another Parley uses the data folder') });
      await server.stop();
      expect(await parley.run(['restore', file])).toMatchObject({ code: 1, stderr: expect.stringContaining('--force') });
      expect(await parley.run(['restore', file, '--force'])).toMatchObject({ code: 0, stdout: expect.stringContaining('parley-before-restore.db') });

      const users = (await parley.run(['user', 'list'])).stdout;
      expect(users).toContain('anna');
      expect(users).not.toContain('ben');
    });

    it('never replace a file that is there', async () => {
      const file = join(folder, 'precious.txt');
      writeFileSync(file, 'mine');
      const { code } = await parley.run(['backup', file]);
      expect(code).toBe(1);
      expect(readFileSync(file, 'utf8')).toBe('mine');
    });

    it('take no file that is no backup', async () => {
      const file = join(folder, 'letter.txt');
      writeFileSync(file, 'Dear database, '.repeat(1000));
      const { code, stderr } = await parley.run(['restore', file]);
      expect(code).toBe(1);
      expect(stderr).toContain(file);
      expect(stderr).not.toContain('    at ');
    });

    it('leave PostgreSQL to its own tools', async () => {
      expect(await parley.run(['backup', join(folder, 'x.db')], '', { DATABASE_URL: 'postgres://127.0.0.1:9/none' })).toMatchObject({ code: 1, stderr: expect.stringContaining('pg_dump') });
    });
  });

  describe('model', () => {
    let hub: Server;
    let address: string;

    beforeEach(async () => {
      const path = join(folder, 'small.gguf');
      writeTestModel(path);
      const bytes = readFileSync(path);
      hub = createServer((request, response) => {
        const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
        const [from, to] = range ? [Number(range[1]), range[2] === '' ? bytes.length - 1 : Math.min(Number(range[2]), bytes.length - 1)] : [0, bytes.length - 1];
        response.writeHead(range ? 206 : 200, { 'content-length': to - from + 1, 'accept-ranges': 'bytes', ...(range ? { 'content-range': `bytes ${from}-${to}/${bytes.length}` } : {}) });
        response.end(request.method === 'HEAD' ? undefined : bytes.subarray(from, to + 1));
      });
      await new Promise<void>((resolve) => hub.listen(0, '127.0.0.1', resolve));
      address = `http://127.0.0.1:${(hub.address() as AddressInfo).port}/files/small.gguf`;
    });

    afterEach(() => new Promise((resolve) => hub.close(resolve)));

    it('fetches a model, lists it and removes it', async () => {
      const pulled = await parley.run(['model', 'pull', address]);
      expect(pulled).toMatchObject({ code: 0, stdout: expect.stringContaining('It answers as llama/small.') });
      expect(pulled.stderr).toMatch(/small\.gguf from 127\.0\.0\.1:\d+: .*licence/);
      expect((await parley.run(['model', 'list'])).stdout).toMatch(/llama\/small \(default\) +chat +this machine/);
      expect((await parley.run(['model', 'remove', 'small.gguf'])).stdout).toBe('small.gguf is removed.\n');
      expect(existsSync(join(dataDir, 'models/small.gguf'))).toBe(false);
    });

    it('lets a running server fetch it', async () => {
      const server = await parley.serve();
      expect((await parley.run(['model', 'pull', address])).code).toBe(0);
      const ask = async (): Promise<unknown> => {
        const body = JSON.stringify({ model: 'llama/small', max_tokens: 4, messages: [{ role: 'user', content: 'Hello' }] });
        return await (await fetch(`${server.url}/v1/chat/completions`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })).json();
      };
      // The server looks into its models folder every few seconds.
      await expect.poll(ask, { timeout: 15_000, interval: 500 }).toMatchObject({ model: 'llama/small', choices: [{ finish_reason: expect.any(String) }] });
    });

    it('refuses a file with another checksum', async () => {
      const { code, stderr } = await parley.run(['model', 'pull', address, '--sha256', '0'.repeat(64)]);
      expect(code).toBe(1);
      expect(stderr).toMatch(/checksum/i);
      expect(existsSync(join(dataDir, 'models/small.gguf'))).toBe(false);
    });

    it('without a source names models worth trying, and asks nobody', async () => {
      const { code, stdout } = await parley.run(['model', 'pull']);
      expect(code).toBe(0);
      expect(stdout).toContain('parley model pull hf:');
    });

    it.each([
      [['model', 'pull', 'ftp://example.com/x.gguf'], 'A source is'],
      [['model', 'remove', 'absent.gguf'], 'There is no such file in the models folder.'],
    ])('refuses %j', async (args, sentence) => {
      expect(await parley.run(args)).toMatchObject({ code: 1, stderr: expect.stringContaining(sentence) });
    });

    it('lists what is missing, and how to add it', async () => {
      const { stdout } = await parley.run(['model', 'list']);
      expect(stdout).toMatch(/builtin\/parley \(default\)/);
      expect(stdout).toMatch(/llama: No model files in .*\n {2}Put a \.gguf file into/);
    });
  });

  describe('doctor', () => {
    type Finding = { name: string; state: string; detail: string; fix: string | null };
    const find = (findings: Finding[], name: string): Finding | undefined => findings.find((finding) => finding.name === name);

    it('finds a fresh machine in order, and says how to go on', async () => {
      const { code, stdout } = await parley.run(['doctor'], '', { PORT: '9' });
      expect(code).toBe(0);
      expect(stdout).toContain('Everything that Parley needs works.');
      expect(stdout).toMatch(/- Server +none runs at http:\/\/127\.0\.0\.1:9\n +npm start/);
    });

    it('sees a running server', async () => {
      const server = await parley.serve();
      const { stdout } = await parley.run(['doctor', '--json'], '', { PORT: new URL(server.url).port });
      expect(find(JSON.parse(stdout) as Finding[], 'Server')).toMatchObject({ state: 'ok', detail: expect.stringContaining(version) });
    });

    it('ends with 1 and says what to do when something is broken', async () => {
      await parley.run(['user', 'list']);
      chmodSync(join(dataDir, 'secrets.json'), 0o644);
      const { code, stdout } = await parley.run(['doctor']);
      expect(code).toBe(1);
      expect(stdout).toMatch(/! Database .*secrets\.json/);
    });

    it('prints every setting', async () => {
      const { stdout } = await parley.run(['doctor', '--settings']);
      for (const name of Object.keys(settingTable)) expect(stdout).toContain(`${name}=`);
    });
  });

  it('keeps its data from other users of the machine', async () => {
    await parley.run(['user', 'list']);
    for (const file of ['parley.db', 'secrets.json']) expect((statSync(join(dataDir, file)).mode & 0o077).toString(8)).toBe('0');
    expect((statSync(dataDir).mode & 0o077).toString(8)).toBe('0');
  });
});
