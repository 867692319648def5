import type { FastifyInstance } from 'fastify';
import type { Clock } from '../../base/clock.ts';
import type { ParleyError } from '../../base/errors.ts';
import type { Jobs } from '../../base/jobs/index.ts';
import type { Limiter } from '../../base/limits/index.ts';
import type { Log, Metrics, OpenTrace, Tracer } from '../../base/observability/index.ts';
import type { Redis } from '../../base/redis/index.ts';
import type { Storage } from '../../base/storage/index.ts';
import type { Accounts, Viewer } from '../../core/accounts/index.ts';
import type { Budgets } from '../../core/budgets/index.ts';
import type { Conversations, Transfers } from '../../core/conversations/index.ts';
import type { Langchain } from '../../core/langchain/index.ts';
import type { Models, ModelStore } from '../../core/models/index.ts';
import type { Presence } from '../../core/presence/index.ts';
import type { DialectSwitches } from './switches.ts';
import type { SocketIo } from './socket-io/types.ts';
import type { UpgradeRouter } from './upgrades.ts';

/** What the server and the dialects are made of. Dialects translate; everything they know comes from here. */
export interface DialectParts {
  accounts: Accounts;
  conversations: Conversations;
  transfers: Transfers;
  models: Models;
  modelStore: ModelStore;
  budgets: Budgets;
  langchain: Langchain;
  presence: Presence;
  jobs: Jobs;
  storage: Storage;
  /** For /health; null or absent where one instance runs without it. */
  redis?: Pick<Redis, 'check'> | null;
  limiter: Limiter;
  clock: Clock;
  log: Log;
  metrics: Metrics;
  /** Sees what is done for a request, while anybody wants to know. Default: nobody does. */
  tracer?: Tracer;
  /** Dialects that are switched off answer 503. Default: none is. */
  switches?: DialectSwitches;
  settings: HttpSettings;
  /** Version of the running build, as /health says it. */
  version: string;
  /** Folder of the built page; default `web/dist` beside `src`. */
  webDir?: string;
}

/** The settings that the server reads; their meaning stands in src/config.ts. */
export interface HttpSettings {
  host: string;
  port: number;
  alsoListen: readonly number[];
  /** Port of the Ollama API; 0 for any free one, null for none. */
  ollamaApiPort: number | null;
  openaiBaseUrl: string;
  publicUrl: string | null;
  trustProxy: boolean;
  /** Most bytes of any body; routes may take less. */
  maxContentLength: number;
  limits: {
    messagesPerHour: number;
    friendMessagesPerMinute: number;
    requestsPerMinute: number;
    completionsPerMinute: number;
    socketsPerAddress: number;
  };
}

/** The outward form of one dialect where the server itself has to speak it: errors. */
export interface Dialect {
  /** Label in logs and metrics. */
  readonly name: string;
  /** Beginnings of the paths that are this dialect's also where no route stands (for 404 and 405). */
  readonly prefixes: readonly string[];
  /** HTTP status of an error, where it differs from the table's. */
  status?(error: ParleyError): number;
  /** Headers that every answer carries, in place of the usual ones of the same names. */
  headers?(): Record<string, string>;
  /** The JSON body of an error. */
  errorBody(error: ParleyError, request: { method: string; path: string }): unknown;
}

export type App = FastifyInstance;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Whose form errors of this route take. */
    dialect?: Dialect;
    /** Documented, but answered with 501 as yet. */
    notBuilt?: boolean;
    /** Answered by what it is handed over to, which has its own form for errors. */
    handsOver?: boolean;
  }
  interface FastifyRequest {
    /** What happens for it; null while requests leave no traces. */
    trace: OpenTrace | null;
    /** Who asks; set before the handler runs on every route of a dialect that asks for it. */
    viewer: Viewer | null;
    /** Credentials that had ended, in the count of its scope, before this one was looked at. */
    endedBefore: number;
    /** Answered by a stream: how long that takes says nothing of the server. */
    streams: boolean;
  }
  interface FastifyInstance {
    /** Where dialects register their WebSocket addresses. */
    upgrades: UpgradeRouter;
    /** Where dialects register their Socket.IO events: on the app with the page and the dialects of the documents. */
    socketIo: SocketIo;
  }
}
