import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { ParleyError } from '../../base/errors.ts';
import { clearedSessionCookies, sessionCookies, type SignIn, type User, type Viewer } from '../../core/accounts/index.ts';
import { credentialsOf, filledText, text, viewerFrom, type DialectParts, type DialectScope } from '../shared/index.ts';

/** Longest password: hashing takes longer the longer it is. */
const maxPassword = 200;

const registration = z.object({
  username: text({ min: 1, max: 64 }),
  password: text({ min: 8, max: maxPassword }),
  email: text({ min: 1, max: 254 }),
  name: filledText(100),
  code: text({ max: 200 }).nullish().describe('Set-up code or invite code, where the server asks for one'),
});

const login = z.object({ username: text({ max: 64 }), password: text({ max: maxPassword }) });

const tokenAnswer = z.object({ access_token: z.string(), token_type: z.literal('bearer') });

const sessionAnswer = z.object({
  user: z
    .object({
      id: z.string(),
      username: z.string(),
      name: z.string().nullable(),
      email: z.string().nullable(),
      role: z.enum(['owner', 'admin', 'user']),
      claimed: z.boolean(),
    })
    .nullable(),
  registration: z.object({ mode: z.enum(['open', 'invite', 'closed']), owner_claimed: z.boolean() }),
  local_trust: z.boolean(),
});

/** Addresses for whoever is not signed in yet. */
export function registerSignIn(scope: DialectScope, parts: DialectParts): void {
  const { accounts } = parts;
  scope.post(
    '/api/auth/register',
    { schema: { summary: 'Makes an account and signs in', body: registration, response: { 201: tokenAnswer } } },
    async (request, reply) => {
      const { code, ...fields } = request.body;
      const signIn = await accounts.register({ ...fields, code: code ?? null }, credentialsOf(request));
      setCookies(parts, reply, signIn);
      return reply.code(201).send({ access_token: signIn.token, token_type: 'bearer' });
    },
  );
  scope.post('/api/auth/login', { schema: { summary: 'Signs in', body: login, response: { 200: tokenAnswer } } }, async (request, reply) => {
    const signIn = await accounts.login(request.body.username, request.body.password, credentialsOf(request));
    setCookies(parts, reply, signIn);
    return { access_token: signIn.token, token_type: 'bearer' as const };
  });
  scope.post(
    '/api/auth/local',
    { schema: { summary: 'Signs this browser in as the owner, under local trust', response: { 200: z.object({ username: z.string() }) } } },
    async (request, reply) => {
      const viewer = await accounts.authenticate(credentialsOf(request), { localTrust: true, cookie: false });
      if (viewer?.via !== 'local-trust') throw new ParleyError('forbidden', { message: 'Local trust does not hold for this request: sign in instead.' });
      const signIn = await accounts.signInAs(viewer, credentialsOf(request));
      setCookies(parts, reply, signIn);
      return { username: signIn.user.username };
    },
  );
  scope.get('/api/auth/session', { schema: { summary: 'Who is signed in, and what one could do to be', response: { 200: sessionAnswer } } }, async (request) => {
    const credentials = credentialsOf(request);
    const viewer = await accounts.authenticate(credentials, { localTrust: false, cookie: true }).catch(nobody);
    const [user, standing] = await Promise.all([viewer ? accounts.user(viewer.userId) : null, accounts.registration()]);
    return {
      user: user && describe(user),
      registration: { mode: standing.mode, owner_claimed: standing.ownerClaimed },
      local_trust: accounts.localTrust(credentials).trusted,
    };
  });
}

/** Addresses for who is signed in. */
export function registerSession(scope: DialectScope, parts: DialectParts): void {
  scope.post(
    '/api/auth/logout',
    { schema: { summary: 'Revokes the token of this request', response: { 200: z.object({ message: z.string() }) } } },
    async (request, reply) => {
      await parts.accounts.logout(viewerFrom(request));
      reply.header('set-cookie', clearedSessionCookies(parts.settings.publicUrl));
      return { message: 'Logged out successfully' };
    },
  );
}

/** Signs this browser in as well; programs look only at the token in the body. */
function setCookies(parts: DialectParts, reply: FastifyReply, signIn: SignIn): void {
  reply.header('set-cookie', sessionCookies(signIn, parts.settings.publicUrl));
}

/** A credential that no longer counts is nobody, not an error: the page asks this before anything else. */
function nobody(error: unknown): Viewer | null {
  if (error instanceof ParleyError && error.code === 'unauthorized') return null;
  throw error;
}

function describe(user: User): NonNullable<z.output<typeof sessionAnswer>['user']> {
  const { id, username, name, email, role, claimed } = user;
  return { id, username, name, email, role, claimed };
}
