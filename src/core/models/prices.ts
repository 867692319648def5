/**
 * List prices of model services, per million tokens in US dollars. One dollar per million tokens is one micro-dollar
 * per token, so a row multiplied by tokens gives micro-dollars.
 *
 * A price holds for the model of that name and for its dated snapshots (`gpt-4o` for `gpt-4o-2024-08-06`, `claude-haiku-4-5` for `claude-haiku-4-5-20251001`), unless the
 * snapshot has a row of its own. What is not listed has no known price: its cost is null, never a guess. Discounts
 * (batch, flex) and surcharges (priority, long context) are not in the table.
 */
export interface Price {
  /** Provider id. */
  provider: string;
  model: string;
  /** Dollars per million tokens sent. */
  input: number;
  /** Dollars per million tokens read from the service's prompt cache; null when it gives no discount. */
  cached: number | null;
  /** Dollars per million tokens made. */
  output: number;
  /** The day the price was looked up, ISO 8601. */
  date: string;
  source: string;
  /** The last day on which it holds, ISO 8601, where its service names one. The row behind it takes over then. */
  until?: string;
}

const date = '2026-11-21';
const dayMs = 86_400_000;
/** Two public copies of the price page that agree. */
const both = 'platform.openai.com/docs/pricing as in github.com/BerriAI/litellm and github.com/simonw/llm-prices';
const litellm = 'platform.openai.com/docs/pricing as in github.com/BerriAI/litellm';
const llmPrices = 'platform.openai.com/docs/pricing as in github.com/simonw/llm-prices';

const anthropicPrices = 'platform.claude.com/docs/en/about-claude/pricing as in github.com/simonw/llm-prices';

const googlePrices = 'ai.google.dev/gemini-api/docs/pricing as in github.com/simonw/llm-prices and github.com/simstudioai/sim';
const coherePrices = 'cohere.com/pricing as in developer.puter.com and github.com/BerriAI/litellm';

function openai(model: string, input: number, cached: number | null, output: number, source: string): Price {
  return { provider: 'openai', model, input, cached, output, date, source };
}

function anthropic(model: string, input: number, cached: number, output: number): Price {
  return { provider: 'anthropic', model, input, cached, output, date, source: anthropicPrices };
}

function google(model: string, input: number, cached: number | null, output: number, more: Partial<Price> = {}): Price {
  return { provider: 'google', model, input, cached, output, date, source: googlePrices, ...more };
}

function cohere(model: string, input: number, output: number): Price {
  return { provider: 'cohere', model, input, cached: null, output, date, source: coherePrices };
}

/** Half the price, to begin with. */
const launch = { until: '2026-12-31', source: 'ai.google.dev/gemini-api/docs/pricing as in github.com/BerriAI/litellm/discussions/39357' };

