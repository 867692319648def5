import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { shortestGivenSecret } from './base/given-secrets.ts';

/**
 * Every setting: its variable, type, default and meaning. This is the only file that reads the environment.
 * `parley doctor --settings` and docs/settings.md print the same table.
 */
export const settingTable = {
  PORT: { type: 'port', default: '8080', meaning: 'Port of the page and of all HTTP and WebSocket dialects' },
  HOST: { type: 'text', default: '127.0.0.1', meaning: 'Address to bind to; anything but a loopback address switches local trust off' },
  ALSO_LISTEN: { type: 'ports', default: '', meaning: 'More ports for the same server, such as 8000,4001' },
  OLLAMA_API_PORT: { type: 'text', default: '', meaning: "Port on which Ollama's own API is served; empty or `off` for none. Ollama's own is 11434" },
  DATA_DIR: { type: 'path', default: '', meaning: 'Folder for the database, secrets and models; default: the place of the platform for application data' },
  SECRETS_FILE: { type: 'path', default: '', meaning: 'File with the keys of this server, the same for all instances; default: secrets.json in DATA_DIR' },
  SESSION_SECRET: { type: 'secret', default: '', meaning: 'Signs the session cookies and tokens, in place of the keys in SECRETS_FILE: at least 32 characters. Another value ends all sign-ins' },
  ENCRYPTION_KEY: { type: 'secret', default: '', meaning: 'Encrypts the kept provider keys, in place of the keys in SECRETS_FILE: at least 32 characters. Without it they cannot be read any more' },
  ENCRYPTION_KEY_BEFORE: { type: 'secret', default: '', meaning: 'The ENCRYPTION_KEY of before, for one start: what it encrypted is encrypted anew' },
  MODELS_DIR: { type: 'path', default: '', meaning: 'Folder with .gguf files; default: models in DATA_DIR' },
  DATABASE_URL: { type: 'secret', default: '', meaning: 'postgres://... to use PostgreSQL in place of SQLite; one server, or several with REDIS_URL' },
  REDIS_URL: { type: 'secret', default: '', meaning: 'redis://... to run several instances on one PostgreSQL database; all of them need the same one. Switches local trust off' },
  FULL_SYNC: { type: 'flag', default: 'off', meaning: 'Flush the disk at every commit, so that a power cut loses nothing (slower)' },
  LOG_LEVEL: { type: 'choice', choices: ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], default: 'info', meaning: 'What is logged' },
  DEFAULT_MODEL: { type: 'text', default: '', meaning: 'Model for whoever names none, as provider/model' },
  OLLAMA_URLS: { type: 'list', default: 'http://127.0.0.1:11434', meaning: 'Ollama instances, separated by commas; `off` for none' },
  OPENAI_API_KEY: { type: 'secret', default: '', meaning: "The owner's key for OpenAI" },
  OPENAI_BASE_URL: { type: 'text', default: 'https://api.openai.com/v1', meaning: 'Address of the OpenAI API' },
  ANTHROPIC_API_KEY: { type: 'secret', default: '', meaning: "The owner's key for Anthropic" },
  ANTHROPIC_BASE_URL: { type: 'text', default: 'https://api.anthropic.com', meaning: 'Address of the Anthropic API' },
  GOOGLE_API_KEY: { type: 'secret', default: '', meaning: "The owner's key for Google's Gemini API" },
  GOOGLE_BASE_URL: { type: 'text', default: 'https://generativelanguage.googleapis.com', meaning: 'Address of the Gemini API' },
  COHERE_API_KEY: { type: 'secret', default: '', meaning: "The owner's key for Cohere" },
  COHERE_BASE_URL: { type: 'text', default: 'https://api.cohere.com', meaning: 'Address of the Cohere API' },
  COMPATIBLE_SERVERS: { type: 'list', default: '', meaning: 'OpenAI-compatible servers as name=url, separated by commas' },
  COMPATIBLE_KEYS: { type: 'secret', default: '', meaning: 'Keys for them as name=key, separated by commas' },
  SHARE_PROVIDER_KEYS: { type: 'flag', default: 'off', meaning: 'Let every user spend the keys of the environment, not only the owner' },
  FALLBACK_MODELS: { type: 'list', default: '', meaning: 'Models to ask, in order, when a service is down; the answer names the one that spoke' },
  AUTO_TITLES: { type: 'choice', choices: ['first-message', 'model'], default: 'first-message', meaning: 'Title of a new chat: the beginning of its first message, or one that the answering model is asked for' },
  TRASH_DAYS: { type: 'number', default: '30', meaning: 'Days that chats wait in the trash before they are deleted for good; 0 leaves them there' },
  LANGCHAIN_SERVICE_URL: { type: 'text', default: '', meaning: 'Address of a LangChain service that runs already; empty starts one when it is needed, `off` switches the integration off' },
  LANGCHAIN_SERVICE_SECRET: { type: 'secret', default: '', meaning: 'What that service wants as bearer token; for `parley langchain` what it asks for' },
  LANGCHAIN_IDLE_SECONDS: { type: 'number', default: '600', meaning: 'Seconds without a call after which the LangChain service that Parley started is ended' },
  LANGCHAIN_CIRCUIT_BREAKER: { type: 'flag', default: 'on', meaning: 'Leave the LangChain service alone for a minute after five failures in a row' },
  LANGCHAIN_FALLBACK: { type: 'flag', default: 'on', meaning: "Let the test of the LangChain service fall back to the model's own provider" },
  LANGCHAIN_STREAMING: { type: 'flag', default: 'on', meaning: 'Let answers come through the LangChain service in pieces' },
  LANGCHAIN_HEALTH_CHECKS: { type: 'flag', default: 'on', meaning: 'Ask the LangChain service how it is whenever its status is looked at' },
  IMPORT_MAX_MEGABYTES: { type: 'number', default: '100', meaning: 'Megabytes that a file of chats to import may have; MAX_CONTENT_LENGTH bounds it, too' },
  LLAMA_THREADS: { type: 'number', default: '0', meaning: 'Threads of the embedded engine; 0 means the fastest number, measured when a model is first loaded' },
  LLAMA_SEQUENCES: { type: 'number', default: '4', meaning: 'Conversations the embedded engine answers at the same time' },
  LLAMA_BATCH_SEQUENCES: { type: 'number', default: '16', meaning: 'Items of a batch that the embedded engine evaluates together at most; fewer where memory is short, and below 2 none' },
  LLAMA_CONTEXT: { type: 'number', default: '4096', meaning: 'Tokens of context for each of them (less when the model has less)' },
  LLAMA_MEMORY: { type: 'number', default: '0', meaning: 'Megabytes that all loaded models may take together; 0 means four fifths of what is free at the start' },
  LLAMA_IDLE_SECONDS: { type: 'number', default: '1800', meaning: 'Seconds after which the embedded engine lets an unused model go; 0 keeps it until its memory is needed' },
  LLAMA_GPU: { type: 'choice', choices: ['off', 'auto'], default: 'off', meaning: 'Use a GPU for the embedded engine (needs the parts named in docs/gpu.md)' },
  MODEL_TIMEOUT: { type: 'number', default: '120', meaning: 'Seconds without a byte from a model service after which the answer fails' },
  REGISTRATION: { type: 'choice', choices: ['', 'open', 'invite', 'closed'], default: '', meaning: 'Who may register; default: open on loopback, closed elsewhere' },
  LOCAL_TRUST: { type: 'flag', default: 'on', meaning: 'Let requests without credentials from this machine act as the owner; switch off behind any proxy' },
  ALLOWED_ORIGINS: { type: 'list', default: '', meaning: 'Origins of other pages that may use this server with credentials' },
  PUBLIC_URL: { type: 'text', default: '', meaning: 'Address under which people reach this server; switches local trust off' },
  TRUST_PROXY: { type: 'flag', default: 'off', meaning: 'Believe X-Forwarded-For of a proxy in front; switches local trust off' },
  TOKEN_LIFETIME: { type: 'number', default: '2592000', meaning: 'Seconds a sign-in lasts' },
  LIMIT_MESSAGES_PER_HOUR: { type: 'number', default: '500', meaning: 'Chat messages an hour and user' },
  LIMIT_FRIEND_MESSAGES_PER_MINUTE: { type: 'number', default: '60', meaning: 'Messages a minute and user on the friend dialect: sent, streamed and by socket together' },
  LIMIT_REQUESTS_PER_MINUTE: { type: 'number', default: '600', meaning: 'Requests a minute and user on the arketic, friend and studio dialects' },
  LIMIT_COMPLETIONS_PER_MINUTE: { type: 'number', default: '600', meaning: 'Calls a minute and user on /v1, the Ollama API and streamed generation of the ultimate dialect together' },
  LIMIT_LOGINS_PER_MINUTE: { type: 'number', default: '10', meaning: 'Sign-ins and registrations a minute and address' },
  LIMIT_TOKENS_PER_HOUR: { type: 'number', default: '120', meaning: 'Tokens a user may have made for programs in an hour (/api/auth/token)' },
  LIMIT_OAUTH_PER_MINUTE: { type: 'number', default: '60', meaning: "Requests a minute and address at OAuth's addresses; a third of it for new requests, and for codes a person looks up" },
  LIMIT_SOCKETS_PER_ADDRESS: { type: 'number', default: '20', meaning: 'Open sockets from one address' },
  BUDGET_PER_USER: { type: 'list', default: '', meaning: 'What each user but the owner may use, such as day:tokens=200000,day:requests=500,month:cost=5 (dollars); budgets set for a user or key come first' },
  BUDGET_UNPRICED: { type: 'choice', choices: ['refuse', 'allow'], default: 'refuse', meaning: 'What a budget in money does with models whose price is not known; allow counts them as free' },
  AGENT_TURNS: { type: 'number', default: '100', meaning: 'Replies that models may begin in a session of two agents that names no limit of its own, 1 to 10000' },
  AGENT_DEPTH: { type: 'number', default: '6', meaning: 'Messages of agents in a row, without one of a person, behind which a trigger is skipped, 1 to 100' },
  AGENT_MINUTES: { type: 'number', default: '1440', meaning: 'Minutes from the start of a session after which no reply is begun, 1 to 43200' },
  AGENT_COST: { type: 'number', default: '1', meaning: 'US dollars of all replies of a session from which on none is begun, 0 to 1000' },
  AGENT_RUNS: { type: 'number', default: '32', meaning: 'Sessions in which agents may talk by themselves at the same time, in one process' },
  TRANSCRIPT_WAIT: { type: 'number', default: '10', meaning: 'Seconds that ending a session waits for its transcript to be handed over; what takes longer goes on' },
  HEDERA_ACCOUNT_ID: { type: 'text', default: '', meaning: 'Account, such as 0.0.1234, that pays for transcripts on Hedera; empty leaves them in the log of this server' },
  HEDERA_PRIVATE_KEY: { type: 'secret', default: '', meaning: 'Its private key in hex: DER, 64 digits (Ed25519), or 0x and 64 digits (ECDSA)' },
  HEDERA_TOPIC_ID: { type: 'text', default: '', meaning: 'Topic, such as 0.0.5678, that transcripts are submitted to' },
  HEDERA_NETWORK: { type: 'text', default: 'testnet', meaning: 'mainnet, testnet, previewnet, or nodes of another network as host:port=account, separated by commas' },
  HEDERA_MIRROR_URL: { type: 'text', default: '', meaning: 'Base URL of the REST API of a mirror node; default: the public one of the network' },
  HEDERA_CONTENT: { type: 'choice', choices: ['transcript', 'proof'], default: 'transcript', meaning: 'What is submitted, for everybody to read for ever: the whole transcript, or hashes and signature alone' },
  HEDERA_MAX_CHUNKS: { type: 'number', default: '200', meaning: 'Most messages of 1024 bytes that one transcript may take; each costs a fee' },
  HEDERA_TIMEOUT: { type: 'number', default: '60', meaning: 'Seconds that one submission may take; what is missing then is submitted the next time' },
  MAX_CONTENT_LENGTH: { type: 'number', default: '104857600', meaning: 'Most bytes of any request body; many routes take less (docs/limits.md)' },
  DRAIN_SECONDS: { type: 'number', default: '10', meaning: 'Seconds a stopping server lets answers finish, 0 to 86400' },
  RESTARTED_BY_SERVICE: { type: 'flag', default: 'off', meaning: 'A service manager starts the server again whenever it ends with code 75, so that administrators may restart it over the network (docs/operations.md)' },
  OPEN_BROWSER: { type: 'flag', default: 'off', meaning: 'Open the page in a browser at start' },
} as const satisfies Record<string, SettingRow>;

