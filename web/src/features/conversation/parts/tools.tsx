import { CornerDownRight, Wrench } from 'lucide-react';
import type { ReactNode } from 'react';
import type { Message } from '../../../shared/api/index.ts';

/** Longest result that is shown open. */
const shortText = 120;

/** The tools that an answer asked for, each with its arguments folded away. */
export function ToolCalls({ calls }: { calls: NonNullable<Message['tool_calls']> }) {
  return calls.map((call, at) => (
    <Folded key={call.id || at} title={<><Wrench aria-hidden size={14} /> Calls <code className="font-medium text-ink">{call.name}</code></>} text={tidy(call.arguments)} />
  ));
}

/** What a tool gave back. */
export function ToolResult({ text }: { text: string }) {
  return <Folded title={<><CornerDownRight aria-hidden size={14} /> Result of the tool</>} text={tidy(text)} isOpen={text.length <= shortText} />;
}

function Folded({ title, text, isOpen = false }: { title: ReactNode; text: string; isOpen?: boolean }) {
  return (
    <details className="my-1 rounded-xl border border-line px-3.5 py-2 text-sm text-soft" open={isOpen || undefined}>
      <summary className="cursor-pointer [&>svg]:mr-1 [&>svg]:inline">{title}</summary>
      <pre className="mt-2 max-h-72 overflow-auto whitespace-pre-wrap font-mono text-xs leading-relaxed [overflow-wrap:anywhere]" tabIndex={0}>
        {text === '' ? '(nothing)' : text}
      </pre>
    </details>
  );
}

/** JSON on lines of its own; anything else as it is. */
function tidy(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
