import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { systemClock } from '../../../../base/clock.ts';
import { createOpenaiProvider } from '../openai/index.ts';
import { collect } from '../provider-suite.ts';
import { createLangchainProvider, createOutsideService } from './index.ts';

const key = 'sk-of-ann-1234';
const secret = 'between-us-5678';
const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** A service of somebody else's that repeats everything it was sent. */
async function askOneThatRepeats(form: 'status' | 'event'): Promise<string> {
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => { body += chunk.toString(); });
    request.on('end', () => {
      const message = `Cannot read ${body.slice(0, 150)} of ${String(request.headers.authorization)}`;
      if (form === 'status') response.writeHead(422, { 'content-type': 'application/json' }).end(JSON.stringify({ error: { message } }));
      else response.writeHead(200, { 'content-type': 'text/event-stream' }).end(`data: ${JSON.stringify({ type: 'error', code: 'provider_error', message, service_fault: true })}\n\n`);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const openai = createOpenaiProvider({ baseUrl: url, timeoutMs: 1000, clock: systemClock });
  const provider = createLangchainProvider({
    service: createOutsideService(url, secret), openai, openaiBaseUrl: url, timeoutMs: 1000, streaming: true, clock: systemClock,
    callBack: { baseUrl: () => url, credential: () => ({ token: 'unused', revoke: () => undefined }) },
  });
  closing.push(async () => {
    await provider.stop!();
    await openai.stop!();
    await new Promise((resolve) => server.close(resolve));
  });
  const events = (await collect(provider.stream({ model: 'openai/gpt-4o', messages: [{ role: 'user', content: 'Hi' }] }, { signal: new AbortController().signal, apiKey: key }))).flat();
  return JSON.stringify(events);
}

test.each(['status', 'event'] as const)('keys and secrets are never shown, whatever a service repeats of them: as a %s', async (form) => {
  const shown = await askOneThatRepeats(form);
  expect(shown).toContain('[key]');
  expect([shown.includes(key), shown.includes(secret)]).toEqual([false, false]);
});
