import { memo, useMemo, type ComponentProps, type ReactNode } from 'react';
import ReactMarkdown, { type Components, type ExtraProps, type Options } from 'react-markdown';
import rehypeSanitize from 'rehype-sanitize';
import remarkGfm from 'remark-gfm';
import { CodeBlock } from './code-block.tsx';
import { safeLink } from './links.ts';
import { useHighlighter } from './use-highlighter.ts';

/** Longest piece that is coloured while it still grows, in UTF-16 units: colouring reads all of it each time. */
const longestGrowing = 6000;

const remarkPlugins: Options['remarkPlugins'] = [[remarkGfm, { singleTilde: false }]];
const sanitise: NonNullable<Options['rehypePlugins']> = [rehypeSanitize];

const components: Components = {
  pre: Pre,
  a: Link,
  img: Picture,
  table: (props) => (
    <div className="table-frame" tabIndex={0} role="region" aria-label="Table">
      <table>{props.children}</table>
    </div>
  ),
};

/** A fence that names its language. */
const hasCode = /(`{3,}|~{3,})[ \t]*[\w#+-]/;

interface MarkdownBlockProps {
  text: string;
  isGrowing: boolean;
}

const MarkdownBlock = memo(function MarkdownBlock({ text, isGrowing }: MarkdownBlockProps) {
  const highlight = useHighlighter(hasCode.test(text) && !(isGrowing && text.length > longestGrowing));
  // Sanitised first: what the highlighter adds behind it comes from us.
  const rehypePlugins = useMemo(() => (highlight ? [...sanitise, ...highlight] : sanitise), [highlight]);
  return (
    <ReactMarkdown remarkPlugins={remarkPlugins} rehypePlugins={rehypePlugins} components={components} urlTransform={(address) => address}>
      {text}
    </ReactMarkdown>
  );
});

export default MarkdownBlock;

function Pre({ node, children }: ComponentProps<'pre'> & ExtraProps) {
  const code = node?.children[0];
  const classes = code?.type === 'element' ? code.properties['className'] : undefined;
  const name = Array.isArray(classes) ? classes.find((entry) => typeof entry === 'string' && entry.startsWith('language-')) : undefined;
  return <CodeBlock language={typeof name === 'string' ? name.slice('language-'.length) : null}>{children as ReactNode}</CodeBlock>;
}

function Link({ href, children }: ComponentProps<'a'> & ExtraProps) {
  const address = safeLink(href);
  if (address === null) return <span>{children}</span>;
  if (address.startsWith('#')) return <a href={address}>{children}</a>;
  return (
    <a href={address} target="_blank" rel="noopener noreferrer nofollow">
      {children}
    </a>
  );
}

/** Pictures are not loaded: that would tell their server who reads this. They can be opened by hand. */
function Picture({ src, alt }: ComponentProps<'img'> & ExtraProps) {
  const address = safeLink(typeof src === 'string' ? src : undefined);
  const name = alt || 'Picture';
  return address === null ? <span>{name}</span> : <Link href={address}>{`${name} (picture at ${hostOf(address)})`}</Link>;
}

function hostOf(address: string): string {
  return URL.canParse(address) ? new URL(address).host : address;
}
