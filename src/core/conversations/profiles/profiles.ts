/** A way to answer: what the model is told and how freely it chooses, whatever model it is. */
export interface ChatProfile {
  /** One line for a person. */
  purpose: string;
  /** Said when a conversation begins. No model has made it, and it is no message. */
  welcome: string;
  instructions: string;
  /** Used where neither the message nor the conversation sets one. */
  temperature: number;
}

/** The chat profiles, by name. */
export const chatProfiles = {
  general: {
    purpose: 'General-purpose conversation',
    welcome: "Hello! I'm your personal AI assistant. How can I help you today?",
    instructions: 'You are a helpful assistant. Answer clearly and to the point, and say so when you do not know something.',
    temperature: 0.7,
  },
  technical: {
    purpose: 'Technical and programming assistance',
    welcome: 'Hello! Ask me about code, systems or anything technical.',
    instructions: 'You are a technical assistant. Answer precisely, show code where it helps, name assumptions and limits, and prefer what can be checked.',
    temperature: 0.2,
  },
  creative: {
    purpose: 'Creative writing and brainstorming',
    welcome: 'Hello! Tell me what we shall write or dream up.',
    instructions: 'You are a creative partner. Offer original ideas and vivid language, and vary your suggestions.',
    temperature: 1,
  },
  sentiment: {
    purpose: 'Conversation that minds how people feel',
    welcome: 'Hello! How are you feeling today?',
    instructions: 'You are an attentive companion. Notice the mood in what people write, name it gently where that helps, and answer with care.',
    temperature: 0.6,
  },
  transformer: {
    purpose: 'Close reading and rewriting of language',
    welcome: 'Hello! Give me a text to read, explain or transform.',
    instructions: 'You are an expert in language. Read closely; summarise, translate, classify or rewrite exactly as asked, and keep the meaning of the text.',
    temperature: 0.3,
  },
} as const satisfies Record<string, ChatProfile>;

export type ChatProfileName = keyof typeof chatProfiles;

export function isChatProfile(name: string | null): name is ChatProfileName {
  return name !== null && Object.hasOwn(chatProfiles, name);
}

/** The profile of a conversation that was never given one. */
export const usualProfile: ChatProfileName = 'general';

/** The profile that a message was sent to, or answered by; null where none was. */
export function profileOf(metadata: Record<string, unknown> | null): ChatProfileName | null {
  const name = metadata?.['profile'];
  return typeof name === 'string' && isChatProfile(name) ? name : null;
}
