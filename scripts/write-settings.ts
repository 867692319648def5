/** Writes the table of docs/settings.md from src/config.ts: `node scripts/start.cjs --script scripts/write-settings.ts`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { settingsTable } from '../src/cli/settings-page.ts';

const file = new URL('../docs/settings.md', import.meta.url);
const text = readFileSync(file, 'utf8');
writeFileSync(file, text.replace(/(<!-- settings -->\n)[^]*(<!-- \/settings -->)/, (_all, begin: string, end: string) => `${begin}\n${settingsTable()}\n\n${end}`));
