import { readConfig, settingTable, unreadVariables } from '../../config.ts';
import { checkDatabase, checkFolder, checkModels, checkNode, checkOllamaApi, checkPage, checkProgram, checkRedis, checkServer, checkThreads, checkUnread, type Finding } from '../checks.ts';
import { explain } from '../failure.ts';
import { checkLedger } from '../ledger-checks.ts';
import { withCore } from '../open.ts';
import { settingLines } from '../settings-page.ts';

export async function doctor(options: { settings?: boolean; json?: boolean }): Promise<void> {
  if (options.settings) {
    console.log(options.json ? JSON.stringify(settingTable, null, 2) : settingLines());
    return;
  }
  const findings = await examine();
  console.log(options.json ? JSON.stringify(findings, null, 2) : show(findings));
  if (findings.some((finding) => finding.state === 'broken')) process.exitCode = 1;
}

async function examine(): Promise<Finding[]> {
  const config = readConfig();
  const inside = withCore(async (core) => [await checkDatabase(core), ...[await checkRedis(core)].filter((finding) => finding !== null), await checkFolder('Models folder', config.modelsDir), ...(await checkModels(core)), ...(await checkLedger(core))], { hints: true }).catch((error: unknown): Finding[] => [
    { name: 'Database', state: 'broken', detail: explain(error), fix: 'See docs/running.md, "When the database is broken".' },
  ]);
  return [
    checkNode(process.versions.node),
    await checkPage(),
    await checkServer(config),
    ...[await checkOllamaApi(config)].filter((finding) => finding !== null),
    ...(await inside),
    checkThreads(config),
    ...[checkUnread(unreadVariables())].filter((finding) => finding !== null),
    // Behind opening the database, which makes the folder when it is missing.
    await checkFolder('Data folder', config.dataDir),
    await checkProgram('Chromium (tests)', ['chromium', 'chromium-browser', 'google-chrome'], 'apt-get install chromium'),
    await checkProgram('PostgreSQL (tests)', ['postgres', 'psql'], 'apt-get install postgresql'),
    await checkProgram('Redis (tests)', ['redis-server'], 'apt-get install redis-server'),
  ];
}

function show(findings: Finding[]): string {
  const marks = { ok: '+', absent: '-', broken: '!' };
  const width = Math.max(...findings.map((finding) => finding.name.length));
  const lines = findings.flatMap(({ name, state, detail, fix }) => [
    `${marks[state]} ${name.padEnd(width)}  ${detail}`,
    ...(fix === null || fix === '' ? [] : [`  ${' '.repeat(width)}  ${fix}`]),
  ]);
  const count = findings.filter((finding) => finding.state === 'broken').length;
  const summary = count === 0 ? 'Everything that Parley needs works.' : `${count} ${count === 1 ? 'thing needs' : 'things need'} mending (marked !).`;
  return [...lines, '', summary, '+ works   - not there, not needed to run   ! broken'].join('\n');
}
