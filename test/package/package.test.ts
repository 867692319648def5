import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startStandIn, type StandIn } from '../stand-in/index.ts';
import { programsOf } from './documentation.ts';
import { installPackage, root, run, serve, type Installed } from './installed.ts';

/** A program that uses the module as the documentation shows it. */
const program = `
import { AIService, AIServiceError, ChatService, createApp, formatFileSize, generateApiKey } from 'parley/studio';
await using app = await createApp({ PORT: 0 });
await using chat = new ChatService({ app });
const session = await chat.createSession(await chat.ownerId(), 'My AI Chat');
const answer = await chat.chatCompletion(session, 'What is AI?', 'gpt-4o');
await using ai = new AIService({ app });
let streamed = '';
for await (const chunk of ai.streamChatCompletion([{ role: 'user', content: 'Hello' }], 'openai', 'gpt-4o')) streamed += chunk.content;
const page = await (await fetch(app.address)).text();
const key = generateApiKey().slice(0, 4);
console.log(JSON.stringify({ content: answer.content, streamed, size: formatFileSize(1024), key, page: page.includes('<title>'), isError: AIServiceError.prototype instanceof Error }));
`;

/** The same in types: what is right compiles, and each line marked is wrong. */
const typedProgram = `
import { AIService, ChatService, createApp, hashPassword, timeAgo, truncateText, type App, type ChatCompletion, type Config, type SessionWithMessages } from 'parley/studio';
const config: Partial<Config> = { PORT: 0, LOG_LEVEL: 'silent', MAX_CONTENT_LENGTH: 1000 };
const app: App = await createApp(config);
const ai = new AIService({ app });
const completion: ChatCompletion = await ai.chatCompletion([{ role: 'user', content: 'Hello' }], 'openai', 'gpt-4o', { temperature: 0.7, max_tokens: 1000 });
const cost: number | null = completion.cost;
const vector: number[] = await ai.getEmbedding('text');
const image: { url: string; urls: string[] } = await ai.generateImageOpenai('A robot', '1024x1024', 'hd', 1);
for await (const chunk of ai.streamChatCompletion([], 'anthropic')) chunk.content.toUpperCase();
const chat = new ChatService();
const session: SessionWithMessages = await chat.getSession(await chat.createSession('id', undefined, 'gpt-4o'), 'id');
const roles: ('user' | 'assistant' | 'system')[] = session.messages.map((message) => message.role);
const { hash, salt }: { hash: string; salt: string } = await hashPassword('mypassword');
export const used = [cost, vector, image, roles, hash, salt, truncateText('text', 3), timeAgo(new Date())];
// @ts-expect-error a role that is none
await chat.addMessage('id', 'robot', 'text');
// @ts-expect-error a setting that is none
await createApp({ PROT: 1 });
// @ts-expect-error a size that is none
await ai.generateImageOpenai('A robot', '1x1');
// @ts-expect-error the cost may not be known
const certain: number = completion.cost;
await chat.close();
await app.stop();
`;

