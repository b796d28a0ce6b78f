/** Commands that run at the centre and are done by a till's agent: its catalog (parity), bootstrap, replay. */
import { randomUUID } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { GatewayContext } from '../../context.ts';
import { terminalStatus } from '../../status.ts';

const paramsSchema = z.object({ id: z.string() });
type Params = z.output<typeof paramsSchema>;
const TAGS = { tags: ['terminals'] };

const bootstrapSchema = z
  .strictObject({
    dryRun: z.boolean().default(false),
    none: z
      .boolean()
      .default(false)
      .describe('none of the rows from before is the centre’s: they stay as they are'),
  })
  .refine(({ dryRun, none }) => !(dryRun && none), { path: ['none'], message: 'either dryRun or none' });

const offset = z.number().int().min(0);
const time = z.iso.datetime({ offset: true }).describe('when the log received the records');
const lsn = z
  .string()
  .regex(/^[0-9A-Fa-f]{1,8}\/[0-9A-Fa-f]{1,8}$/, 'must be a position of the WAL such as 1/A3F0')
  .describe('of the commit at the centre');
/** Every bound is included. */
const replaySchema = z
  .strictObject({
    stream: z.string().min(1).describe('topic of the stream'),
    fromOffset: offset.optional(),
    toOffset: offset.optional(),
    fromTime: time.optional(),
    toTime: time.optional(),
    fromLsn: lsn.optional(),
    toLsn: lsn.optional(),
    dryRun: z.boolean().default(false),
  })
  .refine(
    ({ fromOffset, fromTime, fromLsn }) =>
      [fromOffset, fromTime, fromLsn].filter((from) => from !== undefined).length === 1,
    { path: ['fromOffset'], message: 'exactly one of fromOffset, fromTime and fromLsn says where it begins' },
  );

const CATALOG_TIMEOUT_MS = 30_000;
/** Both go over whole tables or streams; both can simply be asked for again. */
const LONG_TIMEOUT_MS = 30 * 60_000;

export function terminalCommandRoutes(context: GatewayContext) {
  const { agents, markers } = context;
  return async (app: FastifyInstance): Promise<void> => {
    app.get<{ Params: Params }>(
      '/terminals/:id/catalog',
      { schema: { ...TAGS, summary: 'Tables and columns of a till, for parity', params: paramsSchema } },
      async (request) => {
        const { terminalId } = await terminalStatus(context, request.params.id);
        return agents.request(terminalId, 'agent:catalog', {}, CATALOG_TIMEOUT_MS);
      },
    );

    app.post<{ Params: Params; Body: z.output<typeof bootstrapSchema> }>(
      '/terminals/:id/bootstrap',
      {
        schema: {
          ...TAGS,
          summary: 'Link the rows of a till that have no central id',
          params: paramsSchema,
          body: bootstrapSchema,
        },
      },
      async (request) => {
        const { terminalId, storeId, online } = await terminalStatus(context, request.params.id);
        const { none, dryRun } = request.body;
        if (none) return agents.request(terminalId, 'agent:bootstrap-none', {}, LONG_TIMEOUT_MS);
        // Of a table that is still being seeded the till would offer rows that the centre's own link by themselves, and
        // what became of them would not be told.
        if (online && !dryRun) {
          const lsn = await markers.write(storeId);
          const caughtUp = { jobId: randomUUID(), lsn, timeoutMs: LONG_TIMEOUT_MS };
          await agents.request(terminalId, 'sync:catch-up', caughtUp, LONG_TIMEOUT_MS);
        }
        return agents.request(terminalId, 'agent:bootstrap', { dryRun }, LONG_TIMEOUT_MS);
      },
    );

    app.post<{ Params: Params; Body: z.output<typeof replaySchema> }>(
      '/terminals/:id/replay',
      {
        schema: {
          ...TAGS,
          summary: 'Apply a range of a stream to a till again',
          params: paramsSchema,
          body: replaySchema,
        },
      },
      async (request) => {
        const { terminalId } = await terminalStatus(context, request.params.id);
        const { stream, fromOffset = 0, fromTime, toTime, ...rest } = request.body;
        const times = { fromMs: msOf(fromTime), toMs: msOf(toTime) };
        const range = { ...rest, ...times, topic: stream, fromOffset };
        return agents.request(terminalId, 'agent:replay', range, LONG_TIMEOUT_MS);
      },
    );
  };
}

function msOf(time: string | undefined): number | undefined {
  return time === undefined ? undefined : Date.parse(time);
}
