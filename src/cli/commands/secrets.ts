import { withCore, withStorage } from '../open.ts';

export async function rotateSecrets(options: { endSignIns?: boolean }): Promise<void> {
  const { reencrypted } = await withCore((core) => core.accounts.rotateSecrets({ endSignIns: options.endSignIns ?? false }), { hints: true });
  const signIns = options.endSignIns ? 'Everybody has to sign in again.' : 'Sign-ins stay good until they expire.';
  console.log(`New keys are in use; ${reencrypted} kept ${reencrypted === 1 ? 'key was' : 'keys were'} encrypted anew. ${signIns}`);
}

export async function acceptSecrets(): Promise<void> {
  const { forgotten } = await withStorage((core) => core.accounts.acceptSecrets());
  if (forgotten > 0) console.log(`${forgotten} kept ${forgotten === 1 ? 'key' : 'keys'} for model services could not be read with this ENCRYPTION_KEY and ${forgotten === 1 ? 'is' : 'are'} forgotten.`);
  console.log('The keys of this machine are those of the database now. Give the same file to every other instance before it starts again.');
}
