export { Markdown, preloadMarkdown } from './markdown.tsx';
