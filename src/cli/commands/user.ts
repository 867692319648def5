import { CommandError } from '../failure.ts';
import { userNamed, withCore } from '../open.ts';
import { daysOf, formatTable, formatTime } from '../output.ts';
import { readNewSecret } from '../prompt.ts';

function roleOf(text: string): 'admin' | 'user' {
  if (text === 'admin' || text === 'user') return text;
  throw new CommandError(`A role is user or admin, not "${text}".`);
}

export async function addUser(name: string, options: { role: string; email?: string }): Promise<void> {
  const role = roleOf(options.role);
  const password = await readNewSecret('Password');
  const user = await withCore((core) => core.accounts.createUser({ username: name, password, email: options.email ?? null, name: null, role }));
  console.log(`${user.username} may sign in now (${user.role}).`);
}

export async function listUsers(options: { json?: boolean }): Promise<void> {
  const users = await withCore((core) => core.accounts.users());
  if (options.json) {
    console.log(JSON.stringify(users, null, 2));
    return;
  }
  const rows = users.map((user) => [user.username, user.claimed ? user.role : `${user.role}, not claimed yet`, user.email ?? '', formatTime(user.createdAt), user.disabledAt === null ? '' : 'disabled']);
  console.log(formatTable(['NAME', 'ROLE', 'EMAIL', 'SINCE', ''], rows));
}

export async function setRole(name: string, role: string): Promise<void> {
  const wanted = roleOf(role);
  await withCore(async (core) => core.accounts.setRole((await userNamed(core, name)).id, wanted));
  console.log(`${name} is ${wanted === 'admin' ? 'an administrator' : 'an ordinary user'} now.`);
}

export async function setDisabled(name: string, disabled: boolean): Promise<void> {
  await withCore(async (core) => core.accounts.setDisabled((await userNamed(core, name)).id, disabled));
  console.log(disabled ? `${name} is locked out; the data stays.` : `${name} may sign in again.`);
}

export async function setPassword(name: string): Promise<void> {
  const password = await readNewSecret('Password');
  await withCore(async (core) => core.accounts.setPassword((await userNamed(core, name)).id, password));
  console.log(`${name} has a new password and is signed out everywhere.`);
}

export async function invite(options: { role: string; days: string }): Promise<void> {
  const role = roleOf(options.role);
  const lifetimeMs = daysOf(options.days);
  const { code, expiresAt } = await withCore(async (core) => core.accounts.createInvite((await core.accounts.owner()).id, role, lifetimeMs));
  console.error(`Good for one registration until ${formatTime(expiresAt)}; it cannot be shown again:`);
  console.log(code);
}
