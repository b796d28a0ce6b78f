/** The HTTP side of the gateway: plugins, the error form, who is asking, and the routes. */
import helmet from '@fastify/helmet';
import rateLimit from '@fastify/rate-limit';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import fastify, { type FastifyInstance, type FastifyRequest } from 'fastify';
import { PayflowError } from '../../shared/errors.ts';
import { hashSecret } from '../../shared/tokens.ts';
import { authenticate, bearerToken } from './auth.ts';
import type { GatewayContext } from '../context.ts';
import { toProblem } from './problem.ts';
import { enrolRoutes } from './routes/enrol.ts';
import { listRoutes } from './routes/lists.ts';
import { operationsRoutes } from './routes/operations.ts';
import { statusRoutes } from './routes/status.ts';
import { syncRoutes } from './routes/sync.ts';
import { terminalCommandRoutes } from './routes/terminal-commands.ts';
import { terminalLifeRoutes } from './routes/terminal-life.ts';
import { toJsonSchema, useZod } from './zod-fastify.ts';

const BODY_LIMIT_BYTES = 1024 * 1024;

/** @returns the server, ready to listen; the caller closes it */
export async function createServer(context: GatewayContext): Promise<FastifyInstance> {
  const app = fastify({ bodyLimit: BODY_LIMIT_BYTES, trustProxy: false, forceCloseConnections: true });
  useZod(app);
  app.setErrorHandler((error, request, reply) => {
    const { problem, headers } = toProblem(error);
    const facts = { err: error, code: problem.code, method: request.method, path: request.routeOptions.url };
    if (problem.status >= 500) context.log.error(facts, `a request failed: ${problem.code}`);
    else context.log.debug(facts, `a request was refused: ${problem.code}`);
    return reply.code(problem.status).headers(headers).type('application/problem+json').send(problem);
  });
  app.setNotFoundHandler((request) => {
    throw new PayflowError('NOT_FOUND', `there is nothing at ${request.method} ${request.url.split('?')[0]}`);
  });
  await app.register(helmet, {
    contentSecurityPolicy: {
      // The gateway is often reached by plain http inside a shop's network; nothing is to be "upgraded" there.
      directives: { upgradeInsecureRequests: null },
    },
  });
  await app.register(rateLimit, {
    max: context.limits.perMinute,
    timeWindow: 60_000,
    keyGenerator: requestKey,
    errorResponseBuilder: (_request, { after }) =>
      new PayflowError('RATE_LIMITED', `too many requests; try again in ${after}`),
  });
  await app.register(swagger, {
    openapi: openApiHead(),
    transform: ({ schema, url }) => ({ schema: toJsonSchema(schema), url }),
  });
  await app.register(swaggerUi, { routePrefix: '/docs' });
  app.get('/openapi.json', { schema: { hide: true } }, () => app.swagger());
  await app.register(operationsRoutes(context));
  await app.register(api(context), { prefix: '/api/v1' });
  return app;
}

function api(context: GatewayContext) {
  return async (app: FastifyInstance): Promise<void> => {
    await app.register(enrolRoutes(context));
    await app.register(async (guarded) => {
      guarded.decorateRequest('principal', null);
      guarded.addHook('onRequest', async (request) => {
        request.principal = await authenticate(context.pool, bearerToken(request.headers.authorization));
      });
      await guarded.register(syncRoutes(context));
      await guarded.register(statusRoutes(context));
      await guarded.register(listRoutes(context));
      await guarded.register(terminalCommandRoutes(context));
      await guarded.register(terminalLifeRoutes(context));
    });
  };
}

/** One till behind a shop's address must not use up the limit of the others, so tokens count by themselves. */
function requestKey(request: FastifyRequest): string {
  const { authorization } = request.headers;
  return authorization === undefined ? request.ip : hashSecret(authorization);
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
