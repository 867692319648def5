import { describe, expect, it } from 'vitest';
import { ApiError, errorFrom, messageOf } from './errors.ts';

describe('errors of the server, in words', () => {
  it('shows the sentence the server gives', () => {
    const error = errorFrom(404, { detail: 'No model of this name is available.' }, null);
    expect(error.message).toBe('No model of this name is available.');
    expect(error.status).toBe(404);
    expect(error.isNetwork).toBe(false);
  });

  it('reads the forms of the other dialects', () => {
    expect(errorFrom(409, { success: false, message: 'The session has ended.', status: 409 }, null).message).toBe('The session has ended.');
    expect(errorFrom(404, { success: false, error: { code: 'not_found', message: 'No such program.' } }, null).message).toBe('No such program.');
  });

  it('joins the faults of a form with the names of their fields', () => {
    const body = { detail: [{ loc: ['body', 'password'], msg: 'must have at least 8 characters', type: 'too_small' }, { loc: ['body'], msg: 'is wrong.', type: 'invalid' }] };
    expect(errorFrom(422, body, null).message).toBe('Password: must have at least 8 characters. is wrong.');
  });

  it('says something also when the body says nothing', () => {
    for (const body of [null, undefined, 'text', {}, { detail: '' }, { detail: [] }, { detail: [{ msg: 7 }] }]) {
      expect(errorFrom(503, body, null).message).toBe('The server could not do this. Its log says why.');
    }
    expect(errorFrom(418, null, null).message).toContain('418');
  });

  it('reads Retry-After in seconds and ignores dates', () => {
    expect(errorFrom(429, null, '7').retryAfterMs).toBe(7000);
    expect(errorFrom(429, null, 'Wed, 21 Oct 2026 07:28:00 GMT').retryAfterMs).toBeNull();
    expect(errorFrom(429, null, null).retryAfterMs).toBeNull();
  });

  it('keeps what other errors say out of the page', () => {
    expect(messageOf(new TypeError('x is undefined'))).not.toContain('undefined');
    expect(messageOf(new ApiError('Not found', 404))).toBe('Not found');
  });
});
