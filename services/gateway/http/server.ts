/** The HTTP side of the gateway: the server, its plugins, the error form, who may what, and the routes. */
import type { Socket } from 'node:net';
import helmet from '@fastify/helmet';
import rateLimit from '@fastify/rate-limit';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { PayflowError } from '../../shared/errors.ts';
import { enforceRights, methodsAt } from './access.ts';
import type { GatewayContext } from '../context.ts';
import { toProblem } from './problem.ts';
import { askedRoutes } from './routes/asked.ts';
import { conflictRoutes } from './routes/conflicts.ts';
import { deadLetterRoutes } from './routes/dead-letters.ts';
import { enrolRoutes } from './routes/enrol.ts';
import { operationsRoutes } from './routes/operations.ts';
import { statusRoutes } from './routes/status.ts';
import { syncRoutes } from './routes/sync.ts';
import { requestMetrics } from './request-metrics.ts';
import { snapshotRoutes } from './routes/snapshots.ts';
import { verifyRoutes } from './routes/verify.ts';
import { terminalCommandRoutes } from './routes/terminal-commands.ts';
import { waitingRoutes } from './routes/waiting.ts';
import { terminalLifeRoutes } from './routes/terminal-life.ts';
import { toJsonSchema, useZod } from './zod-fastify.ts';

const BODY_LIMIT_BYTES = 1024 * 1024;

/**
 * Of a client that trickles: the head of its request has a limit, the whole of it a longer one. An answer may take
 * far longer (`wait`), so the connection itself has none.
 */
const REQUEST_TIMEOUT_FACTOR = 3;
const CHECK_TIMEOUTS_MS = 2_000;

/** @returns the server, ready to listen; the caller closes it */
export async function createServer(context: GatewayContext): Promise<FastifyInstance> {
  const app = newApp(context);
  useZod(app);
  app.setErrorHandler((error, request, reply) => sendProblem(context, error, { request, reply }));
  app.setNotFoundHandler((request) => {
    const path = request.url.split('?')[0] ?? '';
    const allow = methodsAt(path).join(', ');
    if (allow === '') throw new PayflowError('NOT_FOUND', `there is nothing at ${request.method} ${path}`);
    const message = `${path} can't be asked with ${request.method}`;
    throw new PayflowError('METHOD_NOT_ALLOWED', message, { details: { allow } });
  });
  await app.register(helmet, {
    contentSecurityPolicy: {
      // The gateway is often reached by plain http inside a shop's network; nothing is to be "upgraded" there.
      directives: { upgradeInsecureRequests: null },
    },
  });
  await app.register(rateLimit, {
    global: false,
    errorResponseBuilder: (_request, { after }) =>
      new PayflowError('RATE_LIMITED', `too many requests; try again in ${after}`),
  });
  enforceRights(app, context);
  await app.register(swagger, {
    openapi: openApiHead(),
    transform: ({ schema, url }) => ({ schema: toJsonSchema(schema), url }),
  });
  requestMetrics(app, context.registry);
  await app.register(swaggerUi, { routePrefix: '/docs' });
  app.get('/openapi.json', { schema: { hide: true } }, () => app.swagger());
  await app.register(operationsRoutes(context));
  await app.register(api(context), { prefix: '/api/v1' });
  return app;
}

function newApp(context: GatewayContext): FastifyInstance {
  const { tls } = context;
  const { headersTimeoutMs: headersTimeout } = context.limits;
  const timeouts = {
    headersTimeout,
    connectionsCheckingInterval: Math.min(CHECK_TIMEOUTS_MS, headersTimeout),
  };
  const options = {
    bodyLimit: BODY_LIMIT_BYTES,
    requestTimeout: REQUEST_TIMEOUT_FACTOR * headersTimeout,
    forceCloseConnections: true,
    frameworkErrors: (error: Error, request: FastifyRequest, reply: FastifyReply) => {
      void sendProblem(context, error, { request, reply });
    },
    clientErrorHandler: (error: Error, socket: Socket) => refuseUnread(error, socket),
  };
  if (tls === undefined) return fastify({ ...options, http: timeouts });
  // The routes know nothing of the kind of server under them.
  const https = { ...tls, ...timeouts, handshakeTimeout: headersTimeout };
  return fastify({ ...options, https });
}

function sendProblem(
  { log }: GatewayContext,
  error: unknown,
  { request, reply }: { request: FastifyRequest; reply: FastifyReply },
): FastifyReply {
  const { problem, headers } = toProblem(error);
  const facts = { err: error, code: problem.code, method: request.method, path: request.routeOptions.url };
  if (problem.status >= 500) log.error(facts, `a request failed: ${problem.code}`);
  else log.debug(facts, `a request was refused: ${problem.code}`);
  return reply.code(problem.status).headers(headers).type('application/problem+json').send(problem);
}

/** What Node could not read as HTTP, or not in time, never becomes a request. */
function refuseUnread(error: Error & { code?: string }, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const status = UNREAD_STATUS.get(error.code ?? '') ?? '400 Bad Request';
  const { problem } = toProblem(
    new PayflowError('REQUEST_MALFORMED', 'the request is no HTTP, too long, or too slow'),
  );
  const body = JSON.stringify({ ...problem, status: Number(status.slice(0, 3)) });
  const head = [
    `HTTP/1.1 ${status}`,
    'content-type: application/problem+json',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

const UNREAD_STATUS: ReadonlyMap<string, string> = new Map([
  ['ERR_HTTP_REQUEST_TIMEOUT', '408 Request Timeout'],
  ['HPE_HEADER_OVERFLOW', '431 Request Header Fields Too Large'],
]);

function api(context: GatewayContext) {
  return async (app: FastifyInstance): Promise<void> => {
    await app.register(enrolRoutes(context));
    await app.register(syncRoutes(context));
    await app.register(verifyRoutes(context));
    await app.register(snapshotRoutes(context));
    await app.register(statusRoutes(context));
    await app.register(conflictRoutes(context));
    await app.register(deadLetterRoutes(context));
    await app.register(waitingRoutes(context));
    await app.register(askedRoutes(context));
    await app.register(terminalCommandRoutes(context));
    await app.register(terminalLifeRoutes(context));
  };
}

function openApiHead() {
  return {
    openapi: '3.1.0',
    info: {
      title: 'payflow-sync gateway',
      version: '1',
      description:
        'Sync on demand, status, and enrolment of tills. Pull (↑) is till to centre, push (↓) centre to till.',
    },
    components: {
      securitySchemes: { token: { type: 'http' as const, scheme: 'bearer' } },
    },
    security: [{ token: [] }],
  };
}
