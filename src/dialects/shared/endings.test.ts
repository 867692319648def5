import { describe, expect, it } from 'vitest';
import { endingOf } from '../openai/responses/answer.ts';
import { failureOf } from './endings.ts';

describe('The error of a stored answer', () => {
  // Imported files hold answers that failed elsewhere, with any text as their code.
  it.each(['toString', 'constructor', '__proto__', 'hasOwnProperty', 'no code of ours', ''])('is the fault of a provider where its code is "%s"', (code) => {
    const error = { code, message: 'It failed.' };
    expect(failureOf({ status: 'FAILED', error })).toMatchObject({ code: 'provider_error', status: 502, message: 'It failed.' });
    expect(endingOf({ status: 'FAILED', finishReason: null, error })).toMatchObject({ error: { code: 'provider_error', status: 502 } });
  });

  it('keeps a code that is known', () => {
    expect(failureOf({ status: 'FAILED', error: { code: 'context_overflow', message: 'Too long.' } })).toMatchObject({ code: 'context_overflow' });
  });
});
