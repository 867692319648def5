import { z } from 'zod';
import { ParleyError } from '../../../base/errors.ts';
import { openRemote, type RemoteTimes } from './remote.ts';
import { safeFileName, type Source } from './sources.ts';

/** A file, where it lies and what the hub says of it. */
export interface HubFile {
  url: URL;
  fileName: string;
  licence: string | null;
  sha256: string | null;
}

/** What is read of the hub's answer to `GET /api/models/{repository}?blobs=true`. */
const modelSchema = z.object({
  tags: z.array(z.string()).optional().catch(undefined),
  cardData: z
    .object({ license: z.string().optional().catch(undefined), license_name: z.string().optional().catch(undefined) })
    .nullish()
    .catch(undefined),
  siblings: z
    .array(
      z.object({
        rfilename: z.string(),
        lfs: z
          .object({ sha256: z.string().regex(/^[0-9a-f]{64}$/) })
          .nullish()
          .catch(undefined),
      }),
    )
    .max(10_000),
});

type HubModel = z.infer<typeof modelSchema>;

/** Bytes; repositories with thousands of files stay below. */
const longestAnswer = 8 << 20;
const partOfSeveral = /-\d{5}-of-\d{5}\.gguf$/i;

/**
 * Finds a file in the hub.
 * @param endpoint where the hub is; `https://huggingface.co` or a mirror of it
 * @throws {ParleyError} `not_found` with what there is instead; otherwise as `openRemote`
 */
export async function findInHub(
  endpoint: string,
  source: Exclude<Source, { kind: 'address' }>,
  signal: AbortSignal,
  times: RemoteTimes,
): Promise<HubFile> {
  const model = await readModel(endpoint, source.repository, signal, times);
  const path = source.kind === 'hub-file' ? source.path : choose(model, source.repository, source.quantisation);
  const file = model.siblings.find(({ rfilename }) => rfilename === path);
  if (file === undefined) throw notThere(model, `${source.repository} has no file ${path}.`);
  if (partOfSeveral.test(path)) {
    throw new ParleyError('unsupported_value', {
      message: `${path} is split into several files, which cannot be pulled yet. Fetch all parts and put them into the models folder.`,
    });
  }
  return {
    url: new URL(`${endpoint}/${source.repository}/resolve/main/${path.split('/').map(encodeURIComponent).join('/')}`),
    fileName: safeFileName(path),
    licence: licenceOf(model),
    sha256: file.lfs?.sha256 ?? null,
  };
}

async function readModel(endpoint: string, repository: string, signal: AbortSignal, times: RemoteTimes): Promise<HubModel> {
  const answer = await openRemote(new URL(`${endpoint}/api/models/${repository}?blobs=true`), {
    signal,
    times,
    accept: 'application/json',
  });
  try {
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of answer.body()) {
      size += chunk.length;
      if (size > longestAnswer) throw unreadable(endpoint);
      chunks.push(chunk);
    }
    const parsed = modelSchema.safeParse(asJson(Buffer.concat(chunks)));
    if (!parsed.success) throw unreadable(endpoint, parsed.error);
    return parsed.data;
  } finally {
    await answer.close();
  }
}

function choose(model: HubModel, repository: string, quantisation: string): string {
  const marked = new RegExp(`(^|[-._/])${quantisation}\\.gguf$`, 'i');
  const found = modelFiles(model)
    .filter((name) => marked.test(name))
    .sort((one, other) => one.length - other.length);
  const [best] = found;
  if (best === undefined) throw notThere(model, `${repository} has no ${quantisation}.`);
  return best;
}

function modelFiles(model: HubModel): string[] {
  return model.siblings.map(({ rfilename }) => rfilename).filter((name) => /\.gguf$/i.test(name) && !/mmproj|imatrix/i.test(name));
}

function notThere(model: HubModel, sentence: string): ParleyError {
  const names = modelFiles(model)
    .filter((name) => !partOfSeveral.test(name))
    .slice(0, 20);
  return new ParleyError('not_found', {
    message: `${sentence} ${names.length === 0 ? 'It has no .gguf files.' : `It has: ${names.join(', ')}.`}`,
  });
}

function licenceOf(model: HubModel): string | null {
  const { license, license_name: name } = model.cardData ?? {};
  if (license === 'other' && name !== undefined) return name.slice(0, 100);
  return (license ?? model.tags?.find((tag) => tag.startsWith('license:'))?.slice('license:'.length))?.slice(0, 100) ?? null;
}

function asJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}

function unreadable(endpoint: string, cause?: unknown): ParleyError {
  return new ParleyError('provider_error', { message: `The answer of ${new URL(endpoint).host} cannot be read.`, cause });
}
