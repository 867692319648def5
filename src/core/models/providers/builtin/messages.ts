import type { ModelRequest } from '../../types.ts';

/** What a question is about, as far as the responder can tell. */
export type Topic = 'greeting' | 'identity' | 'ollama' | 'file' | 'key' | 'setup' | 'other';

/** Topics by the words that name them; the first that fits counts. English and German greetings are enough to be polite. */
const topics: [Topic, RegExp][] = [
  ['ollama', /\bollama\b/i],
  ['file', /\bgguf\b|\bllama\.?cpp\b|\bmodels? (file|folder)\b|\b(download|pull)\b/i],
  ['key', /\b(api|provider|openai|openrouter|groq)[ -]?keys?\b|\bopenai\b|\bcompatible\b|\bvllm\b|\blm studio\b/i],
  ['identity', /\b(who|what) are you\b|\bare you (an? )?(ai|bot|model|llm|human|chatgpt)\b|\byour name\b|\bparley\b/i],
  ['setup', /\bhelp\b|\bset ?up\b|\binstall\b|\bconfigur|\badd (a |another )?model\b|\bhow do i (start|begin)\b|\bget started\b|\bmodels?\b/i],
  ['greeting', /^\W*(hi|hello|hey|good (morning|afternoon|evening)|hallo|guten (tag|morgen|abend)|servus|moin)\b/i],
];

/** What the last thing a person said is about. */
export function topicOf(request: ModelRequest): Topic {
  const question = request.messages.findLast((message) => message.role === 'user')?.content ?? '';
  // Words beyond the first thousand characters would not make the topic clearer.
  const beginning = question.slice(0, 1000);
  return topics.find(([, words]) => words.test(beginning))?.[0] ?? 'other';
}
