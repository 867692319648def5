import { lazy, memo, Suspense, useMemo } from 'react';
import { splitBlocks } from './blocks.ts';

/** The parser and the highlighter come in a file of their own, after the page itself. */
const loadBlock = () => import('./markdown-block.tsx');
const MarkdownBlock = lazy(loadBlock);

/** Fetches the parser before it is needed. */
export function preloadMarkdown(): void {
  void loadBlock();
}

interface MarkdownProps {
  text: string;
  /** More text will come: only the last piece is parsed again as it grows. */
  isGrowing: boolean;
}

/** An answer's Markdown. What it holds is sanitised; it loads nothing from anywhere and runs nothing. */
export const Markdown = memo(function Markdown({ text, isGrowing }: MarkdownProps) {
  const blocks = useMemo(() => splitBlocks(text), [text]);
  return (
    <div className="markdown">
      <Suspense fallback={<p className="whitespace-pre-wrap">{text}</p>}>
        {blocks.map((block, at) => (
          <MarkdownBlock key={at} text={block} isGrowing={isGrowing && at === blocks.length - 1} />
        ))}
      </Suspense>
    </div>
  );
});
