import type { ModelAction, OllamaInstance } from '../providers/ollama/index.ts';

/** The instances of Ollama as one. */
export interface OllamaStatus {
  instances: readonly OllamaInstance[];
  /** Downloads that wait or run, on whatever machine of this server. */
  pulls: readonly OllamaPull[];
}

/** One model being fetched by one instance. It outlives whoever asked for it, and a restart of the server. */
export interface OllamaPull {
  id: string;
  model: string;
  instanceId: string;
  state: 'waiting' | 'running' | 'done' | 'failed' | 'cancelled';
  /** Percent of the bytes that the instance has named so far; 100 only when it has the model. */
  progress: number;
  /** What the instance says that it does; empty before the first word. */
  status: string;
  completedBytes: number;
  totalBytes: number;
  /** Why it failed, for a person; null otherwise. */
  error: string | null;
}

/** What came of fetching a model by several instances. */
export interface PullOutcome {
  model: string;
  /** One for each instance that was asked. */
  pulls: readonly OllamaPull[];
}

/** What came of doing something with a model on several instances: why it did not work, or null, by instance. */
export type ManageOutcome = ReadonlyMap<string, string | null>;

/** Ollama's instances, for those who look after them. */
export interface OllamaPool {
  /** Whether any instance is configured. */
  readonly isConfigured: boolean;
  /** Nothing in it is older than a second. */
  status(): Promise<OllamaStatus>;
  /**
   * Fetches a model and waits until every instance has ended. A download that runs already is joined. When `signal` is
   * aborted only the waiting stops: the download goes on.
   * @param instanceId null for every instance; those that do not answer fail
   * @throws {ParleyError} `not_found` for an instance that is none, `provider_unavailable` when none answers; where no instance
   * got anything, why: `model_not_found`, `provider_error`, ...
   */
  pull(userId: string, model: string, instanceId: string | null, signal: AbortSignal): Promise<PullOutcome>;
  /** Ends a download; what has come is kept by the instance. @throws {ParleyError} `not_found` */
  cancel(id: string): Promise<OllamaPull>;
  /**
   * Loads a model into memory, unloads it, or deletes it.
   * @param instanceId as in `pull` @throws {ParleyError} as `pull`; where it works nowhere, why
   */
  manage(action: ModelAction, model: string, instanceId: string | null, signal: AbortSignal): Promise<ManageOutcome>;
  /** Calls `listener` once each time a model is loaded on an instance that was not; the returned function ends that. */
  onLoaded(listener: (model: string, instanceId: string) => void): () => void;
  /** Calls `listener` now and then while a model is fetched, on whatever instance of this server, and at its end. */
  onPull(listener: (pull: OllamaPull) => void): () => void;
}
