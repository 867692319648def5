import type { Parts } from '../parts.ts';
import type { App } from './types.ts';

/** The inside of apps, which their users do not see. */
const partsOfApps = new WeakMap<App, Parts>();

export function keepParts(app: App, parts: Parts): void {
  partsOfApps.set(app, parts);
}

/** @throws {TypeError} for something that `createApp` did not make */
export function partsOf(app: App): Parts {
  const parts = partsOfApps.get(app);
  if (!parts) throw new TypeError('app must be what createApp() gave.');
  return parts;
}
