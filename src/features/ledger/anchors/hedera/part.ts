import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** The version that this code was written for and is tested with. */
export const sdkVersion = '2.87.0';

/** Where the SDK is, or why it is not used. */
export type InstalledPart = { state: 'ready'; moduleUrl: string } | { state: 'absent' | 'misconfigured'; problem: string };

/**
 * Looks for the SDK in the folders that may hold it. Reads one small file: nothing of the SDK is loaded.
 */
export function findPart(folders: readonly string[]): InstalledPart {
  for (const folder of folders) {
    const sdk = join(folder, 'node_modules', '@hiero-ledger', 'sdk');
    const version = versionOf(join(sdk, 'package.json'));
    if (version === null) continue;
    if (version !== sdkVersion) return { state: 'misconfigured', problem: `${folder} holds version ${version} of the Hedera SDK; ${sdkVersion} is needed. Run \`parley part install hedera\`.` };
    return { state: 'ready', moduleUrl: pathToFileURL(join(sdk, 'lib', 'index.js')).href };
  }
  return { state: 'absent', problem: 'The Hedera part is not installed. Run `parley part install hedera` (about 220 MB).' };
}

function versionOf(file: string): string | null {
  try {
    const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version?: unknown };
    return typeof version === 'string' ? version : 'unknown';
  } catch {
    // Not there, or half of it: either way it is to be installed.
    return null;
  }
}
