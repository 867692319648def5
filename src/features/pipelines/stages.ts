import { asParleyError, ParleyError } from '../../base/errors.ts';
import type { PipelineStagesTable } from '../../base/storage/index.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import { ask, prepare, type Answer, type Prepared } from './asking.ts';
import { mostOutput } from './limits.ts';
import { definitionOf, type StoredDefinition } from './rows.ts';
import type { Teller } from './telling.ts';
import type { PipelineNeeds } from './types.ts';

/** A run that is being worked on. */
export interface Work {
  needs: PipelineNeeds;
  viewer: Viewer;
  runId: string;
  input: string;
  stages: PipelineStagesTable[];
  teller: Teller;
}

/** What a stage gives while it runs. */
export interface StageVoice {
  /** Asks its model one question, and adds what it says to its output. */
  ask(question: string): Promise<void>;
  /** Adds to its output without asking. */
  add(text: string): Promise<void>;
  readonly definition: StoredDefinition;
}

/**
 * Runs one stage from its beginning, and stores how it ended. @param heard told each piece of its output; the next one waits for it
 * @returns its output @throws {ParleyError} why it has none; `cancelled` when the signal aborts
 */
export async function runStage(work: Work, row: PipelineStagesTable, signal: AbortSignal, speak: (voice: StageVoice) => Promise<void>, heard?: (text: string) => Promise<void>): Promise<string> {
  const { needs, viewer, teller } = work;
  if (signal.aborted) throw new ParleyError('cancelled');
  const attempt = row.attempt + 1;
  const figures = newFigures(needs, await needs.storage.now());
  await change(work, row, attempt, { state: 'running', started_at: figures.startedAt });
  teller.changed();
  let output = '';
  const add = async (text: string): Promise<void> => {
    figures.firstMs ??= Math.round(needs.clock.monotonic() - figures.began);
    teller.piece(row.place, attempt, output.length, text);
    output += text;
    if (output.length > mostOutput) throw new ParleyError('too_large', { message: `A stage may answer at most ${mostOutput} characters.` });
    await heard?.(text);
  };
  try {
    const definition = definitionOf(row);
    let prepared: Prepared | null = null;
    await speak({
      definition, add,
      async ask(question) {
        prepared ??= await prepare(needs, viewer, definition);
        figures.calls += 1;
        figures.take(await ask(needs, viewer, prepared, question, signal, { onText: add }));
      },
    });
    if (signal.aborted) throw new ParleyError('cancelled');
  } catch (thrown) {
    const error = asParleyError(thrown);
    if (error.code === 'internal') needs.log.error({ err: thrown, run: work.runId, stage: row.place }, 'a stage of a pipeline failed');
    // A run that goes on later begins the stage anew.
    if (error.code !== 'cancelled') await change(work, row, attempt, { state: 'failed', ...(await figures.atEnd(needs)), error_code: error.code, error_message: error.message });
    teller.changed();
    throw error;
  }
  await change(work, row, attempt, { state: 'done', output, ...(await figures.atEnd(needs)) });
  teller.changed();
  return output;
}

/** Writes only while the run is going on, and nobody else has begun the stage again. */
async function change({ needs, runId }: Work, { place }: PipelineStagesTable, attempt: number, values: Partial<PipelineStagesTable>): Promise<void> {
  const changed = await needs.storage.write((queries) =>
    queries.updateTable('pipeline_stages').set({ ...values, attempt }).where('run_id', '=', runId).where('place', '=', place)
      .where('attempt', values.state === 'running' ? '<' : '=', attempt)
      .where((where) => where.exists(where.selectFrom('pipeline_runs').select('id').where('id', '=', runId).where('state', '=', 'running')))
      .executeTakeFirst(),
  );
  if (Number(changed.numUpdatedRows) === 0) throw new ParleyError('cancelled');
}

/** Figures of a stage: sums over its calls, null where one of them says nothing. */
function newFigures({ clock }: PipelineNeeds, startedAt: number) {
  let model: string | null = null;
  let tokensIn: number | null = 0;
  let tokensOut: number | null = 0;
  const figures = {
    startedAt,
    began: clock.monotonic(),
    calls: 0,
    firstMs: null as number | null,
    take(answer: Answer): void {
      model = answer.model;
      tokensIn = tokensIn === null || answer.tokensIn === null ? null : tokensIn + answer.tokensIn;
      tokensOut = tokensOut === null || answer.tokensOut === null ? null : tokensOut + answer.tokensOut;
    },
    async atEnd({ storage }: PipelineNeeds) {
      const known = model !== null;
      return {
        ended_at: await storage.now(), duration_ms: Math.round(clock.monotonic() - figures.began), first_text_ms: figures.firstMs, model, calls: figures.calls,
        tokens_in: known ? tokensIn : null, tokens_out: known ? tokensOut : null,
      };
    },
  };
  return figures;
}
