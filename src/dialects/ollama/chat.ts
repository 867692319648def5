import type { CredentialWatch, DialectParts, DialectScope } from '../shared/index.ts';
import { chatForm, generateForm } from './answers.ts';
import { ask } from './asking.ts';
import { translateChat, translateGenerate } from './requests.ts';
import { chatRequest, generateRequest } from './schemas.ts';

/** Bytes of a request: pictures come with it, in base64. */
export const askingBodyBytes = 20 * 1_048_576;

/** `POST /api/chat` and `POST /api/generate`. */
export function registerChat(scope: DialectScope, parts: DialectParts, credentials: CredentialWatch): void {
  scope.post('/api/chat', { bodyLimit: askingBodyBytes, schema: { summary: 'Answers a conversation', body: chatRequest } }, async (request, reply) =>
    ask({ parts, credentials, form: chatForm }, request, reply, request.body, (body, { info }) => (body.messages?.length ? translateChat(body, info) : null)),
  );
  scope.post('/api/generate', { bodyLimit: askingBodyBytes, schema: { summary: 'Answers a prompt', body: generateRequest } }, async (request, reply) =>
    ask({ parts, credentials, form: generateForm }, request, reply, request.body, (body, { info }) => {
      const asked = translateGenerate(body, info);
      return body.prompt || body.images?.length ? asked : null;
    }),
  );
}
