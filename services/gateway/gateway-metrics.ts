/** The gateway's own figures: connected agents, open jobs, finished parts. */
import { counter, gauge } from '../shared/metrics.ts';
import type { GatewayContext } from './context.ts';

export function gatewayMetrics({ registry, agents, jobs }: GatewayContext): void {
  const connected = gauge(registry, { name: 'payflow_gateway_agents', help: 'Agents connected now' });
  agents.on({ changed: () => connected.set(agents.list().length) });
  const parts = counter(registry, {
    name: 'payflow_gateway_sync_parts_total',
    help: 'Finished parts of sync jobs, one per till',
    labelNames: ['state'] as const,
  });
  const open = gauge(registry, { name: 'payflow_gateway_open_jobs', help: 'Sync jobs not finished' });
  jobs.onPart((event) => {
    open.set(jobs.openCount);
    if (event !== 'sync:progress') parts.inc({ state: event === 'sync:done' ? 'done' : 'failed' });
  });
}
