/** Why a request did not succeed, in words for a person. */
export class ApiError extends Error {
  /** HTTP status; 0 when no answer came at all. */
  readonly status: number;
  /** Milliseconds the server asks to wait (Retry-After); null when it does not say. */
  readonly retryAfterMs: number | null;

  constructor(message: string, status: number, retryAfterMs: number | null = null) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }

  /** Nothing was heard from the server: the same request may be sent again later. */
  get isNetwork(): boolean {
    return this.status === 0;
  }
}

/** Where each dialect puts the sentence. */
interface ErrorBody {
  detail?: unknown;
  message?: unknown;
  error?: { message?: unknown } | null;
}

interface ValidationIssue {
  loc?: unknown;
  msg?: unknown;
}

/** The error in an answer's body: `{"detail": "..."}`, or a list of faults with their places; other dialects say `message`. */
export function errorFrom(status: number, body: unknown, retryAfter: string | null): ApiError {
  const { detail = undefined, message = undefined, error = undefined } = typeof body === 'object' && body !== null ? (body as ErrorBody) : {};
  const seconds = retryAfter === null ? NaN : Number(retryAfter);
  return new ApiError(sentenceOf(detail) ?? sentenceOf(message) ?? sentenceOf(error?.message) ?? statusSentence(status), status, Number.isFinite(seconds) ? seconds * 1000 : null);
}

/** Whatever was thrown, in words for a person. */
export function messageOf(error: unknown): string {
  return error instanceof ApiError ? error.message : 'Something went wrong in this page. Reload it and try again.';
}

function sentenceOf(detail: unknown): string | null {
  if (typeof detail === 'string' && detail !== '') return detail;
  if (!Array.isArray(detail)) return null;
  const sentences = (detail as ValidationIssue[]).map(issueSentence).filter((sentence) => sentence !== '');
  return sentences.length > 0 ? sentences.join(' ') : null;
}

function issueSentence(issue: ValidationIssue): string {
  if (typeof issue.msg !== 'string') return '';
  const field = Array.isArray(issue.loc) ? issue.loc.at(-1) : undefined;
  const name = typeof field === 'string' && field !== 'body' ? `${field.charAt(0).toUpperCase()}${field.slice(1).replaceAll('_', ' ')}: ` : '';
  return `${name}${issue.msg}${/[.!?]$/.test(issue.msg) ? '' : '.'}`;
}

function statusSentence(status: number): string {
  if (status === 401) return 'You are signed out.';
  if (status === 403) return 'You may not do this.';
  if (status === 404) return 'This is not here (any more).';
  if (status === 413) return 'This is too large.';
  if (status === 429) return 'Too many requests. Wait a moment and try again.';
  if (status >= 500) return 'The server could not do this. Its log says why.';
  return `The server answered with status ${status}.`;
}
