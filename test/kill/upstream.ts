import http from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Random } from './random.ts';

/** One answer the upstream was asked for. Its text is unlike that of any other. */
export interface UpstreamAnswer {
  number: number;
  /** The tag of the question, such as `q17`; the first word of the last message that has one. */
  question: string;
  /** Everything it says when nobody stops it. */
  text: string;
}

/**
 * A model service whose text can be checked: each request gets words that no other request gets, numbered, with
 * characters of one to four bytes, cut into network writes at any byte.
 */
export interface Upstream {
  /** Base URL in the form of OpenAI. */
  url: string;
  /** By number. */
  answers: Map<number, UpstreamAnswer>;
  /** What was wrong with the requests themselves: histories that do not fit together. */
  faults: string[];
  /** Milliseconds between pieces; replaces the usual random ones. */
  pace(milliseconds: number | null): void;
  /** Breaks every running answer, and all that begin until it is called with false, in the middle. */
  breakOff(broken: boolean): void;
  /** Resolves when no answer is being given. */
  quiet(): Promise<void>;
  close(): Promise<void>;
}

interface ChatRequest {
  messages: { role: string; content: string }[];
}

export const modelName = 'words';
/** Under this name the server knows the upstream. */
export const providerName = 'steady';
/** What clients ask for. Named, not left to the default: when the list of models is late, the default is another one. */
export const modelId = `${providerName}/${modelName}`;

/** @param words fewest and most words of an answer */
export async function startUpstream(random: Random, words = { fewest: 5, most: 60 }): Promise<Upstream> {
  const state: State = { random, words, answers: new Map(), faults: [], pace: null, broken: false, running: new Set() };
  const server = http.createServer((request, response) => {
    response.on('error', () => response.destroy());
    void respond(state, request, response).catch(() => response.destroy());
  });
  // Longer than any run: a connection that this side closes just when it is used again would look like a fault.
  server.keepAliveTimeout = 3_600_000;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    answers: state.answers,
    faults: state.faults,
    pace: (milliseconds) => void (state.pace = milliseconds),
    breakOff(broken) {
      state.broken = broken;
      if (broken) for (const response of state.running) response.socket?.destroy();
    },
    async quiet() {
      await Promise.all([...state.running].map((response) => new Promise((resolve) => response.once('close', resolve))));
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

interface State {
  random: Random;
  words: { fewest: number; most: number };
  answers: Map<number, UpstreamAnswer>;
  faults: string[];
  pace: number | null;
  broken: boolean;
  running: Set<http.ServerResponse>;
}

async function respond(state: State, request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  if (request.url?.endsWith('/models')) {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ object: 'list', data: [{ id: modelName, object: 'model', created: 1, owned_by: 'test' }] }));
    return;
  }
  const { messages } = JSON.parse(Buffer.concat(parts).toString('utf8')) as ChatRequest;
  checkHistory(messages, state.faults);
  const answer = compose(state, messages);
  state.running.add(response);
  response.on('close', () => state.running.delete(response));
  await speak(state, answer, response);
}

/** The tag of a question: its first word. */
export function tagOf(content: string): string | null {
  return /^q\d+(?= )/.exec(content)?.[0] ?? null;
}

/** Every answer in a history must be one to the question in front of it. */
function checkHistory(messages: readonly { role: string; content: string }[], faults: string[]): void {
  for (let index = 1; index < messages.length; index += 1) {
    const question = tagOf(messages[index - 1]!.content);
    const { role, content } = messages[index]!;
    if (role !== 'assistant' || question === null || content === '') continue;
    if (!content.startsWith(`<${question} `)) faults.push(`the history gives "${content.slice(0, 20)}" as an answer to ${question}`);
  }
}

function compose(state: State, messages: readonly { content: string }[]): UpstreamAnswer {
  const number = state.answers.size + 1;
  const question = messages.map((message) => tagOf(message.content)).findLast((tag) => tag !== null) ?? 'q0';
  const count = state.random.whole(state.words.fewest, state.words.most);
  const words = Array.from({ length: count }, (_, index) => `${number}.${index}${['', 'ü', '🦉', '', '漢'][index % 5]}`);
  const answer = { number, question, text: `<${question} ${number}> ${words.join(' ')}` };
  state.answers.set(number, answer);
  return answer;
}

/** Streams an answer in pieces of one to three words; each write is cut in two at some byte. */
async function speak(state: State, answer: UpstreamAnswer, response: http.ServerResponse): Promise<void> {
  const { random } = state;
  const pieces = answer.text.match(/(\S+\s*){1,3}/gu)!;
  const pause = state.pace ?? random.pick([0, 1, 3, 8]);
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const [index, piece] of pieces.entries()) {
    if (response.destroyed) return;
    if (state.broken && index >= pieces.length / 2) return void response.socket?.destroy();
    const bytes = Buffer.from(chunk({ delta: { content: piece }, finish_reason: null }));
    const cut = random.whole(1, bytes.length - 1);
    response.write(bytes.subarray(0, cut));
    if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause));
    response.write(bytes.subarray(cut));
  }
  response.end(`${chunk({ delta: {}, finish_reason: 'stop' })}data: [DONE]\n\n`);
}

function chunk(choice: object): string {
  return `data: ${JSON.stringify({ id: 'x', object: 'chat.completion.chunk', created: 1, model: modelName, choices: [{ index: 0, ...choice }] })}\n\n`;
}
