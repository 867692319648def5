import type { Message } from '../../../shared/api/index.ts';

interface PicturesProps extends Pick<Message, 'images'> {
  /** Own messages stand at the right. */
  isOwn?: boolean;
}

/** Pictures of a message. One that is somewhere else is not loaded: whoever has it would learn who reads here, and when. */
export function Pictures({ images, isOwn = true }: PicturesProps) {
  return (
    <ul aria-label="Pictures" className={`mb-1 flex max-w-[85%] flex-wrap gap-2 ${isOwn ? 'justify-end' : ''}`}>
      {images.map(({ url, type }, position) => (
        <li key={position}>
          {type === null ? (
            <a href={url} target="_blank" rel="noreferrer noopener" className="control control-plain max-w-60 truncate text-sm">
              Picture at {hostOf(url)}
            </a>
          ) : (
            <Picture url={url} name={`Picture ${position + 1}`} />
          )}
        </li>
      ))}
    </ul>
  );
}

/** A picture that is kept here, or not sent yet. Browsers open no tab for the latter. */
function Picture({ url, name }: { url: string; name: string }) {
  const picture = <img src={url} alt={name} loading="lazy" className="max-h-60 max-w-full rounded-xl border border-line object-contain" />;
  if (url.startsWith('data:')) return picture;
  return (
    <a href={url} target="_blank" rel="noreferrer noopener" className="block">
      {picture}
    </a>
  );
}

function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : 'another address';
}
