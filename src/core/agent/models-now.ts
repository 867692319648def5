import type { Models } from '../models/index.ts';

/** In the memory of this process, and of the servers of Ollama as they were last looked at. */
export function modelsLoaded(models: Pick<Models, 'instances' | 'loaded'>): number {
  return models.loaded().length + models.instances().reduce((sum, instance) => sum + instance.modelsLoaded, 0);
}

export function instancesUp(models: Pick<Models, 'instances'>): number {
  return models.instances().filter(({ provider, isReachable }) => provider === 'ollama' && isReachable).length;
}
