import { Command } from 'commander';
import { version } from '../version.ts';
import type { BudgetOptions, UsageOptions } from './commands/budget.ts';
import { explain } from './failure.ts';

const program = new Command('parley');
program
  .description('A self-hosted server for conversations with AI. Settings are environment variables: see `parley doctor --settings`.')
  .version(version)
  .showHelpAfterError('(parley --help shows all commands)');

// What a command needs is loaded when it runs: the server starts without the rest.
program
  .command('serve', { isDefault: true })
  .description('run the server (what npm start does)')
  .action(async () => {
    const [{ runServer }, { readConfig }] = await Promise.all([import('../main.ts'), import('../config.ts')]);
    await runServer(readConfig());
  });

program
  .command('langchain')
  .description('run the LangChain service by itself, for LANGCHAIN_SERVICE_URL of a server; LANGCHAIN_SERVICE_SECRET is what it asks for')
  .option('--host <address>', 'address to bind to', '127.0.0.1')
  .option('--port <number>', 'port to listen at', '3001')
  .action(async (options: { host: string; port: string }) => (await import('./commands/langchain.ts')).runLangchain(options));

const model = program.command('model').description('models on this machine and in reach');
model
  .command('list')
  .description('list the models that can be asked, and what is missing for others')
  .option('--json', 'print JSON')
  .action(async (options: { json?: boolean }) => (await import('./commands/model.ts')).listModels(options));
model
  .command('pull')
  .description('fetch a GGUF model: an address, or a name in the hub such as hf:owner/repository/file.gguf')
  .argument('[source]', 'where from; without it the recommended models are listed')
  .option('--sha256 <checksum>', 'refuse a file with another checksum')
  .action(async (source: string | undefined, options: { sha256?: string }) => (await import('./commands/model.ts')).pullModel(source, options));
model
  .command('remove')
  .description('remove a GGUF file from the models folder')
  .argument('<file>', 'its name, as `parley model list` shows it')
  .action(async (file: string) => (await import('./commands/model.ts')).removeModel(file));

const user = program.command('user').description('accounts');
user
  .command('add')
  .description('make an account; the password is asked for, or read from standard input')
  .argument('<name>')
  .option('--role <role>', 'user or admin', 'user')
  .option('--email <address>')
  .action(async (name: string, options: { role: string; email?: string }) => (await import('./commands/user.ts')).addUser(name, options));
user
  .command('list')
  .description('list the accounts')
  .option('--json', 'print JSON')
  .action(async (options: { json?: boolean }) => (await import('./commands/user.ts')).listUsers(options));
user
  .command('role')
  .description('make an account an administrator, or an ordinary user again')
  .argument('<name>')
  .argument('<role>', 'user or admin')
  .action(async (name: string, role: string) => (await import('./commands/user.ts')).setRole(name, role));

user
  .command('password')
  .description('set a new password and end all sign-ins; it is asked for, or read from standard input')
  .argument('<name>')
  .action(async (name: string) => (await import('./commands/user.ts')).setPassword(name));
user
  .command('invite')
  .description('make a code that admits one registration')
  .option('--role <role>', 'what the new account becomes: user or admin', 'user')
  .option('--days <days>', 'how long it is good, at most 90', '7')
  .action(async (options: { role: string; days: string }) => (await import('./commands/user.ts')).invite(options));

user
  .command('disable')
  .description('lock an account: its sign-ins and keys stop working, its data stays')
  .argument('<name>')
  .action(async (name: string) => (await import('./commands/user.ts')).setDisabled(name, true));
user
  .command('enable')
  .description('unlock an account')
  .argument('<name>')
  .action(async (name: string) => (await import('./commands/user.ts')).setDisabled(name, false));

const key = program.command('key').description('keys for model services, and keys of this server');
key
  .command('add')
  .description('keep a key for a model service; it is asked for, or read from standard input')
  .argument('<provider>', 'such as openai')
  .option('--user <name>', 'whose; default: the owner')
  .action(async (provider: string, options: { user?: string }) => (await import('./commands/key.ts')).addProviderKey(provider, options));