/**
 * Variables of the published API documents that nothing reads yet, with what they will be for. Setting one changes nothing:
 * a switch that is on claims no feature that is not there.
 */
export const notReadYet: Readonly<Record<string, string>> = {
  UPLOAD_FOLDER: 'the folder of uploaded files, which are not built yet',
  IBM_QUANTUM_TOKEN: 'quantum computing, which is not built yet',
  GOOGLE_QUANTUM_KEY: 'quantum computing, which is not built yet',
  AWS_BRAKET_ACCESS_KEY: 'quantum computing, which is not built yet; one value alone cannot sign a request to AWS',
  WEB3_PROVIDER_URL: 'blockchains, which are not built yet',
  IPFS_GATEWAY: 'IPFS, which is not built yet',
  ENABLE_QUANTUM: 'the switch of quantum computing, which is not built yet',
  ENABLE_FEDERATED: 'the switch of federated learning, which is not built yet',
  ENABLE_NEUROMORPHIC: 'the switch of neuromorphic computing, which is not built yet',
  ENABLE_SAFETY: 'the switch of safety checks, which are not built yet',
  ENABLE_SELF_IMPROVING: 'the switch of self-improvement, which is not built yet',
};

/** The variables of `notReadYet` that are set all the same; values as the documents print them (`your-...`) count as unset. */
export function unreadVariables(environment: Record<string, string | undefined> = process.env): string[] {
  return Object.keys(notReadYet).filter((name) => {
    const value = environment[name]?.trim() ?? '';
    return value !== '' && !/(^|\/)your-/i.test(value);
  });
}

