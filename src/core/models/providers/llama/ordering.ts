/** What node-llama-cpp keeps behind a context: the calls that run in threads of their own. */
interface NativeContext {
  decodeBatch(...given: unknown[]): Promise<unknown>;
  sampleToken(...given: unknown[]): Promise<unknown>;
}

/**
 * Lets the first of those that were evaluated together choose its token alone, and the others after it. llama.cpp puts the results
 * of an evaluation in order when they are first asked for (`llama_get_logits`), without a lock; node-llama-cpp (3.21) asks for all
 * of them at the same time from several threads. Two that find them out of order both put them in order, and then answers
 * are given words of each other.
 * @param context of node-llama-cpp
 * @throws {Error} when the library has changed and has no such calls any more
 */
export function orderBeforeSampling(context: object): void {
  const native = (context as { _ctx?: Partial<NativeContext> })._ctx;
  const { decodeBatch, sampleToken } = native ?? {};
  if (!native || !decodeBatch || !sampleToken) throw new Error('node-llama-cpp has changed: look whether it still samples from several threads at once.');
  let first: Promise<unknown> | null = null;
  const replace = (name: keyof NativeContext, value: NativeContext[keyof NativeContext]): void => void Object.defineProperty(native, name, { value });
  replace('decodeBatch', (...given) => {
    first = null;
    return decodeBatch.apply(native, given);
  });
  replace('sampleToken', (...given) => {
    const sample = (): Promise<unknown> => sampleToken.apply(native, given);
    if (first === null) return (first = sample());
    return first.then(sample, sample);
  });
}
