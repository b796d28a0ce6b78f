/** GET /api/v1/conflicts and /dead-letters, newest first. */
import type { FastifyInstance } from 'fastify';
import type { GatewayContext } from '../../context.ts';
import { newestConflicts, newestDeadLetters } from '../../evidence.ts';
import { roleOf } from '../../evidence-view.ts';
import { decodeNumberCursor, nextPage, pageSchema, type PageQuery } from '../page.ts';
import { principalOf } from '../request-principal.ts';

export function listRoutes(context: GatewayContext) {
  return async (app: FastifyInstance): Promise<void> => {
    app.get<{ Querystring: PageQuery }>(
      '/conflicts',
      {
        schema: { tags: ['conflicts'], summary: 'Decided conflicts, newest first', querystring: pageSchema },
      },
      async (request) => {
        const { limit, cursor } = request.query;
        const before = decodeNumberCursor(cursor) ?? null;
        const found = await newestConflicts(context.pool, { before, limit: limit + 1 });
        const { items, nextCursor } = nextPage(found, limit, (conflict) => conflict.conflictId);
        const role = roleOf(principalOf(request));
        return { conflicts: await context.evidence.conflicts(items, role), nextCursor };
      },
    );

    app.get<{ Querystring: PageQuery }>(
      '/dead-letters',
      {
        schema: { tags: ['dead letters'], summary: 'Refused changes, newest first', querystring: pageSchema },
      },
      async (request) => {
        const { limit, cursor } = request.query;
        const before = decodeNumberCursor(cursor) ?? null;
        const found = await newestDeadLetters(context.pool, { before, limit: limit + 1 });
        const { items, nextCursor } = nextPage(found, limit, (letter) => letter.deadLetterId);
        const role = roleOf(principalOf(request));
        return { deadLetters: await context.evidence.deadLetters(items, role), nextCursor };
      },
    );
  };
}