interface SettingRow {
  type: 'text' | 'secret' | 'port' | 'ports' | 'path' | 'flag' | 'choice' | 'list' | 'number';
  choices?: readonly string[];
  default: string;
  meaning: string;
}

export type SettingName = keyof typeof settingTable;

/** Variables without which a program does not run, or trusts no certificate, on some machines. */
const childVariables = ['SystemRoot', 'TEMP', 'TMP', 'TMPDIR', 'NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'NODE_COMPILE_CACHE'];

/** The settings, parsed. Units as in the table. */
export type Config = ReturnType<typeof readConfig>;

/** One item of BUDGET_PER_USER; null for no bound. Written out here, so that the public types need none of the inside. */
interface BudgetForEveryUser {
  period: 'day' | 'month';
  requests: number | null;
  tokens: number | null;
  /** Micro-dollars. */
  costMicros: number | null;
}

/** A setting that cannot be used; the message names it and says what is allowed. */
export class ConfigError extends Error {}

/**
 * Reads the settings.
 * @throws {ConfigError} naming the first setting that cannot be used
 */
export function readConfig(environment: Record<string, string | undefined> = process.env) {
  const read = readers(environment);
  const { text, number, wholeNumber, givenSecret, flag, choice, list, port } = read;
  const dataDir = text('DATA_DIR') ? absolute(text('DATA_DIR')) : defaultDataDir(environment);
  const ollamaApiPort = ['', 'off'].includes(text('OLLAMA_API_PORT')) ? null : port('OLLAMA_API_PORT', text('OLLAMA_API_PORT'));
  if (ollamaApiPort && [text('PORT'), ...list('ALSO_LISTEN')].map(Number).includes(ollamaApiPort)) {
    throw new ConfigError('OLLAMA_API_PORT must be another port than PORT and ALSO_LISTEN: the addresses of Ollama mean something else there.');
  }
  if (text('REDIS_URL') && !text('DATABASE_URL')) {
    throw new ConfigError('REDIS_URL is for several instances on one PostgreSQL database, and DATABASE_URL is not set: SQLite serves one process. Set DATABASE_URL as well, or leave REDIS_URL out.');
  }
  return {
    port: port('PORT', text('PORT')),
    host: text('HOST'),
    alsoListen: list('ALSO_LISTEN').map((value) => port('ALSO_LISTEN', value)),
    ollamaApiPort,
    dataDir,
    secretsFile: text('SECRETS_FILE') ? absolute(text('SECRETS_FILE')) : join(dataDir, 'secrets.json'),
    sessionSecret: givenSecret('SESSION_SECRET'),
    encryptionKey: givenSecret('ENCRYPTION_KEY'),
    encryptionKeyBefore: givenSecret('ENCRYPTION_KEY_BEFORE'),
    modelsDir: text('MODELS_DIR') ? absolute(text('MODELS_DIR')) : join(dataDir, 'models'),
    databaseUrl: text('DATABASE_URL') || null,
    redisUrl: text('REDIS_URL') || null,
    fullSync: flag('FULL_SYNC'),
    logLevel: choice('LOG_LEVEL', settingTable.LOG_LEVEL.choices),
    ...modelServices(read),
    trashDays: number('TRASH_DAYS'),
    importMaxBytes: number('IMPORT_MAX_MEGABYTES') * 1e6,
    autoTitles: choice('AUTO_TITLES', settingTable.AUTO_TITLES.choices),
    /** What a process of this server's own needs of the environment to run: no setting, no secret. */
    childEnvironment: Object.fromEntries(childVariables.flatMap((name) => (environment[name] === undefined ? [] : [[name, environment[name]]]))) as Record<string, string>,
    registration: choice('REGISTRATION', ['', 'open', 'invite', 'closed'] as const) || null,
    localTrust: flag('LOCAL_TRUST'),
    allowedOrigins: list('ALLOWED_ORIGINS'),
    publicUrl: text('PUBLIC_URL') || null,
    trustProxy: flag('TRUST_PROXY'),
    tokenLifetimeMs: number('TOKEN_LIFETIME') * 1000,
    limits: {
      messagesPerHour: number('LIMIT_MESSAGES_PER_HOUR'),
      friendMessagesPerMinute: number('LIMIT_FRIEND_MESSAGES_PER_MINUTE'),
      requestsPerMinute: number('LIMIT_REQUESTS_PER_MINUTE'),
      completionsPerMinute: number('LIMIT_COMPLETIONS_PER_MINUTE'),
      loginsPerMinute: number('LIMIT_LOGINS_PER_MINUTE'),
      tokensPerHour: number('LIMIT_TOKENS_PER_HOUR'),
      oauthPerMinute: number('LIMIT_OAUTH_PER_MINUTE'),
      socketsPerAddress: number('LIMIT_SOCKETS_PER_ADDRESS'),
    },
    agents: agentSettings(read),
    hedera: hederaSettings(read, dataDir),
    budgets: { perUser: budgetsPerUser(list('BUDGET_PER_USER')), unpriced: choice('BUDGET_UNPRICED', settingTable.BUDGET_UNPRICED.choices) },
    maxContentLength: wholeNumber('MAX_CONTENT_LENGTH'),
    drainMs: within(read, 'DRAIN_SECONDS', 0, 86_400, false) * 1000,
    openBrowser: flag('OPEN_BROWSER'),
    restartedByService: flag('RESTARTED_BY_SERVICE'),
    given: givenSettings(environment),
  };
}

/** What was given, to be shown: the texts of settings that are no secrets, and of secrets that they are set. */
function givenSettings(environment: Record<string, string | undefined>): { texts: Partial<Record<SettingName, string>>; secrets: readonly SettingName[] } {
  const { text } = readers(environment);
  const names = (Object.keys(settingTable) as SettingName[]).filter((name) => (environment[name] ?? '').trim() !== '');
  return {
    texts: Object.fromEntries(names.filter((name) => settingTable[name].type !== 'secret').map((name) => [name, text(name)])),
    secrets: names.filter((name) => settingTable[name].type === 'secret' && text(name) !== ''),
  };
}

/** The settings of who can answer: services, keys, and the embedded engine. */
function modelServices({ text, number, flag, choice, list, pairs }: ReturnType<typeof readers>) {
  const ollama = list('OLLAMA_URLS');
  const baseUrl = (name: SettingName): string => text(name).replace(/\/+$/, '');
  return {
    defaultModel: text('DEFAULT_MODEL') || null,
    ollamaUrls: ollama.length === 1 && ollama[0] === 'off' ? [] : ollama,
    openaiApiKey: text('OPENAI_API_KEY') || null,
    openaiBaseUrl: baseUrl('OPENAI_BASE_URL'),
    anthropicApiKey: text('ANTHROPIC_API_KEY') || null,
    anthropicBaseUrl: baseUrl('ANTHROPIC_BASE_URL'),
    googleApiKey: text('GOOGLE_API_KEY') || null,
    googleBaseUrl: baseUrl('GOOGLE_BASE_URL'),
    cohereApiKey: text('COHERE_API_KEY') || null,
    cohereBaseUrl: baseUrl('COHERE_BASE_URL'),
    compatibleServers: pairs('COMPATIBLE_SERVERS'),
    compatibleKeys: pairs('COMPATIBLE_KEYS'),
    shareProviderKeys: flag('SHARE_PROVIDER_KEYS'),
    fallbackModels: list('FALLBACK_MODELS'),
    langchain: {
      service: text('LANGCHAIN_SERVICE_URL'),
      secret: text('LANGCHAIN_SERVICE_SECRET'),
      idleMs: number('LANGCHAIN_IDLE_SECONDS') * 1000,
      circuitBreaker: flag('LANGCHAIN_CIRCUIT_BREAKER'),
      fallback: flag('LANGCHAIN_FALLBACK'),
      streaming: flag('LANGCHAIN_STREAMING'),
      healthChecks: flag('LANGCHAIN_HEALTH_CHECKS'),
    },
    llama: {
      threads: number('LLAMA_THREADS'),
      sequences: number('LLAMA_SEQUENCES'),
      batchSequences: number('LLAMA_BATCH_SEQUENCES'),
      contextTokens: number('LLAMA_CONTEXT'),
      gpu: choice('LLAMA_GPU', ['off', 'auto'] as const),
      memoryBytes: number('LLAMA_MEMORY') * 1e6,
      idleMs: number('LLAMA_IDLE_SECONDS') * 1000,
    },
    modelTimeoutMs: number('MODEL_TIMEOUT') * 1000,
  };
}

/** What holds in sessions of two agents. */
function agentSettings(read: ReturnType<typeof readers>) {
  return {
    limits: {
      turns: within(read, 'AGENT_TURNS', 1, 10_000, true),
      depth: within(read, 'AGENT_DEPTH', 1, 100, true),
      milliseconds: Math.round(within(read, 'AGENT_MINUTES', 1, 43_200, false) * 60_000),
      costMicros: Math.round(within(read, 'AGENT_COST', 0, 1000, false) * 1e6),
    },
    runsAtOnce: within(read, 'AGENT_RUNS', 1, 10_000, true),
    transcriptMs: within(read, 'TRANSCRIPT_WAIT', 0, 300, false) * 1000,
  };
}

function within({ number }: ReturnType<typeof readers>, name: SettingName, least: number, most: number, isWhole: boolean): number {
  const value = number(name);
  if (value < least || value > most || (isWhole && !Number.isInteger(value))) throw new ConfigError(`${name} must be a ${isWhole ? 'whole ' : ''}number from ${least} to ${most}, not "${value}".`);
  return value;
}

/** How transcripts reach Hedera; null when no account is named. What is wrong with a value is told where it is used. */
function hederaSettings({ text, number, choice }: ReturnType<typeof readers>, dataDir: string) {
  if (text('HEDERA_ACCOUNT_ID') === '' && text('HEDERA_TOPIC_ID') === '') return null;
  return {
    accountId: text('HEDERA_ACCOUNT_ID'),
    privateKey: text('HEDERA_PRIVATE_KEY'),
    topicId: text('HEDERA_TOPIC_ID'),
    network: text('HEDERA_NETWORK'),
    mirrorUrl: text('HEDERA_MIRROR_URL'),
    content: choice('HEDERA_CONTENT', settingTable.HEDERA_CONTENT.choices),
    mostChunks: number('HEDERA_MAX_CHUNKS'),
    timeoutMs: number('HEDERA_TIMEOUT') * 1000,
    partFolders: [join(dataDir, 'parts', 'hedera'), ...ownPartFolders('hedera')],
  };
}

/** Where the optional part may stand beside the program: in a clone, or in an installed package. */
export function ownPartFolders(part: string): string[] {
  return ['../parts', '../../parts'].map((folder) => fileURLToPath(new URL(`${folder}/${part}`, import.meta.url)));
}

/**
 * Reads the settings, with some of them given by a program in place of the environment.
 * @param changes by the names of the variables; undefined leaves the environment's
 * @throws {ConfigError} as `readConfig`, and for a name that is no setting
 */
export function readConfigWith(changes: Partial<Record<SettingName, string | number | boolean>>): Config {
  const given = Object.entries(changes).filter(([, value]) => value !== undefined);
  const unknown = given.find(([name]) => !Object.hasOwn(settingTable, name));
  if (unknown) throw new ConfigError(`There is no setting ${unknown[0]}. docs/settings.md lists all.`);
  return readConfig({ ...process.env, ...Object.fromEntries(given.map(([name, value]) => [name, String(value)])) });
}

/** Functions that read one setting each, as its type. */
function readers(environment: Record<string, string | undefined>) {
  const text = (name: SettingName): string => {
    const value = (environment[name] ?? settingTable[name].default).trim();
    // Secrets as the published API documents print them (`your-secret-key`) stand for those that were never set.
    return settingTable[name].type === 'secret' && /^your-/i.test(value) ? '' : value;
  };
  const givenSecret = (name: SettingName): string | null => {
    const value = text(name);
    if (value !== '' && value.length < shortestGivenSecret) throw new ConfigError(`${name} must have at least ${shortestGivenSecret} characters. Make one with: openssl rand -base64 32`);
    return value || null;
  };
  const number = (name: SettingName): number => {
    const value = Number(text(name));
    if (!Number.isFinite(value) || value < 0) throw new ConfigError(`${name} must be a number of 0 or more, not "${text(name)}".`);
    return value;
  };
  const wholeNumber = (name: SettingName): number => {
    const value = Number(text(name));
    if (!Number.isSafeInteger(value) || value < 1) throw new ConfigError(`${name} must be a whole number of 1 or more, written out, not "${text(name)}".`);
    return value;
  };
  const flag = (name: SettingName): boolean => {
    const value = text(name).toLowerCase();
    if (['on', 'true', '1', 'yes'].includes(value)) return true;
    if (['off', 'false', '0', 'no', ''].includes(value)) return false;
    throw new ConfigError(`${name} must be on or off, not "${text(name)}".`);
  };
  const choice = <Value extends string>(name: SettingName, values: readonly Value[]): Value => {
    const value = text(name) as Value;
    if (!values.includes(value)) throw new ConfigError(`${name} must be one of ${values.filter(Boolean).join(', ')}, not "${value}".`);
    return value;
  };
  const list = (name: SettingName): string[] => text(name).split(',').map((item) => item.trim()).filter(Boolean);
  const port = (name: SettingName, value: string): number => {
    const parsed = Number(value);
    if (!Number.isInteger(parsed) || parsed < 0 || parsed > 65535) throw new ConfigError(`${name} must be a port between 0 and 65535, not "${value}".`);
    return parsed;
  };
  const pairs = (name: SettingName): Map<string, string> =>
    new Map(list(name).map((item) => {
      const at = item.indexOf('=');
      if (at < 1) throw new ConfigError(`${name} must be a list of name=value, separated by commas.`);
      return [item.slice(0, at), item.slice(at + 1)];
    }));
  return { text, number, wholeNumber, givenSecret, flag, choice, list, port, pairs };
}

/**
 * `period:kind=number`, several by commas. Dollars become micro-dollars.
 * @throws {ConfigError} for anything else
 */
function budgetsPerUser(items: readonly string[]): BudgetForEveryUser[] {
  const budgets: BudgetForEveryUser[] = [];
  for (const item of items) {
    const [, period, kind, figure] = /^(day|month):(requests|tokens|cost)=(\d{1,12}(?:\.\d{1,6})?)$/.exec(item) ?? [];
    if (!figure || (kind !== 'cost' && figure.includes('.'))) {
      throw new ConfigError(`BUDGET_PER_USER must be a list such as day:tokens=200000,day:requests=500,month:cost=5, not "${item}".`);
    }
    let budget = budgets.find((known) => known.period === period);
    if (!budget) budgets.push((budget = { period: period as BudgetForEveryUser['period'], requests: null, tokens: null, costMicros: null }));
    if (kind === 'cost') budget.costMicros = Math.round(Number(figure) * 1e6);
    else budget[kind as 'requests' | 'tokens'] = Number(figure);
  }
  return budgets;
}

function absolute(path: string): string {
  return isAbsolute(path) ? path : resolve(path);
}

/** Where this platform keeps application data (XDG on Linux, Library on macOS, LOCALAPPDATA on Windows). */
function defaultDataDir(environment: Record<string, string | undefined>): string {
  if (process.platform === 'win32') return join(environment['LOCALAPPDATA'] ?? join(homedir(), 'AppData', 'Local'), 'parley');
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Application Support', 'parley');
  return join(environment['XDG_DATA_HOME'] ?? join(homedir(), '.local', 'share'), 'parley');
}
