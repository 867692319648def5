import { CircleCheck, CircleX, TriangleAlert } from 'lucide-react';
import { useState, type ReactNode } from 'react';
import { formatCount, formatTime } from '../../shared/format.ts';
import type { Checked } from './use-check.ts';
import type { SealedTranscript, Verification } from './verifier.ts';
import { marks, verdicts, type Tone } from './words.ts';

const tones: Record<Tone, { icon: typeof CircleCheck; colours: string; icons: string }> = {
  good: { icon: CircleCheck, colours: 'border-accent bg-accent-soft', icons: 'text-accent' },
  bad: { icon: CircleX, colours: 'border-danger bg-danger-soft', icons: 'text-danger' },
  open: { icon: TriangleAlert, colours: 'border-warn bg-warn-soft', icons: 'text-warn' },
};

/** Messages shown before and behind the one that is wrong; and at most, when all are asked for. */
const around = 2;
const most = 500;

/** What a check has come to, and where in the transcript. */
export function Result({ checked: { result, sealed } }: { checked: Checked }) {
  const { title, tone } = verdicts[result.verdict];
  const { icon: Icon, colours, icons } = tones[tone];
  return (
    <div className="space-y-4">
      <section role="status" aria-label="Verdict" data-verdict={result.verdict} className={`rounded-2xl border p-4 ${colours}`}>
        <h2 className="flex items-start gap-2.5 text-lg font-semibold">
          <Icon aria-hidden size={22} className={`mt-0.5 shrink-0 ${icons}`} /> {title}
        </h2>
        <p className="mt-1 text-sm sm:pl-8 leading-relaxed [overflow-wrap:anywhere]">{result.explanation}</p>
        <Facts result={result} />
      </section>
      {sealed && <Records key={result.verdict} sealed={sealed} first={result.first} />}
    </div>
  );
}

function Facts({ result: { session, messages, sealedAt, key, index } }: { result: Verification }) {
  const facts: [string, ReactNode][] = [];
  if (session !== null) facts.push(['Session', session]);
  if (messages !== null) facts.push(['Messages', formatCount(messages)]);
  if (sealedAt !== null) facts.push(['Sealed', formatTime(sealedAt)]);
  if (key !== null) facts.push(['Key', <span className="font-mono text-xs">{key}</span>]);
  if (index !== null) facts.push(['Place in the log', formatCount(index)]);
  if (facts.length === 0) return null;
  return (
    <dl className="mt-3 grid grid-cols-[auto_1fr] gap-x-4 gap-y-0.5 text-sm sm:pl-8">
      {facts.map(([name, value]) => (
        <div key={name} className="contents">
          <dt className="text-soft">{name}</dt>
          <dd className="min-w-0 [overflow-wrap:anywhere]">{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** The records of the file, with a mark at the first that is not as it was sealed. */
function Records({ sealed, first }: { sealed: SealedTranscript; first: Verification['first'] }) {
  const [showsAll, setShowsAll] = useState(false);
  const { entries } = sealed;
  const from = showsAll ? 0 : first ? Math.max(0, first.position - around) : entries.length;
  const to = showsAll ? Math.min(entries.length, most) : first ? Math.min(entries.length, first.position + around + 1) : entries.length;
  // What is not there any more is marked between two that are.
  const isGap = first?.what === 'removed' || first?.what === 'truncated';
  return (
    <section aria-label="The transcript">
      <ol className="space-y-2">
        {entries.slice(from, to).map(({ record }, at) => {
          const position = from + at;
          const isFirst = first?.position === position;
          return (
            <li key={position} className="space-y-2">
              {isFirst && isGap && <Gap position={position} what={marks[first.what]} />}
              <article data-position={position} data-first={isFirst && !isGap ? first.what : undefined} className={`rounded-xl border px-4 py-2.5 ${isFirst && !isGap ? 'border-danger bg-danger-soft' : 'border-line bg-raised'}`}>
                <p className="text-xs text-soft">
                  {record.kind === 'session' ? 'The session itself' : `Message ${position} · ${record.from} · ${formatTime(record.sent_at)}`}
                  {isFirst && !isGap && <strong className="text-danger"> · {marks[first.what]}</strong>}
                </p>
                <p className="mt-0.5 line-clamp-6 whitespace-pre-wrap text-sm leading-relaxed [overflow-wrap:anywhere]">
                  {record.kind === 'session' ? `From ${formatTime(record.started_at)} to ${formatTime(record.ended_at)}, ${formatCount(record.messages)} ${record.messages === 1 ? 'message' : 'messages'}` : record.text}
                </p>
              </article>
            </li>
          );
        })}
        {first && isGap && first.position >= to && (
          <li>
            <Gap position={first.position} what={marks[first.what]} />
          </li>
        )}
      </ol>
      {!showsAll && (from > 0 || to < entries.length) && (
        <button type="button" className="control control-quiet mt-2" onClick={() => setShowsAll(true)}>
          Show the whole transcript
        </button>
      )}
      {showsAll && entries.length > most && <p className="mt-2 text-sm text-soft">And {formatCount(entries.length - most)} more.</p>}
    </section>
  );
}

function Gap({ position, what }: { position: number; what: string }) {
  return (
    <p data-position={position} data-first="gap" className="rounded-xl border border-dashed border-danger bg-danger-soft px-4 py-2.5 text-sm font-medium text-danger">
      Message {position}: {what}
    </p>
  );
}
