/** A till's life at the centre: registered, shown with its files, one of them let go on, taken out of service. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { inTransaction } from '../../../shared/database/postgres.ts';
import { DEFAULT_UP_PARTITIONS, upStream } from '../../../shared/log/topics.ts';
import type { GatewayContext } from '../../context.ts';
import { unfenceTerminal } from '../../hand-over.ts';
import type { Actor } from '../../operation-log.ts';
import { retireStep } from '../../retirement.ts';
import { makeStoreStream, registerTerminal, requireRegistrable } from '../../terminals.ts';
import type { Principal } from '../auth.ts';
import { principalOf } from '../request-principal.ts';

const paramsSchema = z.object({ id: z.string() });
type Params = z.output<typeof paramsSchema>;
const TAGS = { tags: ['terminals'] };

const registerSchema = z.strictObject({
  terminalId: z.string().min(1).max(64),
  storeId: z.string().min(1).max(64),
  replace: z.boolean().default(false).describe('also where it is enrolled, retired or of another store'),
});
const why = z.string().min(1).max(1000).optional();
const unfenceSchema = z.strictObject({
  incarnation: z.string().min(1).max(200).describe('the file that goes on, as GET /terminals/{id} names it'),
  why,
});
const retireSchema = z.strictObject({ why });

export function terminalLifeRoutes(context: GatewayContext) {
  const { pool, prefix, eventLog } = context;
  return async (app: FastifyInstance): Promise<void> => {
    app.post<{ Body: z.output<typeof registerSchema> }>(
      '/terminals',
      { schema: { ...TAGS, summary: 'Register a till; answers its one-use code', body: registerSchema } },
      async (request) => {
        const { body } = request;
        const wanted = { ...body, upPartitions: DEFAULT_UP_PARTITIONS };
        await requireRegistrable(pool, wanted);
        // Before the code is made: one that nobody is told would be lost.
        await makeStoreStream({ pool, eventLog: eventLog(), prefix }, body.storeId);
        return inTransaction(pool, (client) => registerTerminal(client, wanted));
      },
    );

    app.post<{ Params: Params; Body: z.output<typeof unfenceSchema> }>(
      '/terminals/:id/unfence',
      {
        schema: {
          ...TAGS,
          summary: 'Say which of a till’s files goes on',
          params: paramsSchema,
          body: unfenceSchema,
        },
      },
      async (request) => {
        const principal = principalOf(request);
        const { incarnation } = request.body;
        const actor = actorOf(principal, request.body.why);
        return unfenceTerminal(pool, { terminalId: request.params.id, incarnation, actor });
      },
    );

    app.post<{ Params: Params; Body: z.output<typeof retireSchema> }>(
      '/terminals/:id/retire',
      {
        schema: {
          ...TAGS,
          summary: 'Take a till out of service; ask again until its state is `retired`',
          params: paramsSchema,
          body: retireSchema,
        },
      },
      async (request) => {
        const principal = principalOf(request);
        const terminalId = request.params.id;
        const endOf = async (partition: number) =>
          (await eventLog().offsets(upStream(prefix, partition))).end;
        const actor = actorOf(principal, request.body.why);
        const step = await retireStep(pool, { terminalId, prefix, endOf, actor });
        context.agents.get(terminalId)?.disconnect();
        return step;
      },
    );
  };
}

function actorOf(principal: Principal, reason: string | undefined): Actor {
  return { name: principal.kind === 'user' ? principal.name : principal.terminalId, why: reason };
}
