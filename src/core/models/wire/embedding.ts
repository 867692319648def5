import type { EmbedResult } from '../types.ts';
import { unreadable } from './call.ts';
import { toParleyError } from './faults.ts';

/**
 * Embeds many texts by calls with as many as the service takes at once, one after another.
 * @param ask one call; null when its answer does not hold one vector for each text
 * @throws {ParleyError} `provider_error` for such an answer, and what `ask` throws
 */
export async function embedInBatches(texts: readonly string[], most: number, label: string, ask: (batch: readonly string[]) => Promise<EmbedResult | null>): Promise<EmbedResult> {
  const vectors: Float32Array[] = [];
  let tokensIn: number | null = 0;
  for (let from = 0; from < texts.length; from += most) {
    const answer = await ask(texts.slice(from, from + most));
    if (!answer) throw toParleyError(unreadable({ label }));
    vectors.push(...answer.vectors);
    tokensIn = answer.tokensIn !== null && tokensIn !== null ? tokensIn + answer.tokensIn : null;
  }
  return { vectors, tokensIn };
}
