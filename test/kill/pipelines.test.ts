import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openServer, type OneServer } from './one-server.ts';
import { modelId } from './upstream.ts';

interface Run {
  run_id: string;
  status: string;
  output: string | null;
  stages: { name: string; status: string; attempt: number; output: string | null }[];
}

let folder: string;
let server: OneServer;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'parley-pipelines-'));
  server = await openServer(folder);
  server.upstream.pace(5);
});
afterEach(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

test('a pipeline whose server is killed in the middle of a stage goes on behind the stages that are done', { timeout: 60_000 }, async () => {
  const stages = ['one', 'two', 'three'].map((name) => ({ name, model: modelId, prompt: `q1 ${name} {{input}}` }));
  const begun = (await server.ask('POST', '/api/v4/ai/pipeline/run', { type: 'sequential', input: 'Seven', stages, wait: false })).body as Run;
  const look = async (): Promise<Run> => (await server.ask('GET', `/api/v4/ai/pipeline/runs/${begun.run_id}`)).body as Run;
  const states = async (): Promise<string> => (await look()).stages.map(({ status }) => status).join(' ');
  await expect.poll(states, { timeout: 20_000, interval: 20 }).toBe('completed running queued');
  const { output } = (await look()).stages[0]!;
  await server.stop('SIGKILL');
  await server.start();
  await expect.poll(async () => (await look()).status, { timeout: 20_000 }).toBe('completed');
  const ended = await look();
  expect(ended.stages.map(({ status, attempt }) => [status, attempt])).toEqual([['completed', 1], ['completed', 2], ['completed', 1]]);
  expect(ended.stages[0]!.output).toBe(output);
  // Asked once more for the stage that was broken off, and for no other.
  expect(server.upstream.answers.size).toBe(4);
  expect([ended.stages[1]!.output, ended.output]).toEqual([server.upstream.answers.get(3)!.text, server.upstream.answers.get(4)!.text]);
  expect((await server.ask('GET', '/api/v4/ai/pipeline/status')).body).toMatchObject({ active_pipelines: 0, processing_queue: 0, completed_pipelines: 1 });
});
