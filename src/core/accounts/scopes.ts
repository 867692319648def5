import type { Role, Scope, Viewer } from './types.ts';

const userScopes: readonly Scope[] = ['read', 'write', 'chat', 'p2p'];
const adminScopes: readonly Scope[] = [...userScopes, 'admin'];

/** Everything that somebody of this role may do. */
export function scopesOfRole(role: Role): readonly Scope[] {
  return role === 'user' ? userScopes : adminScopes;
}

/** What a credential made with `granted` may do today: its owner may have been demoted since. Unknown names count for nothing. */
export function effectiveScopes(granted: readonly unknown[], role: Role): readonly Scope[] {
  return scopesOfRole(role).filter((scope) => granted.includes(scope));
}

/** The scopes of a row's JSON column; none when it is damaged. */
export function parseScopes(json: string): readonly unknown[] {
  const value: unknown = JSON.parse(json);
  return Array.isArray(value) ? value : [];
}

/** Whether a viewer may administer this server: by role, and with a credential that was made for it. */
export function mayAdminister(viewer: Viewer): boolean {
  return viewer.role !== 'user' && viewer.scopes.includes('admin');
}
