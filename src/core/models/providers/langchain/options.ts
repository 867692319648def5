/** Provider id of models that are asked through the LangChain service: `langchain/openai/gpt-4o`. */
export const langchainId = 'langchain';

/** A model behind the service: its own provider and that provider's name of it. */
export interface InnerModel {
  provider: string;
  model: string;
}

/** The model that `provider/model` names. */
export function innerOf(model: string): InnerModel {
  const slash = model.indexOf('/');
  return { provider: model.slice(0, Math.max(slash, 0)), model: model.slice(slash + 1) };
}

/** The id without the way to it: `openai/gpt-4o` for `langchain/openai/gpt-4o`; others as they are. */
export function withoutLangchain(id: string): string {
  return id.startsWith(`${langchainId}/`) ? id.slice(langchainId.length + 1) : id;
}
