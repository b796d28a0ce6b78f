/**
 * What operators ask of central-apply goes through here: put down, waited for a while, answered. Also
 * GET /api/v1/operations and /operations/:id, where the answer is found that took longer.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { OperationKind } from '../../../shared/operations.ts';
import type { GatewayContext } from '../../context.ts';
import { awaitOperation, listOperations, orItsFailure, requestOperation } from '../../operations.ts';
import { decodeCursor, nextPage, pageSchema, type PageQuery } from '../page.ts';
import { principalOf } from '../request-principal.ts';

const TAGS = { tags: ['operations'] };
const MOST_WAIT_MS = 30_000;
/** Of a request that says nothing: nearly everything is done by then. */
const USUAL_WAIT_MS = 10_000;

const waitMs = z.coerce.number().int().min(0).max(MOST_WAIT_MS);
/** How long a request waits for its operation. */
export const waitQuerySchema = z.strictObject({
  waitMs: waitMs.default(USUAL_WAIT_MS).describe('then 202, and the operation goes on'),
});
export type WaitQuery = z.output<typeof waitQuerySchema>;

export const whySchema = z
  .string()
  .trim()
  .min(1)
  .max(2_000)
  .refine((text) => !text.includes('\0'), 'must not hold a zero character');

const EXAMPLE = {
  operationId: 'b4a2a7de-3a0f-4c39-9a52-5a1ff1a8a6b1',
  kind: 'refused-skip',
  state: 'done',
  requestedBy: 'anna',
  why: 'a damaged disk; sold again',
  requestedAt: '2026-03-01T09:30:00.000Z',
  finishedAt: '2026-03-01T09:30:00.120Z',
  result: {
    refusedId: 'payflow.up-3-1042',
    terminalId: 'till-7',
    skipped: { firstSeq: 210, lastSeq: 214 },
  },
  error: null,
};

const viewSchema = z.object({
  operationId: z.string(),
  kind: z.string(),
  state: z.enum(['waiting', 'done', 'failed']),
  requestedBy: z.string(),
  why: z.string().nullable(),
  requestedAt: z.string(),
  finishedAt: z.string().nullable(),
  result: z.unknown().describe('by kind; null while it waits'),
  error: z.object({ code: z.string(), message: z.string() }).loose().nullable(),
});

/** @param result the kind's own, by example */
export function operationSchema(kind: OperationKind, result: unknown) {
  return viewSchema.meta({ examples: [{ ...EXAMPLE, kind, result }] });
}

const listedSchema = z
  .object({ operations: z.array(viewSchema), nextCursor: z.string().nullable() })
  .meta({ examples: [{ operations: [EXAMPLE], nextCursor: null }] });

export interface Asked {
  readonly kind: OperationKind;
  readonly args: unknown;
  readonly why?: string | undefined;
  readonly waitMs: number;
}

/** @returns 200 and what came of it, or 202 with its address; a failure is thrown with its own code */
export async function ask(
  context: GatewayContext,
  { request, reply }: { readonly request: FastifyRequest; readonly reply: FastifyReply },
  { kind, args, why, waitMs: wait }: Asked,
): Promise<FastifyReply> {
  const principal = principalOf(request);
  const by = principal.kind === 'user' ? principal.name : principal.terminalId;
  const { operationId } = await requestOperation(context.pool, { kind, args, by, why });
  const view = orItsFailure(await awaitOperation(context.pool, operationId, wait));
  if (view.state === 'done') return reply.code(200).send(view);
  return reply.code(202).header('location', `/api/v1/operations/${operationId}`).send(view);
}

const paramsSchema = z.object({ id: z.string().max(100) });
const lookQuerySchema = z.strictObject({ waitMs: waitMs.default(0) });

export function askedRoutes(context: GatewayContext) {
  return async (app: FastifyInstance): Promise<void> => {
    app.get<{ Querystring: PageQuery }>(
      '/operations',
      {
        schema: {
          ...TAGS,
          summary: 'What operators asked for, newest first: who, when, why, and what came of it',
          querystring: pageSchema,
          response: { 200: listedSchema },
        },
      },
      async (request) => {
        const { limit, cursor } = request.query;
        const before = decodeCursor(cursor) ?? null;
        const found = await listOperations(context.pool, { before, limit: limit + 1 });
        const { items, nextCursor } = nextPage(found, limit, ({ operationId }) => operationId);
        return { operations: items, nextCursor };
      },
    );

    app.get<{ Params: z.output<typeof paramsSchema>; Querystring: z.output<typeof lookQuerySchema> }>(
      '/operations/:id',
      {
        schema: {
          ...TAGS,
          summary: 'One of them, waited for where waitMs is given',
          params: paramsSchema,
          querystring: lookQuerySchema,
          response: { 200: operationSchema('refused-skip', EXAMPLE.result) },
        },
      },
      async (request) => {
        return awaitOperation(context.pool, request.params.id, request.query.waitMs);
      },
    );
  };
}
