import type { IncomingMessage, Server } from 'node:http';
import fastify, { type FastifyInstance } from 'fastify';
import { ParleyError } from '../../base/errors.ts';
import type { Part } from '../../base/lifecycle.ts';
import { addressOf } from '../../core/accounts/index.ts';
import { maxBodyBytes, parseJson } from './body.ts';
import { sendError } from './errors.ts';
import { createHealth } from './health.ts';
import { defaultWebDir, servePages, type Pages } from './pages.ts';
import { isBelow, pathOf, patternToExpression } from './paths.ts';
import { serverDialect } from './plain.ts';
import { boundAddress, createBoundedServer, listen, PortError, type PortSetting, type ServerHandlers } from './ports.ts';
import { collectReference, serveReference } from './reference.ts';
import { addRequestHooks, createRequestIds } from './requests.ts';
import { serveOwnAddresses } from './own-addresses.ts';
import type { Dialect, DialectParts } from './types.ts';
import { serveSocketIo } from './socket-io/route.ts';
import { createSocketIo } from './socket-io/server.ts';
import { createUpgradeRouter } from './upgrades.ts';
import { validatorCompiler } from './validation.ts';

/** Milliseconds that requests under way get to end after the answers have drained. */
const closeGraceMs = 2000;

/** What tells one app from another: its ports, and what stands there besides dialects. */
export interface Face {
  /** For logs and errors of starting. */
  name: string;
  ports: readonly { port: number; setting: PortSetting }[];
  /** Whether the page, the reference, /health and /metrics are served here. */
  isHome: boolean;
  /** Whose form errors take where no dialect is meant. */
  dialect: Dialect;
  /** Whether the server does without this face when its port cannot be opened; else that ends the start. */
  isOptional: boolean;
}

/** The page and all dialects that share one port. */
function homeFace({ port, alsoListen }: DialectParts['settings']): Face {
  const ports = [{ port, setting: 'PORT' as const }, ...alsoListen.map((more) => ({ port: more, setting: 'ALSO_LISTEN' as const }))];
  return { name: 'http', ports, isHome: true, dialect: serverDialect, isOptional: false };
}

/** One HTTP side of Parley: an app and an upgrade router behind some ports. */
export interface HttpServer {
  readonly app: FastifyInstance;
  /** Makes the app ready; stopping closes all sockets and connections. Starts before what answers, stops after it. */
  readonly transport: Part;
  /** Opens the ports; stopping refuses what is new while what runs goes on. Starts last, stops first. */
  readonly listener: Part;
  /** The bound ports, in the order of the settings; a port 0 shows the one that was given. */
  addresses(): { host: string; port: number }[];
  /** Why an optional face has no port, for a person; null when it has, or was not started yet. */
  problem(): string | null;
}

/**
 * Makes a server, without any dialect: those are registered on `app` behind this call and before `transport` starts.
 * All faces have the same guards, bounds and way to stop.
 */
export function createHttpServer(parts: DialectParts, face: Face = homeFace(parts.settings)): HttpServer {
  const state = { draining: false };
  const routes: { methods: string[]; expression: RegExp; dialect: Dialect | undefined }[] = [];
  const handlers: ServerHandlers = {
    request: () => undefined,
    upgrade: (request, socket, head) => app.upgrades.handle(request, socket, head),
  };
  const app = fastify({
    logger: false,
    bodyLimit: Math.min(maxBodyBytes, parts.settings.maxContentLength),
    genReqId: createRequestIds(),
    requestIdHeader: false,
    routerOptions: { maxParamLength: 500, ignoreTrailingSlash: false, caseSensitive: true },
    serverFactory: (handler) => {
      handlers.request = handler as ServerHandlers['request'];
      return createBoundedServer(handlers);
    },
    frameworkErrors: (error, request, reply) => sendError(error, dialectOfPath(routes, pathOf(request.url), face.dialect), request, reply as never, parts.log),
  });
  const clientAddress = (request: IncomingMessage): string => addressOf(request, parts.settings.trustProxy);
  app.decorate('upgrades', createUpgradeRouter({
    socketsPerAddress: parts.settings.limits.socketsPerAddress,
    addressOf: clientAddress,
    limiter: parts.limiter,
    log: parts.log,
    metrics: parts.metrics,
    ...(parts.switches ? { switches: parts.switches } : {}),
  }));
  parts.switches?.onOff((dialect) => app.upgrades.closeOf(dialect));
  app.addHook('onRoute', (route) => {
    if (route.bodyLimit !== undefined) route.bodyLimit = Math.min(route.bodyLimit, parts.settings.maxContentLength);
    // A copy of the options may still get its dialect from a hook of its scope, which runs behind this one.
    const entry = { methods: [route.method].flat(), expression: patternToExpression(route.url), get dialect() { return route.config?.dialect; } };
    routes.push(entry);
  });
  prepare(app, parts, face, state, routes);
  if (face.isHome) {
    const socketIo = createSocketIo(parts, clientAddress);
    app.decorate('socketIo', socketIo);
    app.upgrades.addForeign(socketIo);
    app.register(async (scope) => serveSocketIo(scope, socketIo));
  }
  return { app, ...lifecycle(app, parts, face, state, handlers) };
}

