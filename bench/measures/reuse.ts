import http from 'node:http';
import { median, type Row } from '../report.ts';
import { startParley, type ParleyServer } from '../servers.ts';

/** Turns of a growing conversation at which it is measured. */
const turns = [2, 5, 10, 20];
const answerTokens = 40;
const words = 'one two three four five six seven eight nine ten'.split(' ');

export interface Reuse {
  turn: number;
  tokensIn: number;
  /** Milliseconds to the first token when the turns before are still in memory, and when nothing of them is. */
  kept: number[];
  anew: number[];
}

interface Message {
  role: string;
  content: string;
}

/**
 * Time to the first token of a conversation that grows: as the engine keeps what it has read, and with another first
 * word each time, so that nothing kept can be used. Through the whole server.
 */
export async function measureReuse(folder: string, threads: number, rounds: number): Promise<Reuse[]> {
  const server = await startParley({
    mock: null,
    pinned: false,
    environment: { MODELS_DIR: folder, LLAMA_THREADS: String(threads), LLAMA_SEQUENCES: '2', LLAMA_CONTEXT: '4096' },
  });
  try {
    const found = turns.map((turn): Reuse => ({ turn, tokensIn: 0, kept: [], anew: [] }));
    await ask(server, [{ role: 'user', content: 'Say some words.' }]);
    for (let round = 0; round < rounds; round += 1) {
      const messages: Message[] = [{ role: 'system', content: `Conversation ${round} of many.` }];
      for (let turn = 1; turn <= Math.max(...turns); turn += 1) {
        messages.push({ role: 'user', content: Array.from({ length: 40 }, (_, index) => words[(turn * 7 + index * 3) % words.length]).join(' ') });
        const kept = await ask(server, messages);
        const measured = found.find((one) => one.turn === turn);
        if (measured !== undefined) {
          measured.tokensIn = kept.tokensIn;
          measured.kept.push(kept.firstMs);
          measured.anew.push((await ask(server, [{ role: 'system', content: `Fresh ${round} ${turn}` }, ...messages.slice(1)])).firstMs);
        }
        messages.push({ role: 'assistant', content: kept.text });
      }
    }
    return found;
  } finally {
    await server.stop();
  }
}

export function reuseRows(name: string, found: readonly Reuse[]): Row[] {
  return found.map(({ turn, tokensIn, kept, anew }) => ({
    what: `${name}: time to the first token of turn ${turn}`,
    note: `${tokensIn} tokens, medians`,
    parley: median(kept),
    peer: median(anew),
    peerName: 'nothing kept',
    unit: 'ms',
    aim: '',
    met: null,
  }));
}

function ask(server: ParleyServer, messages: readonly Message[]): Promise<{ firstMs: number; text: string; tokensIn: number }> {
  const body = JSON.stringify({ model: 'llama/bench', stream: true, stream_options: { include_usage: true }, temperature: 0, max_tokens: answerTokens, messages });
  return new Promise((resolve, reject) => {
    const began = performance.now();
    const request = http.request({ port: server.port, host: '127.0.0.1', path: '/v1/chat/completions', method: 'POST', headers: { authorization: `Bearer ${server.key}`, 'content-type': 'application/json' } }, (response) => {
      let firstMs = 0;
      let all = '';
      response.setEncoding('utf8').on('data', (piece: string) => {
        all += piece;
        if (firstMs === 0 && /"content":"[^"]/.test(piece)) firstMs = performance.now() - began;
      });
      response.on('end', () => {
        const text = [...all.matchAll(/"content":("(?:[^"\\]|\\.)*")/g)].map(([, json]) => JSON.parse(json!) as string).join('');
        if (text === '') return reject(new Error(`There was no answer: ${all.slice(-500)}`));
        resolve({ firstMs, text, tokensIn: Number(/"prompt_tokens":(\d+)/.exec(all)?.[1] ?? 0) });
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}
