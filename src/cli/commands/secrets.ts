import { withCore, withStorage } from '../open.ts';

export async function rotateSecrets(options: { endSignIns?: boolean }): Promise<void> {
  const { reencrypted } = await withCore((core) => core.accounts.rotateSecrets({ endSignIns: options.endSignIns ?? false }), { hints: true });
  const signIns = options.endSignIns ? 'Everybody has to sign in again.' : 'Sign-ins stay good until they expire.';
  console.log(`New keys are in use; ${reencrypted} kept ${reencrypted === 1 ? 'key was' : 'keys were'} encrypted anew. ${signIns}`);
}

export async function acceptSecrets(): Promise<void> {
  await withStorage((core) => core.accounts.acceptSecrets());
  console.log('The keys of this machine are those of the database now. Give the same file to every other instance before it starts again.');
}
