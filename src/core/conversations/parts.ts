import type { Clock } from '../../base/clock.ts';
import type { Bus } from '../../base/events/index.ts';
import type { Jobs } from '../../base/jobs/index.ts';
import type { Log, Metrics, Tracer } from '../../base/observability/index.ts';
import type { Storage } from '../../base/storage/index.ts';
import type { Budgets } from '../budgets/index.ts';
import type { Models } from '../models/index.ts';
import type { ContextSource } from './context.ts';
import type { Journal } from './turns/journal.ts';
import type { TurnRunner } from './turns/runner.ts';

/** What conversations need of the rest of the house. */
export interface ConversationNeeds {
  storage: Storage;
  models: Models;
  budgets: Budgets;
  jobs: Jobs;
  bus: Bus;
  clock: Clock;
  log: Log;
  metrics: Metrics;
  /** Sees what the making of an answer consists of, while anybody wants to know. */
  tracer?: Tracer;
  /** Names this process among the instances that share a database. */
  instanceId: string;
  settings: {
    /** Milliseconds a stopping server lets running answers finish. */
    drainMs: number;
    /** Where the title of a new conversation comes from. */
    autoTitles: 'first-message' | 'model';
    /** Days that a conversation waits in the trash before it is deleted for good; 0 leaves it there. */
    trashDays: number;
  };
  /**
   * False beside a server that has the database: answers are stored as waiting, the server begins them within two seconds,
   * and nothing it runs is touched. Default true.
   */
  runsTurns?: boolean;
  /** More sources of context than the instructions and the history, asked between the two. */
  sources?: readonly ContextSource[];
}

/** What the files of this module share. */
export interface ConversationParts extends ConversationNeeds {
  journal: Journal;
  runner: TurnRunner;
}
