/** How long requests take, by route. */
import type { FastifyInstance } from 'fastify';
import { histogram, type Registry } from '../../shared/metrics.ts';

/** A flush that waits takes seconds; a status milliseconds. */
const BUCKETS_SECONDS = [0.005, 0.02, 0.05, 0.1, 0.25, 1, 5, 30];

export function requestMetrics(app: FastifyInstance, registry: Registry): void {
  const seconds = histogram(registry, {
    name: 'payflow_gateway_http_request_duration_seconds',
    help: 'From the request’s head to the last byte of its answer.',
    labelNames: ['method', 'route', 'status'],
    buckets: BUCKETS_SECONDS,
  });
  app.addHook('onResponse', (request, reply, done) => {
    const { method, routeOptions } = request;
    // A path that nobody serves is a stranger's choice, and no label.
    const labels = { method, route: routeOptions.url ?? 'none', status: String(reply.statusCode) };
    seconds.observe(labels, reply.elapsedTime / 1000);
    done();
  });
}
