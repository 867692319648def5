import type { Scope } from '../../core/accounts/index.ts';
import { CommandError } from '../failure.ts';
import { userNamed, withCore } from '../open.ts';
import { daysOf, formatTable, formatTime } from '../output.ts';
import { readSecret } from '../prompt.ts';

export async function addProviderKey(provider: string, options: { user?: string }): Promise<void> {
  // Also a key pasted in place of the name would end here, and must not be repeated in the answer.
  if (!/^[a-z0-9][a-z0-9-]{0,40}$/.test(provider)) throw new CommandError('Name the provider, such as openai: parley key add openai. The key itself is asked for.');
  const key = await readSecret('Key');
  const name = await withCore(async (core) => {
    if (!core.providers.some((known) => known.id === provider)) {
      throw new CommandError(`There is no provider of this name. There are: ${core.providers.filter((known) => known.needsKey).map((known) => known.id).join(', ')}.`);
    }
    const user = await userNamed(core, options.user);
    await core.accounts.setProviderKey(user.id, provider, key);
    return user.username;
  });
  console.log(`The key for ${provider} is kept, encrypted, for ${name}.`);
}

export async function createKey(name: string, options: { user?: string; days?: string; admin?: boolean }): Promise<void> {
  const lifetimeMs = options.days === undefined ? null : daysOf(options.days);
  const made = await withCore(async (core) => {
    const user = await userNamed(core, options.user);
    if (options.admin && user.role === 'user') throw new CommandError(`${user.username} is no administrator, so its keys cannot be either.`);
    const scopes: Scope[] | undefined = options.admin ? ['read', 'write', 'chat', 'admin'] : undefined;
    return await core.accounts.createApiKey(user.id, name, scopes, lifetimeMs === null ? null : core.clock.now() + lifetimeMs);
  });
  console.error('This key is shown once and cannot be shown again:');
  console.log(made.key);
}

export async function listKeys(options: { user?: string; json?: boolean }): Promise<void> {
  const { provider, server } = await withCore(async (core) => {
    const user = await userNamed(core, options.user);
    return { provider: await core.accounts.providerKeys(user.id), server: await core.accounts.apiKeys(user.id) };
  });
  if (options.json) {
    console.log(JSON.stringify({ provider_keys: provider, server_keys: server }, null, 2));
    return;
  }
  console.log(provider.length === 0 ? 'No keys for model services (parley key add PROVIDER).' : formatTable(['MODEL SERVICE', 'KEY', 'SINCE'], provider.map((key) => [key.provider, key.hint, formatTime(key.createdAt)])));
  console.log('');
  console.log(
    server.length === 0
      ? 'No keys of this server (parley key create NAME).'
      : formatTable(['KEY OF THIS SERVER', 'FOR', 'SINCE', 'LAST USED'], server.map((key) => [`${key.prefix}...`, key.name, formatTime(key.createdAt), formatTime(key.lastUsedAt)])),
  );
}

export async function removeKey(which: string, options: { user?: string }): Promise<void> {
  const said = await withCore(async (core) => {
    const user = await userNamed(core, options.user);
    if (await core.accounts.removeProviderKey(user.id, which)) return `The key for ${which} is forgotten.`;
    const start = which.replace(/\.+$/, '');
    const found = (await core.accounts.apiKeys(user.id)).filter((key) => key.id === which || (start.length >= 8 && (key.prefix.startsWith(start) || start.startsWith(key.prefix))));
    if (found.length === 0) throw new CommandError('There is no such key. `parley key list` shows all.');
    if (found.length > 1) throw new CommandError('More than one key begins like this: give more of it.');
    await core.accounts.revokeApiKey(user.id, found[0]!.id);
    return `The key ${found[0]!.prefix}... (${found[0]!.name}) is revoked.`;
  });
  console.log(said);
}
