import vm from 'node:vm';

/** One context for all work: only its clock is of use, the work itself comes from here. */
const clocked = { work: (): string => '' };
const script = new vm.Script('work()');
let context: vm.Context | null = null;

/**
 * Runs something that awaits nothing, and ends it wherever it is, also in the middle of matching an expression, when it
 * takes longer than `milliseconds`: then null.
 */
export function runWithin(milliseconds: number, work: () => string): string | null {
  context ??= vm.createContext(clocked);
  clocked.work = work;
  try {
    return script.runInContext(context, { timeout: milliseconds }) as string;
  } catch (thrown) {
    if ((thrown as { code?: unknown } | null)?.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return null;
    throw thrown;
  }
}
