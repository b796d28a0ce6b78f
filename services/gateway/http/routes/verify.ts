/** POST /api/v1/verify, GET /api/v1/verify and /verify/:runId: tills compared with the centre. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { GatewayContext } from '../../context.ts';
import { selectTargets } from '../../jobs/targets.ts';
import { newestRuns, verifyRunSchema } from '../../verify/run-store.ts';
import { principalOf } from '../request-principal.ts';

const LONGEST_WAIT_MS = 10 * 60_000;
const MOST_LISTED = 50;
const TAGS = { tags: ['verify'] };

const bodySchema = z.strictObject({
  terminalId: z.string().min(1).max(64).optional(),
  storeId: z.string().min(1).max(64).optional(),
  all: z.boolean().optional(),
  table: z.string().min(1).max(200).optional().describe('local name; without it all'),
  repair: z
    .boolean()
    .default(false)
    .describe('mend what differs: it goes up or comes down as rows always do'),
});
const paramsSchema = z.object({ runId: z.string().max(100) });
const waitSchema = z.strictObject({ waitMs: z.coerce.number().int().min(1).max(LONGEST_WAIT_MS).optional() });
const listSchema = z.strictObject({ limit: z.coerce.number().int().min(1).max(MOST_LISTED).default(10) });

const FINISHED = '2026-03-01T03:00:04.120Z';
const EXAMPLE = {
  runId: '7c6e3d1e-5b5b-4d0a-9a0a-3a5f5b0f4a11',
  state: 'done',
  table: null,
  repair: false,
  requestedBy: 'anna',
  requestedAt: '2026-03-01T03:00:00.000Z',
  terminals: [
    {
      terminalId: 'till-7',
      state: 'done',
      summary: { differs: 1, known: 0, byDesign: 0, moving: 0, notLookedAt: 0 },
      tables: [
        {
          table: 'products',
          centralTable: 'products',
          rows: { till: 1200, centre: 1200 },
          counts: { differs: 1, known: 0, byDesign: 0, moving: 0, notLookedAt: 0 },
          repaired: null,
          differs: [{ id: '42', key: '17', how: 'different', columns: ['price'], newer: 'till' }],
          known: [],
          byDesign: [],
          moving: [],
        },
      ],
      skipped: [],
      startedAt: '2026-03-01T03:00:00.000Z',
      finishedAt: FINISHED,
      error: null,
      progress: null,
    },
  ],
};
const runSchema = verifyRunSchema.meta({ examples: [EXAMPLE] });
const startedSchema = z.object({ runId: z.string() }).meta({ examples: [{ runId: EXAMPLE.runId }] });
const listedSchema = z.object({ runs: z.array(verifyRunSchema) }).meta({ examples: [{ runs: [EXAMPLE] }] });

export function verifyRoutes({ verify, pool }: GatewayContext) {
  return async (app: FastifyInstance): Promise<void> => {
    app.post<{ Body: z.output<typeof bodySchema> }>(
      '/verify',
      {
        schema: {
          ...TAGS,
          summary: 'Compare one till, a store’s or all with the centre, row by row, while everything runs',
          body: bodySchema,
          response: { 202: startedSchema },
        },
      },
      async (request, reply) => {
        const principal = principalOf(request);
        const { table, repair, ...selection } = request.body;
        const targets = await selectTargets(pool, principal, selection);
        const by = principal.kind === 'user' ? principal.name : principal.terminalId;
        const runId = await verify.create(targets, { table, repair, by });
        return reply.code(202).header('location', `/api/v1/verify/${runId}`).send({ runId });
      },
    );

    app.get<{ Querystring: z.output<typeof listSchema> }>(
      '/verify',
      {
        schema: {
          ...TAGS,
          summary: 'The newest comparisons',
          querystring: listSchema,
          response: { 200: listedSchema },
        },
      },
      async (request) => {
        const ids = await newestRuns(pool, request.query.limit);
        return { runs: await Promise.all(ids.map((runId) => verify.get(runId))) };
      },
    );

    app.get<{ Params: z.output<typeof paramsSchema>; Querystring: z.output<typeof waitSchema> }>(
      '/verify/:runId',
      {
        schema: {
          ...TAGS,
          summary:
            'A comparison, and the rows and columns that differ; waitMs holds the answer until it is finished',
          params: paramsSchema,
          querystring: waitSchema,
          response: { 200: runSchema },
        },
      },
      async (request) => {
        const { runId } = request.params;
        const { waitMs } = request.query;
        return waitMs === undefined ? verify.get(runId) : verify.waitFor(runId, waitMs);
      },
    );
  };
}
