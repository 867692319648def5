import { ParleyError } from '../../../../base/errors.ts';
import { pictureTypeOf } from '../../pictures.ts';
import type { CallOptions, DrawnPicture, DrawRequest, DrawResult } from '../../types.ts';
import { toParleyError, unreadable } from '../../wire/index.ts';

/** Most pictures in one go, as in OpenAI's API. */
export const maxPictures = 10;
/** Longest prompt in characters, as the newest models take it; older ones say themselves that they take less. */
const maxPrompt = 32_000;
/** Longest address of a picture. */
const maxAddress = 4096;

/** Asks POST /images/generations once; rejects with a ParleyError. */
export type AskToDraw = (body: string, call: CallOptions) => Promise<unknown>;

/** What comes back of one request. Nothing in it is trusted to be there. */
interface WireDrawing {
  data?: ({ b64_json?: unknown; url?: unknown; revised_prompt?: unknown } | null)[] | null;
  size?: unknown;
  usage?: { input_tokens?: unknown; output_tokens?: unknown } | null;
}

/**
 * Draws by one request for each picture: dall-e-3 makes one at a time, and so all models are asked alike. When one
 * request fails for good, the others are broken off and the whole fails: never fewer pictures than asked.
 * @throws {ParleyError}
 */
export async function draw(request: DrawRequest, call: CallOptions, ask: AskToDraw, label: string): Promise<DrawResult> {
  const count = request.count ?? 1;
  check(request, count);
  const stop = new AbortController();
  const signal = AbortSignal.any([call.signal, stop.signal]);
  const body = toWireBody(request);
  let failure: unknown;
  const askOnce = (): Promise<unknown> => ask(body, { ...call, signal });
  const drawings = await Promise.allSettled(Array.from({ length: count }, () => (call.again?.(askOnce, signal) ?? askOnce()).catch((thrown: unknown) => {
    failure ??= thrown;
    stop.abort();
    throw thrown;
  })));
  const drawn = drawings.flatMap((drawing) => (drawing.status === 'fulfilled' ? [drawing.value as WireDrawing | null] : []));
  if (drawn.length < count) throw failure;
  return {
    pictures: drawn.map((drawing) => readPicture(drawing, label)),
    size: typeof drawn[0]?.size === 'string' ? drawn[0].size.slice(0, 20) : (request.size ?? null),
    tokensIn: sum(drawn.map((drawing) => drawing?.usage?.input_tokens)),
    tokensOut: sum(drawn.map((drawing) => drawing?.usage?.output_tokens)),
  };
}

function check({ prompt }: DrawRequest, count: number): void {
  if (!Number.isInteger(count) || count < 1 || count > maxPictures) {
    throw new ParleyError('invalid_request', { message: `Ask for 1 to ${maxPictures} pictures.`, parameter: 'n' });
  }
  if (prompt.trim() === '' || prompt.length > maxPrompt) {
    throw new ParleyError('invalid_request', { message: `Say what to draw, in at most ${maxPrompt} characters.`, parameter: 'prompt' });
  }
}

/** The names that dall-e-3 has for its qualities, as gpt-image models name theirs. */
const qualities: Record<string, string> = { standard: 'medium', hd: 'high' };

function toWireBody({ model, prompt, size, quality, asData }: DrawRequest): string {
  // The dall-e models give an address unless told otherwise; the others give the picture itself and refuse to be told.
  const isDallE = model.startsWith('dall-e');
  return JSON.stringify({
    model,
    prompt,
    n: 1,
    size,
    quality: quality === undefined || isDallE ? quality : (qualities[quality] ?? quality),
    response_format: isDallE ? (asData === false ? 'url' : 'b64_json') : undefined,
  });
}

function readPicture(drawing: WireDrawing | null, label: string): DrawnPicture {
  const entry = Array.isArray(drawing?.data) ? drawing.data[0] : null;
  const revisedPrompt = typeof entry?.revised_prompt === 'string' && entry.revised_prompt !== '' ? entry.revised_prompt.slice(0, maxPrompt) : null;
  const base64 = typeof entry?.b64_json === 'string' ? entry.b64_json : '';
  const type = pictureTypeOf(base64);
  if (type !== null && /^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return { url: `data:${type};base64,${base64}`, revisedPrompt };
  if (typeof entry?.url === 'string' && /^https?:\/\//i.test(entry.url) && entry.url.length <= maxAddress) return { url: entry.url, revisedPrompt };
  throw toParleyError(unreadable({ label }));
}

/** Null as soon as one figure is missing. */
function sum(figures: readonly unknown[]): number | null {
  return figures.reduce<number | null>((total, figure) => (total !== null && typeof figure === 'number' ? total + figure : null), 0);
}
