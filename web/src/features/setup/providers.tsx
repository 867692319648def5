import { Check, CircleDashed, KeyRound, TriangleAlert } from 'lucide-react';
import type { Provider } from '../../shared/api/index.ts';

const states = {
  ready: { name: 'Found', icon: Check, colours: 'bg-accent-soft text-accent-strong' },
  absent: { name: 'Not found', icon: CircleDashed, colours: 'bg-panel text-soft' },
  'needs-key': { name: 'Needs a key', icon: KeyRound, colours: 'bg-warn-soft text-warn' },
  error: { name: 'Not working', icon: TriangleAlert, colours: 'bg-danger-soft text-danger' },
};

/** Which models were found, which were not, and how to add one. */
export function Providers({ providers, usual }: { providers: Provider[]; usual: string | null }) {
  return (
    <ul className="divide-y divide-line">
      {providers.map((provider) => (
        <ProviderRow key={provider.id} provider={provider} usual={usual} />
      ))}
    </ul>
  );
}

/** Providers as people call them; a configured server has the name it was given. */
const names: Record<string, string> = {
  llama: 'Model files', ollama: 'Ollama', openai: 'OpenAI', anthropic: 'Anthropic', google: 'Google', cohere: 'Cohere', langchain: 'LangChain', builtin: 'Built-in responder',
};

function ProviderRow({ provider, usual }: { provider: Provider; usual: string | null }) {
  const { name, icon: Icon, colours } = states[provider.state];
  return (
    <li className="py-4 first:pt-0 last:pb-0">
      <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
        <h3 className="font-medium">{names[provider.id] ?? provider.id}</h3>
        <span className={`inline-flex items-center gap-1 rounded-full px-2 py-0.5 text-xs font-medium ${colours}`}>
          <Icon aria-hidden size={12} /> {name}
        </span>
        <span className="text-xs text-soft">{provider.location === 'remote' ? 'remote service' : 'on this machine'}</span>
      </div>
      <p className="mt-1 text-sm text-soft">
        <WithCode text={provider.detail} />
      </p>
      {provider.how_to_add && (
        <p className="mt-1 text-sm">
          <WithCode text={provider.how_to_add} />
        </p>
      )}
      {provider.models.length > 0 && <ModelNames names={provider.models} usual={usual} />}
    </li>
  );
}

/** Names shown before the rest is folded away. */
const fewNames = 6;

function ModelNames({ names, usual }: { names: string[]; usual: string | null }) {
  const chip = (name: string) => (
    <li key={name} className="rounded-md border border-line px-2 py-0.5 font-mono text-xs">
      {name}
      {name === usual && <span className="ml-1.5 font-sans text-accent">default</span>}
    </li>
  );
  return (
    <>
      <ul className="mt-2 flex flex-wrap gap-1.5">{names.slice(0, fewNames).map(chip)}</ul>
      {names.length > fewNames && (
        <details className="mt-2 text-sm text-soft">
          <summary>{names.length - fewNames} more</summary>
          <ul className="mt-2 flex flex-wrap gap-1.5">{names.slice(fewNames).map(chip)}</ul>
        </details>
      )}
    </>
  );
}

/** A sentence whose commands stand in backticks. */
function WithCode({ text }: { text: string }) {
  return text.split('`').map((part, at) =>
    at % 2 === 0 ? (
      part
    ) : (
      <code key={at} className="rounded-md bg-panel px-1 py-0.5 font-mono text-[0.9em]">
        {part}
      </code>
    ),
  );
}
