import { ParleyError, type ErrorCode } from '../base/errors.ts';

export { ParleyError, type ErrorCode };

/** A model service did not do what it was asked. The message says why, and for a missing key which variable sets it. */
export class AIServiceError extends ParleyError {
  /** The provider that was asked; null where none could be found. */
  readonly provider: string | null;
  /** HTTP status of the service's answer; null where there was none. */
  readonly providerStatus: number | null;

  constructor(code: ErrorCode, message: string, of: { provider: string | null; providerStatus?: number | null; retryAfterMs?: number; cause?: unknown }) {
    super(code, { message, retryAfterMs: of.retryAfterMs, cause: of.cause });
    this.name = 'AIServiceError';
    this.provider = of.provider;
    this.providerStatus = of.providerStatus ?? null;
  }
}

/** What went wrong with a call of this provider, as an error of this module; what does not concern models is left as it is. */
export function serviceError(thrown: unknown, provider: string | null): unknown {
  if (!(thrown instanceof ParleyError) || thrown instanceof AIServiceError) return thrown;
  return new AIServiceError(thrown.code, thrown.message, { provider, providerStatus: statusOf(thrown.cause), retryAfterMs: thrown.retryAfterMs, cause: thrown });
}

/** The status that the service answered with, kept in the cause of errors of the registry. */
function statusOf(cause: unknown): number | null {
  const status = (cause as { error?: { status?: unknown } } | null | undefined)?.error?.status;
  return typeof status === 'number' ? status : null;
}
