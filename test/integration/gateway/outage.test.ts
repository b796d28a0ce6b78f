import { afterAll, beforeAll, expect, it } from 'vitest';
import { until } from '../../../scripts/support/until.ts';
import { GatewaySite, PretendAgent, type RunningGateway } from '../../support/gateway-site.ts';

let site: GatewaySite;
let gateway: RunningGateway;

beforeAll(async () => {
  site = await GatewaySite.start({ ownPostgres: true });
  gateway = await site.gateway();
});

afterAll(() => site.stop());

it('answers 503 with Retry-After while PostgreSQL is away, stays alive, and finishes its jobs afterwards', async () => {
  const operator = await site.token('operator');
  const { token } = await site.till(gateway, 'out-1');
  const agent = new PretendAgent();
  await site.agent(gateway, token, agent);
  const authorization = { authorization: `Bearer ${operator}` };
  const created = await fetch(`${gateway.url}/api/v1/sync`, {
    method: 'POST',
    headers: { ...authorization, 'content-type': 'application/json' },
    body: JSON.stringify({ terminalId: 'out-1', direction: 'both' }),
  });
  const { jobId } = (await created.json()) as { jobId: string };

  await site.postgres.stopImmediately();
  const status = () => fetch(`${gateway.url}/api/v1/status`, { headers: authorization });
  const refused = await status();
  expect(refused.status).toBe(503);
  expect(refused.headers.get('retry-after')).not.toBeNull();
  expect(await refused.json()).toMatchObject({ code: 'DB_UNREACHABLE' });
  expect((await fetch(`${gateway.url}/healthz`)).status).toBe(200);
  expect((await fetch(`${gateway.url}/readyz`)).status).toBe(503);

  await site.postgres.restart();
  await until(async () => (await status()).status === 200, 'the gateway answers again');
  const stored = async () => {
    const { rows } = await site.pool.query<{ state: string }>(
      'SELECT state FROM payflow_sync.job WHERE job_id = $1',
      [jobId],
    );
    return rows[0]?.state ?? 'missing';
  };
  await until(async () => ['done', 'failed'].includes(await stored()), stored);
});
