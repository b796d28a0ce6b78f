/** /api/v1/dead-letters: refused changes, listed, shown whole, retried and discarded. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { PayflowError } from '../../../shared/errors.ts';
import {
  letterFilterSchema,
  oneSelection,
  retryArguments,
  selectionSchema,
} from '../../../shared/operations.ts';
import type { GatewayContext } from '../../context.ts';
import { deadLetterById, newestDeadLetters } from '../../evidence.ts';
import { roleOf } from '../../evidence-view.ts';
import { decodeNumberCursor, nextPage, pageSchema } from '../page.ts';
import { principalOf } from '../request-principal.ts';
import { ask, operationSchema, waitQuerySchema, whySchema, type WaitQuery } from './asked.ts';

const TAGS = { tags: ['dead letters'] };
const listSchema = pageSchema.extend({
  ...letterFilterSchema.shape,
  state: z.enum(['open', 'applied', 'superseded', 'discarded']).optional(),
});
const paramsSchema = z.object({ id: z.string().regex(/^\d{1,18}$/, 'must be a number') });
type Params = z.output<typeof paramsSchema>;

const EXAMPLE_LETTER = {
  deadLetterId: '7',
  terminalId: 'till-7',
  incarnation: '6f0c…',
  unit: 812,
  firstSeq: 5,
  lastSeq: 8,
  tables: ['order_items', 'orders'],
  code: '23514',
  constraint: 'order_items_quantity_check',
  message: 'new row for relation "order_items" violates check constraint "order_items_quantity_check"',
  state: 'open',
  refusedAt: '2026-03-01T09:30:00.000Z',
  tries: 1,
  lastTriedAt: '2026-03-01T10:00:00.000Z',
  lastCode: '23514',
  lastMessage: 'new row for relation "order_items" violates check constraint "order_items_quantity_check"',
  decidedAt: null,
  decidedBy: null,
  why: null,
};
const listedSchema = z
  .object({ deadLetters: z.array(z.unknown()), nextCursor: z.string().nullable() })
  .meta({ examples: [{ deadLetters: [EXAMPLE_LETTER], nextCursor: null }] });
const shownSchema = z
  .object({ deadLetterId: z.string(), changes: z.array(z.unknown()) })
  .loose()
  .meta({
    examples: [
      {
        ...EXAMPLE_LETTER,
        mended: null,
        changes: [
          {
            seq: 6,
            table: 'order_items',
            op: 'insert',
            at: '2026-03-01T09:29:58.000Z',
            identity: '0d7c…',
            centralId: null,
            columns: [{ column: 'quantity', before: null, after: 0 }],
            references: [{ column: 'order_id', identity: '51aa…' }],
          },
        ],
      },
    ],
  });
const counts = { applied: 1, superseded: 0, refused: 0, discarded: 0, closed: 0, unknown: 0 };
const result = { deadLetterId: '7', terminalId: 'till-7', dependant: false, code: null, message: null };
const RETRIED = operationSchema('dead-letter-retry', {
  letters: [{ ...result, state: 'applied', outcomes: { applied: 4 } }],
  counts,
});
const DISCARDED = operationSchema('dead-letter-discard', {
  letters: [{ ...result, state: 'discarded', outcomes: { discarded: 4 } }],
  counts: { ...counts, applied: 0, discarded: 1 },
});

const why = whySchema.describe('kept with it');
const retryOneSchema = retryArguments
  .omit({ ids: true, all: true })
  .extend({ why: why.optional() })
  .meta({ examples: [{ set: [{ table: 'order_items', column: 'quantity', value: '1' }] }] });
const discardOneSchema = z
  .strictObject({ why })
  .meta({ examples: [{ why: 'entered by hand at head office' }] });
const retryManySchema = retryArguments
  .extend({ why: why.optional() })
  .refine(...oneSelection)
  .meta({ examples: [{ all: { terminalId: 'till-7', code: '23514' } }] });
const discardManySchema = selectionSchema
  .extend({ why })
  .refine(...oneSelection)
  .meta({ examples: [{ ids: ['7', '9'], why: 'entered by hand at head office' }] });

export function deadLetterRoutes(context: GatewayContext) {
  return async (app: FastifyInstance): Promise<void> => {
    app.get<{ Querystring: z.output<typeof listSchema> }>(
      '/dead-letters',
      {
        schema: {
          ...TAGS,
          summary: 'Refused changes, newest first',
          querystring: listSchema,
          response: { 200: listedSchema },
        },
      },
      async (request) => {
        const { limit, cursor, ...filter } = request.query;
        const before = decodeNumberCursor(cursor) ?? null;
        const found = await newestDeadLetters(context.pool, { before, limit: limit + 1 }, filter);
        const { items, nextCursor } = nextPage(found, limit, (letter) => letter.deadLetterId);
        return {
          deadLetters: await context.evidence.deadLetters(items, roleOf(principalOf(request))),
          nextCursor,
        };
      },
    );

    app.get<{ Params: Params }>(
      '/dead-letters/:id',
      {
        schema: {
          ...TAGS,
          summary: 'One of them with every change, before and after',
          params: paramsSchema,
          response: { 200: shownSchema },
        },
      },
      async (request) => {
        const principal = principalOf(request);
        return context.evidence.deadLetter(await letterOf(context, request.params.id), roleOf(principal));
      },
    );
    await app.register(actingRoutes(context));
  };
}

async function letterOf(context: GatewayContext, id: string) {
  const letter = await deadLetterById(context.pool, id);
  if (letter === undefined) throw new PayflowError('NOT_FOUND', `there is no dead letter ${id}`);
  return letter;
}

function actingRoutes(context: GatewayContext) {
  return async (app: FastifyInstance): Promise<void> => {
    app.post<{ Params: Params; Querystring: WaitQuery; Body: z.output<typeof retryOneSchema> }>(
      '/dead-letters/:id/retry',
      {
        schema: {
          ...TAGS,
          summary: 'Apply it again under the rules of now',
          params: paramsSchema,
          querystring: waitQuerySchema,
          body: retryOneSchema,
          response: { 200: RETRIED, 202: RETRIED },
        },
      },
      async (request, reply) => {
        const { id } = request.params;
        await letterOf(context, id);
        const { why: reason, ...how } = request.body;
        const args = { ids: [id], ...how };
        const { waitMs } = request.query;
        return ask(context, { request, reply }, { kind: 'dead-letter-retry', args, why: reason, waitMs });
      },
    );

    app.post<{ Params: Params; Querystring: WaitQuery; Body: z.output<typeof discardOneSchema> }>(
      '/dead-letters/:id/discard',
      {
        schema: {
          ...TAGS,
          summary: 'Give it up for good, and what hangs on it',
          params: paramsSchema,
          querystring: waitQuerySchema,
          body: discardOneSchema,
          response: { 200: DISCARDED, 202: DISCARDED },
        },
      },
      async (request, reply) => {
        const { id } = request.params;
        await letterOf(context, id);
        const { waitMs } = request.query;
        const args = { ids: [id] };
        const { why: reason } = request.body;
        return ask(context, { request, reply }, { kind: 'dead-letter-discard', args, why: reason, waitMs });
      },
    );
    manyRoutes(app, context);
  };
}

/** By ids, or `all` with a filter: one operation, a till after the other. */
function manyRoutes(app: FastifyInstance, context: GatewayContext): void {
  const kinds = [
    ['retry', 'dead-letter-retry', retryManySchema, RETRIED],
    ['discard', 'dead-letter-discard', discardManySchema, DISCARDED],
  ] as const;
  for (const [verb, kind, body, answer] of kinds) {
    app.post<{ Querystring: WaitQuery; Body: z.output<typeof body> }>(
      `/dead-letters/${verb}`,
      {
        schema: {
          ...TAGS,
          summary: `${verb === 'retry' ? 'Retry' : 'Discard'} several, by ids or by filter`,
          querystring: waitQuerySchema,
          body,
          response: { 200: answer, 202: answer },
        },
      },
      async (request, reply) => {
        const { why: reason, ...args } = request.body;
        const { waitMs } = request.query;
        return ask(context, { request, reply }, { kind, args, why: reason, waitMs });
      },
    );
  }
}
