import { AIMessage, HumanMessage, SystemMessage, ToolMessage, type BaseMessage } from '@langchain/core/messages';

/** A message of the request, in the form of OpenAI. */
export interface WireMessage {
  role: 'system' | 'developer' | 'user' | 'assistant' | 'tool';
  content: string | null | WirePart[];
  tool_calls?: WireToolCall[];
  tool_call_id?: string;
}

export type WirePart = { type: 'text'; text: string } | { type: 'image_url'; image_url: { url: string; detail?: 'auto' | 'low' | 'high' } };

export interface WireToolCall {
  id: string;
  type: 'function';
  function: { name: string; arguments: string };
}

/** The messages as LangChain has them. */
export function toLangchain(messages: readonly WireMessage[]): BaseMessage[] {
  return messages.map((message) => {
    const content = message.content ?? '';
    switch (message.role) {
      case 'system':
      case 'developer':
        return new SystemMessage({ content });
      case 'user':
        return new HumanMessage({ content });
      case 'tool':
        return new ToolMessage({ content, tool_call_id: message.tool_call_id ?? '' });
      case 'assistant':
        // LangChain reads the calls out of this by itself, and keeps those whose arguments it cannot read as they are.
        return new AIMessage({ content, ...(message.tool_calls?.length ? { additional_kwargs: { tool_calls: message.tool_calls } } : {}) });
    }
  });
}
