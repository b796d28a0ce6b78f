/** Who is asking, on the request itself: set by the guard in server.ts, read by the routes. */
import type { FastifyRequest } from 'fastify';
import { PayflowError } from '../../shared/errors.ts';
import type { Principal } from './auth.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set for every route under /api/v1 that needs a token. */
    principal: Principal | null;
  }
}

/** @throws PayflowError UNAUTHENTICATED; only reachable if a route was put outside the guarded part */
export function principalOf(request: FastifyRequest): Principal {
  if (request.principal !== null) return request.principal;
  throw new PayflowError('UNAUTHENTICATED', 'a bearer token is needed');
}
