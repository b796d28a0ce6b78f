/**
 * The table of rights, enforced. Every route that Fastify is given must stand in rights.ts, and every line there
 * must have become a route; who may not is refused before the body is read.
 */
import type { FastifyInstance, FastifyRequest, RouteOptions } from 'fastify';
import { PayflowError } from '../../shared/errors.ts';
import { hashSecret } from '../../shared/tokens.ts';
import { networkOf } from '../client-address.ts';
import type { GatewayContext } from '../context.ts';
import { ROUTES, type OperationId, type Right, type RouteRight } from '../rights.ts';
import { bearerToken, mayUse } from './auth.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    right?: Right;
  }
}

const TABLE = Object.entries(ROUTES) as [OperationId, RouteRight][];

/** The line of a route; HEAD is what Fastify adds to each GET. */
export function lineOf(method: string, url: string): [OperationId, RouteRight] | undefined {
  const asked = method === 'HEAD' ? 'GET' : method;
  return TABLE.find(([, right]) => right.method === asked && covers(right.url, url));
}

function covers(pattern: string, url: string): boolean {
  if (!pattern.endsWith('/*')) return pattern === url;
  const folder = pattern.slice(0, -'/*'.length);
  return url === folder || url.startsWith(`${folder}/`);
}

/** The methods that a path has, for 405; empty: there is nothing at that path. */
export function methodsAt(path: string): string[] {
  return TABLE.filter(([, { url }]) => covers(url, path) || matches(url, path)).map(
    ([, { method }]) => method,
  );
}

function matches(pattern: string, path: string): boolean {
  const wanted = pattern.split('/');
  const given = path.split('/');
  return (
    wanted.length === given.length && wanted.every((part, at) => part.startsWith(':') || part === given[at])
  );
}

/** To be called before any route is registered. */
export function enforceRights(app: FastifyInstance, context: GatewayContext): void {
  const registered = new Set<OperationId>();
  app.decorateRequest('principal', null);
  app.addHook('onRoute', (route) => void registered.add(bind(route)));
  app.addHook('onReady', async () => {
    const missing = TABLE.map(([name]) => name).filter((name) => !registered.has(name));
    if (missing.length > 0) throw new PayflowError('INTERNAL', `no route was made for ${missing.join(', ')}`);
  });
  const limitByCaller = app.rateLimit({
    max: context.limits.perMinute,
    timeWindow: 60_000,
    keyGenerator: (request) => callerKey(request, context),
  });
  const limitEnrolments = app.rateLimit({
    max: context.limits.enrolmentsPerMinute,
    timeWindow: 60_000,
    keyGenerator: ({ raw }) => `enrol ${networkOf(context.proxies.clientOf(raw))}`,
  });
  app.addHook('onRequest', async (request, reply) => {
    const { right } = request.routeOptions.config;
    const limit = right === 'enrolment code' ? limitEnrolments : limitByCaller;
    await limit.call(app, request, reply);
    refuseNul(request);
    // A path without a route ends in the not-found handler, which shows nothing.
    if (right === undefined || right === 'everyone' || right === 'enrolment code') return;
    const token = bearerToken(request.headers.authorization);
    const principal = await context.doorkeeper.authenticate({
      address: context.proxies.clientOf(request.raw),
      token,
    });
    if (!mayUse(right, principal)) throw new PayflowError('FORBIDDEN', forbidden(right));
    request.principal = principal;
  });
}

function bind(route: RouteOptions & { routePath: string; path: string; prefix: string }): OperationId {
  const [method = ''] = [route.method].flat();
  const line = lineOf(method, route.url);
  if (line === undefined) {
    throw new PayflowError('INTERNAL', `${method} ${route.url} has no line in gateway/rights.ts`);
  }
  const [operationId, { may }] = line;
  route.config = { ...route.config, right: may };
  const open = may === 'everyone' || may === 'enrolment code';
  route.schema = { ...route.schema, operationId, ...(open ? { security: [] } : {}) };
  return operationId;
}

function forbidden(right: Right): string {
  const role = right.startsWith('operator') ? 'operator' : 'viewer';
  return `this needs a token with the role ${role}`;
}

/**
 * A token that is known to be good counts by itself: one till behind a shop's address must not use up the limit
 * of the others. Everything else counts by address, whatever stands in its Authorization header.
 */
function callerKey(request: FastifyRequest, { doorkeeper, proxies }: GatewayContext): string {
  const match = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '');
  const token = match?.[1];
  return token !== undefined && doorkeeper.knows(token)
    ? hashSecret(token)
    : networkOf(proxies.clientOf(request.raw));
}

/** No name of ours holds one, and PostgreSQL takes none. */
function refuseNul(request: FastifyRequest): void {
  if (!/%00|\0/.test(request.raw.url ?? '')) return;
  throw new PayflowError('REQUEST_MALFORMED', 'the address holds a NUL character');
}
