/** POST /api/v1/enroll: a till exchanges its one-use code for a token. The code is its credential. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { GatewayContext } from '../../context.ts';
import { enrolTerminal } from '../../terminals.ts';

const bodySchema = z.strictObject({
  code: z.string().min(1).max(64),
  publicKey: z.string().min(1).max(1000).describe('Ed25519 public key, PEM'),
  terminalId: z
    .string()
    .min(1)
    .max(64)
    .optional()
    .describe('As the till calls itself: the code must be its own'),
  labelsUnits: z
    .boolean()
    .optional()
    .describe(
      'Its units name the registration under which they were cut; needed to move a till to another store',
    ),
});

/** Strangers may send it. */
const BODY_LIMIT_BYTES = 16 * 1024;

export function enrolRoutes(context: GatewayContext) {
  return async (app: FastifyInstance): Promise<void> => {
    app.post<{ Body: z.output<typeof bodySchema> }>(
      '/enroll',
      {
        schema: { body: bodySchema, tags: ['terminals'], summary: 'Enrol a till by its code' },
        bodyLimit: BODY_LIMIT_BYTES,
      },
      async (request) => {
        const { pool, prefix, brokers, doorkeeper, proxies } = context;
        const enrolment = await doorkeeper.passWithCode(proxies.clientOf(request.raw), () =>
          enrolTerminal(pool, { ...request.body, prefix, brokers }),
        );
        context.log.info(
          { terminalId: enrolment.terminalId },
          `terminal ${enrolment.terminalId} is enrolled`,
        );
        return enrolment;
      },
    );
  };
}
