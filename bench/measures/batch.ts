import http from 'node:http';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeTestModel } from '../../test/gguf/index.ts';
import { cores, cpuSeconds } from '../processes.ts';
import { median, type Measured, type Row } from '../report.ts';
import { startParley, type ParleyServer } from '../servers.ts';
import type { MeasureOptions } from './options.ts';

/** Tokens of each answer. */
const answerTokens = 32;
const words = 'one two three four five six seven eight nine ten'.split(' ');

interface Answered {
  succeeded: number;
  batched: number;
  batches: { evaluations: number | null; most_together: number | null }[];
}

/** Milliseconds for all items, and those of processor that the server took. */
interface Taken {
  ms: number;
  cpuMs: number;
}

interface Round {
  /** As one batch, one call after another, and four calls at a time. */
  batch: Taken;
  single: Taken;
  atOnce: Taken;
}

const shapes = [
  { name: 'tiny', items: 64, write: (path: string) => void writeTestModel(path, { says: words.join(' '), repeats: true, layers: 4, width: 256, heads: 8, keyHeads: 4, feedForward: 1024, contextTokens: 4096 }) },
  { name: '135M shape', items: 32, write: (path: string) => void writeTestModel(path, { says: words.join(' '), repeats: true, type: 'q8_0', layers: 30, width: 576, heads: 9, keyHeads: 3, feedForward: 1536, vocabulary: 4096, contextTokens: 4096 }) },
];

/** A batch beside as many calls of one item each, through the same route of the whole server, in turn. */
export async function measureBatch({ rounds, quick }: MeasureOptions): Promise<Measured> {
  const rows: Row[] = [];
  const details: Record<string, unknown> = {};
  for (const shape of quick ? shapes.slice(0, 1) : shapes) {
    const folder = mkdtempSync(join(tmpdir(), 'parley-bench-models-'));
    try {
      shape.write(join(folder, 'bench.gguf'));
      const found = await compare(folder, shape.items, rounds);
      details[shape.name] = found;
      rows.push(...rowsOf(shape.name, shape.items, found));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  return { name: 'batch inference on the embedded engine', rows, details };
}

async function compare(folder: string, items: number, rounds: number): Promise<{ rounds: Round[]; answered: Answered }> {
  const threads = Math.max(1, cores - 1);
  const server = await startParley({ mock: null, pinned: false, environment: { MODELS_DIR: folder, LLAMA_THREADS: String(threads), LLAMA_CONTEXT: '1024' } });
  try {
    const inputs = Array.from({ length: items }, (_item, at) => Array.from({ length: 20 }, (_word, place) => words[(at * 7 + place * 3) % words.length]).join(' '));
    await ask(server, inputs.slice(0, 2));
    const found: Round[] = [];
    let answered: Answered | undefined;
    const taken = async (work: () => Promise<void>): Promise<Taken> => {
      const pid = server.running.pid;
      const [began, before] = [performance.now(), cpuSeconds(pid)];
      await work();
      return { ms: performance.now() - began, cpuMs: (cpuSeconds(pid) - before) * 1000 };
    };
    for (let round = 0; round < rounds; round += 1) {
      const batch = await taken(async () => {
        answered = await ask(server, inputs);
      });
      const single = await taken(async () => {
        for (const input of inputs) await ask(server, [input]);
      });
      const waiting = inputs.values();
      // As many as conversations have places, and as batches one user may have at a time.
      const atOnce = await taken(async () => {
        await Promise.all(Array.from({ length: 4 }, async () => {
          for (const input of waiting) await ask(server, [input]);
        }));
      });
      found.push({ batch, single, atOnce });
    }
    return { rounds: found, answered: answered! };
  } finally {
    await server.stop();
  }
}

function rowsOf(name: string, items: number, { rounds, answered }: Awaited<ReturnType<typeof compare>>): Row[] {
  const [first] = answered.batches;
  return ([['single', 'one call after another'], ['atOnce', 'four calls at a time']] as const).flatMap(([key, peerName]) =>
    ([['ms', 'time'], ['cpuMs', 'processor']] as const).map(([unit, what]): Row => {
      const ratio = median(rounds.map((round) => round.batch[unit] / round[key][unit]))!;
      return {
        what: `${name}: ${items} items of ${answerTokens} tokens as one batch, ${what}`,
        note: `ratio ${ratio.toFixed(2)}, median of the rounds; ${first?.evaluations} calls of the engine, up to ${first?.most_together} items in one`,
        parley: median(rounds.map(({ batch }) => batch[unit])),
        peer: median(rounds.map((round) => round[key][unit])),
        peerName,
        unit: 'ms',
        aim: 'less',
        met: ratio < 1,
      };
    }));
}

function ask(server: ParleyServer, inputs: readonly string[]): Promise<Answered> {
  const body = JSON.stringify({ requests: inputs.map((input) => ({ model: 'llama/bench', input })), options: { max_tokens: answerTokens } });
  return new Promise((resolve, reject) => {
    const request = http.request({ port: server.port, host: '127.0.0.1', path: '/api/v4/ai/inference/batch', method: 'POST', headers: { authorization: `Bearer ${server.key}`, 'content-type': 'application/json' } }, (response) => {
      let all = '';
      response.setEncoding('utf8').on('data', (piece: string) => (all += piece));
      response.on('end', () => {
        const answered = response.statusCode === 200 ? (JSON.parse(all) as Answered) : null;
        if (answered?.succeeded !== inputs.length) return reject(new Error(`The batch failed: ${all.slice(0, 500)}`));
        resolve(answered);
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}
