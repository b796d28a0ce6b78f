/** /healthz, /readyz, /metrics at the root: no token, nothing confidential. */
import type { FastifyInstance } from 'fastify';
import type { GatewayContext } from '../../context.ts';
import { readiness } from '../../status.ts';

const OPEN = { tags: ['operations'] };

export function operationsRoutes(context: GatewayContext) {
  return async (app: FastifyInstance): Promise<void> => {
    app.get('/healthz', { schema: { ...OPEN, summary: 'The process is alive' } }, () => ({ status: 'ok' }));

    app.get(
      '/readyz',
      { schema: { ...OPEN, summary: 'Dependencies answer and data is moving' } },
      async (_, reply) => {
        const result = await readiness(context);
        return reply.code(result.ready ? 200 : 503).send(result);
      },
    );

    app.get('/metrics', { schema: { ...OPEN, summary: 'Prometheus metrics' } }, async (_, reply) => {
      const text = await context.registry.metrics();
      // A serializer of its own: the common one would make a JSON string of it.
      return reply
        .type(context.registry.contentType)
        .serializer((plain: string) => plain)
        .send(text);
    });
  };
}
