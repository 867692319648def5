import { useCallback, useEffect, useRef, useState } from 'react';
import { mostPictures, mostPictureText, PictureError, pictureFrom } from './picture-file.ts';

export interface Attachments {
  /** Pictures that go with the message being written, as data: addresses. */
  images: readonly string[];
  /** Pictures are being read. */
  isBusy: boolean;
  error: string | null;
  /** Files are held over the page. */
  isOver: boolean;
  add: (files: Iterable<File>) => void;
  removeAt: (position: number) => void;
  set: (images: readonly string[]) => void;
}

/** Pictures for the message being written: chosen, pasted, or dropped anywhere on the page. */
export function useAttachments(isDisabled = false): Attachments {
  const [images, setImages] = useState<readonly string[]>([]);
  const [pending, setPending] = useState(0);
  const [error, setError] = useState<string | null>(null);
  const latest = useRef(images);
  const set = useCallback((next: readonly string[]) => {
    latest.current = next;
    setImages(next);
    setError(null);
  }, []);
  const add = useCallback(
    async (files: Iterable<File>): Promise<void> => {
      setPending((count) => count + 1);
      setError(null);
      let failure: string | null = null;
      for (const file of files) {
        try {
          if (latest.current.length >= mostPictures) throw new PictureError(`A message has at most ${mostPictures} pictures.`);
          const picture = await pictureFrom(file);
          if (latest.current.reduce((sum, image) => sum + image.length, picture.length) > mostPictureText) throw new PictureError(`${file.name} is too much: all pictures of a message may have 11 MB.`);
          set([...latest.current, picture]);
        } catch (reason) {
          if (!(reason instanceof PictureError)) throw reason;
          failure = reason.message;
        }
      }
      setError(failure);
      setPending((count) => count - 1);
    },
    [set],
  );
  const isOver = useDrop(isDisabled, add);
  return { images, isBusy: pending > 0, error, isOver, add: (files) => void add(files), removeAt: (position) => set(images.filter((_image, at) => at !== position)), set };
}

/** Takes files dropped anywhere on the page. True while some are held over it. */
function useDrop(isDisabled: boolean, onFiles: (files: Iterable<File>) => Promise<void>): boolean {
  const [isOver, setOver] = useState(false);
  useEffect(() => {
    if (isDisabled) return;
    const hasFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') === true && !document.querySelector('dialog[open]');
    const over = (event: DragEvent): void => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      setOver(true);
    };
    const leave = (event: DragEvent): void => {
      if (event.relatedTarget === null) setOver(false);
    };
    const drop = (event: DragEvent): void => {
      setOver(false);
      if (!hasFiles(event)) return;
      event.preventDefault();
      void onFiles([...event.dataTransfer!.files]);
    };
    addEventListener('dragover', over);
    addEventListener('dragleave', leave);
    addEventListener('drop', drop);
    return () => {
      removeEventListener('dragover', over);
      removeEventListener('dragleave', leave);
      removeEventListener('drop', drop);
    };
  }, [isDisabled, onFiles]);
  return isOver;
}
