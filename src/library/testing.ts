import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDatabase } from '../../test/instances/database.ts';
import { startStandIn, type StandIn } from '../../test/stand-in/index.ts';
import { latestModel } from '../core/models/index.ts';
import type { Config } from './types.ts';

/** A data folder of its own and a stand-in for OpenAI, as settings of a program. */
export interface Ground {
  config: Partial<Config>;
  openai: StandIn;
  dataDir: string;
  /** The address of an empty PostgreSQL database, where DATABASE_URL_TEST names a server; gone with the ground. */
  emptyDatabase(): Promise<string>;
  clear(): Promise<void>;
}

export async function prepareGround(): Promise<Ground> {
  const dataDir = await mkdtemp(join(tmpdir(), 'parley-library-'));
  const openai = await startStandIn({ models: ['gpt-4o', 'gpt-4o-mini', latestModel('openai')!.model, 'text-embedding-3-small'], dimensions: 1536 });
  const databases: { close(): Promise<void> }[] = [];
  return {
    dataDir, openai,
    config: { DATA_DIR: dataDir, DATABASE_URL: '', REDIS_URL: '', OLLAMA_URLS: 'off', OPENAI_API_KEY: 'sk-test', OPENAI_BASE_URL: `${openai.url}/v1`, LOG_LEVEL: 'silent', PORT: 0, DRAIN_SECONDS: 0 },
    async emptyDatabase() {
      const database = await createDatabase();
      databases.push(database);
      return database.url;
    },
    async clear() {
      await Promise.all(databases.map((database) => database.close()));
      await openai.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** A service of pictures: hands out this file as often as it is asked, and remembers what it was asked. */
export async function startPictureService(file: Buffer): Promise<{ url: string; asked: Record<string, unknown>[]; server: Server }> {
  const asked: Record<string, unknown>[] = [];
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'application/json');
    if (request.method === 'GET') return void response.end(JSON.stringify({ object: 'list', data: [{ id: 'dall-e-3', object: 'model' }] }));
    void bodyOf(request).then((body) => {
      asked.push(JSON.parse(body) as Record<string, unknown>);
      response.end(JSON.stringify({ created: 1, data: [{ b64_json: file.toString('base64'), revised_prompt: 'A robot, in oil' }] }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, asked, server };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const part of request) text += String(part);
  return text;
}
