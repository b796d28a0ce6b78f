/** The gateway's own figures: connected agents, open jobs, finished parts, and what comparisons found. */
import { counter, gauge } from '../shared/metrics.ts';
import type { GatewayContext } from './context.ts';

export function gatewayMetrics({ registry, agents, jobs, verify }: GatewayContext): void {
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
  const compared = counter(registry, {
    name: 'payflow_gateway_verify_total',
    help: 'Tills compared with the centre',
    labelNames: ['result'] as const,
  });
  const differing = gauge(registry, {
    name: 'payflow_gateway_verify_rows',
    help: 'Rows that the newest comparison of a till found to differ, by whether it is known why',
    labelNames: ['terminal', 'kind'] as const,
  });
  const at = gauge(registry, {
    name: 'payflow_gateway_verify_timestamp_seconds',
    help: 'When a till was compared last',
    labelNames: ['terminal'] as const,
  });
  verify.onNews((event, { terminalId: terminal, table, summary }) => {
    if (event === 'verify:failed') compared.inc({ result: 'failed' });
    if (summary === undefined) return;
    const { differs, known, moving, notLookedAt } = summary;
    compared.inc({ result: differs + known + notLookedAt > 0 ? 'differs' : 'equal' });
    // One table says nothing of the others.
    if (table !== undefined) return;
    for (const [kind, rows] of Object.entries({ differs: differs + notLookedAt, known, moving }))
      differing.set({ terminal, kind }, rows);
    at.setToCurrentTime({ terminal });
  });
}
