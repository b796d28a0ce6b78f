/** Commands that run at the centre and are done by a till's agent: its catalog (parity), bootstrap, replay. */
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
const replaySchema = z.strictObject({
  stream: z.string().min(1).describe('topic of the stream'),
  fromOffset: offset,
  toOffset: offset.optional(),
  dryRun: z.boolean().default(false),
});

const CATALOG_TIMEOUT_MS = 30_000;
/** Both go over whole tables or streams; both can simply be asked for again. */
const LONG_TIMEOUT_MS = 30 * 60_000;

export function terminalCommandRoutes(context: GatewayContext) {
  const { agents } = context;
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
        const { terminalId } = await terminalStatus(context, request.params.id);
        const { none, dryRun } = request.body;
        if (none) return agents.request(terminalId, 'agent:bootstrap-none', {}, LONG_TIMEOUT_MS);
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
        const { stream, fromOffset, toOffset, dryRun } = request.body;
        const range = { topic: stream, fromOffset, dryRun, ...(toOffset === undefined ? {} : { toOffset }) };
        return agents.request(terminalId, 'agent:replay', range, LONG_TIMEOUT_MS);
      },
    );
  };
}
