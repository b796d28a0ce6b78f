/** /api/v1/refused and /held: records of tills that were passed over, and records that wait. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { PayflowError } from '../../../shared/errors.ts';
import { letterFilterSchema } from '../../../shared/operations.ts';
import type { GatewayContext } from '../../context.ts';
import { roleOf } from '../../evidence-view.ts';
import { heldById, heldRecords, newestRefused, refusedById } from '../../waiting-records.ts';
import { decodeCursor, decodeNumberCursor, nextPage, pageSchema } from '../page.ts';
import { principalOf } from '../request-principal.ts';
import { ask, operationSchema, waitQuerySchema, whySchema, type WaitQuery } from './asked.ts';

const { terminalId, code, since } = letterFilterSchema.shape;
const refusedListSchema = pageSchema.extend({ terminalId, code, since });
const heldListSchema = pageSchema.extend({
  terminalId,
  code: code.describe('the reason'),
  since: since.describe('held at or after'),
});
const refusedParams = z.object({ id: z.string().max(300) });
const heldParams = z.object({ id: z.string().regex(/^\d{1,18}$/, 'must be a number') });
const skipSchema = z
  .strictObject({ why: whySchema })
  .meta({ examples: [{ why: 'a damaged disk; sold again' }] });

const REFUSED = {
  refusedId: 'payflow.up-3-1042',
  topic: 'payflow.up',
  partition: 3,
  offset: 1042,
  terminalId: 'till-7',
  code: 'RECORD_MALFORMED',
  message: 'the record ends in the middle of a unit',
  sizeBytes: 4096,
  refusedAt: '2026-03-01T09:30:00.000Z',
  skippedAt: null,
  skippedBy: null,
  why: null,
};
const HELD = {
  heldId: '12',
  terminalId: 'till-7',
  incarnation: '6f0c…',
  unit: 813,
  part: 1,
  parts: 1,
  reason: 'gap',
  heldAt: '2026-03-01T09:30:01.000Z',
  sizeBytes: 900,
  waitsFor: 'unit 812 of till-7, which the till sends again by itself',
};
const shown = (example: object) =>
  z
    .object({})
    .loose()
    .meta({ examples: [example] });
const SKIPPED = operationSchema('refused-skip', {
  refusedId: REFUSED.refusedId,
  terminalId: 'till-7',
  skipped: { firstSeq: 210, lastSeq: 214 },
});

export function waitingRoutes(context: GatewayContext) {
  return async (app: FastifyInstance): Promise<void> => {
    refusedRoutes(app, context);
    heldRoutes(app, context);
  };
}

function refusedRoutes(app: FastifyInstance, context: GatewayContext): void {
  const TAGS = { tags: ['refused records'] };
  app.get<{ Querystring: z.output<typeof refusedListSchema> }>(
    '/refused',
    {
      schema: {
        ...TAGS,
        summary: 'Records of the up stream that were passed over, newest first',
        querystring: refusedListSchema,
        response: { 200: shown({ refused: [REFUSED], nextCursor: null }) },
      },
    },
    async (request) => {
      const { limit, cursor, ...filter } = request.query;
      const before = decodeCursor(cursor) ?? null;
      const found = await newestRefused(context.pool, { before, limit: limit + 1 }, filter);
      const { items, nextCursor } = nextPage(found, limit, ({ refusedId }) => refusedId);
      return { refused: items, nextCursor };
    },
  );

  app.get<{ Params: z.output<typeof refusedParams> }>(
    '/refused/:id',
    {
      schema: {
        ...TAGS,
        summary: 'One of them',
        params: refusedParams,
        response: { 200: shown(REFUSED) },
      },
    },
    async (request) => {
      return refusedOf(context, request.params.id);
    },
  );

  app.post<{
    Params: z.output<typeof refusedParams>;
    Querystring: WaitQuery;
    Body: z.output<typeof skipSchema>;
  }>(
    '/refused/:id/skip',
    {
      schema: {
        ...TAGS,
        summary: 'Let the chain of its till go on without it',
        params: refusedParams,
        querystring: waitQuerySchema,
        body: skipSchema,
        response: { 200: SKIPPED, 202: SKIPPED },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      await refusedOf(context, id);
      const { why } = request.body;
      const { waitMs } = request.query;
      return ask(context, { request, reply }, { kind: 'refused-skip', args: { id }, why, waitMs });
    },
  );
}

function heldRoutes(app: FastifyInstance, context: GatewayContext): void {
  const TAGS = { tags: ['held records'] };
  app.get<{ Querystring: z.output<typeof heldListSchema> }>(
    '/held',
    {
      schema: {
        ...TAGS,
        summary: 'Records that wait, in the order in which they came: why, since when, for what',
        querystring: heldListSchema,
        response: { 200: shown({ held: [HELD], nextCursor: null }) },
      },
    },
    async (request) => {
      const { limit, cursor, ...filter } = request.query;
      const after = decodeNumberCursor(cursor) ?? null;
      const found = await heldRecords(context.pool, { after, limit: limit + 1 }, filter);
      const { items, nextCursor } = nextPage(found, limit, ({ heldId }) => heldId);
      return { held: items, nextCursor };
    },
  );

  app.get<{ Params: z.output<typeof heldParams> }>(
    '/held/:id',
    {
      schema: {
        ...TAGS,
        summary: 'One of them with every change, before and after',
        params: heldParams,
        response: { 200: shown({ ...HELD, changes: [] }) },
      },
    },
    async (request) => {
      const principal = principalOf(request);
      const held = await heldById(context.pool, request.params.id);
      if (held === undefined)
        throw new PayflowError('NOT_FOUND', `there is no held record ${request.params.id}`);
      return context.evidence.held(held, roleOf(principal));
    },
  );
}

async function refusedOf(context: GatewayContext, id: string) {
  const refused = await refusedById(context.pool, id);
  if (refused === undefined) throw new PayflowError('NOT_FOUND', `there is no refused record ${id}`);
  return refused;
}
