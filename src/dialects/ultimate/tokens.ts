import { z } from 'zod';
import type { Scope } from '../../core/accounts/index.ts';
import type { AgentFeature } from '../../core/agent/index.ts';
import { text, viewerFrom, type DialectScope } from '../shared/index.ts';
import type { UltimateParts } from './parts.ts';

const permission = z.enum(['read', 'write', 'admin', 'chat', 'p2p']);

const tokenRequest = z.object({ agent_id: text({ min: 1, max: 200 }), permissions: z.array(permission).min(1).max(20) });

const tokenAnswer = z.object({
  token: z.string(),
  expires_in: z.int().describe('Seconds'),
  permissions: z.array(permission).describe('Those that were granted: never more than the caller has'),
  features_enabled: z.array(z.string()).describe('Parts of the server that work now and that the token may use'),
});

/** The document's other names of features, and the permission each needs. */
const named: Record<AgentFeature, { name: string; needs: Scope } | null> = {
  chat: { name: 'conversational_ai', needs: 'chat' },
  p2p: { name: 'p2p_inference', needs: 'p2p' },
  ollama: { name: 'advanced_ollama', needs: 'write' },
  blockchain: null,
};

/** Short-lived tokens for programs. */
export function registerTokens(scope: DialectScope, parts: UltimateParts): void {
  scope.post(
    '/api/auth/token',
    { schema: { summary: 'Makes a token for a program, valid for an hour at most', description: 'It ends with the credential that it was made with.', body: tokenRequest, response: { 200: tokenAnswer } } },
    async (request) => {
      const viewer = viewerFrom(request);
      const { agent_id: agentId, permissions } = request.body;
      const issued = await parts.accounts.issueToken(viewer, { scopes: permissions, client: agentId });
      const { features } = await parts.agent.capabilities(viewer);
      return {
        token: issued.token,
        expires_in: issued.expiresInSeconds,
        permissions: [...issued.scopes],
        features_enabled: features.flatMap((feature) => {
          const entry = named[feature];
          return entry && issued.scopes.includes(entry.needs) ? [entry.name] : [];
        }),
      };
    },
  );
}
