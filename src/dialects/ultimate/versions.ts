import type { DialectScope } from '../shared/index.ts';

/** Older versions under which everything of v4 is served as well, with the same answers. */
const versions = ['v4', 'v3', 'v1'] as const;

/**
 * Registers a route of v4 under every version.
 * @param register called with each address; all but the first are left out of the reference
 */
export function everyVersion(path: `/api/v4/${string}`, register: (url: string, hide: boolean) => void): void {
  for (const [at, version] of versions.entries()) register(path.replace('/api/v4/', `/api/${version}/`), at > 0);
}

/** Serves every route of v4 that is registered in this scope from now on under the older versions as well. */
export function serveEveryVersion(scope: DialectScope): void {
  scope.addHook('onRoute', (route) => {
    // HEAD comes along with GET.
    if (!route.url.startsWith('/api/v4/') || route.method === 'HEAD') return;
    for (const version of versions.slice(1)) scope.route({ ...route, url: route.url.replace('/api/v4/', `/api/${version}/`), schema: { ...route.schema, hide: true } });
  });
}
