import { z } from 'zod';
import type { BusMessage } from '../../base/events/index.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import { readRun, unknownRun } from './rows.ts';
import { topicOf } from './telling.ts';
import type { PipelineNeeds, Run, RunEvent } from './types.ts';

/** Milliseconds after which the rows are read without a hint. */
const lookMs = 1000;
/** Hints that may wait for a slow reader; beyond that they are let go, and the rows make good for them. */
const mostHints = 2000;

const pieceForm = z.object({ type: z.literal('piece'), place: z.number(), attempt: z.number(), at: z.number(), text: z.string() });

/** As `Pipelines.follow`: hints tell when to look and bring pieces early; what they miss comes from the rows when a stage ends. */
export async function* followRun(needs: PipelineNeeds, viewer: Viewer, id: string, signal: AbortSignal): AsyncGenerator<RunEvent> {
  const hints: BusMessage[] = [];
  let wake = (): void => undefined;
  const leave = needs.bus.subscribe(topicOf(id), (message) => {
    if (hints.length < mostHints) hints.push(message);
    wake();
  });
  const abort = (): void => wake();
  signal.addEventListener('abort', abort, { once: true });
  const seen = new Seen();
  try {
    await needs.bus.listening(topicOf(id));
    for (let isFirst = true; ; isFirst = false) {
      const found = await readRun(needs.storage.read, id, viewer.userId);
      if (!found) {
        if (isFirst) throw unknownRun();
        return;
      }
      if (isFirst) yield { type: 'run', run: found.run };
      yield* seen.rows(found.run);
      if (found.run.endedAt !== null) {
        yield { type: 'ended', run: found.run };
        return;
      }
      for (let changed = false; !changed;) {
        if (signal.aborted) return;
        const hint = hints.shift();
        if (hint !== undefined) {
          const piece = pieceForm.safeParse(hint);
          if (piece.success) yield* seen.piece(piece.data);
          else changed = true;
          continue;
        }
        changed = await new Promise<boolean>((resolve) => {
          const timer = setTimeout(() => resolve(true), lookMs).unref();
          wake = () => {
            clearTimeout(timer);
            resolve(false);
          };
        });
      }
    }
  } finally {
    leave();
    signal.removeEventListener('abort', abort);
  }
}

/** What a reader was told of each stage. */
class Seen {
  readonly #stages = new Map<number, { attempt: number; sent: number; isOver: boolean; name: string }>();

  *rows(run: Run): Generator<RunEvent> {
    for (const stage of run.stages) {
      const known = this.#stages.get(stage.place) ?? { attempt: 0, sent: 0, isOver: false, name: stage.name };
      this.#stages.set(stage.place, known);
      if (stage.attempt > known.attempt) {
        [known.attempt, known.sent] = [stage.attempt, 0];
        yield { type: 'stage_started', stage: { ...stage, output: null } };
      }
      if (known.isOver || stage.state === 'waiting' || stage.state === 'running') continue;
      known.isOver = true;
      const rest = stage.output?.slice(known.sent) ?? '';
      if (rest !== '') yield { type: 'piece', place: stage.place, name: stage.name, text: rest };
      yield { type: 'stage_ended', stage };
    }
  }

  *piece({ place, attempt, at, text }: z.output<typeof pieceForm>): Generator<RunEvent> {
    const known = this.#stages.get(place);
    if (!known || known.isOver || known.attempt !== attempt || known.sent !== at) return;
    known.sent += text.length;
    yield { type: 'piece', place, name: known.name, text };
  }
}
