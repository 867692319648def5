import type { CredentialWatch, DialectParts, DialectScope } from '../../shared/index.ts';
import { registerCreate } from './create.ts';
import { registerStored } from './stored.ts';

/** `/v1/responses`: answers that are conversations, found again by their ids. */
export function registerResponses(scope: DialectScope, parts: DialectParts, credentials: CredentialWatch): void {
  registerCreate(scope, parts, credentials);
  registerStored(scope, parts, credentials);
}
