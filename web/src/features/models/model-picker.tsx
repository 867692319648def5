import { ChevronDown, CircleHelp, Cloud, HardDrive, Sparkles, Users } from 'lucide-react';
import { messageOf, type Model, type Models } from '../../shared/api/index.ts';
import { formatBytes, formatCount } from '../../shared/format.ts';
import { Menu, MenuChoice, MenuChoices, MenuChosenMark, MenuItem, MenuLabel, MenuSeparator } from '../../shared/ui/index.ts';
import { defaultChoice, kindOf, speakerOf, useModels, type Speaker } from './use-models.ts';

interface ModelPickerProps {
  /** Null for a chat in which no model answers. */
  value: string | null;
  onChange: (model: string | null) => void;
  onOpenSetup: () => void;
  /** An agent speaks by a language model or not at all: neither the built-in responder nor nobody can be chosen. @default false */
  isForAgent?: boolean;
}

/** The value of the entry for no model: menus have no null. */
const nobodyValue = 'nobody';

const icons = { local: HardDrive, remote: Cloud, builtin: CircleHelp, unknown: CircleHelp, none: CircleHelp, nobody: Users };

/** Chooses who answers. Says of each model whether what is said stays on the server's machine. */
export function ModelPicker({ value, onChange, onOpenSetup, isForAgent = false }: ModelPickerProps) {
  const { data, isError, error, refetch } = useModels();
  const speaker = speakerOf(value, data);
  const Icon = speaker ? icons[speaker.kind] : CircleHelp;
  return (
    <Menu
      align="start"
      className="w-80 max-w-[calc(100vw-1rem)]"
      trigger={
        <button type="button" aria-label={`Model: ${speaker?.name ?? 'loading'}`} className="control control-quiet min-w-0 px-2.5!">
          <Icon aria-hidden size={16} className="shrink-0" />
          <span className="truncate">{speaker?.name ?? '…'}</span>
          <ChevronDown aria-hidden size={15} className="shrink-0" />
        </button>
      }
    >
      {isError && <MenuItem onSelect={() => void refetch()}>{messageOf(error)} Try again.</MenuItem>}
      {data && <Choices models={data} value={value} onChange={onChange} isForAgent={isForAgent} />}
      <MenuSeparator />
      <MenuItem onSelect={onOpenSetup}>
        <Sparkles aria-hidden size={16} /> Add models and keys…
      </MenuItem>
    </Menu>
  );
}

function Choices({ models, value, onChange, isForAgent }: { models: Models; isForAgent: boolean } & Pick<ModelPickerProps, 'value' | 'onChange'>) {
  const groups: { title: string; members: Model[] }[] = [
    { title: 'On this machine', members: models.models.filter((model) => kindOf(model) === 'local') },
    { title: 'Remote services: what you say leaves this machine', members: models.models.filter((model) => kindOf(model) === 'remote') },
    { title: 'Not a language model', members: isForAgent ? [] : models.models.filter((model) => kindOf(model) === 'builtin') },
  ];
  const usual = speakerOf(defaultChoice, models);
  const isKnown = value === null || value === defaultChoice || models.models.some((model) => model.id === value);
  return (
    <MenuChoices value={value ?? nobodyValue} onValueChange={(chosen) => onChange(chosen === nobodyValue ? null : chosen)}>
      <Choice value={defaultChoice} name="Default" detail={usual?.name ?? ''} />
      {!isKnown && <Choice value={value} name={value} detail="Not available now" />}
      {groups.filter(({ members }) => members.length > 0).map(({ title, members }) => (
        <div key={title} role="group" aria-label={title}>
          <MenuLabel>{title}</MenuLabel>
          {members.map((model) => <Choice key={model.id} value={model.id} name={model.label} detail={detailOf(model)} />)}
        </div>
      ))}
      {!isForAgent && <Choice value={nobodyValue} name="Nobody" detail="Only people write in this chat" />}
    </MenuChoices>
  );
}

function Choice({ value, name, detail }: { value: string; name: string; detail: string }) {
  return (
    <MenuChoice value={value}>
      <span className="min-w-0 flex-1">
        <span className="block truncate">{name}</span>
        <span className="block truncate text-xs text-soft">{detail}</span>
      </span>
      <MenuChosenMark className="text-accent">✓</MenuChosenMark>
    </MenuChoice>
  );
}

function detailOf(model: Model): string {
  const parts = [model.id, model.size_bytes === null ? null : formatBytes(model.size_bytes), model.context_length === null ? null : `${formatCount(model.context_length)} tokens`];
  return parts.filter((part) => part !== null).join(' · ');
}

/** Says before anything is sent who will read it. */
export function SpeakerNote({ speaker }: { speaker: Speaker | undefined }) {
  if (!speaker) return null;
  const text = {
    local: `${speaker.name} answers on this server’s machine. Nothing leaves it.`,
    remote: `${speaker.name} is a remote service: what you send in this chat leaves this machine.`,
    builtin: 'The built-in responder answers. It is not a language model: it helps you set one up.',
    unknown: `${speaker.name} is not available now. Choose another model, or send and see what the server says.`,
    none: 'No model is set up yet.',
    nobody: 'No model answers in this chat.',
  }[speaker.kind];
  return (
    <p className={`flex items-center justify-center gap-1.5 text-center text-xs ${speaker.kind === 'remote' || speaker.kind === 'unknown' ? 'text-warn' : 'text-soft'}`}>
      {speaker.kind === 'remote' && <Cloud aria-hidden size={13} className="shrink-0" />}
      {text}
    </p>
  );
}
