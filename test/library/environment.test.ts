import { existsSync, readFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkUnread } from '../../src/cli/checks.ts';
import { notReadYet, settingTable, unreadVariables } from '../../src/config.ts';
import { AIService, ChatService, createApp, type Config } from '../../src/library/index.ts';
import { partsOf } from '../../src/library/parts-of.ts';
import { prepareGround, type Ground } from '../../src/library/testing.ts';

const [one, other] = ['one secret of more than 32 characters', 'another secret of more than 32 characters'];

describe('The environment variables of the studio document', () => {
  let ground: Ground;
  beforeEach(async () => { ground = await prepareGround(); });
  afterEach(() => ground.clear());

  const start = (config: Partial<Config> = {}) => createApp({ ...ground.config, ...config });
  const keptKeys = () => {
    const database = new DatabaseSync(join(ground.dataDir, 'parley.db'), { readOnly: true });
    const rows = database.prepare('select ciphertext from provider_keys').all().map((row) => String(row['ciphertext']));
    database.close();
    return rows;
  };

  it('DATABASE_URL: unset means SQLite in the data folder', async () => {
    await using _app = await start();
    expect(existsSync(join(ground.dataDir, 'parley.db'))).toBe(true);
  });

  it('SESSION_SECRET signs sign-ins: they live as long as it stays the same', async () => {
    const session = async (address: string, token: string) => (await fetch(`${address}/api/chat/conversations`, { headers: { authorization: `Bearer ${token}` } })).status;
    let token: string;
    {
      await using app = await start({ SESSION_SECRET: one });
      const registered = await fetch(`${app.address}/api/auth/register`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ username: 'ann', password: 'a long password', email: 'ann@example.com', name: 'Ann' }) });
      token = ((await registered.json()) as { access_token: string }).access_token;
      expect(await session(app.address, token)).toBe(200);
    }
    for (const [secret, status] of [[one, 200], [other, 401], ['', 401], ['your-secret-key', 401], [one, 200]] as const) {
      await using app = await start({ SESSION_SECRET: secret });
      expect([secret, await session(app.address, token)]).toEqual([secret, status]);
    }
  });

  it('ENCRYPTION_KEY encrypts kept keys, takes over those that are there, and cannot be lost in silence', async () => {
    {
      await using app = await start();
      await partsOf(app).accounts.setProviderKey(await app.ownerId(), 'anthropic', 'sk-kept-before');
    }
    {
      await using app = await start({ ENCRYPTION_KEY: one });
      await partsOf(app).accounts.setProviderKey(await app.ownerId(), 'cohere', 'sk-kept-now');
      expect(await partsOf(app).accounts.providerKey(await app.ownerId(), 'anthropic')).toBe('sk-kept-before');
    }
    expect(keptKeys()).toHaveLength(2);
    expect(keptKeys().join()).not.toContain('sk-kept');
    expect(keptKeys().every((ciphertext) => ciphertext.startsWith('v1.env-'))).toBe(true);
    for (const wrong of [other, '', 'your-encryption-key']) {
      await expect(start({ ENCRYPTION_KEY: wrong })).rejects.toThrow(/2 kept keys .* were encrypted with another ENCRYPTION_KEY/);
    }
    await using again = await start({ ENCRYPTION_KEY: one });
    expect(await partsOf(again).accounts.providerKey(await again.ownerId(), 'cohere')).toBe('sk-kept-now');
  });

  it('ENCRYPTION_KEY is changed, and given up, by naming the one of before for a start', async () => {
    {
      await using app = await start({ ENCRYPTION_KEY: one });
      await partsOf(app).accounts.setProviderKey(await app.ownerId(), 'cohere', 'sk-kept');
    }
    for (const config of [{ ENCRYPTION_KEY: other, ENCRYPTION_KEY_BEFORE: one }, { ENCRYPTION_KEY: other }, { ENCRYPTION_KEY_BEFORE: other }, {}]) {
      await using app = await start(config);
      expect(await partsOf(app).accounts.providerKey(await app.ownerId(), 'cohere')).toBe('sk-kept');
    }
  });

  it('keys of an ENCRYPTION_KEY that nobody has any more can be forgotten', async () => {
    {
      await using app = await start({ ENCRYPTION_KEY: one });
      await partsOf(app).accounts.setProviderKey(await app.ownerId(), 'cohere', 'sk-kept');
    }
    const { createCore } = await import('../../src/parts.ts');
    const { readConfigWith } = await import('../../src/config.ts');
    const core = createCore(readConfigWith(ground.config));
    await core.storage.start();
    expect(await core.accounts.acceptSecrets()).toEqual({ forgotten: 1 });
    await core.storage.stop();
    await using app = await start();
    expect(await partsOf(app).accounts.providerKeys(await app.ownerId())).toEqual([]);
  });

  it('MAX_CONTENT_LENGTH bounds every body, also where more is allowed otherwise', async () => {
    const send = async (address: string, bytes: number) => {
      const body = JSON.stringify({ model: 'gpt-4o', messages: [{ role: 'user', content: '' }] });
      const padded = body.replace('""', `"${'x'.repeat(bytes - body.length)}"`);
      const response = await fetch(`${address}/v1/chat/completions`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: padded });
      await response.arrayBuffer();
      return response.status;
    };
    {
      await using app = await start({ MAX_CONTENT_LENGTH: 10_000 });
      expect([await send(app.address, 10_000), await send(app.address, 10_001)]).toEqual([200, 413]);
    }
    await using app = await start();
    expect(await send(app.address, 10_001)).toBe(200);
  });

  it.each([['openai', 'OPENAI', '/v1', 'gpt-4o'], ['anthropic', 'ANTHROPIC', '/anthropic', 'claude-sonnet-4-6'], ['google', 'GOOGLE', '/google', 'gemini-2.5-flash'], ['cohere', 'COHERE', '/cohere', 'command-a-03-2025']])('the key of %s reaches that service and no other', async (provider, name, path, model) => {
    await using service = new AIService({ config: { ...ground.config, OPENAI_API_KEY: '', [`${name}_API_KEY`]: 'sk-of-this-service', [`${name}_BASE_URL`]: ground.openai.url + path } });
    const answer = await service.chatCompletion([{ role: 'user', content: 'Hello' }], provider, model);
    expect(answer).toMatchObject({ content: 'Hello from the stand-in.', provider, model });
    const asked = ground.openai.requests.map((request) => ground.openai.read(request));
    expect(asked.length).toBeGreaterThan(0);
    expect(new Set(asked.map(({ key }) => key))).toEqual(new Set(['sk-of-this-service']));
  });

  it('a switch that is on turns on nothing that is not there, and doctor says so', async () => {
    const environment = { ENABLE_QUANTUM: 'true', UPLOAD_FOLDER: 'uploads', IBM_QUANTUM_TOKEN: 'your-ibm-token', WEB3_PROVIDER_URL: 'https://mainnet.infura.io/v3/your-key', ENABLE_SAFETY: '' };
    expect(unreadVariables(environment)).toEqual(['UPLOAD_FOLDER', 'ENABLE_QUANTUM']);
    expect(checkUnread(unreadVariables(environment))).toMatchObject({ state: 'absent', detail: expect.stringContaining('UPLOAD_FOLDER, ENABLE_QUANTUM') });
    expect(checkUnread([])).toBeNull();
    expect(Object.keys(notReadYet).filter((name) => name in settingTable)).toEqual([]);
  });

  it('without a key the error names the variable, in the sessions, too', async () => {
    await using chat = new ChatService({ config: { ...ground.config, OPENAI_API_KEY: 'your-openai-key' } });
    const session = await chat.createSession(await chat.ownerId());
    await expect(chat.chatCompletion(session, 'Hello')).rejects.toThrow(/OPENAI_API_KEY/);
  });

  const contract = join(process.env.DOCUMENTS ?? '', 'contract', 'studio.openapi.json');
  describe.skipIf(!process.env.DOCUMENTS || !existsSync(contract))('as they are documented', () => {
    const variables = !process.env.DOCUMENTS ? [] : (JSON.parse(readFileSync(contract, 'utf8')) as { 'x-config': { variables: { name: string; kind: string; documentedValue: string }[] } })['x-config'].variables;

    it('are read, or named as not read yet', () => {
      expect(variables).toHaveLength(20);
      const known = new Set([...Object.keys(settingTable), ...Object.keys(notReadYet)]);
      expect(variables.map(({ name }) => name).filter((name) => !known.has(name))).toEqual([]);
      expect(Object.keys(notReadYet).filter((name) => !variables.some((variable) => variable.name === name))).toEqual([]);
    });

    it('stand in the table of docs/studio-library.md', () => {
      const page = readFileSync(new URL('../../docs/studio-library.md', import.meta.url), 'utf8');
      expect(variables.map(({ name }) => name).filter((name) => !page.includes(`| \`${name}\``))).toEqual([]);
    });

    it('count as unset where the document prints a placeholder', async () => {
      const placeholders = Object.fromEntries(variables.filter(({ kind, name }) => kind === 'placeholder' && name in settingTable).map(({ name, documentedValue }) => [name, documentedValue]));
      expect(Object.keys(placeholders).length).toBeGreaterThan(5);
      await using app = await start(placeholders as Partial<Config>);
      const models = await partsOf(app).models.list({ userId: await app.ownerId(), role: 'owner' });
      expect(models.map(({ provider }) => provider).filter((provider) => ['openai', 'anthropic', 'google', 'cohere'].includes(provider))).toEqual([]);
    });
  });
});
