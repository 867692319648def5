import type { Message } from '../../../shared/api/index.ts';

/** Pictures of a message. One that is somewhere else is not loaded: whoever has it would learn who reads here, and when. */
export function Pictures({ images }: Pick<Message, 'images'>) {
  return (
    <ul aria-label="Pictures" className="mb-1 flex max-w-[85%] flex-wrap justify-end gap-2">
      {images.map(({ url, type }, position) => (
        <li key={position}>
          {type === null ? (
            <a href={url} target="_blank" rel="noreferrer noopener" className="control control-plain max-w-60 truncate text-sm">
              Picture at {hostOf(url)}
            </a>
          ) : (
            <a href={url} target="_blank" rel="noreferrer noopener">
              <img src={url} alt={`Picture ${position + 1}`} className="max-h-60 min-h-6 min-w-6 max-w-full rounded-xl border border-line object-contain" />
            </a>
          )}
        </li>
      ))}
    </ul>
  );
}

function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : 'another address';
}
