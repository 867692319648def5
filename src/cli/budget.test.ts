import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startStandIn } from '../../test/stand-in/index.ts';
import { createCommandLine } from './testing.ts';

describe('parley budget and parley usage', () => {
  let folder: string;
  let parley: ReturnType<typeof createCommandLine>;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'parley-budget-'));
    parley = createCommandLine({ DATA_DIR: join(folder, 'data'), OLLAMA_URLS: 'off', LOG_LEVEL: 'warn' });
  });
  afterEach(async () => {
    await parley.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const ask = (url: string, key: string): Promise<Response> =>
    fetch(`${url}/v1/chat/completions`, {
      method: 'POST', headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
      body: JSON.stringify({ model: 'builtin/parley', messages: [{ role: 'user', content: 'Hello?' }] }),
    });

  it('bound what a key may use, beside a running server, and say what it used', async () => {
    const server = await parley.serve();
    await parley.run(['user', 'add', 'anna'], 'a long enough secret 1\n');
    const key = (await parley.run(['key', 'create', 'laptop', '--user', 'anna'])).stdout.trim();
    expect(await parley.run(['budget', 'set', 'day', '--user', 'anna', '--key', 'laptop', '--requests', '1'])).toMatchObject({
      code: 0, stdout: `key laptop (${key.slice(0, 12)}...) may use 1 request a day; used so far: 0 requests, 0 tokens, $0.00.\n`,
    });
    const first = await ask(server.url, key);
    expect([first.status, await first.text()]).toEqual([200, expect.any(String)]);
    const refused = await ask(server.url, key);
    expect(refused.status).toBe(429);
    expect(await refused.json()).toMatchObject({ error: { code: 'insufficient_quota', message: expect.stringContaining('The budget of this API key of 1 request a day is used up.') } });

    const [budget] = JSON.parse((await parley.run(['budget', 'list', '--json'])).stdout);
    expect(budget).toMatchObject({ subject: 'key', period: 'day', bounds: { requests: 1, tokens: null, cost_usd: null }, used: { requests: 1 } });
    expect((await parley.run(['budget', 'list'])).stdout).toMatch(/WHOSE +A +BUDGET[^]*key laptop[^]*1 request/);
    expect(JSON.parse((await parley.run(['usage', '--by', 'key', '--json'])).stdout)).toMatchObject([{ label: `laptop (${key.slice(0, 12)}...)`, calls: 1 }]);
    expect((await parley.run(['usage'])).stdout).toMatch(/MODEL +CALLS[^]*builtin\/parley +1 /);

    expect((await parley.run(['budget', 'remove', 'day', '--user', 'anna', '--key', 'laptop'])).code).toBe(0);
    await expect.poll(async () => (await ask(server.url, key)).status, { timeout: 10_000 }).toBe(200);
  });

  it('hold nothing of calls that a killed server left behind, and count the answer that was kept', async () => {
    const service = await startStandIn();
    try {
      const settings = { COMPATIBLE_SERVERS: `slow=${service.url}/v1` };
      const first = await parley.serve(settings);
      await parley.run(['budget', 'set', 'day', '--requests', '5']);
      const asked = [true, false].map((store) => {
        const { request } = service.next({ pieces: ['Slow ', 'but ', 'sure.'], gated: true });
        const body = JSON.stringify({ model: 'slow/gpt-4o', messages: [{ role: 'user', content: 'Hello?' }], store });
        fetch(`${first.url}/v1/chat/completions`, { method: 'POST', headers: { 'content-type': 'application/json' }, body }).catch(() => undefined);
        return request;
      });
      await Promise.all(asked);
      const state = async () => JSON.parse((await parley.run(['budget', 'list', '--json'])).stdout)[0];
      expect(await state()).toMatchObject({ used: { requests: 0 }, reserved: { requests: 2 } });
      first.child.kill('SIGKILL');
      await first.ended;
      await parley.serve(settings);
      const { used, reserved } = await state();
      expect([used.requests, reserved.requests]).toEqual([1, 0]);
      expect(used.tokens).toBeGreaterThan(0);
    } finally {
      await service.close();
    }
  });

  it('name what they cannot use', async () => {
    expect(await parley.run(['budget', 'set', 'week', '--tokens', '5'])).toMatchObject({ code: 1, stderr: expect.stringContaining('A budget is for a day or a month, not "week".') });
    expect(await parley.run(['budget', 'set', 'day'])).toMatchObject({ code: 1, stderr: expect.stringContaining('Say what is bounded') });
    expect(await parley.run(['budget', 'set', 'day', '--cost', '-1'])).toMatchObject({ code: 1, stderr: expect.stringContaining('--cost takes dollars') });
    expect(await parley.run(['usage', '--by', 'hour'])).toMatchObject({ code: 1, stderr: expect.stringContaining('--by takes model, day, user, key') });
    for (const day of ['yesterday', '2026-02-30']) {
      expect(await parley.run(['usage', '--from', day])).toMatchObject({ code: 1, stderr: expect.stringContaining('--from takes a day such as') });
    }
    expect(await parley.run(['budget', 'remove', 'day'])).toMatchObject({ code: 1, stderr: expect.stringContaining('There is no such budget.') });
    expect((await parley.run(['usage'])).stdout).toBe('Nothing was used in this time.\n');
    expect(await parley.run(['serve'], '', { BUDGET_PER_USER: 'week:tokens=5' })).toMatchObject({ code: 1, stderr: expect.stringContaining('BUDGET_PER_USER must be a list such as') });
  });
});
