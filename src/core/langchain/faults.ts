import { asParleyError, ParleyError, type ErrorCode } from '../../base/errors.ts';

/** What a service is at fault for; everything else lies with the sender or with this server. */
const serviceFaults: ReadonlySet<string> = new Set<ErrorCode>(['provider_unavailable', 'provider_error', 'provider_timeout']);
/** What the model service lays to whoever asked: a bad key, a quota, a name. */
const askersFaults: ReadonlySet<string> = new Set<ErrorCode>(['invalid_api_key', 'quota_exceeded', 'model_not_found', 'unsupported_value']);

/** An error of a reply as one to throw: faults of a service are `provider_unavailable`, those of the asker `invalid_request`. */
export function thrownAs(error: { code: string; message: string; retryAfterMs?: number | undefined }): ParleyError {
  const { code, message, retryAfterMs } = error;
  const details = { message, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  if (serviceFaults.has(code)) return new ParleyError('provider_unavailable', details);
  if (askersFaults.has(code)) return new ParleyError('invalid_request', details);
  return new ParleyError(code as ErrorCode, details);
}

/** Whatever was thrown, told apart in the same way. */
export function toldApart(thrown: unknown): ParleyError {
  const error = asParleyError(thrown);
  return serviceFaults.has(error.code) || askersFaults.has(error.code) ? thrownAs(error) : error;
}
