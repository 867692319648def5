import { Info } from 'lucide-react';
import { Popover } from 'radix-ui';
import { use } from 'react';
import type { Message } from '../../../shared/api/index.ts';
import { formatCost, formatCount, formatDuration, formatTime } from '../../../shared/format.ts';
import { IconButton, OverlayHost } from '../../../shared/ui/index.ts';

/** What was measured of an answer: who really spoke, tokens, time, cost. What is not known is not shown. */
export function Figures({ message }: { message: Message }) {
  const host = use(OverlayHost);
  return (
    <Popover.Root>
      <Popover.Trigger asChild>
        <IconButton label="Figures of this answer" className="size-8!">
          <Info aria-hidden size={15} />
        </IconButton>
      </Popover.Trigger>
      <Popover.Portal container={host}>
        <Popover.Content align="start" sideOffset={4} collisionPadding={8} aria-label="Figures of this answer" className="menu w-72 p-3.5!">
          <dl className="grid grid-cols-[auto_1fr] gap-x-4 gap-y-1.5">
            {figuresOf(message).map(([name, value]) => (
              <div key={name} className="contents">
                <dt className="text-soft">{name}</dt>
                <dd className="text-right tabular-nums [overflow-wrap:anywhere]">{value}</dd>
              </div>
            ))}
          </dl>
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}

function figuresOf(message: Message): [string, string][] {
  const { tokens } = message;
  const all: [string, string | null | undefined][] = [
    ['Model', message.model],
    ['Tokens read', counted(tokens?.input)],
    ['… from its cache', counted(tokens?.cached)],
    ['Tokens written', counted(tokens?.output)],
    ['… while thinking', counted(tokens?.reasoning)],
    ['First token after', message.time_to_first_token_ms === null ? null : formatDuration(message.time_to_first_token_ms)],
    ['Time', message.processing_time_ms === null ? null : formatDuration(message.processing_time_ms)],
    ['Speed', speedOf(message)],
    ['Cost', message.cost_usd === null ? null : formatCost(message.cost_usd)],
    ['Written', formatTime(message.created_at)],
  ];
  return all.filter((figure): figure is [string, string] => typeof figure[1] === 'string');
}

function counted(count: number | null | undefined): string | null {
  return count === null || count === undefined ? null : formatCount(count);
}

/** Tokens a second after the first one; null where it would say nothing. */
function speedOf({ tokens, processing_time_ms: total, time_to_first_token_ms: first }: Message): string | null {
  const written = tokens?.output ?? null;
  if (written === null || written < 2 || total === null || first === null || total - first < 50) return null;
  return `${((written - 1) / ((total - first) / 1000)).toFixed(1)} tokens/s`;
}
