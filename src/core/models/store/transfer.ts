import { setTimeout as delay } from 'node:timers/promises';
import { ParleyError } from '../../../base/errors.ts';
import type { RemoteModel } from './look.ts';
import type { PartFile } from './part-file.ts';
import { openRemote, TransferBroken, type RemoteAnswer, type RemoteTimes } from './remote.ts';

export interface Transfer {
  model: RemoteModel;
  part: PartFile;
  signal: AbortSignal;
  times: RemoteTimes;
  /** Milliseconds before the first new attempt after a break; doubles while nothing comes. */
  pauseMs: number;
  /** Called with each number of bytes that came. */
  onBytes(count: number): void;
}

/** Attempts in a row that bring nothing, after which the transfer gives up (the job may try again later). */
const mostFailures = 4;

/**
 * Fetches what is missing, going on after breaks for as long as each attempt brings something.
 * @throws {ParleyError} why the file cannot be had; what came is kept in the part file
 */
export async function transfer(options: Transfer): Promise<void> {
  const { model, part, signal } = options;
  let furthest = part.size;
  for (let failures = 0; part.size < model.sizeBytes;) {
    try {
      await attempt(options);
      if (part.size < model.sizeBytes)
        throw new TransferBroken(`${model.url.host} ended the transfer ${model.sizeBytes - part.size} bytes too early.`);
    } catch (error) {
      if (!(error instanceof TransferBroken) || signal.aborted) throw error;
      failures = part.size > furthest ? 0 : failures + 1;
      furthest = Math.max(furthest, part.size);
      if (failures >= mostFailures) throw error;
      await pause(options.pauseMs * 2 ** failures, signal);
    }
  }
}

async function attempt({ model, part, signal, times, onBytes }: Transfer): Promise<void> {
  const answer = await openRemote(model.url, { from: part.size, ifRange: model.validator, signal, times });
  try {
    await alignTo(answer, model, part);
    for await (const chunk of answer.body()) {
      if (part.size + chunk.length > model.sizeBytes) {
        await part.restart();
        throw new ParleyError('conflict', { message: `${model.url.host} sends more bytes than the ${model.sizeBytes} it announced.` });
      }
      await part.append(chunk);
      onBytes(chunk.length);
    }
  } finally {
    await answer.close();
  }
}

/** Begins anew where the server cannot go on from the middle; refuses another file than the one looked at. */
async function alignTo(answer: RemoteAnswer, model: RemoteModel, part: PartFile): Promise<void> {
  if (answer.status === 206) {
    const [, first, size] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(answer.header('content-range') ?? '') ?? [];
    if (Number(first) === part.size && (size === '*' || Number(size) === model.sizeBytes)) return;
    throw changed(model);
  }
  if (answer.status !== 200) throw changed(model);
  const announced = answer.header('content-length');
  if (announced !== null && Number(announced) !== model.sizeBytes) throw changed(model);
  if (part.size > 0) await part.restart();
}

function changed(model: RemoteModel): ParleyError {
  return new ParleyError('conflict', {
    message: `The file at ${model.url.host} has changed, or its server contradicts itself. Pull it again.`,
  });
}

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await delay(milliseconds, undefined, { signal }).catch(() => {
    throw new ParleyError('cancelled');
  });
}
