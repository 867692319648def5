import { settingTable, type SettingName } from '../config.ts';

const names = Object.keys(settingTable) as SettingName[];

/** What may be set, as a person reads it: "on or off", "first-message, model". */
function valuesOf(name: SettingName): string {
  const row = settingTable[name];
  if (row.type === 'choice') return row.choices.filter(Boolean).join(', ');
  return { text: 'text', secret: 'text, secret', port: 'port', ports: 'ports, by commas', path: 'folder', flag: 'on, off', list: 'list, by commas', number: 'number' }[row.type];
}

/** The settings for the terminal. */
export function settingLines(): string {
  return names.flatMap((name) => [`${name}=${settingTable[name].default}`, `    ${settingTable[name].meaning} (${valuesOf(name)})`]).join('\n');
}

/** The table of docs/settings.md. */
export function settingsTable(): string {
  const rows = names.map((name) => `| \`${name}\` | ${settingTable[name].default === '' ? '' : `\`${settingTable[name].default}\``} | ${valuesOf(name)} | ${settingTable[name].meaning} |`);
  return ['| Setting | Default | Values | Meaning |', '|---|---|---|---|', ...rows].join('\n');
}
