/** Numbers that look random and are the same for the same seed on every machine (the mulberry32 generator). */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A seed made from a number and a name (FNV-1a), so that each tensor has numbers of its own whatever the order of writing. */
export function seedFor(seed: number, name: string): number {
  let hash = (0x811c9dc5 ^ seed) >>> 0;
  for (const byte of Buffer.from(name, 'utf8')) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}

/** `count` numbers, evenly spread, with mean 0 and the given standard deviation. */
export function randomWeights(count: number, deviation: number, random: () => number): Float32Array {
  const reach = deviation * Math.sqrt(3);
  const weights = new Float32Array(count);
  for (let index = 0; index < count; index += 1) weights[index] = (random() * 2 - 1) * reach;
  return weights;
}
