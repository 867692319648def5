import type { ModelMessage } from '../types.ts';

/** What a model is told when it is to go on behind its own text and its service has no way to begin an answer for it. */
export const goOn = 'Your last message was interrupted. Go on exactly where it stops: do not repeat any of it and do not comment on this.';

/** Stands for what came before the first message, where that is the assistant's and a service wants a user's. */
export const leftOut = '(The beginning of this conversation is left out.)';

/** Arguments of a tool call as an object. Text that is none (a model's slip) is passed on under a name of its own. */
export function argumentsObject(text: string): object {
  try {
    const value: unknown = JSON.parse(text === '' ? '{}' : text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch {
    // Falls through: the text itself is all there is.
  }
  return { text };
}

/** The name of the tool that a result is of: some services name the tool where others name the call. */
export function toolNameOf(callId: string | undefined, messages: readonly ModelMessage[]): string | undefined {
  return messages.flatMap((message) => message.toolCalls ?? []).find((call) => call.id === callId)?.name;
}
