/**
 * Takes the picture of the README from the running app: a real server with a folder of its own, the built page, and
 * Debian's Chromium. The answers come from the stand-in of the tests, under its own name: no model is made up.
 * `node scripts/start.cjs --script scripts/take-picture.ts`, with CHROMIUM_PATH where Chromium is somewhere else.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium, type Page } from 'playwright-core';
import { readConfig } from '../src/config.ts';
import { createParts } from '../src/parts.ts';
import { startStandIn } from '../test/stand-in/index.ts';

const file = fileURLToPath(new URL('../docs/images/page.png', import.meta.url));

const answer = `Parley keeps every piece of an answer before anyone sees it. In short:

\`\`\`python
for piece in model.answer(question):
    log.append(piece)      # stored first ...
    sockets.send(piece)    # ... then shown
\`\`\`

So a reload, a second tab or a restart shows **the same text**, and goes on from there:

| what happens | what you see |
|---|---|
| you reload in the middle | the answer goes on where it was |
| the server stops | what was written, and a button to go on |
| you answer again | both versions, to step through |
`;

const dataDir = mkdtempSync(join(tmpdir(), 'parley-picture-'));
const standIn = await startStandIn({ models: ['stand-in'] });
const parts = createParts(
  readConfig({ PORT: '0', DATA_DIR: dataDir, LOG_LEVEL: 'silent', OLLAMA_URLS: 'off', COMPATIBLE_SERVERS: `demo=${standIn.url}/v1`, DEFAULT_MODEL: 'demo/stand-in' }),
);
await parts.start();
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM_PATH ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--no-first-run'] });
try {
  const page = await browser.newPage({ viewport: { width: 1200, height: 780 }, deviceScaleFactor: 1.5, colorScheme: 'light' });
  await page.goto(`http://localhost:${parts.http.addresses()[0]!.port}/`);
  for (const question of ['Ideas for a quiet weekend', 'Read this error with me', 'A letter to the landlord']) await ask(page, question, 'This is the stand-in of the tests.');
  await ask(page, 'What happens to an answer when I close the page?', answer);
  await page.locator('.hljs-keyword').first().waitFor();
  await page.mouse.move(0, 0);
  mkdirSync(join(file, '..'), { recursive: true });
  await page.screenshot({ path: file, animations: 'disabled', caret: 'hide' });
  process.stdout.write(`${file}\n`);
} finally {
  await browser.close();
  await parts.stop();
  await standIn.close();
  rmSync(dataDir, { recursive: true, force: true });
}

/** Begins a new chat with a question, and waits for the whole answer. */
async function ask(page: Page, question: string, text: string): Promise<void> {
  standIn.next({ pieces: [text], usage: { tokensIn: 96, tokensOut: 164 } });
  await page.getByRole('button', { name: 'New chat' }).click();
  await page.getByText('What would you like to talk about?').waitFor();
  await page.getByRole('textbox', { name: 'Message' }).fill(question);
  await page.keyboard.press('Enter');
  await page.locator('[data-type="AI"][data-status="DELIVERED"]').waitFor();
  await page.getByRole('link', { name: question }).waitFor();
}
