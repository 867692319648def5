import { createWriteStream } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { scopesOfRole, type User, type Viewer } from '../../core/accounts/index.ts';
import type { ImportEntry } from '../../core/conversations/index.ts';
import { CommandError } from '../failure.ts';
import { userNamed, withCore } from '../open.ts';
import { formatBytes } from '../output.ts';

/** Most conversations with remarks that are printed. */
const mostPrinted = 50;

/** Whoever may open the database acts for any account in it. */
function viewerOf({ id, username, role }: User): Viewer {
  return { userId: id, username, role, scopes: scopesOfRole(role), via: 'internal', credentialId: null, expiresAt: null };
}

export async function exportChats(file: string, options: { user?: string; force?: boolean }): Promise<void> {
  const path = resolve(file);
  const there = await stat(path).catch(() => null);
  if (there && !options.force) throw new CommandError(`${path} is there already; --force replaces it.`);
  const part = `${path}.part`;
  try {
    await withCore(async (core) => {
      const pieces = core.transfers.exportJson(viewerOf(await userNamed(core, options.user)), null);
      await pipeline(Readable.from(pieces), createWriteStream(part, { mode: 0o600 }));
    });
    await rename(part, path);
  } finally {
    await rm(part, { force: true });
  }
  console.log(`Saved to ${path} (${formatBytes((await stat(path)).size)}).`);
}

export async function importChats(file: string, options: { user?: string; json?: boolean }): Promise<void> {
  const path = resolve(file);
  if (!(await stat(path).catch(() => null))?.isFile()) throw new CommandError(`There is no file ${path}.`);
  const report = await withCore(async (core) => core.transfers.importNow(viewerOf(await userNamed(core, options.user)), path));
  if (options.json) {
    console.log(JSON.stringify(report, null, 2));
    return;
  }
  const { imported, present, skipped, messages } = report.counts;
  console.log(`${imported} imported (${messages} messages), ${present} there already, ${skipped} skipped.`);
  const noted = report.entries.filter((entry) => entry.remarks.length > 0);
  for (const entry of noted.slice(0, mostPrinted)) console.log(remarksOf(entry));
  if (noted.length > mostPrinted) console.log(`... and ${noted.length - mostPrinted} more with remarks; --json prints all.`);
}

function remarksOf({ title, sourceId, remarks }: ImportEntry): string {
  const said = remarks.map(({ what, count }) => (count > 1 ? `${what} (${count} times)` : what)).join('; ');
  return `  ${JSON.stringify(title || sourceId || 'a conversation')}: ${said}`;
}
