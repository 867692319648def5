/**
 * What Gemini signs its thoughts with before a tool call. It wants the signature back with the call, and clients of other
 * APIs have no place to keep it: so it is kept here, for a while. Where it is not known any more (after a restart, on
 * another server, calls of another model), {@link unsigned} stands in its place, as the service's documentation says.
 */
export interface Signatures {
  /**
   * @param userId whose call it is: nobody finds those of others
   * @param model the model that signed: no other one knows its signatures
   */
  keep(userId: string, model: string, callId: string, signature: string): void;
  /** Null when there is none, or none any more. */
  find(userId: string, model: string, callId: string): string | null;
}

/** Tells Gemini not to look for a signature: ai.google.dev/gemini-api/docs/thought-signatures. */
export const unsigned = 'skip_thought_signature_validator';

/** Most signatures, most characters of one and of all together. */
const bounds = { count: 2000, length: 131_072, total: 16_777_216 };

/** The last signatures, in the memory of this process. */
export function createSignatures(): Signatures {
  const kept = new Map<string, string>();
  let total = 0;
  const drop = (key: string): void => {
    total -= kept.get(key)?.length ?? 0;
    kept.delete(key);
  };
  const keyOf = (...parts: string[]): string => JSON.stringify(parts);
  return {
    keep(userId, model, callId, signature) {
      if (signature.length > bounds.length || callId.length > 200) return;
      const key = keyOf(userId, model, callId);
      drop(key);
      kept.set(key, signature);
      total += signature.length;
      while (kept.size > bounds.count || total > bounds.total) drop(kept.keys().next().value!);
    },
    find: (userId, model, callId) => kept.get(keyOf(userId, model, callId)) ?? null,
  };
}
