import { ParleyError } from '../../base/errors.ts';
import { addressOf } from '../../core/accounts/index.ts';
import { credentialsOf, takeFrom, viewerFrom, type DialectScope } from '../shared/index.ts';
import { canonicalJson } from '../../features/ledger/index.ts';
import type { AgentChatParts } from './parts.ts';
import { checkBody, checkBodyBytes, progressAnswer, sealedAnswer, sessionPath, succeeded, verificationAnswer, witnessQuery } from './schemas.ts';
import { progressShape } from './shapes.ts';

const transcript = '/api/agent-chat/sessions/:sessionId/transcript';
const ledger = '/api/agent-chat/ledger';

/** Additions: the sealed transcript of a session, what became of handing it over, and a check of any such file. */
export function registerTranscripts(scope: DialectScope, { transcripts, ledger: log, checks }: AgentChatParts): void {
  scope.get(
    transcript,
    { schema: { summary: 'Addition: the sealed transcript of a session that has ended, as a file', params: sessionPath, response: { 200: sealedAnswer } } },
    async (request, reply) => {
      const { sessionId } = request.params;
      const sealed = await transcripts.file(viewerFrom(request), sessionId);
      return reply.header('content-disposition', `attachment; filename="transcript-${sessionId.replaceAll(/[^\w.-]/g, '_')}.json"`)
        .type('application/json; charset=utf-8').serializer(canonicalJson).send(sealed);
    },
  );
  scope.get(
    `${transcript}/anchors`,
    { schema: { summary: 'Addition: what became of handing a transcript over to other ledgers', params: sessionPath, response: { 200: succeeded(progressAnswer) } } },
    async (request) => succeed(progressShape(request.params.sessionId, await transcripts.state(viewerFrom(request), request.params.sessionId))),
  );
  scope.post(
    `${transcript}/anchors`,
    { schema: { summary: 'Addition: hands a transcript over once more, where that is not done', params: sessionPath, response: { 200: succeeded(progressAnswer) } } },
    async (request) => succeed(progressShape(request.params.sessionId, await transcripts.tryAgain(viewerFrom(request), request.params.sessionId))),
  );
  scope.post(
    `${ledger}/check`,
    { bodyLimit: checkBodyBytes, schema: { summary: "Addition: checks a transcript with this server's keys, as parley verify does", body: checkBody, response: { 200: succeeded(verificationAnswer) } } },
    async (request) => {
      const { file, ...options } = request.body;
      return succeed(await checks.check(await log.keys(), file, withoutMissing(options)));
    },
  );
}

/** Additions for whoever checks transcripts of this server: they need no account. */
export function registerLedger(scope: DialectScope, parts: AgentChatParts): void {
  const { ledger: log, settings } = parts;
  const limit = { name: 'ledger', count: settings.limits.requestsPerMinute, windowMs: 60_000 };
  scope.addHook('onRequest', (request) => takeFrom(parts, limit, addressOf(credentialsOf(request), settings.trustProxy)));
  scope.get(`${ledger}/keys`, { schema: { summary: 'Addition: the public keys that transcripts are signed with, as a file for parley verify' } }, async (_request, reply) =>
    reply.header('content-disposition', 'attachment; filename="parley-ledger-keys.json"').send(await log.keys()),
  );
  scope.get(`${ledger}/head`, { schema: { summary: 'Addition: the newest signed head of the log; null while it is empty' } }, async () => succeed({ head: await log.head() }));
  scope.get(
    `${ledger}/witness`,
    { schema: { summary: 'Addition: the newest head with the proof that the log still begins as it did at some size, as a file for parley verify', querystring: witnessQuery } },
    async (request, reply) => {
      const witness = await log.witness(request.query.size);
      if (!witness) throw new ParleyError('not_found', { message: 'The log is empty.' });
      return reply.header('content-disposition', 'attachment; filename="parley-ledger-witness.json"').send(witness);
    },
  );
}

function succeed<Data>(data: Data): { success: true; data: Data } {
  return { success: true, data };
}

type Given<Options> = { [Name in keyof Options]: Exclude<Options[Name], undefined> };

function withoutMissing<Options extends object>(options: Options): Partial<Given<Options>> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<Given<Options>>;
}
