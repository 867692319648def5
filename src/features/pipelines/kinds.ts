import type { PipelineStagesTable } from '../../base/storage/index.ts';
import { definitionOf } from './rows.ts';
import { PieceCutter, PieceLine } from './pieces.ts';
import { runStage, type Work } from './stages.ts';
import { fill } from './templates.ts';
import type { PipelineKind } from './types.ts';

/** Put between the outputs of parallel stages. */
const joint = '\n\n';

/** How each kind of pipeline runs. Each returns the output of the run, and goes on with what is done already. */
export const runKinds: Readonly<Record<PipelineKind, (work: Work, signal: AbortSignal) => Promise<string>>> = { sequential, parallel, streaming };

/** The output of each stage is the input of the next. */
async function sequential(work: Work, signal: AbortSignal): Promise<string> {
  const outputs = new Map<string, string>();
  let text = work.input;
  for (const row of work.stages) {
    text = row.state === 'done' ? row.output! : await askOnce(work, row, signal, text, outputs);
    outputs.set(definitionOf(row).name, text);
  }
  return text;
}

/** Every stage is given the same input, all at the same time; then their outputs are joined. When one fails the others end first. */
async function parallel(work: Work, signal: AbortSignal): Promise<string> {
  const branches = work.stages.filter((row) => !definitionOf(row).joins);
  const joining = work.stages.find((row) => definitionOf(row).joins);
  const ended = await Promise.allSettled(branches.map((row) => (row.state === 'done' ? row.output! : askOnce(work, row, signal, work.input, new Map()))));
  const outputs = ended.map((end) => {
    if (end.status === 'rejected') throw end.reason;
    return end.value;
  });
  const joined = outputs.join(joint);
  if (!joining) return joined;
  return joining.state === 'done' ? joining.output! : askOnce(work, joining, signal, joined, new Map(branches.map((row, at) => [definitionOf(row).name, outputs[at]!])));
}

function askOnce(work: Work, row: PipelineStagesTable, signal: AbortSignal, input: string, stages: ReadonlyMap<string, string>): Promise<string> {
  return runStage(work, row, signal, ({ ask, definition }) => ask(fill(definition.prompt, { input, original: work.input, stages })));
}

/**
 * All stages run at the same time: each works on a piece (a sentence, a line) as soon as the one before it has said it. The output
 * of a stage is what it said to each piece, with the white space that stood between them.
 */
async function streaming(work: Work, signal: AbortSignal): Promise<string> {
  const stop = new AbortController();
  const abort = (): void => stop.abort();
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  try {
    const lines = work.stages.map(() => new PieceLine(stop.signal));
    const running = work.stages.map((row, at) => streamStage(work, row, stop.signal, lines[at - 1] ?? null, lines[at]!, at === work.stages.length - 1));
    let first: unknown;
    const outputs = await Promise.all(running.map((stage) => stage.catch((thrown: unknown) => {
      first ??= thrown;
      stop.abort();
      return '';
    })));
    if (first !== undefined) throw first;
    return outputs.at(-1)!;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** @param from pieces of the stage before; null for the first, which is asked once @param to where its own go, unless it is the last */
async function streamStage(work: Work, row: PipelineStagesTable, signal: AbortSignal, from: PieceLine | null, to: PieceLine, isLast: boolean): Promise<string> {
  const cutter = new PieceCutter();
  const hand = async (text: string): Promise<void> => {
    if (!isLast) for (const piece of cutter.add(text)) await to.put(piece);
  };
  const rest = async (): Promise<void> => {
    if (!isLast) for (const piece of cutter.rest()) await to.put(piece);
    to.close();
  };
  if (row.state === 'done') {
    // Said before a restart. What comes from the stage before is its input, and used up.
    const used = drain(from);
    await hand(row.output!);
    await rest();
    await used;
    return row.output!;
  }
  const output = await runStage(work, row, signal, async ({ ask, add, definition }) => {
    const question = (input: string): string => fill(definition.prompt, { input, original: work.input, stages: new Map() });
    if (from === null) await ask(question(work.input));
    else {
      let gap = '';
      for await (const piece of from.all()) {
        if (gap !== '') await add(gap);
        await ask(question(piece.text));
        gap = piece.gap === '' ? ' ' : piece.gap;
      }
    }
  }, hand);
  await rest();
  return output;
}

async function drain(from: PieceLine | null): Promise<void> {
  if (from) for await (const _piece of from.all());
}
