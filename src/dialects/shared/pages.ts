import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import serveStatic from '@fastify/static';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { isBelow, pathOf } from './paths.ts';
import { serverDialect } from './plain.ts';

/** Paths of interfaces: what is not found below them is an error for a program, never the page. */
const interfacePrefixes = ['/api', '/v1', '/docs', '/health', '/metrics', '/stats', '/socket.io', '/assets'];

const pagePolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "font-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "worker-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

const notBuilt = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Parley</title></head>
<body>
<h1>Parley is running</h1>
<p>The page itself has not been built yet. Stop the server and run <code>npm start</code>, which builds it,
or run <code>npm run build --workspace web</code> and load this page again.</p>
<p>Programs can use the server already: the API reference is at <a href="/docs">/docs</a>.</p>
</body>
</html>
`;

/** Where the built page lies beside the sources. */
export const defaultWebDir = fileURLToPath(new URL('../../../web/dist', import.meta.url));

export interface Pages {
  /** Answers a path that has no route with the page, if a browser asks for one; false when it is no such request. */
  fallback(request: FastifyRequest, reply: FastifyReply): Promise<boolean>;
}

/**
 * Serves the built page. Files under assets/ carry their hash in the name and never change; everything else is asked
 * for anew each time. Paths inside the page (its own routes) answer with index.html.
 */
export function servePages(app: FastifyInstance, webDir: string): Pages {
  const index = join(webDir, 'index.html');
  const built = existsSync(index);
  app.addHook('onRoute', (route) => {
    route.config = { ...route.config, dialect: serverDialect };
    route.schema = { ...route.schema, hide: true } as typeof route.schema;
  });
  if (built) {
    app.register(serveStatic, {
      root: webDir,
      wildcard: false,
      index: false,
      cacheControl: false,
      decorateReply: false,
      setHeaders(reply, path) {
        reply.header('cache-control', isBelow(path, join(webDir, 'assets')) ? 'public, max-age=31536000, immutable' : 'no-cache');
        if (path.endsWith('.html')) reply.header('content-security-policy', pagePolicy);
      },
    });
  }
  const sendPage = async (reply: FastifyReply): Promise<FastifyReply> => {
    const html = existsSync(index) ? await readFile(index) : notBuilt;
    return reply.headers({ 'content-security-policy': pagePolicy, 'cache-control': 'no-cache', 'x-frame-options': 'DENY' }).type('text/html; charset=utf-8').send(html);
  };
  app.get('/', async (_request, reply) => sendPage(reply));
  return {
    async fallback(request, reply) {
      const path = pathOf(request.url);
      if (request.method !== 'GET' || !request.headers.accept?.includes('text/html')) return false;
      if (interfacePrefixes.some((prefix) => isBelow(path, prefix))) return false;
      await sendPage(reply);
      return true;
    },
  };
}