describe('The package that npm pack makes', () => {
  let installed: Installed;
  let openai: StandIn;
  let environment: NodeJS.ProcessEnv;

  beforeAll(async () => {
    installed = await installPackage();
    openai = await startStandIn();
    const { DOCUMENTS: _documents, NODE_OPTIONS: _options, ...rest } = process.env;
    environment = { ...rest, DATA_DIR: join(installed.folder, 'data'), DATABASE_URL: '', REDIS_URL: '', OLLAMA_URLS: 'off', OPENAI_API_KEY: 'sk-test', OPENAI_BASE_URL: `${openai.url}/v1`, LOG_LEVEL: 'error', PORT: '0' };
  }, 120_000);
  afterAll(async () => {
    await openai?.close();
    installed?.remove();
  });

  it('holds what is needed and nothing of the tests and sources', () => {
    const { files } = installed;
    expect(files).toEqual(expect.arrayContaining(['LICENSE', 'README.md', 'package.json', 'docs/studio-library.md', 'dist/src/library/index.js', 'dist/src/library/index.d.ts', 'dist/src/main.js', 'dist/package.json', 'dist/web/dist/index.html', 'scripts/start.cjs', 'parts/hedera/package.json', 'parts/hedera/package-lock.json', 'dist/src/features/ledger/check-worker.js', 'dist/src/features/ledger/anchors/hedera/worker.js']));
    expect(files.filter((file) => /\.test\.|-suite\.|(^|\/)(testing|fixtures)(\/|\.)|^(src|test|web|bench|runtime)\/|node_modules|\.db$|\.env/.test(file))).toEqual([]);
    expect(files.filter((file) => /\.tsx?$/.test(file) && !file.endsWith('.d.ts'))).toEqual([]);
    const bytes = files.reduce((sum, file) => sum + statSync(join(installed.package, file)).size, 0);
    expect(bytes).toBeLessThan(20_000_000);
  });

  it('holds every file that a part starts as a process or worker of its own', () => {
    const missing: string[] = [];
    let found = 0;
    for (const file of installed.files.filter((name) => name.endsWith('.js') && name.startsWith('dist/src/'))) {
      const path = join(installed.package, file);
      for (const [, name] of readFileSync(path, 'utf8').matchAll(/'(\.{1,2}\/[\w./-]+\.js)', import\.meta\.url/g)) {
        found += 1;
        if (!existsSync(join(dirname(path), name!))) missing.push(`${file}: ${name}`);
      }
    }
    expect(missing).toEqual([]);
    expect(found).toBeGreaterThan(2);
  });

  it('runs a program that imports it', async () => {
    writeFileSync(join(installed.folder, 'program.js'), program);
    const { code, output, errors } = await run(process.execPath, ['--disable-warning=ExperimentalWarning', 'program.js'], installed.folder, environment);
    expect(errors).toBe('');
    expect(JSON.parse(output)).toEqual({ content: 'Hello from the stand-in.', streamed: 'Hello from the stand-in.', size: '1.0 KB', key: 'ask_', page: true, isError: true });
    expect(code).toBe(0);
  });

  it('has types that need no others, and that refuse what is wrong', async () => {
    const folder = join(installed.folder, 'typed');
    mkdirSync(folder);
    writeFileSync(join(folder, 'program.ts'), typedProgram);
    // Without skipLibCheck every declaration that is reached is checked; without types nothing is there but the language.
    const compilerOptions = { strict: true, noEmit: true, target: 'esnext', module: 'nodenext', moduleResolution: 'nodenext', lib: ['esnext'], types: [], skipLibCheck: false, exactOptionalPropertyTypes: true };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['program.ts'] }));
    const { code, output } = await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '--project', folder], installed.folder, environment);
    expect(output).toBe('');
    expect(code).toBe(0);
  });

  describe('runs the programs of docs/studio-library.md as they are printed', () => {
    const programs = programsOf('studio-library.md');

    it('all of them', () => {
      expect(programs.length).toBeGreaterThanOrEqual(5);
    });

    it.each(programs)('$name', async ({ text }) => {
      const folder = join(installed.folder, `program-${randomUUID()}`);
      mkdirSync(folder);
      writeFileSync(join(folder, 'program.ts'), text);
      const env = { ...environment, DATA_DIR: join(folder, 'data') };
      const { code, output, errors } = await run(process.execPath, ['--disable-warning=ExperimentalWarning', 'program.ts'], folder, env);
      expect([code, errors]).toEqual([0, '']);
      if (text.includes('AI Response')) expect(output).toBe('AI Response: Hello from the stand-in.\nHello from the stand-in.');
      if (text.includes('Explain quantum')) expect(output).toBe('Response: Hello from the stand-in.\nTokens used: 12\nCost: $0.0001\nEmbedding dimension: 8\n');
      if (text.includes('addMessage')) expect(output).toBe('My Chat Session, just now\nuser: Hello AI!\nassistant: Hello! How can I help?\nuser: What is AI?\nassistant: Hello from the stand-in.\n');
      if (text.includes('createApp')) expect(output).toMatch(/^The page: http:\/\/127\.0\.0\.1:\d+\nhttp:\S+\/c\/[0-9a-f-]{36}\n$/);
    });
  });

  it('has no way into its inside', async () => {
    writeFileSync(join(installed.folder, 'inside.js'), "await import('parley/dist/src/parts.js').catch((error) => console.log(error.code)); await import('parley').catch((error) => console.log(error.code));");
    const { output } = await run(process.execPath, ['inside.js'], installed.folder, environment);
    expect(output.trim().split('\n')).toEqual(['ERR_PACKAGE_PATH_NOT_EXPORTED', 'ERR_PACKAGE_PATH_NOT_EXPORTED']);
  });

  it('serves the page and the API by its command', async () => {
    const version = await run(process.execPath, [join(installed.package, 'scripts', 'start.cjs'), '--version'], installed.folder, environment);
    expect(version.output.trim()).toBe((JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version);
    const { child, address, ended } = await serve(installed, { ...environment, DATA_DIR: join(installed.folder, 'served') });
    try {
      expect(await (await fetch(address)).text()).toContain('<title>');
      expect((await fetch(`${address}/health`)).status).toBe(200);
      const models = (await (await fetch(`${address}/v1/models`)).json()) as { data: { id: string }[] };
      expect(models.data.map(({ id }) => id)).toContain('openai/gpt-4o');
    } finally {
      child.kill('SIGTERM');
    }
    expect(await ended).toBe(0);
  });
});
