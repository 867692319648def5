/** Older versions under which everything of v4 is served as well, with the same answers. */
const versions = ['v4', 'v3', 'v1'] as const;

/**
 * Registers a route of v4 under every version.
 * @param register called with each address; all but the first are left out of the reference
 */
export function everyVersion(path: `/api/v4/${string}`, register: (url: string, hide: boolean) => void): void {
  for (const [at, version] of versions.entries()) register(path.replace('/api/v4/', `/api/${version}/`), at > 0);
}
