import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { eventually, hasBrowser, startWorld, type World } from './world.ts';

interface Asked {
  device_code: string;
  user_code: string;
  verification_uri_complete: string;
}

const password = 'the password of ada';

describe.skipIf(!hasBrowser)('Programs with access', () => {
  let world: World;
  beforeAll(async () => {
    // As on a server that other machines reach: nobody is the owner without a password.
    world = await startWorld({ settings: { LOCAL_TRUST: 'off' } });
    const code = await world.parts().accounts.setupCode();
    const made = await post('/api/auth/register', { username: 'ada', name: 'Ada', email: 'ada@example.org', password, code });
    expect(made.status).toBe(201);
  });
  afterAll(() => world.close());
  afterEach(() => expect(world.complaints()).toEqual([]));

  /** As a program does, which has no browser and no account. */
  async function post(path: string, body: object): Promise<{ status: number; json: unknown }> {
    const answer = await fetch(world.url + path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
    return { status: answer.status, json: await answer.json() };
  }

  const ask = async (): Promise<Asked> => {
    const { json } = await post('/api/v4/auth/oauth/authorize', { client_id: 'pocket-1', scope: ['chat', 'monitoring'], device_info: { platform: 'Pocket <b>3</b>', version: '1.2' } });
    return json as Asked;
  };

  async function signIn(page: Page): Promise<void> {
    await page.getByRole('heading', { name: 'Sign in to Parley' }).waitFor();
    await page.getByLabel('Username').fill('ada');
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  }

  it('are let ask by an administrator; whoever is not signed in comes back to them with the code, and can take the access away', async () => {
    const page = await world.open('/programs');
    await signIn(page);
    await page.getByText('No program has access.').waitFor();
    await page.getByRole('button', { name: 'Add a program' }).click();
    const dialog = page.getByRole('dialog', { name: 'Add a program' });
    await dialog.getByLabel('Name', { exact: true }).fill('Pocket');
    await dialog.getByLabel('Id', { exact: true }).fill('pocket-1');
    await dialog.getByRole('checkbox', { name: /^monitoring/ }).check();
    await dialog.getByRole('button', { name: 'Add' }).click();
    await page.getByRole('region', { name: 'Programs that may ask' }).getByRole('listitem', { name: 'Pocket' }).getByText(/May ask for chat, monitoring/).waitFor();

    const asked = await ask();
    const stranger = await world.open(new URL(asked.verification_uri_complete).pathname + new URL(asked.verification_uri_complete).search);
    await stranger.getByRole('link', { name: 'Sign in' }).click();
    await signIn(stranger);
    await stranger.getByRole('heading', { name: 'Give a program access?' }).waitFor();
    expect(stranger.url()).toBe(`${world.url}/device?user_code=${asked.user_code}`);
    await stranger.getByRole('button', { name: 'Give access' }).click();
    await stranger.getByRole('heading', { name: 'Access given' }).waitFor();
    const { json } = await post('/api/v4/auth/oauth/token', { grant_type: 'urn:ietf:params:oauth:grant-type:device_code', device_code: asked.device_code, client_id: 'pocket-1' });
    const token = (json as { access_token: string }).access_token;
    const asProgram = async (): Promise<number> => (await fetch(`${world.url}/api/v4/capabilities`, { headers: { authorization: `Bearer ${token}` } })).status;
    expect(await asProgram()).toBe(200);

    await page.reload();
    const grant = page.getByRole('region', { name: 'With access to your account' }).getByRole('listitem', { name: 'Pocket' });
    await grant.getByText('It says it runs on Pocket <b>3</b>, 1.2').waitFor();
    await grant.getByText('read your conversations and write in your name').waitFor();
    await grant.getByText(/Since .* · .* · until /).waitFor();
    await page.getByRole('button', { name: 'Take away the access of Pocket' }).click();
    await page.getByRole('dialog', { name: 'Take the access of Pocket away?' }).getByRole('button', { name: 'Take away' }).click();
    await page.getByText('No program has access.').waitFor();
    await eventually(asProgram).toBe(401);
  });

  it('are removed by an administrator, and cannot ask any more', async () => {
    const page = await world.open('/programs');
    await signIn(page);
    await page.getByRole('button', { name: 'Remove Pocket' }).click();
    await page.getByRole('dialog', { name: 'Remove Pocket?' }).getByRole('button', { name: 'Remove' }).click();
    await page.getByText('None yet.').waitFor();
    expect(await ask()).toMatchObject({ error: 'invalid_client' });
  });

  it('send nobody to another site after signing in', async () => {
    const page = await world.open();
    for (const search of ['to=%2F%2Felsewhere.example', 'to=device&user_code=A%26next%3D%2F%2Felsewhere.example']) {
      await page.context().clearCookies();
      await page.goto(`${world.url}/sign-in?${search}`);
      await signIn(page);
      await page.waitForURL((url) => url.pathname !== '/sign-in');
      expect(page.url()).toBe(world.url + (search.startsWith('to=device') ? '/device' : '/'));
    }
  });
});
