import type { Clock } from '../../base/clock.ts';
import type { ErrorCode, ParleyError } from '../../base/errors.ts';
import type { Bus } from '../../base/events/index.ts';
import type { Jobs } from '../../base/jobs/index.ts';
import type { Part } from '../../base/lifecycle.ts';
import type { Log } from '../../base/observability/index.ts';
import type { PipelineRunsTable, PipelineStagesTable, Storage } from '../../base/storage/index.ts';
import type { Accounts, Viewer } from '../../core/accounts/index.ts';
import type { Conversations } from '../../core/conversations/index.ts';
import type { BatchFigures, FinishReason, Models } from '../../core/models/index.ts';

/** What pipelines and batches need of the rest of the house. */
export interface PipelineNeeds {
  storage: Storage;
  conversations: Pick<Conversations, 'answerUnstored'>;
  models: Models;
  accounts: Pick<Accounts, 'user' | 'apiKeys'>;
  jobs: Jobs;
  bus: Bus;
  clock: Clock;
  log: Log;
  settings?: Partial<PipelineSettings>;
}

export interface PipelineSettings {
  /** Runs that are worked on at the same time by this process. */
  runsAtOnce: number;
  /** Runs that wait, of one user and of all. */
  mostWaitingOfOne: number;
  mostWaiting: number;
  /** Milliseconds that a batch, and a run since it was last begun, may take. */
  batchMs: number;
  runMs: number;
}

/** Which model is asked, and how. */
export interface AskedModel {
  /** A chat profile (`general`, `technical`, ...), or a model as `provider/model` or by its bare name; null for the default model. */
  model: string | null;
  /** The model behind the profile; null for the default model. */
  backendModel: string | null;
  /** What the model is told besides; in place of what the profile says. */
  system: string | null;
  /** Tokens of the answer. */
  maxTokens: number;
  /** Null: that of the profile, or the model's own. */
  temperature: number | null;
}

export interface BatchItem {
  model: string;
  input: string;
}

/** What holds for all items of a batch. */
export type BatchOptions = Pick<AskedModel, 'backendModel' | 'maxTokens' | 'temperature'>;

/** What became of one item. */
export type ItemOutcome =
  | { output: string; model: string; finish: FinishReason; tokensIn: number | null; tokensOut: number | null; durationMs: number }
  | { error: ParleyError };

/** How the items of one model were asked. */
export interface BatchGroup {
  /** `provider/model` that was asked. */
  model: string;
  items: number;
  /** Items that were under way at the same time at most. */
  atOnce: number;
  /** What the engine evaluated for them, as it counts it; null where the items were asked as so many single calls. */
  engine: BatchFigures | null;
}

export interface BatchOutcome {
  /** In the order of the items. */
  items: ItemOutcome[];
  groups: BatchGroup[];
  durationMs: number;
}

export type PipelineKind = PipelineRunsTable['kind'];
export type RunState = PipelineRunsTable['state'];
export type StageState = PipelineStagesTable['state'];

/** One stage as it was asked for. */
export interface StageDefinition extends AskedModel {
  /** Unique within the run. */
  name: string;
  /**
   * What is asked: `{{input}}` stands for what the stage is given, `{{original}}` for the input of the run, `{{stage.NAME}}` for the
   * output of an earlier stage. Without any of them what it is given is put behind it. Null: just what it is given.
   */
  prompt: string | null;
}

export interface NewRun {
  kind: PipelineKind;
  input: string;
  stages: readonly StageDefinition[];
  /** Parallel pipelines: the stage that is given all outputs, one below the other; null joins them without a model. */
  join: StageDefinition | null;
}

/** What went wrong, as it was stored. */
export interface Failure {
  code: ErrorCode;
  message: string;
}

/** A stage of a run. Times are milliseconds; figures are null until they are known. */
export interface Stage {
  place: number;
  name: string;
  state: StageState;
  /** How often it was begun. */
  attempt: number;
  output: string | null;
  /** `provider/model` that spoke. */
  model: string | null;
  calls: number;
  tokensIn: number | null;
  tokensOut: number | null;
  startedAt: number | null;
  endedAt: number | null;
  durationMs: number | null;
  firstTextMs: number | null;
  error: Failure | null;
}

export interface Run {
  id: string;
  kind: PipelineKind;
  state: RunState;
  input: string;
  output: string | null;
  error: Failure | null;
  stages: Stage[];
  createdAt: number;
  startedAt: number | null;
  endedAt: number | null;
  durationMs: number | null;
}

/** What happens in a run, for whoever follows it. */
export type RunEvent =
  | { type: 'run'; run: Run }
  /** A stage is begun, or begun again: then what was heard of its text counts no more. */
  | { type: 'stage_started'; stage: Stage }
  /** The next piece of the text of a stage: all pieces since it was begun are its output. */
  | { type: 'piece'; place: number; name: string; text: string }
  | { type: 'stage_ended'; stage: Stage }
  | { type: 'ended'; run: Run };

/** Figures over all runs of this database, those that are forgotten included. */
export interface PipelineFigures {
  running: number;
  waiting: number;
  done: number;
  failed: number;
  cancelled: number;
  /** Milliseconds from start to end of runs that ended well; null before the first. */
  averageMs: number | null;
  /** The same over the newest thousand, by the nearest rank. */
  percentilesMs: { p50: number; p95: number; p99: number } | null;
  /** Runs that this process works on at the same time. */
  atOnce: number;
  /** Runs that may wait. */
  mostWaiting: number;
  /** Where stages can be answered now. */
  backends: ('local_inference' | 'ollama')[];
}

/** Batches of questions, and pipelines of models. */
export interface Pipelines extends Part {
  /**
   * Asks all items, those of one model together where its engine can; nothing is kept but usage. A bad item fails alone.
   * @throws {ParleyError} `cancelled` when the signal aborts; `no_model` when there is no model for any of them
   */
  batch(viewer: Viewer, items: readonly BatchItem[], options: BatchOptions, signal: AbortSignal): Promise<BatchOutcome>;
  /** Accepts a run. It goes on without its client, and behind a restart. @throws {ParleyError} `queue_full`, `invalid_request` */
  run(viewer: Viewer, run: NewRun): Promise<Run>;
  /** @throws {ParleyError} `not_found`, also for those of others */
  get(viewer: Viewer, id: string): Promise<Run>;
  /** The viewer's own, the newest first, without their stages and texts. */
  list(viewer: Viewer, page: { limit: number; offset: number }): Promise<Omit<Run, 'stages' | 'input' | 'output'>[]>;
  /** Ends a run; one that has ended is forgotten: only its figures stay. @throws {ParleyError} `not_found` */
  remove(viewer: Viewer, id: string): Promise<Run>;
  /** From the present state to the end. @throws {ParleyError} `not_found` */
  follow(viewer: Viewer, id: string, signal: AbortSignal): AsyncGenerator<RunEvent>;
  figures(viewer: Viewer): Promise<PipelineFigures>;
}
