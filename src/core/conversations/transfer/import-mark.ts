import { z } from 'zod';
import { withPictures, type KeptPicture } from '../pictures/pictures.ts';
import { figuresForm } from './form.ts';

/** The key under which the metadata of an imported message keeps what its columns must not claim. It stands first. */
export const importKey = 'parley_import';

/** How the metadata of every imported message begins. */
export const importMark = `{"${importKey}"`;

const markForm = z.object({
  /** Its id in the file. */
  id: z.string(),
  /** Who wrote it, where that is somebody else than who imported it. */
  sender: z.string().optional(),
  /** Measured elsewhere: sums of this server are of what it has measured itself. */
  figures: figuresForm.optional(),
  /** Whether it had no metadata of its own. */
  bare: z.boolean().optional(),
});
export type ImportMark = z.output<typeof markForm>;

/** Metadata with the mark, and with what is known of the message's pictures, as JSON. */
export function marked(mark: ImportMark, metadata: Record<string, unknown> | null, pictures: readonly KeptPicture[]): string {
  const { [importKey]: _, ...own } = metadata ?? {};
  return JSON.stringify(withPictures({ [importKey]: { ...mark, ...(metadata === null ? { bare: true } : {}) }, ...own }, pictures));
}

/** The mark of a message, and its metadata without it. */
export function unmarked(metadata: Record<string, unknown> | null): { mark: ImportMark | null; metadata: Record<string, unknown> | null } {
  const mark = markForm.safeParse(metadata?.[importKey]);
  if (metadata === null || !mark.success) return { mark: null, metadata };
  const { [importKey]: _, ...rest } = metadata;
  return { mark: mark.data, metadata: mark.data.bare ? null : rest };
}