key
  .command('create')
  .description('make a key of this server (ask_...), for programs; it is shown once')
  .argument('<name>', 'what it is for')
  .option('--user <name>', 'for whom; default: the owner')
  .option('--days <days>', 'how long it is good; default: until revoked')
  .option('--admin', 'let it do what an administrator may, such as read /metrics; only for administrators')
  .action(async (name: string, options: { user?: string; days?: string; admin?: boolean }) => (await import('./commands/key.ts')).createKey(name, options));
key
  .command('list')
  .description('list both kinds of keys')
  .option('--user <name>', 'whose; default: the owner')
  .option('--json', 'print JSON')
  .action(async (options: { user?: string; json?: boolean }) => (await import('./commands/key.ts')).listKeys(options));
key
  .command('remove')
  .description('forget the key for a model service, or revoke a key of this server')
  .argument('<which>', 'the provider, or the beginning of the key as `parley key list` shows it')
  .option('--user <name>', 'whose; default: the owner')
  .action(async (which: string, options: { user?: string }) => (await import('./commands/key.ts')).removeKey(which, options));

const budget = program.command('budget').description('what users and keys may use in a day and a month');
budget
  .command('set')
  .description('set a budget; what is not named is not bounded')
  .argument('<period>', 'day or month (UTC)')
  .option('--user <name>', 'whose; default: the owner')
  .option('--key <key>', 'of one key of this user alone: its name, or its beginning as `parley key list` shows it')
  .option('--requests <count>', 'most calls of models')
  .option('--tokens <count>', 'most tokens, sent and made together')
  .option('--cost <dollars>', 'most money, by the list prices')
  .option('--unlimited', 'no bound at all, in place of the budget for everybody')
  .action(async (period: string, options: BudgetOptions) => (await import('./commands/budget.ts')).setBudget(period, options));
budget
  .command('list')
  .description('list the budgets that were set, and how they stand')
  .option('--user <name>', 'those that hold for this account and its keys, the budget for everybody included')
  .option('--json', 'print JSON')
  .action(async (options: { user?: string; json?: boolean }) => (await import('./commands/budget.ts')).listBudgets(options));
budget
  .command('remove')
  .description('remove a budget')
  .argument('<period>', 'day or month')
  .option('--user <name>', 'whose; default: the owner')
  .option('--key <key>', 'of one key of this user')
  .action(async (period: string, options: { user?: string; key?: string }) => (await import('./commands/budget.ts')).removeBudget(period, options));
program
  .command('usage')
  .description('say what was used, this month or in another time')
  .option('--by <what>', 'model, day, user or key', 'model')
  .option('--from <day>', 'from this day on (UTC); default: the first of this month')
  .option('--to <day>', 'up to the beginning of this day (UTC); default: now')
  .option('--user <name>', 'by this account alone')
  .option('--json', 'print JSON')
  .action(async (options: UsageOptions) => (await import('./commands/budget.ts')).showUsage(options));

const secrets = program.command('secrets').description('the keys in secrets.json');
secrets
  .command('rotate')
  .description('make new keys; what the old ones encrypted is encrypted anew')
  .option('--end-sign-ins', 'forget the old signing keys, which ends every sign-in: after a leak')
  .action(async (options: { endSignIns?: boolean }) => (await import('./commands/secrets.ts')).rotateSecrets(options));
secrets
  .command('accept')
  .description('make the keys of this machine those of the database, when the ones it had are lost')
  .action(async () => (await import('./commands/secrets.ts')).acceptSecrets());

program
  .command('export')
  .description("write an account's conversations to a file, with all branches")
  .argument('<file>')
  .option('--user <name>', 'whose; default: the owner')
  .option('--force', 'replace the file that is there')
  .action(async (file: string, options: { user?: string; force?: boolean }) => (await import('./commands/transfer.ts')).exportChats(file, options));
