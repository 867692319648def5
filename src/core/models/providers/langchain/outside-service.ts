import { parseAddress } from '../../wire/index.ts';
import type { LangchainService } from './types.ts';

/**
 * A service that somebody else runs.
 * @param url its address
 * @param secret what it was given as its secret; empty for none
 * @throws {Error} when `url` is no http(s) address
 */
export function createOutsideService(url: string, secret: string): LangchainService {
  const { origin, path } = parseAddress(url);
  return {
    reach: async () => ({ origin, path, secret }),
    hold: () => () => undefined,
    reportSilence: () => undefined,
    address: () => origin + path,
    isRunning: () => null,
    stop: async () => undefined,
  };
}
