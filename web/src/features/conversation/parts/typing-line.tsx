import { useScope, useView } from '../use-conversation.ts';

/** Most names; beyond it their number says enough. */
const mostNames = 3;

/** Who else is typing. */
export function TypingLine() {
  const { userId } = useScope();
  const typing = useView((view) => view.typing);
  const names = typing.filter((typist) => typist.userId !== userId).map(({ username }) => username);
  return (
    <p role="status" className={`mx-auto w-full max-w-3xl px-6 text-xs text-soft ${names.length > 0 ? 'pb-1.5' : ''}`}>
      {names.length > 0 && (
        <>
          {names.length > mostNames ? `${names.length} people are` : `${new Intl.ListFormat('en').format(names)} ${names.length === 1 ? 'is' : 'are'}`} typing…
        </>
      )}
    </p>
  );
}