program
  .command('import')
  .description("read conversations from a file: what `parley export` wrote, or ChatGPT's conversations.json")
  .argument('<file>')
  .option('--user <name>', 'into whose account; default: the owner')
  .option('--json', 'print the whole report as JSON')
  .action(async (file: string, options: { user?: string; json?: boolean }) => (await import('./commands/transfer.ts')).importChats(file, options));

program
  .command('backup')
  .description('copy the database to a new file, consistently, also while the server runs')
  .argument('<file>')
  .action(async (file: string) => (await import('./commands/backup.ts')).backup(file));
program
  .command('restore')
  .description('put a backup in the place of the database; the server must be stopped')
  .argument('<file>')
  .option('--force', 'replace the database that is there (it is kept beside the new one)')
  .action(async (file: string, options: { force?: boolean }) => (await import('./commands/backup.ts')).restore(file, options));

program
  .command('move')
  .description('carry everything from SQLite to PostgreSQL, or back; the server must be stopped')
  .option('--to <address>', 'from the data folder to postgres://user@host/database; `postgres` stands for DATABASE_URL')
  .option('--from <address>', 'from there into the data folder')
  .option('--dry-run', 'only say what would be moved, and what stands in the way')
  .option('--overwrite', 'replace what the target holds: back it up first')
  .option('--json', 'print JSON')
  .action(async (options: import('./commands/move.ts').MoveCommand) => (await import('./commands/move.ts')).move(options));

program
  .command('verify')
  .description('check a transcript file: that it is whole, signed, and in the log; needs no server. Ends with 2 when it is not')
  .argument('<file>')
  .option('--keys <file>', 'the public keys of the server that sealed it, as `parley ledger keys` writes them; default: those of this server')
  .option('--session <id>', 'the session that it is said to be of')
  .option('--against <file>', 'another transcript of the same session that must not differ')
  .option('--witness <file>', 'a head of the log that was noted earlier, as `parley ledger witness` writes it')
  .option('--json', 'print JSON')
  .action(async (file: string, options: import('./commands/verify.ts').VerifyCommand) => (await import('./commands/verify.ts')).verify(file, options));

const ledger = program.command('ledger').description('sealed transcripts and the log they stand in');
ledger
  .command('keys')
  .description('print the public keys that transcripts are checked with, for people elsewhere')
  .action(async () => (await import('./commands/ledger.ts')).printKeys());
ledger
  .command('rotate')
  .description('sign with a new key from now on; what the old one signed stays good')
  .action(async () => (await import('./commands/ledger.ts')).rotateKey());
ledger
  .command('witness')
  .description('print the newest head of the log, to be kept elsewhere; with --since also the proof that the log only grew since then')
  .option('--since <size>', 'entries that the log had then')
  .action(async (options: { since?: string }) => (await import('./commands/ledger.ts')).printWitness(options));
ledger
  .command('check')
  .description('compute the whole log anew and say what is wrong with it')
  .action(async () => (await import('./commands/ledger.ts')).checkLog());
ledger
  .command('write')
  .description('write the transcript of a session to a file')
  .argument('<session>')
  .argument('<file>')
  .action(async (session: string, file: string) => (await import('./commands/ledger.ts')).writeTranscript(session, file));
ledger
  .command('anchor')
  .description('hand the transcript of a session over to the other ledgers that are set up, or go on with it, and read it back')
  .argument('<session>')
  .action(async (session: string) => (await import('./commands/ledger.ts')).anchorTranscript(session));

const part = program.command('part').description('optional parts that are not installed with the rest');
part
  .command('list')
  .description('list the optional parts and whether they are installed')
  .action(async () => (await import('./commands/part.ts')).listParts());
part
  .command('install')
  .description('install an optional part into the data folder')
  .argument('<part>', 'hedera')
  .action(async (name: string) => (await import('./commands/part.ts')).installPart(name));

program
  .command('doctor')
  .description('say what works, what is missing, and what would install it')
  .option('--settings', 'print every setting with its default and meaning')
  .option('--json', 'print JSON')
  .action(async (options: { settings?: boolean; json?: boolean }) => (await import('./commands/doctor.ts')).doctor(options));

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`parley: ${explain(error)}\n`);
  process.exitCode = 1;
}
