/** POST and GET /api/v1/snapshots: tables that are read into the streams again. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { GatewayContext } from '../../context.ts';
import { listSnapshots, snapshotSchema, startSnapshot } from '../../snapshots.ts';
import { principalOf } from '../request-principal.ts';

const TAGS = { tags: ['snapshots'] };
const bodySchema = z.strictObject({
  table: z.string().min(1).max(200).describe('as tills call it'),
});
const EXAMPLE = {
  table: 'products',
  centralTable: 'products',
  state: 'wanted',
  rows: 0,
  updatedAt: '2026-03-01T03:00:00.000Z',
  blockedBy: null,
};
const oneSchema = snapshotSchema.meta({ examples: [EXAMPLE] });
const listedSchema = z
  .object({ snapshots: z.array(snapshotSchema) })
  .meta({ examples: [{ snapshots: [EXAMPLE] }] });

export function snapshotRoutes({ pool, log }: GatewayContext) {
  return async (app: FastifyInstance): Promise<void> => {
    app.post<{ Body: z.output<typeof bodySchema> }>(
      '/snapshots',
      {
        schema: {
          ...TAGS,
          summary: 'Read a table into the streams again, whole, while everything runs',
          body: bodySchema,
          response: { 202: oneSchema },
        },
      },
      async (request, reply) => {
        const { table } = request.body;
        const snapshot = await startSnapshot(pool, table);
        const principal = principalOf(request);
        const by = principal.kind === 'user' ? principal.name : principal.terminalId;
        log.info({ table, by }, 'a table is read into the streams again');
        return reply.code(202).header('location', '/api/v1/snapshots').send(snapshot);
      },
    );

    app.get(
      '/snapshots',
      {
        schema: {
          ...TAGS,
          summary: 'How far each table was read into the streams',
          response: { 200: listedSchema },
        },
      },
      async () => ({ snapshots: await listSnapshots(pool) }),
    );
  };
}
