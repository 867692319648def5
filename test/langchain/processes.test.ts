import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { registerUser, sendRequest } from '../../src/dialects/testing.ts';
import { spawnServer } from '../kill/server-process.ts';
import { startStandIn } from '../stand-in/index.ts';
import { servicePids, startWorld } from './world.ts';

const program = fileURLToPath(new URL('../../src/cli/index.ts', import.meta.url));
const secret = 'a secret of the outside service';

/** `parley langchain`, once it listens. */
async function startOutside(port: number): Promise<{ child: ChildProcess; port: number }> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, 'langchain', '--port', String(port)], { env: { PATH: process.env['PATH'], LANGCHAIN_SERVICE_SECRET: secret }, stdio: ['ignore', 'pipe', 'inherit'] });
  const found = await new Promise<number>((resolve, reject) => {
    child.stdout!.on('data', (text: Buffer) => {
      const address = /http:\/\/127\.0\.0\.1:(\d+)/.exec(text.toString());
      if (address) resolve(Number(address[1]));
    });
    child.once('exit', (code) => reject(new Error(`it ended with ${code}`)));
  });
  return { child, port: found };
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => child.once('exit', () => resolve()));
}

/** Processes of a server that run the LangChain service. */
function servicesOf(parent: number): number[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')[1] === String(parent) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('langchain/service/main');
    } catch {
      // It ended while it was looked at.
      return false;
    }
  });
}

describe('A LangChain service that somebody else runs', () => {
  it('is used where the setting names it: out while it is dead, and well when it is back', async () => {
    const outside = await startOutside(0);
    const world = await startWorld({ LANGCHAIN_SERVICE_URL: `http://127.0.0.1:${outside.port}`, LANGCHAIN_SERVICE_SECRET: secret });
    let again: ChildProcess | null = null;
    try {
      const ann = await world.user('ann');
      const chatId = await world.chat(ann);
      expect((await world.ask(ann, chatId)).status).toBe(200);
      expect(servicePids()).toEqual([]);
      outside.child.kill('SIGKILL');
      await ended(outside.child);
      expect((await world.ask(ann, chatId)).status).toBe(503);
      const { service_health: health } = (await world.call('GET', '/langchain/health', ann)).json.data;
      expect(health).toMatchObject({ status: 'unhealthy', service_url: `http://127.0.0.1:${outside.port}`, error: expect.stringContaining('nothing listens there') });
      again = (await startOutside(outside.port)).child;
      expect((await world.ask(ann, chatId)).status).toBe(200);
    } finally {
      await world.close();
      again?.kill('SIGTERM');
      if (again) await ended(again);
    }
  });

  it('lets nobody in who does not know its secret', async () => {
    const { child, port } = await startOutside(0);
    try {
      for (const authorization of [undefined, 'Bearer guess', `bearer${secret}`]) {
        const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
        for (const [method, path] of [['GET', '/health'], ['POST', '/chat'], ['POST', '/stream']] as const) {
          expect((await sendRequest(`http://127.0.0.1:${port}`, method, path, { headers, ...(method === 'POST' ? { body: {} } : {}) })).status).toBe(401);
        }
      }
      const headers = { authorization: `Bearer ${secret}` };
      expect((await sendRequest(`http://127.0.0.1:${port}`, 'GET', '/health', { headers })).json).toMatchObject({ status: 'healthy', running: 0 });
      expect((await sendRequest(`http://127.0.0.1:${port}`, 'POST', '/chat', { headers, body: { connection: {} } })).status).toBe(400);
      expect((await sendRequest(`http://127.0.0.1:${port}`, 'GET', '/other', { headers })).status).toBe(404);
    } finally {
      child.kill('SIGTERM');
      await ended(child);
    }
  });
});

describe('The process of a server', () => {
  it('ends with it, also when it is killed, and holds no secret where others could read it', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'parley-langchain-'));
    const openai = await startStandIn();
    const server = spawnServer({ dataDir, environment: { OPENAI_BASE_URL: `${openai.url}/v1`, OPENAI_API_KEY: 'sk-of-the-owner' } });
    try {
      const url = (await server.ready)!;
      const owner = await registerUser(url, 'owner');
      const { status } = await sendRequest(url, 'POST', '/api/v1/chat/langchain/test', { as: owner, body: { message: 'Hello', model: 'gpt-4' } });
      expect(status).toBe(200);
      const [pid] = servicesOf(server.pid);
      const shown = ['cmdline', 'environ'].map((file) => readFileSync(`/proc/${pid}/${file}`, 'utf8')).join('\0');
      expect(shown).not.toMatch(/sk-of-the-owner|OPENAI_API_KEY|DATA_DIR|Bearer/);
      server.kill('SIGKILL');
      await server.exited;
      await expect.poll(() => existsSync(`/proc/${pid}`), { timeout: 5000 }).toBe(false);
    } finally {
      server.kill('SIGKILL');
      await server.exited;
      await openai.close();
      await rm(dataDir, { recursive: true, force: true });
    }
  });
});
