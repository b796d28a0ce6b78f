/** GET /api/v1/status, /terminals and /terminals/:id. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { requireRoleOrSelf } from '../auth.ts';
import type { GatewayContext } from '../../context.ts';
import { listIncarnations } from '../../hand-over.ts';
import { decodeCursor, nextPage, pageSchema } from '../page.ts';
import { principalOf } from '../request-principal.ts';
import { systemStatus, terminalStatus, terminalStatuses } from '../../status.ts';

const paramsSchema = z.object({ id: z.string() });
const listSchema = pageSchema.extend({
  storeId: z.string().min(1).max(64).optional().describe('only tills of this store'),
});
const TAGS = { tags: ['status'] };

export function statusRoutes(context: GatewayContext) {
  return async (app: FastifyInstance): Promise<void> => {
    app.get('/status', { schema: { ...TAGS, summary: 'How everything is doing' } }, () =>
      systemStatus(context),
    );

    app.get<{ Querystring: z.output<typeof listSchema> }>(
      '/terminals',
      { schema: { ...TAGS, summary: 'The tills, by id', querystring: listSchema } },
      async (request) => {
        const { limit, cursor, storeId } = request.query;
        const after = decodeCursor(cursor);
        const found = await terminalStatuses(context, { after, storeId, limit: limit + 1 });
        const { items, nextCursor } = nextPage(found, limit, (terminal) => terminal.terminalId);
        return { terminals: items, nextCursor };
      },
    );

    app.get<{ Params: z.output<typeof paramsSchema> }>(
      '/terminals/:id',
      { schema: { ...TAGS, summary: 'One till, with the files that sent as it', params: paramsSchema } },
      async (request) => {
        const { id } = request.params;
        requireRoleOrSelf(principalOf(request), 'viewer', id);
        const status = await terminalStatus(context, id);
        return { ...status, incarnations: await listIncarnations(context.pool, id) };
      },
    );
  };
}
