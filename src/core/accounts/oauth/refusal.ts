import { ParleyError } from '../../../base/errors.ts';

/** Why a program gets no token, by the names of RFC 6749 (section 5.2) and RFC 8628 (section 3.5). */
export type OauthErrorName =
  | 'invalid_request' | 'invalid_client' | 'invalid_grant' | 'invalid_scope' | 'unsupported_grant_type'
  | 'authorization_pending' | 'slow_down' | 'access_denied' | 'expired_token';

const sentences: Record<OauthErrorName, string> = {
  invalid_request: 'The request is not valid.',
  invalid_client: 'There is no such client. An administrator of this server has to add it.',
  invalid_grant: 'This code or token is not valid (any more).',
  invalid_scope: 'None of these scopes can be granted to this client.',
  unsupported_grant_type: 'This grant type is not supported.',
  authorization_pending: 'Nobody has decided yet.',
  slow_down: 'Ask less often.',
  access_denied: 'The request was denied.',
  expired_token: 'The code has expired. Begin again.',
};

/** An answer of the token endpoint that is no token. */
export class OauthRefusal extends ParleyError {
  readonly oauthError: OauthErrorName;

  constructor(oauthError: OauthErrorName, retryAfterMs?: number) {
    super('invalid_request', { message: sentences[oauthError], ...(retryAfterMs === undefined ? {} : { retryAfterMs }) });
    this.oauthError = oauthError;
  }
}
