import { z } from 'zod';
import type { Progress } from '../anchor.ts';

const part = z.object({
  /** 1, 2, 3, ... */
  number: z.number().int(),
  /** The transaction that carries it; null while none was made. */
  transactionId: z.string().nullable(),
  /** `waiting`: to be sent. `sent`: nobody knows yet whether it arrived. `done`: its receipt says success, or it is in the topic. */
  state: z.enum(['waiting', 'sent', 'done']),
  /** Place in the topic. */
  sequence: z.number().nullable(),
  /** Hash over the topic as far as this message, base64, as the receipt says it. Null for one that was found in the topic. */
  runningHash: z.string().nullable(),
});

const progressForm = z.object({
  network: z.string(),
  topic: z.string(),
  payer: z.string(),
  /** SHA-256 of what is submitted, hex. */
  digest: z.string(),
  content: z.enum(['transcript', 'proof']),
  parts: z.array(part),
});

/** How far a submission has come. */
export type HederaProgress = z.output<typeof progressForm>;
export type Part = HederaProgress['parts'][number];

/** What was kept; null when nothing was. */
export function readProgress(progress: Progress | null): HederaProgress | null {
  return progressForm.safeParse(progress).data ?? null;
}

/** The transaction with the first part, by which all others name the message they belong to. Null while there is none. */
export function initialOf({ parts }: HederaProgress): string | null {
  return parts[0]?.transactionId ?? null;
}
