/** Where the service answers, and what it wants to hear first. */
export interface ServiceAddress {
  /** Scheme, host and port. */
  origin: string;
  /** What stands in front of its paths; empty for the one of this machine. */
  path: string;
  /** Sent as bearer token; empty for none. */
  secret: string;
}

/** The LangChain service, wherever it runs. */
export interface LangchainService {
  /**
   * Where it answers; starts it when it does not run.
   * @throws {ReplyFault} `provider_unavailable` when it cannot be started, or died a moment ago
   */
  reach(): Promise<ServiceAddress>;
  /** Says that it is used until the returned function is called: it is not stopped meanwhile. */
  hold(): () => void;
  /** It takes connections and says nothing: a process of ours is ended, so that the next call gets a new one. */
  reportSilence(): void;
  /** Its address for people, without a secret; that of a process which has not run yet has port 0. */
  address(): string;
  /** Whether it runs now; null for a service elsewhere. */
  isRunning(): boolean | null;
  stop(): Promise<void>;
}

/**
 * What the last contact with the service came to. `at`: milliseconds since the epoch. `responseTimeMs`: until the head of its
 * answer. `isLate`: it took the connection and did not answer in time.
 */
export type ServiceHealth = { ok: true; responseTimeMs: number; at: number } | { ok: false; error: string; at: number; isLate?: boolean; retryAfterMs?: number };
