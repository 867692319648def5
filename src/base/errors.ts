/**
 * Every error Parley answers with, in one table. A dialect gives the error its own outward form; code, status and
 * sentence come from here. docs/errors.md lists the same table and a test holds the two together.
 *
 * `status`: HTTP status. `closeCode`: WebSocket close code where the error ends a socket.
 * `sentence`: the default text, for a person; it may be replaced by a more precise one when the error is made.
 */
export const errorTable = {
  invalid_request: { status: 400, closeCode: 4400, sentence: 'The request is not valid.' },
  validation_failed: { status: 422, closeCode: 4400, sentence: 'The request has fields that are not valid.' },
  empty_message: { status: 400, closeCode: 4400, sentence: 'Message content cannot be empty' },
  unsupported_value: { status: 400, closeCode: 4400, sentence: 'A value in the request is not supported.' },
  username_taken: { status: 400, closeCode: 4400, sentence: 'Username already exists' },
  unauthorized: { status: 401, closeCode: 4401, sentence: 'Invalid or expired access token' },
  invalid_credentials: { status: 401, closeCode: 4401, sentence: 'Invalid credentials' },
  no_api_key: { status: 400, closeCode: 4400, sentence: 'This model needs an API key and none is set. Add one in Settings or with `parley key add`.' },
  forbidden: { status: 403, closeCode: 4403, sentence: 'You may not do this.' },
  csrf_failed: { status: 403, closeCode: 4403, sentence: 'The request carries a session cookie without its CSRF token.' },
  origin_refused: { status: 403, closeCode: 4403, sentence: 'Requests from this origin are not allowed.' },
  registration_closed: { status: 403, closeCode: 4403, sentence: 'Registration is closed on this server.' },
  setup_code_required: { status: 403, closeCode: 4403, sentence: 'The first registration needs the set-up code printed in the terminal.' },
  not_found: { status: 404, closeCode: 4404, sentence: 'Not found' },
  model_not_found: { status: 404, closeCode: 4404, sentence: 'No model of this name is available.' },
  method_not_allowed: { status: 405, closeCode: 4400, sentence: 'This address does not take this method.' },
  conflict: { status: 409, closeCode: 4400, sentence: 'The request does not fit the present state.' },
  misdirected: { status: 421, closeCode: 4400, sentence: 'Parley does not answer a Parley as if it were Ollama.' },
  too_large: { status: 413, closeCode: 1009, sentence: 'The request is too large.' },
  unsupported_media_type: { status: 415, closeCode: 4400, sentence: 'The request body has a media type that is not supported.' },
  rate_limited: { status: 429, closeCode: 4429, sentence: 'Too many requests. Try again later.' },
  queue_full: { status: 429, closeCode: 4429, sentence: 'Too many answers are waiting in this conversation. Try again when one has ended.' },
  quota_exceeded: { status: 429, closeCode: 4429, sentence: 'The quota for this model is used up.' },
  budget_exceeded: { status: 429, closeCode: 4429, sentence: 'The budget is used up.' },
  cancelled: { status: 499, closeCode: 1000, sentence: 'The answer was cancelled.' },
  internal: { status: 500, closeCode: 1011, sentence: 'Internal server error' },
  not_implemented: { status: 501, closeCode: 1011, sentence: 'This is not built yet.' },
  storage_full: { status: 507, closeCode: 1011, sentence: 'The data folder is full. Nothing was saved; free some space and try again.' },
  storage_unavailable: { status: 503, closeCode: 1011, sentence: 'The database cannot be written. Nothing was saved.' },
  switched_off: { status: 503, closeCode: 1013, sentence: 'An administrator has switched this part of the server off.' },
  shutting_down: { status: 503, closeCode: 1001, sentence: 'The server is shutting down.' },
  no_model: { status: 503, closeCode: 1011, sentence: 'No language model is set up yet. Open the page or run `parley doctor` to see how to add one.' },
  provider_unavailable: { status: 503, closeCode: 1011, sentence: 'The model service cannot be reached.' },
  invalid_api_key: { status: 401, closeCode: 4401, sentence: 'The model service refused the API key.' },
  provider_error: { status: 502, closeCode: 1011, sentence: 'The model service answered with an error.' },
  provider_timeout: { status: 504, closeCode: 1011, sentence: 'The model service did not answer in time.' },
  context_overflow: { status: 400, closeCode: 4400, sentence: 'The message does not fit into the context of this model.' },
} as const satisfies Record<string, { status: number; closeCode: number; sentence: string }>;

export type ErrorCode = keyof typeof errorTable;

/** One field that is not valid: where it is, in the order of nesting, and what is wrong. */
export interface FieldIssue {
  /** Where: `body`, `query`, `path` or `header` first, then keys and indexes. */
  path: (string | number)[];
  /** For a person. */
  message: string;
  /** Machine-readable kind, such as `too_big` or `missing`. */
  kind: string;
}

export interface ErrorDetails {
  /** Replaces the table's sentence. Shown to the sender: must name no secret and no other user. */
  message?: string;
  /** Fields at fault, for `validation_failed`. */
  issues?: FieldIssue[];
  /** The one parameter at fault, for dialects that name it. */
  parameter?: string;
  /** Milliseconds after which trying again makes sense; becomes Retry-After in whole seconds. */
  retryAfterMs?: number;
  /** For the log only, never shown. */
  cause?: unknown;
}

/** An error that may be shown to whoever sent the request. Anything else that is thrown becomes `internal`. */
export class ParleyError extends Error {
  readonly code: ErrorCode;
  readonly status: number;
  readonly closeCode: number;
  readonly issues: FieldIssue[];
  readonly parameter: string | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, details: ErrorDetails = {}) {
    super(details.message ?? errorTable[code].sentence, { cause: details.cause });
    this.name = 'ParleyError';
    this.code = code;
    this.status = errorTable[code].status;
    this.closeCode = errorTable[code].closeCode;
    this.issues = details.issues ?? [];
    this.parameter = details.parameter;
    this.retryAfterMs = details.retryAfterMs;
  }
}

/** Whether a text is the code of an error: what was stored elsewhere, or by another version, may hold any. */
export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorTable, code);
}

/** Turns whatever was thrown into an error that may be shown; the original is kept as the cause, for the log. */
export function asParleyError(thrown: unknown): ParleyError {
  return thrown instanceof ParleyError ? thrown : new ParleyError('internal', { cause: thrown });
}

/** Whether something went wrong in the server: neither what is not built nor what an administrator has switched off is. */
export function isFault(error: ParleyError): boolean {
  return error.status >= 500 && error.code !== 'not_implemented' && error.code !== 'switched_off';
}
