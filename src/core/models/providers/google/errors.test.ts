import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { ReplyError } from '../../types.ts';
import { readStatusError } from './errors.ts';

const read = (status: number, body: unknown, headers = {}): ReplyError =>
  readStatusError(status, typeof body === 'string' ? body : JSON.stringify(body), headers, 0, { label: 'Google', apiKey: 'AIza-secret' });
const say = (code: number, message: string, details?: object[]): ReplyError => read(code, { error: { code, message, status: 'X', ...(details ? { details } : {}) } });

test('waits as long as the service asks', () => {
  const quota = readFileSync(new URL('./fixtures/quota.json', import.meta.url), 'utf8');
  expect(read(429, quota)).toMatchObject({ code: 'rate_limited', retryAfterMs: 34_400, serviceFault: false });
  expect(read(429, quota, { 'retry-after': '2' })).toMatchObject({ retryAfterMs: 2000 });
  // Not before tomorrow is not a little later.
  expect(read(429, quota.replace('PerMinute', 'PerDay'))).toMatchObject({ code: 'quota_exceeded', retryAfterMs: 34_400 });
  expect(say(429, 'Resource has been exhausted.', [{ retryDelay: 'soon' }])).toEqual(expect.not.objectContaining({ retryAfterMs: expect.anything() as number }));
});

test('tells errors apart that have the same status', () => {
  const errors: [ReplyError, Partial<ReplyError>][] = [
    [say(400, 'API key not valid. Please pass a valid API key.', [{ reason: 'API_KEY_INVALID' }]), { code: 'invalid_api_key' }],
    [say(400, 'API key expired. Please renew the API key.'), { code: 'invalid_api_key' }],
    [say(400, 'The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).'), { code: 'context_overflow' }],
    [say(400, 'Thinking level MINIMAL is not supported for this model. Please retry with other thinking level.'), { code: 'unsupported_value', parameter: 'reasoning_effort' }],
    [say(400, 'Logprobs is not enabled for models/gemini-2.5-pro'), { code: 'unsupported_value', parameter: 'logprobs' }],
    [say(400, "Function calling with a response mime type: 'application/json' is unsupported"), { code: 'unsupported_value', parameter: 'response_format' }],
    [say(400, 'Invalid JSON payload received.'), { code: 'invalid_request' }],
    [say(403, 'Permission denied.'), { code: 'invalid_api_key', status: 403 }],
    [say(404, 'models/gemini-9 is not found for API version v1beta, or is not supported for generateContent.'), { code: 'model_not_found' }],
    [read(404, '<html>Not found</html>'), { code: 'provider_error', serviceFault: false }],
    [read(503, [{ error: { code: 503, message: 'Overloaded' } }]), { code: 'provider_unavailable', serviceFault: true }],
    [read(500, ''), { code: 'provider_error', serviceFault: true }],
  ];
  for (const [error, expected] of errors) expect(error).toMatchObject(expected);
});

test('repeats what the service says in one line, without the key', () => {
  expect(say(400, 'Bad\nthing with AIza-secret').message).toBe('Google did not accept the request (HTTP 400). It says: Bad thing with [key]');
});