/** Models whose price depends on the length of the prompt (gpt-5.4, gpt-5.5, gemini-2.5-pro) are left out: one figure would be wrong. */
export const prices: readonly Price[] = [
  openai('gpt-5.4-mini', 0.75, 0.075, 4.5, llmPrices),
  openai('gpt-5.4-nano', 0.2, 0.02, 1.25, llmPrices),
  openai('gpt-5.2', 1.75, 0.175, 14, llmPrices),
  openai('gpt-5.1', 1.25, 0.125, 10, llmPrices),
  openai('gpt-5', 1.25, 0.125, 10, llmPrices),
  openai('gpt-5-mini', 0.25, 0.025, 2, llmPrices),
  openai('gpt-5-nano', 0.05, 0.005, 0.4, llmPrices),
  openai('gpt-4.1', 2, 0.5, 8, both),
  openai('gpt-4.1-mini', 0.4, 0.1, 1.6, both),
  openai('gpt-4.1-nano', 0.1, 0.025, 0.4, both),
  openai('gpt-4o', 2.5, 1.25, 10, both),
  openai('gpt-4o-2024-05-13', 5, null, 15, litellm),
  openai('gpt-4o-mini', 0.15, 0.075, 0.6, both),
  openai('chatgpt-4o-latest', 5, null, 15, both),
  openai('o1', 15, 7.5, 60, litellm),
  openai('o3', 2, 0.5, 8, litellm),
  openai('o3-mini', 1.1, 0.55, 4.4, both),
  openai('o4-mini', 1.1, 0.275, 4.4, both),
  openai('gpt-4-turbo', 10, null, 30, litellm),
  openai('gpt-4', 30, null, 60, litellm),
  openai('gpt-4-0613', 30, null, 60, litellm),
  openai('gpt-3.5-turbo-0125', 0.5, null, 1.5, litellm),
  // The name without a date has meant the 0125 snapshot since February 2024.
  openai('gpt-3.5-turbo', 0.5, null, 1.5, litellm),
  openai('text-embedding-3-small', 0.02, null, 0, litellm),
  openai('text-embedding-3-large', 0.13, null, 0, litellm),
  openai('text-embedding-ada-002', 0.1, null, 0, litellm),
  anthropic('claude-fable-5-1', 10, 0.25, 50),
  anthropic('claude-fable-5', 10, 1, 50),
  anthropic('claude-mythos-5', 10, 1, 50),
  anthropic('claude-opus-5-5', 4, 0.2, 20),
  anthropic('claude-opus-5', 5, 0.5, 25),
  anthropic('claude-opus-4-8', 5, 0.5, 25),
  anthropic('claude-opus-4-7', 5, 0.5, 25),
  anthropic('claude-opus-4-6', 5, 0.5, 25),
  anthropic('claude-opus-4-5', 5, 0.5, 25),
  anthropic('claude-opus-4-1', 15, 1.5, 75),
  anthropic('claude-opus-4', 15, 1.5, 75),
  anthropic('claude-sonnet-5-5', 2, 0.2, 10),
  anthropic('claude-sonnet-5', 2, 0.2, 10),
  // Twice as much beyond 200,000 tokens, which these two take only with a header that is not sent here.
  anthropic('claude-sonnet-4-5', 3, 0.3, 15),
  anthropic('claude-sonnet-4', 3, 0.3, 15),
  anthropic('claude-3-7-sonnet', 3, 0.3, 15),
  anthropic('claude-3-5-sonnet', 3, 0.3, 15),
  anthropic('claude-haiku-4-5', 1, 0.1, 5),
  anthropic('claude-3-5-haiku', 0.8, 0.08, 4),
  anthropic('claude-3-opus', 15, 1.5, 75),
  anthropic('claude-3-haiku', 0.25, 0.025, 1.25),
  google('gemini-3.8-flash', 0.75, 0.075, 3.75, launch),
  google('gemini-3.8-flash', 1.5, 0.15, 7.5),
  google('gemini-3.7-flash', 0.75, 0.075, 3.75, launch),
  google('gemini-3.7-flash', 1.5, 0.15, 7.5),
  google('gemini-3.5-flash', 1.5, 0.15, 9),
  google('gemini-3.5-flash-lite', 0.3, 0.03, 2.5),
  google('gemini-2.5-flash', 0.3, 0.03, 2.5),
  google('gemini-2.5-flash-lite', 0.1, 0.01, 0.4),
  google('gemini-embedding-001', 0.15, null, 0, { source: 'ai.google.dev/gemini-api/docs/embeddings as in github.com/BerriAI/litellm' }),
  // Command A, A+, Reasoning and Vision have no public price for a token: they are free within limits, or rented by the hour.
  cohere('command-r-08-2024', 0.15, 0.6),
  cohere('command-r7b-12-2024', 0.0375, 0.15),
  cohere('embed-v4.0', 0.12, 0),
  cohere('embed-english-v3.0', 0.1, 0),
  cohere('embed-multilingual-v3.0', 0.1, 0),
];

const byId = Map.groupBy(prices, (price) => `${price.provider}/${price.model}`);

/**
 * Micro-dollars for a call by the table, rounded to whole ones; null when the model is not in it.
 * @param id `provider/model`
 * @param tokensCached the part of `tokensIn` that came from the prompt cache
 * @param now milliseconds since the epoch: some prices hold until a day that is known
 */
export function priceOf(id: string, tokensIn: number, tokensOut: number, tokensCached: number, now: number): number | null {
  const rows = byId.get(id) ?? byId.get(id.replace(/-(\d{4}-\d{2}-\d{2}|\d{8})$/, ''));
  const price = rows?.find(({ until }) => until === undefined || now < Date.parse(until) + dayMs);
  if (!price) return null;
  const cached = Math.min(tokensCached, tokensIn);
  return Math.round((tokensIn - cached) * price.input + cached * (price.cached ?? price.input) + tokensOut * price.output);
}