type KnownRoutes = { methods: string[]; expression: RegExp; dialect: Dialect | undefined }[];

/** Everything between the wire and the routes. */
function prepare(app: FastifyInstance, parts: DialectParts, face: Face, state: { draining: boolean }, routes: KnownRoutes): void {
  const dialectAt = (path: string): Dialect => dialectOfPath(routes, path, face.dialect);
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'string' }, async (_request: unknown, body: string) => parseJson(body));
  addRequestHooks(app, parts, state, dialectAt);
  app.setErrorHandler((error, request, reply) => {
    const dialect = request.routeOptions.config.dialect ?? dialectAt(pathOf(request.url));
    return sendError(error, dialect, request, reply, parts.log);
  });
  let pages: Pages | undefined;
  if (face.isHome) {
    collectReference(app, parts.version);
    app.register(async (scope) => {
      serveReference(scope);
      serveOwnAddresses(scope, parts, createHealth(parts));
    });
    app.register(async (scope) => {
      pages = servePages(scope, parts.webDir ?? defaultWebDir);
    });
  }
  app.setNotFoundHandler(async (request, reply) => {
    const path = pathOf(request.url);
    const allowed = routes.filter((route) => route.expression.test(path)).flatMap((route) => route.methods);
    if (allowed.length > 0) {
      reply.header('allow', [...new Set(allowed)].join(', '));
      return sendError(new ParleyError('method_not_allowed'), dialectAt(path), request, reply, parts.log);
    }
    if (await pages?.fallback(request, reply)) return reply;
    return sendError(new ParleyError('not_found'), dialectAt(path), request, reply, parts.log);
  });
}

/** The dialect whose prefix is the longest that holds the path. */
function dialectOfPath(routes: KnownRoutes, path: string, otherwise: Dialect): Dialect {
  let found = otherwise;
  let length = 0;
  for (const { dialect } of routes) {
    for (const prefix of dialect?.prefixes ?? []) {
      if (prefix.length > length && isBelow(path, prefix)) [found, length] = [dialect!, prefix.length];
    }
  }
  return found;
}

function lifecycle(app: FastifyInstance, parts: DialectParts, face: Face, state: { draining: boolean }, handlers: ServerHandlers) {
  const servers: { server: Server; closed: Promise<void> | undefined }[] = [];
  let problem: string | null = null;
  const stopAccepting = (): void => {
    state.draining = true;
    app.upgrades.refuseNew();
    for (const entry of servers) {
      entry.closed ??= new Promise((resolve) => void entry.server.close(() => resolve()));
      entry.server.closeIdleConnections();
    }
  };
  const transport: Part = {
    name: face.name,
    async start() {
      await app.ready();
    },
    async stop() {
      stopAccepting();
      const cut = setTimeout(() => servers.forEach(({ server }) => server.closeAllConnections()), closeGraceMs);
      await app.upgrades.closeAll();
      await Promise.all(servers.map(({ closed }) => closed));
      clearTimeout(cut);
      await app.close();
    },
  };
  const listener: Part = {
    name: `${face.name} ports`,
    async start() {
      for (const { port, setting } of face.ports) {
        const server = createBoundedServer(handlers);
        try {
          await listen(server, parts.settings.host, port, setting);
        } catch (error) {
          if (!face.isOptional || !(error instanceof PortError)) throw error;
          problem = error.message;
          parts.log.warn({ setting, reason: problem }, 'a port could not be opened; going on without it');
          continue;
        }
        servers.push({ server, closed: undefined });
      }
    },
    async stop() {
      stopAccepting();
    },
  };
  return { transport, listener, addresses: () => servers.map(({ server }) => boundAddress(server)).filter((address) => address !== null), problem: () => problem };
}
