import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { sendRequest } from '../../src/dialects/testing.ts';
import { projectRoot } from '../rules/sources.ts';
import { spawnServer } from '../kill/server-process.ts';

test('a server that the start script has started can be started again over the network', { timeout: 60_000 }, async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'parley-restart-'));
  const run = `require('./scripts/start/command.cjs').runCommand(process.execPath, ['serve'], () => undefined).then((code) => process.exit(code));`;
  const child = spawn(process.execPath, ['-e', run], {
    cwd: projectRoot, stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], HOME: dataDir, PORT: '0', DATA_DIR: dataDir, OLLAMA_URLS: 'off', LOG_LEVEL: 'error', DRAIN_SECONDS: '1' },
  });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  try {
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (output += text));
    const addresses = (): string[] => [...output.matchAll(/http:\/\/localhost:(\d+)/g)].map(([, port]) => `http://127.0.0.1:${port}`);
    await expect.poll(() => addresses().length, { timeout: 30_000, message: output }).toBeGreaterThan(0);
    expect((await sendRequest(addresses()[0]!, 'GET', '/api/v4/management/restart')).json).toMatchObject({ possible: true });
    const { status, json } = await sendRequest(addresses()[0]!, 'POST', '/api/v4/management/restart');
    expect(status).toBe(202);
    await expect.poll(() => output.split('starting again')[1]?.match(/http:\/\/localhost:\d+/)?.length ?? 0, { timeout: 30_000 }).toBeGreaterThan(0);
    const second = `http://127.0.0.1:${/http:\/\/localhost:(\d+)/.exec(output.split('starting again')[1]!)![1]}`;
    const traces = await sendRequest(second, 'GET', '/api/v4/debug/traces');
    expect(traces.json.instance).not.toBe(json.instance);
    const audit = await sendRequest(second, 'GET', '/api/v4/management/audit?limit=1');
    expect(audit.json.entries).toEqual([expect.objectContaining({ action: 'server.restart', outcome: 'ok', via: 'local-trust', details: { instance: json.instance } })]);
  } finally {
    child.kill('SIGTERM');
    await exited;
    await rm(dataDir, { recursive: true, force: true });
  }
});

test('a start script that is told to end while the server is started again ends', { timeout: 60_000 }, async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'parley-restart-'));
  const run = `require('./scripts/start/command.cjs').runCommand(process.execPath, ['serve'], () => undefined).then((code) => process.exit(code));`;
  const child = spawn(process.execPath, ['-e', run], {
    cwd: projectRoot, stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], HOME: dataDir, PORT: '0', DATA_DIR: dataDir, OLLAMA_URLS: 'off', LOG_LEVEL: 'error', DRAIN_SECONDS: '1' },
  });
  const exited = new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code)));
  try {
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (output += text));
    await expect.poll(() => /http:\/\/localhost:\d+/.test(output), { timeout: 30_000, message: output }).toBe(true);
    const address = `http://127.0.0.1:${/http:\/\/localhost:(\d+)/.exec(output)![1]}`;
    expect((await sendRequest(address, 'POST', '/api/v4/management/restart')).status).toBe(202);
    child.kill('SIGTERM');
    expect([0, 'SIGTERM']).toContain(await Promise.race([exited, new Promise((resolve) => setTimeout(resolve, 15_000, 'still there').unref())]));
  } finally {
    child.kill('SIGTERM');
    await exited;
    await rm(dataDir, { recursive: true, force: true });
  }
});

test('a server that a service manager runs ends with the code by which it is started again', { timeout: 60_000 }, async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'parley-restart-'));
  const server = spawnServer({ dataDir, environment: { RESTARTED_BY_SERVICE: 'on' } });
  try {
    const url = await server.ready;
    expect((await sendRequest(url!, 'POST', '/api/v4/management/restart')).status).toBe(202);
    expect(await server.exited).toEqual({ code: 75, signal: null });
  } finally {
    server.kill('SIGKILL');
    await rm(dataDir, { recursive: true, force: true });
  }
});
