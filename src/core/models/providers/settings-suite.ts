import { expect, test } from 'vitest';
import type { ModelRequest } from '../types.ts';
import { collect, type Suite } from './testing.ts';

/**
 * What a provider makes of a setting: it sends this, keeps to it itself (its own tests show how), refuses it by this name,
 * or takes it for a hint that it may leave out, for a reason. Nothing is left out without one.
 */
export type Becomes = { sends: Record<string, unknown> } | { keeps: true } | { refuses: string } | { hint: string };

const schema = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false };
const picture = 'data:image/png;base64,iVBORw0KGgo=';

/** A request for each setting that not every model service has. */
export const settingRequests = {
  topK: { topK: 40 },
  minP: { minP: 0.05 },
  repeatPenalty: { repeatPenalty: 1.1 },
  logitBias: { logitBias: { '50256': -100 } },
  reasoningEffort: { reasoningEffort: 'low' },
  verbosity: { verbosity: 'low' },
  logprobs: { logprobs: { top: 0 } },
  'logprobs with others': { logprobs: { top: 2 } },
  'a JSON object': { responseFormat: { type: 'json_object' } },
  'a JSON schema': { responseFormat: { type: 'json_schema', name: 'place', description: 'A place', schema, strict: true } },
  'one tool at a time': { tools: [{ name: 'weather', parameters: schema }], parallelToolCalls: false },
  'a tool that must be called': { tools: [{ name: 'weather', parameters: schema }], toolChoice: { name: 'weather' } },
  'strict tools': { tools: [{ name: 'weather', parameters: schema, strict: true }] },
  'a picture': { messages: [{ role: 'user', content: 'What is this?', parts: [{ type: 'text', text: 'What is this?' }, { type: 'image', url: picture, detail: 'low' }] }] },
  'a picture elsewhere': { messages: [{ role: 'user', content: '', parts: [{ type: 'image', url: 'https://pictures.example/one.png' }] }] },
} satisfies Record<string, Partial<ModelRequest>>;

export type Setting = keyof typeof settingRequests;

/** What becomes of settings. */
export function settings({ ask, under }: Suite, table: Record<Setting, Becomes>): void {
  const chatsMade = (): number => under().standIn?.requests.filter(({ endpoint }) => endpoint === 'chat').length ?? 0;
  for (const [name, becomes] of Object.entries(table) as [Setting, Becomes][]) {
    const asked: Partial<ModelRequest> = settingRequests[name];
    if ('refuses' in becomes) {
      test(`${name}: refused`, async () => {
        const events = (await collect(ask(asked))).flat();
        expect(events).toMatchObject([{ type: 'error', error: { code: 'unsupported_value', parameter: becomes.refuses, serviceFault: false } }]);
        expect(chatsMade()).toBe(0);
      });
    } else {
      test(`${name}: ${'hint' in becomes ? `left out, ${becomes.hint}` : 'keeps' in becomes ? 'kept to' : 'sent'}`, async () => {
        expect((await collect(ask(asked))).flat().at(-1)).toMatchObject({ type: 'finish' });
        if ('sends' in becomes) expect(under().standIn!.requests.at(-1)!.body).toMatchObject(becomes.sends);
      });
    }
  }
}
