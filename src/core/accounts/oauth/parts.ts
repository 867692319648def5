import type { Clock } from '../../../base/clock.ts';
import { ParleyError } from '../../../base/errors.ts';
import type { Limiter } from '../../../base/limits/index.ts';
import type { Metrics } from '../../../base/observability/index.ts';
import type { Secrets } from '../../../base/secrets.ts';
import type { Storage } from '../../../base/storage/index.ts';
import type { Sessions } from '../sessions.ts';

/** What OAuth needs. */
export interface OauthParts {
  storage: Storage;
  secrets: Secrets;
  limiter: Limiter;
  metrics: Metrics;
  clock: Clock;
  sessions: Pick<Sessions, 'issueIn' | 'revokeIn' | 'revokeMadeWith' | 'load'>;
  /** Whether the last entry of X-Forwarded-For names the address of who asks. */
  trustProxy: boolean;
  /** Requests a minute and address at the token endpoint; new requests and codes that are looked up have a third of it. */
  perMinute: number;
}

const minute = 60_000;

/** @throws {ParleyError} `rate_limited` beyond so many a minute */
export async function takeOne({ limiter, metrics }: Pick<OauthParts, 'limiter' | 'metrics'>, name: string, count: number, subject: string): Promise<void> {
  const verdict = await limiter.take({ name, count, windowMs: minute }, subject);
  if (verdict.allowed) return;
  metrics.limited.inc({ limit: name });
  throw new ParleyError('rate_limited', { retryAfterMs: verdict.retryAfterMs });
}
