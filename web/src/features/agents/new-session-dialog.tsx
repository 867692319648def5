import { useId, useState, type FormEvent, type ReactNode } from 'react';
import { messageOf } from '../../shared/api/index.ts';
import { Dialog, Notice, TextField } from '../../shared/ui/index.ts';
import { emptySession, limitRanges, presets, sessionOf } from './presets.ts';
import type { Limits, NewAgent, NewSession } from './types.ts';

/** Draws the choice of a model for one agent. */
export type RenderModelPicker = (value: string, onChange: (model: string) => void) => ReactNode;

interface NewSessionDialogProps {
  modelPicker: RenderModelPicker;
  onMake: (session: NewSession) => Promise<void>;
  onClose: () => void;
}

const limitNames: Record<keyof Limits, { name: string; hint: string }> = {
  turns: { name: 'Replies', hint: 'in the whole session' },
  depth: { name: 'In a row', hint: 'messages without you' },
  minutes: { name: 'Minutes', hint: 'from the start' },
  cost: { name: 'US dollars', hint: 'of all replies' },
};

/** Two agents of one's own making. */
export function NewSessionDialog({ modelPicker, onMake, onClose }: NewSessionDialogProps) {
  const [made, setMade] = useState<NewSession>(emptySession);
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const setAgent = (at: 0 | 1, change: Partial<NewAgent>): void =>
    setMade((before) => {
      const agents: [NewAgent, NewAgent] = [...before.agents];
      agents[at] = { ...agents[at], ...change };
      return { ...before, agents };
    });
  const fill = (name: string): void => {
    const preset = presets.find((one) => one.name === name);
    if (preset) setMade((before) => ({ ...sessionOf(preset), limits: before.limits }));
  };
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    onMake(made).catch((reason: unknown) => {
      setBusy(false);
      setError(messageOf(reason));
    });
  };
  return (
    <Dialog title="Your own pair" onClose={onClose} className="max-h-[92dvh] w-[min(46rem,calc(100vw-1.5rem))] overflow-y-auto rounded-2xl p-4 sm:p-5">
      <form onSubmit={submit} className="space-y-4">
        <div className="grid gap-4 sm:grid-cols-2">
          <TextField label="Title" name="title" maxLength={255} autoComplete="off" placeholder="Made of the roles" value={made.title} onChange={(event) => setMade({ ...made, title: event.target.value })} />
          <FillFrom onFill={fill} />
        </div>
        <div className="grid gap-4 sm:grid-cols-2">
          {([0, 1] as const).map((at) => (
            <AgentFields key={at} number={at + 1} agent={made.agents[at]} onChange={(change) => setAgent(at, change)} modelPicker={modelPicker} />
          ))}
        </div>
        <LimitFields limits={made.limits} onChange={(limits) => setMade({ ...made, limits })} />
        {error && <Notice kind="error">{error}</Notice>}
        <div className="flex justify-end gap-2">
          <button type="button" className="control control-plain" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className="control control-primary" disabled={isBusy}>
            Make it
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function FillFrom({ onFill }: { onFill: (name: string) => void }) {
  const id = useId();
  return (
    <div className="space-y-1.5">
      <label htmlFor={id} className="block text-sm font-medium">
        Begin with
      </label>
      <select id={id} className="field min-h-10.5" defaultValue="" onChange={(event) => onFill(event.target.value)}>
        <option value="">Nothing</option>
        {presets.map(({ name }) => (
          <option key={name}>{name}</option>
        ))}
      </select>
    </div>
  );
}

interface AgentFieldsProps {
  number: number;
  agent: NewAgent;
  onChange: (change: Partial<NewAgent>) => void;
  modelPicker: RenderModelPicker;
}

function AgentFields({ number, agent, onChange, modelPicker }: AgentFieldsProps) {
  const id = useId();
  return (
    <fieldset className="min-w-0 space-y-3 rounded-xl border border-line p-3 pt-1 [&>legend+*]:mt-0!">
      <legend className="px-1 text-sm font-semibold">{number === 1 ? 'First agent (yours)' : 'Second agent'}</legend>
      <TextField label="Role" required pattern=".*\S.*" maxLength={100} autoComplete="off" placeholder={number === 1 ? 'customer' : 'travel agent'} value={agent.role} onChange={(event) => onChange({ role: event.target.value })} />
      <div>
        <p className="text-sm font-medium">Model</p>
        <div className="-ml-2.5">{modelPicker(agent.model, (model) => onChange({ model }))}</div>
      </div>
      <div className="space-y-1.5">
        <label htmlFor={id} className="block text-sm font-medium">
          Instructions
        </label>
        <textarea id={id} rows={4} maxLength={20_000} className="field resize-y text-sm!" placeholder="What it wants, how it speaks. May be empty." value={agent.prompt} onChange={(event) => onChange({ prompt: event.target.value })} />
      </div>
      <TextField label="Account" required maxLength={255} autoComplete="off" spellCheck={false} value={agent.agentId} onChange={(event) => onChange({ agentId: event.target.value })} hint="A Hedera account, or any number of this form. It stands in the transcript." />
    </fieldset>
  );
}

function LimitFields({ limits, onChange }: { limits: Limits; onChange: (limits: Limits) => void }) {
  return (
    <fieldset className="rounded-xl border border-line p-3 pt-1">
      <legend className="px-1 text-sm font-semibold">Limits</legend>
      <div className="grid grid-cols-2 gap-3 sm:grid-cols-4">
        {(Object.keys(limitNames) as (keyof Limits)[]).map((key) => {
          const { least, most, step } = limitRanges[key];
          return (
            <TextField key={key} label={limitNames[key].name} hint={limitNames[key].hint} type="number" inputMode="decimal" required min={least} max={most} step={step} value={Number.isNaN(limits[key]) ? '' : limits[key]} onChange={(event) => onChange({ ...limits, [key]: event.target.valueAsNumber })} />
          );
        })}
      </div>
    </fieldset>
  );
}
