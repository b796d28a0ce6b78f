/** POST /api/v1/sync and GET /api/v1/sync/:jobId. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { pullResultSchema, pushResultSchema } from '../../../shared/agent-protocol.ts';
import type { GatewayContext } from '../../context.ts';
import { DIRECTIONS, isFinished, jobView } from '../../jobs/job.ts';
import { principalOf } from '../request-principal.ts';
import { requireJobAccess, selectTargets } from '../../jobs/targets.ts';

export const DEFAULT_WAIT_MS = 30_000;
const LONGEST_WAIT_MS = 10 * 60_000;

const waitMs = z.number().int().min(1).max(LONGEST_WAIT_MS);

const bodySchema = z.strictObject({
  terminalId: z.string().min(1).max(64).optional(),
  storeId: z.string().min(1).max(64).optional(),
  all: z.boolean().optional(),
  direction: z.enum(DIRECTIONS),
  wait: z.boolean().optional().describe('answer only when all is done, a till is offline, or time is up'),
  timeoutMs: waitMs.optional(),
});

const paramsSchema = z.object({ jobId: z.string() });
const querySchema = z.strictObject({ waitMs: z.coerce.number().pipe(waitMs).optional() });

const jobSchema = z.object({
  jobId: z.string(),
  direction: z.enum(DIRECTIONS),
  state: z.enum(['waiting', 'running', 'done', 'partial', 'failed']),
  terminals: z.array(
    z.object({
      terminalId: z.string(),
      state: z.enum(['waiting', 'running', 'done', 'failed']),
      pull: pullResultSchema.optional(),
      push: pushResultSchema.optional(),
      error: z.object({ code: z.string(), message: z.string() }).optional(),
    }),
  ),
  startedAt: z.string(),
  durationMs: z.number(),
});

const TAGS = { tags: ['sync'] };

export function syncRoutes(context: GatewayContext) {
  const { jobs, pool, now } = context;
  return async (app: FastifyInstance): Promise<void> => {
    app.post<{ Body: z.output<typeof bodySchema> }>(
      '/sync',
      {
        schema: {
          ...TAGS,
          summary: 'Start a sync of one till, a store or all: pull ↑, push ↓ or both',
          body: bodySchema,
          response: { 200: jobSchema, 202: z.union([z.object({ jobId: z.string() }), jobSchema]) },
        },
      },
      async (request, reply) => {
        const { direction, wait, timeoutMs, ...selection } = request.body;
        const targets = await selectTargets(pool, principalOf(request), selection);
        const { jobId } = await jobs.create(direction, targets);
        void reply.header('location', `/api/v1/sync/${jobId}`);
        if (wait !== true) return reply.code(202).send({ jobId });
        const job = await jobs.waitForRest(jobId, timeoutMs ?? DEFAULT_WAIT_MS);
        return reply.code(isFinished(job.parts) ? 200 : 202).send(jobView(job, now()));
      },
    );

    app.get<{ Params: z.output<typeof paramsSchema>; Querystring: z.output<typeof querySchema> }>(
      '/sync/:jobId',
      {
        schema: {
          ...TAGS,
          summary: 'A job and the part of each till; waitMs holds the answer until it is at rest',
          params: paramsSchema,
          querystring: querySchema,
          response: { 200: jobSchema },
        },
      },
      async (request) => {
        const { jobId } = request.params;
        const principal = principalOf(request);
        const job = await jobs.get(jobId);
        requireJobAccess(
          principal,
          job.parts.map((part) => part.terminalId),
        );
        const longest = request.query.waitMs;
        return jobView(longest === undefined ? job : await jobs.waitForRest(jobId, longest), now());
      },
    );
  };
}
