import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import swagger from '@fastify/swagger';
import type { FastifyInstance } from 'fastify';
import { jsonSchemaTransform } from 'fastify-type-provider-zod';
import { serverDialect } from './plain.ts';

/** Files of the viewer that are served, from the installed package: nothing comes from another host. */
const assets: Record<string, string> = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
};

const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Parley API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="reference"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
`;

const startScript = `SwaggerUIBundle({ url: '/docs/json', dom_id: '#reference', deepLinking: true, validatorUrl: null, tryItOutEnabled: true });\n`;

/** Collects the schemas of all routes registered behind this call into one OpenAPI 3.1 document. */
export function collectReference(app: FastifyInstance, version: string): void {
  app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Parley',
        version,
        description:
          'Every HTTP address of this port, generated from the schemas that validate. WebSocket addresses are described in docs/arketic.md, docs/friend.md and docs/ultimate.md, the Ollama API on its own port in docs/ollama-api.md.',
      },
      tags: [
        { name: 'openai', description: 'What OpenAI clients speak' },
        { name: 'arketic', description: 'Chats, messages and models' },
        { name: 'friend', description: 'Accounts, and a chat with one companion' },
        { name: 'ultimate', description: 'Chat with profiles, tokens, and how the server is' },
        { name: 'oauth', description: 'Access for programs that people approve' },
        { name: 'server', description: 'Health and figures' },
      ],
      components: {
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer', description: 'A sign-in token or an API key (ask_...)' },
          cookie: { type: 'apiKey', in: 'cookie', name: 'parley_session', description: 'Unsafe methods also need the header X-CSRF-Token' },
        },
      },
      security: [{ bearer: [] }, { cookie: [] }],
    },
    transform: jsonSchemaTransform,
  });
}

/** Serves the reference: the page at /docs, the document at /docs/json. */
export function serveReference(app: FastifyInstance): void {
  const folder = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));
  const options = { schema: { hide: true }, config: { dialect: serverDialect } };
  let document: string | undefined;
  app.get('/docs/json', options, async (_request, reply) => {
    document ??= JSON.stringify(app.swagger());
    return reply.type('application/json; charset=utf-8').send(document);
  });
  app.get('/docs', options, async (_request, reply) => reply.header('content-security-policy', pagePolicy).type('text/html; charset=utf-8').send(page));
  app.get('/docs/start.js', options, async (_request, reply) => reply.type('text/javascript; charset=utf-8').send(startScript));
  for (const [name, type] of Object.entries(assets)) {
    app.get(`/docs/${name}`, options, async (_request, reply) =>
      reply.header('cache-control', 'public, max-age=86400').type(type).send(await readFile(join(folder, name))),
    );
  }
}
