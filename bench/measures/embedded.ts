import { fork, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeTestModel } from '../../test/gguf/index.ts';
import type { BareAnswer, BareRequest } from '../bare-llama.ts';
import { decodingRate, type Decoded } from '../decoding.ts';
import { benchFolder, cores, unpin } from '../processes.ts';
import { median, type Measured, type Row } from '../report.ts';
import { startParley, type ParleyServer } from '../servers.ts';
import type { MeasureOptions } from './options.ts';
import { measureReuse, reuseRows } from './reuse.ts';

const streamsTogether = 8;
const contextTokens = 1024;

interface Candidate {
  name: string;
  tokens: number;
  write(path: string): void;
}

/** Without end marks: a model that ends by itself would be measured over too few tokens. */
const says = 'one two three four five six seven eight nine ten';

const candidates: Candidate[] = [
  { name: 'tiny', tokens: 512, write: (path) => void writeTestModel(path, { says, repeats: true, layers: 4, width: 256, heads: 8, keyHeads: 4, feedForward: 1024, contextTokens: 4096 }) },
  {
    // The shape of a model of 135 million parameters; its layers are computed like any other's, whatever they hold.
    name: '135M shape',
    tokens: 160,
    write: (path) => void writeTestModel(path, { says, repeats: true, type: 'q8_0', layers: 30, width: 576, heads: 9, keyHeads: 3, feedForward: 1536, vocabulary: 4096, contextTokens: 4096 }),
  },
];

/** Tokens a second through the whole server, beside node-llama-cpp alone on the same file and threads, in turn. */
export async function measureEmbedded({ rounds, quick }: MeasureOptions): Promise<Measured> {
  const rows: Row[] = [];
  const details: Record<string, unknown> = {};
  for (const candidate of quick ? candidates.slice(0, 1) : candidates) {
    const folder = mkdtempSync(join(tmpdir(), 'parley-bench-models-'));
    try {
      candidate.write(join(folder, 'bench.gguf'));
      const found = await compare(candidate, folder, rounds);
      const reused = await measureReuse(folder, Math.max(1, cores - 1), Math.min(rounds, 3));
      details[candidate.name] = { decoding: found, reused };
      rows.push(...found.map(rowOf(candidate)), ...reuseRows(candidate.name, reused));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  return { name: 'embedded engine', rows, details };
}

interface Compared {
  streams: number;
  parley: number[];
  bare: number[];
}

async function compare(candidate: Candidate, folder: string, rounds: number): Promise<Compared[]> {
  const threads = Math.max(1, cores - 1);
  const bare = await startBare(join(folder, 'bench.gguf'), threads);
  const server = await startParley({
    mock: null,
    pinned: false,
    environment: { MODELS_DIR: folder, LLAMA_THREADS: String(threads), LLAMA_SEQUENCES: String(streamsTogether), LLAMA_CONTEXT: String(contextTokens) },
  });
  try {
    const compared: Compared[] = [];
    for (const streams of [1, streamsTogether]) {
      const found: Compared = { streams, parley: [], bare: [] };
      await throughParley(server, streams, 16);
      await bare.run({ streams, tokens: 16 });
      for (let round = 0; round < rounds; round += 1) {
        found.bare.push(decodingRate(await bare.run({ streams, tokens: candidate.tokens })));
        found.parley.push(decodingRate(await throughParley(server, streams, candidate.tokens)));
      }
      compared.push(found);
    }
    return compared;
  } finally {
    await server.stop();
    bare.stop();
  }
}

function rowOf({ name }: Candidate) {
  return ({ streams, parley, bare }: Compared): Row => {
    const ratio = median(parley.map((one, round) => one / bare[round]!))!;
    return {
      what: `${name}, ${streams === 1 ? '1 stream' : `${streams} streams`}: decoding`,
      note: `ratio ${ratio.toFixed(3)}, median of the rounds`,
      parley: median(parley),
      peer: median(bare),
      peerName: 'bare',
      unit: 'tokens/s',
      aim: '>= 0.97 of it',
      met: ratio >= 0.97,
    };
  };
}

async function startBare(path: string, threads: number): Promise<{ run(request: BareRequest): Promise<BareAnswer>; stop(): void }> {
  const child: ChildProcess = fork(join(benchFolder, 'bare-llama.ts'), [path, String(threads), String(streamsTogether), String(contextTokens)], { execArgv: ['--disable-warning=ExperimentalWarning'] });
  unpin(child.pid!);
  const next = <Message>(): Promise<Message> => new Promise((resolve, reject) => {
    child.once('message', (message) => resolve(message as Message));
    child.once('exit', (code) => reject(new Error(`The bare engine ended with ${code}.`)));
  });
  await next();
  return {
    async run(request) {
      const answer = next<BareAnswer>();
      child.send(request);
      return answer;
    },
    stop: () => child.disconnect(),
  };
}

/** Streams at once through `/v1`, kept, greedy. Tokens are those the server reports. */
async function throughParley(server: ParleyServer, streams: number, tokens: number): Promise<Decoded[]> {
  return await Promise.all(Array.from({ length: streams }, () => streamOnce(server, tokens)));
}

function streamOnce(server: ParleyServer, tokens: number): Promise<Decoded> {
  const body = JSON.stringify({ model: 'llama/bench', stream: true, store: true, stream_options: { include_usage: true }, temperature: 0, max_tokens: tokens, messages: [{ role: 'user', content: 'Say some words.' }] });
  return new Promise((resolve, reject) => {
    const request = http.request({ port: server.port, host: '127.0.0.1', path: '/v1/chat/completions', method: 'POST', headers: { authorization: `Bearer ${server.key}`, 'content-type': 'application/json' } }, (response) => {
      let first = 0;
      let last = 0;
      let all = '';
      response.setEncoding('utf8').on('data', (piece: string) => {
        all += piece;
        if (!/"content":"[^"]/.test(piece)) return;
        last = performance.now();
        first ||= last;
      });
      response.on('end', () => {
        const counted = Number(/"completion_tokens":(\d+)/.exec(all)?.[1] ?? 0);
        if (counted < tokens / 2) return reject(new Error(`The answer is too short: ${all.slice(-500)}`));
        resolve({ first, last, tokens: counted });
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}
