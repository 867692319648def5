import { ParleyError } from '../../base/errors.ts';
import type { Viewer } from '../../core/accounts/index.ts';
import type { ModuleState, OperationsNeeds, Switches } from './types.ts';

/** The dialects that are switched off, and what becomes of it. */
export interface Switching {
  readonly switches: Switches;
  list(viewer: Viewer): Promise<ModuleState[]>;
  /** What makes of the names that are off those that are when this one is switched. @throws {ParleyError} `not_found`, `conflict` for what cannot be switched */
  wanted(viewer: Viewer, name: string, on: boolean): Promise<(kept: unknown) => string[]>;
  use(kept: unknown): void;
}

export function createSwitching({ modules, dialects }: Pick<OperationsNeeds, 'modules' | 'dialects'>): Switching {
  let off: ReadonlySet<string> = new Set();
  const listeners: ((dialect: string) => void)[] = [];
  const list = async (viewer: Viewer): Promise<ModuleState[]> => [
    ...(await modules(viewer)),
    ...Object.entries(dialects).map(([name, detail]): ModuleState => ({ name, kind: 'dialect', state: off.has(name) ? 'off' : 'running', detail, isSwitchable: true })),
  ];
  return {
    switches: { isOn: (dialect) => off.size === 0 || !off.has(dialect), onOff: (listener) => void listeners.push(listener) },
    list,
    async wanted(viewer, name, on) {
      if (!Object.hasOwn(dialects, name)) {
        const known = (await list(viewer)).find((module) => module.name === name);
        if (!known) throw new ParleyError('not_found', { message: 'There is no such module.' });
        throw new ParleyError('conflict', { message: `${name} cannot be switched while the server runs: others need it, or it is set at the start.` });
      }
      return (kept) => {
        const names = namesIn(kept);
        if (on) names.delete(name);
        else names.add(name);
        return [...names].sort();
      };
    },
    use(kept) {
      const was = off;
      off = new Set([...namesIn(kept)].filter((name) => Object.hasOwn(dialects, name)));
      for (const name of off) if (!was.has(name)) for (const listener of listeners) listener(name);
    },
  };
}

/** Those of dialects that only other instances have are among them. */
function namesIn(kept: unknown): Set<string> {
  return new Set(Array.isArray(kept) ? kept.filter((name) => typeof name === 'string') : []);
}
