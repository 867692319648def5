/**
 * Parts of the server whose log can be set by itself. `p2p` is named by the published documents and has no lines yet;
 * `blockchain` are transcripts and the ledgers that they are handed over to.
 */
export const components = ['http', 'sockets', 'accounts', 'storage', 'chat', 'ai', 'agents', 'jobs', 'bus', 'blockchain', 'p2p', 'operations'] as const;

export type Component = (typeof components)[number];

/** What a log can be set to, the fewest lines first. */
export const logLevels = ['silent', 'fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const;

export type LogLevel = (typeof logLevels)[number];
