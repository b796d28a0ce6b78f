/** What becomes of jobs whose tills are away, for a while or for good. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { until } from '../../../scripts/support/until.ts';
import { registerTerminal, retireTerminal } from '../../../services/gateway/terminals.ts';
import type { JobView } from '../../../services/gateway/jobs/job.ts';
import { GatewaySite, PretendAgent, PULLED, type RunningGateway } from '../../support/gateway-site.ts';

let site: GatewaySite;
let gateway: RunningGateway;
let operator: string;

beforeAll(async () => {
  site = await GatewaySite.start();
  gateway = await site.gateway({ recheckMs: 50 });
  operator = await site.token('operator');
});

afterAll(() => site.stop());

async function sync(body: object): Promise<{ status: number; code?: string; job: JobView }> {
  const response = await fetch(`${gateway.url}/api/v1/sync`, {
    method: 'POST',
    headers: { authorization: `Bearer ${operator}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const answer = (await response.json()) as JobView & { code?: string };
  return { status: response.status, job: answer, ...(answer.code !== undefined && { code: answer.code }) };
}

async function job(jobId: string): Promise<JobView> {
  const response = await fetch(`${gateway.url}/api/v1/sync/${jobId}`, {
    headers: { authorization: `Bearer ${operator}` },
  });
  return (await response.json()) as JobView;
}

async function finished(...jobIds: string[]): Promise<JobView[]> {
  const look = () => Promise.all(jobIds.map(job));
  await until(
    async () => (await look()).every(({ state }) => !['waiting', 'running'].includes(state)),
    async () => JSON.stringify(await look()),
    { deadlineMs: 30_000 },
  );
  return look();
}

it('fails a job that waits for a till once that till is retired, also one of before a restart', async () => {
  await site.till(gateway, 'gone-1');
  await site.till(gateway, 'gone-2');
  const first = await sync({ terminalId: 'gone-1', direction: 'both' });
  const second = await sync({ terminalId: 'gone-2', direction: 'pull' });
  await retireTerminal(site.pool, 'gone-1');
  const [ended] = await finished(first.job.jobId);
  expect(ended).toMatchObject({
    state: 'failed',
    terminals: [{ terminalId: 'gone-1', state: 'failed', error: { code: 'TERMINAL_RETIRED' } }],
  });
  await gateway.stop();
  await retireTerminal(site.pool, 'gone-2');
  gateway = await site.gateway({ recheckMs: 50 });
  expect((await finished(second.job.jobId))[0]).toMatchObject({ state: 'failed' });
  expect(await sync({ terminalId: 'gone-2', direction: 'pull' })).toMatchObject({
    status: 409,
    code: 'TERMINAL_RETIRED',
  });
  const again = registerTerminal(site.pool, { terminalId: 'gone-2', storeId: 's1', upPartitions: 4 });
  await expect(again).rejects.toMatchObject({ code: 'TERMINAL_RETIRED' });
});

it('gives the job that waits already to whoever asks the same of the same tills again', async () => {
  await site.till(gateway, 'away-1', 's-away');
  await site.till(gateway, 'away-2', 's-away');
  const first = await sync({ storeId: 's-away', direction: 'push' });
  expect((await sync({ storeId: 's-away', direction: 'push' })).job.jobId).toBe(first.job.jobId);
  const others = [
    await sync({ storeId: 's-away', direction: 'pull' }),
    await sync({ terminalId: 'away-1', direction: 'push' }),
  ];
  for (const other of others) expect(other.job.jobId).not.toBe(first.job.jobId);
});

it('asks a till that comes back once for all that waits for the same, and not for what it was asked before', async () => {
  const here = await site.till(gateway, 'back-1', 's-back');
  const away = await site.till(gateway, 'back-2', 's-back');
  const present = new PretendAgent();
  await site.agent(gateway, here.token, present);
  const jobIds: string[] = [];
  for (let n = 0; n < 4; n += 1) {
    const { job: asked } = await sync({ storeId: 's-back', direction: 'pull', wait: true });
    jobIds.push(asked.jobId);
  }
  // Each of the four was begun by the till that is there, so they are four jobs.
  expect(new Set(jobIds).size).toBe(4);
  expect(present.calls).toEqual(['flush', 'flush', 'flush', 'flush']);
  const late = new PretendAgent();
  let finish: (result: typeof PULLED) => void = () => undefined;
  late.onFlush = () => new Promise((resolve) => (finish = resolve));
  await site.agent(gateway, away.token, late);
  await until(() => late.calls.length === 1, 'the till that came back is asked');
  // Asked while the run is under way: what it is about may have come after the run began.
  const { job: during } = await sync({ terminalId: 'back-2', direction: 'pull' });
  late.onFlush = async () => PULLED;
  finish(PULLED);
  const ended = await finished(...jobIds, during.jobId);
  for (const { state, terminals } of ended) {
    expect(state).toBe('done');
    expect(terminals.at(-1)).toMatchObject({ terminalId: 'back-2', state: 'done', pull: PULLED });
  }
  expect(late.calls).toEqual(['flush', 'flush']);
});
