import { queryOptions, useQuery } from '@tanstack/react-query';
import { request, type Model, type Models } from '../../shared/api/index.ts';

export const modelsQuery = queryOptions({
  queryKey: ['models'],
  queryFn: () => request<Models>('GET', '/api/v1/chat/models'),
  staleTime: 30_000,
});

/** What answers, in words for a person. */
export interface Speaker {
  /** Null for the default model. */
  id: string | null;
  name: string;
  kind: 'local' | 'remote' | 'builtin' | 'unknown' | 'none' | 'nobody';
}

/** Provider id of the responder that is no language model. */
const builtin = 'builtin';

/** The choice that means the default model. */
export const defaultChoice = 'default';

/** Who will answer in a chat with this choice (null: nobody); undefined while the models are not known yet. */
export function speakerOf(choice: string | null, models: Models | undefined): Speaker | undefined {
  if (!models) return undefined;
  if (choice === null) return { id: choice, name: 'Nobody answers', kind: 'nobody' };
  const id = choice === defaultChoice ? models.default : choice;
  if (id === null) return { id: choice, name: 'No model', kind: 'none' };
  const model = models.models.find((entry) => entry.id === id || entry.id.slice(entry.provider.length + 1) === id);
  if (!model) return { id: choice, name: id, kind: 'unknown' };
  return { id: choice, name: model.label, kind: kindOf(model) };
}

export function kindOf(model: Pick<Model, 'provider' | 'location'>): 'local' | 'remote' | 'builtin' {
  return model.provider === builtin ? builtin : model.location;
}

export function useModels() {
  return useQuery(modelsQuery);
}

export function useSpeaker(choice: string | null): Speaker | undefined {
  return speakerOf(choice, useModels().data);
}

/** The name of the model that spoke, for a person: its own label when it is known here. */
export function useModelName(id: string | null): string | null {
  const models = useModels().data;
  return id === null ? null : (models?.models.find((model) => model.id === id)?.label ?? id);
}
