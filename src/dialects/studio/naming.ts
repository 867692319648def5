import { ParleyError } from '../../base/errors.ts';
import { noModel } from '../../core/conversations/index.ts';
import { isProviderName, latestModel, latestModels, splitModel, type Models } from '../../core/models/index.ts';

/** A model in the document's form: two fields, each of which may be missing. */
export interface ModelFields {
  provider?: string | undefined;
  name?: string | undefined;
}

/**
 * The document's two fields as one name: `provider/name`, a bare name, or null for the default model. A provider alone
 * means its newest model.
 * @param parts.field what the field is called in the request, for errors
 * @throws {ParleyError} `validation_failed` for a provider that nobody knows, or one whose models have to be named
 */
export function modelOf(models: Pick<Models, 'hasProvider'>, { provider, name }: ModelFields, field: string): string | null {
  if (provider === undefined) return name ?? null;
  if (!isProviderName(models, provider)) throw refusal(field, 'names no provider. Documented ones are openai, anthropic, google and cohere');
  const latest = latestModels.find((row) => row.provider === provider);
  const model = name ?? (latest && latestModel(latest.provider)?.model);
  if (model === undefined) throw refusal(field, 'needs the name of a model beside it');
  return `${provider}/${model}`;
}

function refusal(field: string, message: string): ParleyError {
  return new ParleyError('validation_failed', { message: `${field}: ${message}`, parameter: field, issues: [{ path: ['body', field], message, kind: 'not_allowed' }] });
}

/** One name as the document's two fields; null for what is not said. */
export function modelFields(models: Pick<Models, 'hasProvider'>, model: string | null): { provider: string | null; name: string | null } {
  if (model === null || model === noModel) return { provider: null, name: null };
  const { provider, model: name } = splitModel(models, model);
  return { provider, name };
}
