import { createHash } from 'node:crypto';
import { ParleyError } from '../../../base/errors.ts';
import { GgufError, parseGgufMetadata, type GgufMetadata } from '../providers/llama/gguf-metadata.ts';
import { findInHub } from './hub.ts';
import { openRemote, type RemoteAnswer, type RemoteTimes } from './remote.ts';
import { parseSource } from './sources.ts';

/** A model file elsewhere, with all that can be known before it is fetched. */
export interface RemoteModel {
  url: URL;
  fileName: string;
  sizeBytes: number;
  /** As the hub names it. */
  sha256: string | null;
  licence: string | null;
  architecture: string | null;
  contextLength: number | null;
  /** Strong validator of these very bytes; null when the server has none. */
  validator: string | null;
  /** Names this version of the file, to tell whether bytes fetched earlier belong to it. */
  identity: string;
}

export interface LookOptions {
  hubEndpoint: string;
  times: RemoteTimes;
  signal: AbortSignal;
}

/** The metadata that matters stands before the vocabulary, within the first kilobytes. */
const headBytes = 256 * 1024;
const checksumForm = /^"?([0-9a-f]{64})"?$/;

/**
 * Reads the beginning of a model file: enough to know its size, kind and licence, and that it is one.
 * @throws {ParleyError} `invalid_request`, `not_found`, `forbidden`, `unsupported_media_type`, `provider_unavailable`, ...
 */
export async function lookAt(source: string, options: LookOptions): Promise<RemoteModel> {
  const parsed = parseSource(source);
  const { signal, times } = options;
  const file =
    parsed.kind === 'address'
      ? { url: parsed.url, fileName: parsed.fileName, licence: null, sha256: null }
      : await findInHub(options.hubEndpoint, parsed, signal, times);
  const answer = await openRemote(file.url, { from: 0, to: headBytes - 1, signal, times });
  try {
    const sizeBytes = wholeSize(answer);
    const metadata = await readHead(answer);
    const architecture = text(metadata.values.get('general.architecture'));
    // The hub describes the file in the headers of its redirect: the checksum is that of the whole file.
    const linked = checksumForm.exec(answer.firstHeader('x-linked-etag') ?? '')?.[1] ?? null;
    const validator = strongValidator(answer);
    const version = file.sha256 ?? linked ?? validator ?? answer.header('last-modified') ?? '';
    return {
      url: file.url,
      fileName: file.fileName,
      sizeBytes,
      sha256: file.sha256 ?? linked,
      licence: file.licence ?? text(metadata.values.get('general.license')),
      architecture,
      contextLength: number(metadata.values.get(`${architecture}.context_length`)),
      validator,
      identity: createHash('sha256').update(`${file.url.origin}${file.url.pathname}\n${version}\n${sizeBytes}`).digest('hex').slice(0, 16),
    };
  } finally {
    await answer.close();
  }
}

/** @throws {ParleyError} `invalid_request` when the server does not say how large the file is */
function wholeSize(answer: RemoteAnswer): number {
  const ofRange = /\/(\d+)$/.exec(answer.header('content-range') ?? '')?.[1];
  const size = Number(answer.status === 206 ? ofRange : answer.header('content-length'));
  if (answer.status !== 416 && Number.isSafeInteger(size) && size > 0) return size;
  throw new ParleyError('invalid_request', { message: `${answer.url.host} does not say how large the file is.`, parameter: 'source' });
}

async function readHead(answer: RemoteAnswer): Promise<GgufMetadata> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of answer.body()) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= headBytes) break;
  }
  try {
    return await parseGgufMetadata(Buffer.concat(chunks));
  } catch (error) {
    if (error instanceof GgufError) throw new ParleyError('unsupported_media_type', { message: error.message, cause: error });
    throw error;
  }
}

function strongValidator(answer: RemoteAnswer): string | null {
  const tag = answer.header('etag');
  return tag !== null && !tag.startsWith('W/') ? tag : null;
}

function text(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value.slice(0, 100) : null;
}

function number(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}
