/** An answer of the mock upstream: its name is the name of the model that is asked for. */
export interface Shape {
  name: string;
  /** Pieces of text. */
  chunks: number;
  /** Milliseconds between them; 0 is as fast as the connection takes them. */
  everyMs: number;
  /** Milliseconds before the first byte. */
  firstMs: number;
}

/** As fast as it goes: what a chunk costs when nothing else does. */
export const fullSpeed: Shape = { name: 'full-speed', chunks: 200, everyMs: 0, firstMs: 0 };
/** The pace of a fast model: a chunk is a wake-up of its own. */
export const cadence: Shape = { name: 'cadence', chunks: 50, everyMs: 20, firstMs: 100 };
/** The same pace for an answer of usual length. */
export const longCadence: Shape = { name: 'long-cadence', chunks: 200, everyMs: 20, firstMs: 100 };
/** Short streams at the same pace, to see many first tokens in little time. */
export const shortCadence: Shape = { name: 'short-cadence', chunks: 6, everyMs: 20, firstMs: 30 };
/** 200 words in one answer. */
export const whole: Shape = { name: 'whole', chunks: 200, everyMs: 0, firstMs: 0 };
/** Four words: to fill conversations. */
export const tiny: Shape = { name: 'tiny', chunks: 4, everyMs: 0, firstMs: 0 };

/** 50 tokens a second for ten seconds: what many people who wait for long answers at the same time see. */
export const steady: Shape = { name: 'steady', chunks: 500, everyMs: 20, firstMs: 0 };
/** The same for four seconds. */
export const shortSteady: Shape = { name: 'short-steady', chunks: 200, everyMs: 20, firstMs: 0 };
/** A short answer of a fast model, for counting turns. */
export const brief: Shape = { name: 'brief', chunks: 20, everyMs: 0, firstMs: 0 };

/** 50 tokens a second for two seconds: many people at once, each with an answer of usual length. */
export const talk: Shape = { name: 'talk', chunks: 100, everyMs: 20, firstMs: 100 };

/** 20 tokens a second, for many readers of one answer. */
export const fanOut: Shape = { name: 'fan-out', chunks: 200, everyMs: 50, firstMs: 0 };
/** The same for three seconds. */
export const shortFanOut: Shape = { name: 'short-fan-out', chunks: 60, everyMs: 50, firstMs: 0 };

export const shapes: readonly Shape[] = [fullSpeed, cadence, longCadence, shortCadence, whole, tiny, steady, shortSteady, brief, talk, fanOut, shortFanOut];

/** The text that the mock says in this shape. */
export function textOf(shape: Shape): string {
  return Array.from({ length: shape.chunks }, (_, index) => wordOf(index)).join('');
}

export function wordOf(index: number): string {
  return `word${index + 1} `;
}
