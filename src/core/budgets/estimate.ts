import type { ModelMessage, ToolDefinition } from '../models/index.ts';

/** Tokens that are held for an answer whose length nothing bounds. */
export const usualAnswer = 1024;
/** Tokens of the form around one message: role marks and the like. */
export const messageOverhead = 8;
/** Tokens held for a picture: what a large one takes at OpenAI (85 and 170 for each of 8 tiles). */
export const tokensOfPicture = 1445;

/**
 * Tokens of a text without a tokenizer: a third of its characters, and half of the bytes beyond one for each of them.
 * That is more than o200k_base makes of prose and code in most scripts (English has 4 to 5 characters a token, Chinese
 * 1 to 1.5), and it is only for what is held until the real figure is known.
 */
export function estimateTokens(text: string): number {
  return tokensOfSize(text.length, Buffer.byteLength(text));
}

/** The same from sizes that a database has counted. */
export function tokensOfSize(characters: number, bytes: number): number {
  return Math.ceil(characters / 3 + Math.max(0, bytes - characters) / 2);
}

/** Tokens of a prompt. */
export function estimatePrompt(messages: readonly ModelMessage[], tools: readonly ToolDefinition[] = []): number {
  let tokens = tools.length === 0 ? 0 : estimateTokens(JSON.stringify(tools));
  for (const message of messages) {
    tokens += messageOverhead + estimateTokens(message.content);
    for (const part of message.parts ?? []) if (part.type === 'image') tokens += tokensOfPicture;
    if (message.toolCalls) tokens += estimateTokens(JSON.stringify(message.toolCalls));
  }
  return tokens;
}
