import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { ParleyError } from '../../base/errors.ts';
import type { AuthenticationPolicy, Viewer } from '../../core/accounts/index.ts';
import { credentialsOf, errorHeaders, showable, type App, type DialectScope } from '../shared/index.ts';
import { approvalPage, codePage, decidedPage, devicePolicy, problemPage, signInPage } from './device-html.ts';
import { takeForms } from './oauth.ts';
import type { UltimateParts } from './parts.ts';

/** People only, in their browser: a form cannot send the CSRF header, so the browser has to say that it is our own page. */
const policy: AuthenticationPolicy = { localTrust: true, cookie: true, csrf: 'same-origin' };

/** The fields of a form or an address; what is not there or comes twice is empty. */
const field = z.string().max(500).catch('');
const look = z.object({ user_code: field }).catch({ user_code: '' });
const decision = z.object({ user_code: field, approval_token: field, decision: field }).catch({ user_code: '', approval_token: '', decision: '' });

/** The page on which a person decides whether a program gets access: no script, everything in two forms. */
export function registerDevicePage(scope: DialectScope, parts: UltimateParts): void {
  const { accounts } = parts;
  const { oauth } = accounts;
  takeForms(scope as unknown as App);
  const schema = { hide: true };

  /** Answers with a page; what is thrown becomes one, too. */
  const show = async (reply: FastifyReply, make: () => Promise<string>): Promise<FastifyReply> => {
    reply.headers({ 'content-security-policy': devicePolicy, 'referrer-policy': 'same-origin', 'cache-control': 'no-store' }).type('text/html; charset=utf-8');
    try {
      return await reply.send(await make());
    } catch (thrown) {
      const error = showable(thrown);
      if (error.status >= 500) parts.log.error({ errorCode: error.code, err: error.cause ?? error }, error.message);
      return reply.code(error.status).headers(errorHeaders(error)).send(problemPage(error.message));
    }
  };
  const viewerOf = (request: FastifyRequest): Promise<Viewer | null> =>
    accounts.authenticate(credentialsOf(request), policy).catch((thrown: unknown) => {
      // A session that has ended is none.
      if (thrown instanceof ParleyError && thrown.code === 'unauthorized') return null;
      throw thrown;
    });

  scope.get('/device', { schema }, (request, reply) =>
    show(reply, async () => {
      const { user_code: code } = look.parse(request.query);
      const viewer = await viewerOf(request);
      if (!viewer) return signInPage(code);
      if (code === '') return codePage(viewer.username);
      try {
        const waiting = await oauth.waiting(viewer, code);
        return approvalPage(viewer.username, code.trim().toUpperCase(), oauth.approvalToken(viewer, code), waiting);
      } catch (thrown) {
        if (!(thrown instanceof ParleyError) || thrown.code !== 'not_found') throw thrown;
        return codePage(viewer.username, thrown.message);
      }
    }),
  );
  scope.post('/device', { schema }, (request, reply) =>
    show(reply, async () => {
      const viewer = await viewerOf(request);
      if (!viewer) throw new ParleyError('unauthorized', { message: 'Sign in first.' });
      const { user_code: code, approval_token: token, decision: decided } = decision.parse(request.body);
      if (!oauth.isApprovalToken(viewer, code, token)) throw new ParleyError('csrf_failed', { message: 'This form is not of this session any more: type the code again.' });
      if (decided !== 'approve' && decided !== 'deny') throw new ParleyError('invalid_request');
      return decidedPage(await oauth.decide(viewer, code, decided === 'approve'), decided === 'approve');
    }),
  );
}
