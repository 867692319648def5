/** The path of a request target, without the query: queries hold tokens and stay out of logs and errors. */
export function pathOf(url: string): string {
  const query = url.search(/[?#]/);
  return query === -1 ? url : url.slice(0, query);
}

/** Whether `path` is `prefix` or stands below it. */
export function isBelow(path: string, prefix: string): boolean {
  return path === prefix || path.startsWith(prefix.endsWith('/') ? prefix : `${prefix}/`);
}

/**
 * A pattern with `:names` and a closing `*`, as Fastify writes them, made to match a path; the groups are the values
 * in order. Names match one segment.
 */
export function patternToExpression(pattern: string): RegExp {
  const source = pattern
    .split('/')
    .map((segment) => {
      if (segment === '*') return '(.*)';
      if (segment.startsWith(':')) return '([^/]+)';
      return segment.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
    })
    .join('/');
  return new RegExp(`^${source}$`);
}

/** The `:names` of a pattern, in order. */
export function patternNames(pattern: string): string[] {
  return pattern.split('/').filter((segment) => segment.startsWith(':')).map((segment) => segment.slice(1));
}
