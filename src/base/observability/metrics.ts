import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { RecentCount } from './recent-count.ts';
import { createRecordings } from './samples.ts';

/**
 * The figures behind /metrics. Each part counts into the ones it is given; nothing here is computed elsewhere.
 * Labels have few values: never an id, a name of a user, or a text from outside.
 */
export function createMetrics() {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  return {
    registry,
    /** Requests answered by this process in the last minute: a figure of /stats, not of the registry. */
    recentRequests: new RecentCount(),
    /** Single measurements with their times, for percentiles over windows of time: no figures of the registry either. */
    recordings: createRecordings(),
    /** Requests answered, by dialect, route pattern and status. */
    httpRequests: new Counter({ name: 'parley_http_requests_total', help: 'HTTP requests answered', labelNames: ['dialect', 'route', 'status'], registers }),
    /** Seconds from request to the end of its answer (streams excluded). */
    httpSeconds: new Histogram({ name: 'parley_http_request_seconds', help: 'Seconds to answer a request, streams excluded', labelNames: ['dialect'], buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10], registers }),
    /** Open sockets, by dialect. */
    sockets: new Gauge({ name: 'parley_sockets', help: 'Open WebSocket connections', labelNames: ['dialect'], registers }),
    /** Turns that ended, by provider and outcome. */
    turns: new Counter({ name: 'parley_turns_total', help: 'Answers that ended', labelNames: ['provider', 'outcome'], registers }),
    /** Turns being made now. */
    turnsRunning: new Gauge({ name: 'parley_turns_running', help: 'Answers being made now', registers }),
    /** Seconds from the call of the model to its first token. */
    firstToken: new Histogram({ name: 'parley_time_to_first_token_seconds', help: 'Seconds from calling a model to its first token', labelNames: ['provider'], buckets: [0.01, 0.05, 0.1, 0.3, 1, 3, 10, 30], registers }),
    tokens: new Counter({ name: 'parley_tokens_total', help: 'Tokens by direction', labelNames: ['provider', 'direction'], registers }),
    /** Seconds a commit of the turn log took. */
    commitSeconds: new Histogram({ name: 'parley_turn_log_commit_seconds', help: 'Seconds to commit a batch of turn events', buckets: [0.0001, 0.0005, 0.002, 0.01, 0.05, 0.2], registers }),
    /** Jobs that ended, by kind and state. */
    jobs: new Counter({ name: 'parley_jobs_total', help: 'Background jobs that ended', labelNames: ['kind', 'state'], registers }),
    /** Submissions of sealed transcripts to other ledgers, by how they stand. Of the whole database, as this process last saw it. */
    ledgerAnchors: new Gauge({ name: 'parley_ledger_anchors', help: 'Transcripts handed over to other ledgers', labelNames: ['anchor', 'state'], registers }),
    /** Messages of the bus that were given to Redis for other instances, that came from them, and that could not be sent. */
    busPublished: new Counter({ name: 'parley_bus_published_total', help: 'Messages sent to other instances', registers }),
    busReceived: new Counter({ name: 'parley_bus_received_total', help: 'Messages received from other instances', registers }),
    busLost: new Counter({ name: 'parley_bus_lost_total', help: 'Messages that could not be sent to other instances', registers }),
    /** 1 while both connections to Redis work; 0 otherwise, and where no Redis is used. */
    redisConnected: new Gauge({ name: 'parley_redis_connected', help: '1 while Redis can be reached', registers }),
    /** Times Redis came back after it was away. */
    redisReconnects: new Counter({ name: 'parley_redis_reconnects_total', help: 'Times the connection to Redis was made again', registers }),
    /** Events counted by this instance alone because Redis was away. */
    limitsCountedAlone: new Counter({ name: 'parley_limits_counted_alone_total', help: 'Events that limits counted without Redis', registers }),
    /** Requests refused by a limit. */
    limited: new Counter({ name: 'parley_limited_total', help: 'Requests refused by a limit', labelNames: ['limit'], registers }),
  };
}

export type Metrics = ReturnType<typeof createMetrics>;
