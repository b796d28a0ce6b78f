/** /api/v1/conflicts: decided conflicts, listed, shown with both versions, and resolved by hand. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { PayflowError } from '../../../shared/errors.ts';
import { letterFilterSchema, resolveSchema } from '../../../shared/operations.ts';
import type { GatewayContext } from '../../context.ts';
import { conflictById, newestConflicts } from '../../evidence.ts';
import { roleOf } from '../../evidence-view.ts';
import { decodeNumberCursor, nextPage, pageSchema } from '../page.ts';
import { principalOf } from '../request-principal.ts';
import { ask, operationSchema, waitQuerySchema, whySchema, type WaitQuery } from './asked.ts';

const TAGS = { tags: ['conflicts'] };
const listSchema = pageSchema.extend({
  ...letterFilterSchema.shape,
  table: letterFilterSchema.shape.table.describe('central name'),
  code: letterFilterSchema.shape.code.describe('the rule by which it was decided'),
  since: letterFilterSchema.shape.since.describe('decided at or after'),
});
const paramsSchema = z.object({ id: z.string().regex(/^\d{1,18}$/, 'must be a number') });
type Params = z.output<typeof paramsSchema>;
const bodySchema = resolveSchema
  .omit({ id: true })
  .extend({ why: whySchema.optional() })
  .meta({ examples: [{ take: 'values', values: { name: 'Espresso' } }] });

const EXAMPLE = {
  conflictId: '5',
  table: 'products',
  centralId: '42',
  terminalId: 'till-7',
  seq: 118,
  centralRow: { id: '42', name: 'Espresso', price: '2.40' },
  terminalRow: { name: 'espresso' },
  winner: 'central',
  rule: 'last-writer-wins',
  decidedAt: '2026-03-01T09:30:00.000Z',
  resolution: null,
  resolvedAt: null,
  resolvedBy: null,
};
const listedSchema = z
  .object({ conflicts: z.array(z.unknown()), nextCursor: z.string().nullable() })
  .meta({ examples: [{ conflicts: [EXAMPLE], nextCursor: null }] });
const shownSchema = z
  .object({ conflictId: z.string() })
  .loose()
  .meta({ examples: [{ ...EXAMPLE, standing: EXAMPLE.centralRow }] });
const RESOLVED = operationSchema('conflict-resolve', {
  conflictId: '5',
  table: 'products',
  centralId: '42',
  written: 'updated',
  columns: ['name', 'updated_at'],
  leftAlone: ['stock_quantity'],
});

export function conflictRoutes(context: GatewayContext) {
  return async (app: FastifyInstance): Promise<void> => {
    app.get<{ Querystring: z.output<typeof listSchema> }>(
      '/conflicts',
      {
        schema: {
          ...TAGS,
          summary: 'Decided conflicts, newest first',
          querystring: listSchema,
          response: { 200: listedSchema },
        },
      },
      async (request) => {
        const principal = principalOf(request);
        const { limit, cursor, ...filter } = request.query;
        const before = decodeNumberCursor(cursor) ?? null;
        const found = await newestConflicts(context.pool, { before, limit: limit + 1 }, filter);
        const { items, nextCursor } = nextPage(found, limit, (conflict) => conflict.conflictId);
        const role = roleOf(principal);
        return { conflicts: await context.evidence.conflicts(items, role), nextCursor };
      },
    );

    app.get<{ Params: Params }>(
      '/conflicts/:id',
      {
        schema: {
          ...TAGS,
          summary: 'One of them: both versions, and the row as the decision left it',
          params: paramsSchema,
          response: { 200: shownSchema },
        },
      },
      async (request) => {
        const principal = principalOf(request);
        return context.evidence.conflict(await conflictOf(context, request.params.id), roleOf(principal));
      },
    );

    app.post<{ Params: Params; Querystring: WaitQuery; Body: z.output<typeof bodySchema> }>(
      '/conflicts/:id/resolve',
      {
        schema: {
          ...TAGS,
          summary: 'Decide it otherwise, as head office',
          params: paramsSchema,
          querystring: waitQuerySchema,
          body: bodySchema,
          response: { 200: RESOLVED, 202: RESOLVED },
        },
      },
      async (request, reply) => {
        const { id } = request.params;
        await conflictOf(context, id);
        const { why, ...how } = request.body;
        const { waitMs } = request.query;
        return ask(
          context,
          { request, reply },
          { kind: 'conflict-resolve', args: { id, ...how }, why, waitMs },
        );
      },
    );
  };
}

async function conflictOf(context: GatewayContext, id: string) {
  const conflict = await conflictById(context.pool, id);
  if (conflict === undefined) throw new PayflowError('NOT_FOUND', `there is no conflict ${id}`);
  return conflict;
}
