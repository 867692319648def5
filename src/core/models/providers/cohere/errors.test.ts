import { expect, test } from 'vitest';
import type { ReplyError } from '../../types.ts';
import { readStatusError } from './errors.ts';

const read = (status: number, body: unknown, headers = {}): ReplyError =>
  readStatusError(status, typeof body === 'string' ? body : JSON.stringify(body), headers, 0, { label: 'Cohere', apiKey: 'co-secret' });
const say = (status: number, message: string): ReplyError => read(status, { id: 'x', message });

test('tells errors apart by their words, which is all they have', () => {
  const errors: [ReplyError, Partial<ReplyError>][] = [
    [say(401, 'invalid api token'), { code: 'invalid_api_key' }],
    [say(498, 'invalid token'), { code: 'invalid_api_key', status: 498 }],
    [say(402, 'Please add or update your payment method'), { code: 'quota_exceeded' }],
    [say(429, "You are using a Trial key, which is limited to 1000 API calls / month."), { code: 'quota_exceeded', serviceFault: false }],
    [say(429, "You are using a Trial key, which is limited to 20 API calls / minute."), { code: 'rate_limited' }],
    [read(429, { message: 'slow down' }, { 'retry-after': '5' }), { code: 'rate_limited', retryAfterMs: 5000 }],
    [say(400, 'too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 4292.'), { code: 'context_overflow' }],
    [say(400, 'too many tokens: max tokens must be less than or equal to 4096, the maximum output for this model - received 8192.'), { code: 'unsupported_value', parameter: 'max_tokens' }],
    [say(400, "invalid request: response_format is not supported with RAG."), { code: 'unsupported_value', parameter: 'response_format' }],
    [say(400, 'invalid request: image content is not supported by this model'), { code: 'unsupported_value', parameter: 'image_url' }],
    [say(400, "model 'command-z' not found"), { code: 'model_not_found' }],
    [say(404, "model 'command-z' not found, make sure the correct model ID was used"), { code: 'model_not_found' }],
    [say(404, 'page not found'), { code: 'provider_error', serviceFault: false }],
    [say(422, 'invalid request: temperature must be positive'), { code: 'invalid_request' }],
    [say(499, 'request cancelled'), { code: 'provider_timeout', status: 499, serviceFault: true }],
    [say(503, 'unavailable'), { code: 'provider_unavailable' }],
    [read(500, { data: 'internal server error' }), { code: 'provider_error', serviceFault: true }],
  ];
  for (const [error, expected] of errors) expect(error).toMatchObject(expected);
});

test('repeats what the service says without the key, wherever it stands', () => {
  for (const body of [{ message: 'bad co-secret' }, { error: 'bad co-secret' }, { error: { message: 'bad co-secret' } }]) {
    expect(read(400, body).message).toBe('Cohere did not accept the request (HTTP 400). It says: bad [key]');
  }
});
