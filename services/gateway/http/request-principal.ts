/** Who is asking, on the request itself: set by the guard in access.ts, read by the routes. */
import type { FastifyRequest } from 'fastify';
import { PayflowError } from '../../shared/errors.ts';
import type { Principal } from './auth.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set for every route whose line in rights.ts asks for a token. */
    principal: Principal | null;
  }
}

/** @throws PayflowError UNAUTHENTICATED; only reachable in a route that is everyone's */
export function principalOf(request: FastifyRequest): Principal {
  if (request.principal !== null) return request.principal;
  throw new PayflowError('UNAUTHENTICATED', 'a bearer token is needed');
}
