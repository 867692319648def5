import { latestModels } from './latest.ts';
import type { Models } from './service.ts';

/** Whether a provider of this name is known: one of this server, or one whose newest models are listed. */
export function isProviderName(models: Pick<Models, 'hasProvider'>, name: string): boolean {
  return latestModels.some((row) => row.provider === name) || models.hasProvider(name);
}

/** Provider and model of `provider/model`. A bare name has no provider, also one with a slash of its own (`org/model`). */
export function splitModel(models: Pick<Models, 'hasProvider'>, id: string): { provider: string | null; model: string } {
  const slash = id.indexOf('/');
  const provider = id.slice(0, Math.max(0, slash));
  return isProviderName(models, provider) ? { provider, model: id.slice(slash + 1) } : { provider: null, model: id };
}
