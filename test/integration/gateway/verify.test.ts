/** Comparisons as the gateway keeps them: who may ask, what is told of them, and those by the clock. */
import { describe, expect, it } from 'vitest';
import { until } from '../../../scripts/support/until.ts';
import type { VerifyRun } from '../../../services/gateway/verify/run-store.ts';
import { eventOf, PretendAgent, PULLED } from '../../support/gateway-site.ts';
import { useGateway } from '../../support/gateway-rest.ts';

const rest = useGateway();

async function finished(runId: string): Promise<VerifyRun> {
  const { status, body } = await rest.call('GET', `/api/v1/verify/${runId}?waitMs=20000`, rest.viewer);
  expect(status).toBe(200);
  return body as VerifyRun;
}

describe('a comparison', () => {
  it('is stored, told to those who watch, and shown in the status', async () => {
    const { token } = await rest.till('verify-1');
    const agent = new PretendAgent();
    await rest.agent(token, agent);
    const monitor = rest.site.socket(rest.gateway, '/monitor', rest.viewer);
    await eventOf(monitor, 'status');
    const told = eventOf(monitor, 'verify:done');
    const { status, body } = await rest.call('POST', '/api/v1/verify', rest.operator, {
      terminalId: 'verify-1',
    });
    expect(status).toBe(202);
    const { runId } = body as { runId: string };
    const summary = { differs: 0, known: 0, byDesign: 0, moving: 0, notLookedAt: 0 };
    expect(await finished(runId)).toMatchObject({
      runId,
      state: 'done',
      terminals: [
        {
          terminalId: 'verify-1',
          state: 'done',
          summary,
          skipped: [{ table: 'orders', why: 'the till has no such table' }],
        },
      ],
    });
    expect(await told).toMatchObject({ runId, terminalId: 'verify-1', summary });
    expect((await rest.call('GET', '/api/v1/terminals/verify-1', rest.viewer)).body).toMatchObject({
      verified: { runId, ...summary },
    });
    expect((await rest.call('GET', '/api/v1/verify', rest.viewer)).body).toMatchObject({ runs: [{ runId }] });
    const metrics = String((await rest.call('GET', '/metrics', undefined)).body);
    expect(metrics).toContain('payflow_gateway_verify_total{result="equal"} 1');
    expect(metrics).toContain('payflow_gateway_verify_rows{terminal="verify-1",kind="differs"} 0');
    // A till is asked for what it has not sent first.
    expect(agent.calls).toEqual(['flush']);
  });

  it('of a till that is offline fails and says so, and a run that is not there is not found', async () => {
    await rest.till('verify-2');
    const { body } = await rest.call('POST', '/api/v1/verify', rest.operator, { terminalId: 'verify-2' });
    expect(await finished((body as { runId: string }).runId)).toMatchObject({
      state: 'failed',
      terminals: [{ error: { code: 'TERMINAL_OFFLINE' } }],
    });
    expect((await rest.call('GET', '/api/v1/verify/none', rest.viewer)).status).toBe(404);
    expect((await rest.call('POST', '/api/v1/verify', rest.viewer, { all: true })).status).toBe(403);
  });

  it('of a till that goes away meanwhile fails at once, and the next one begins anew', async () => {
    const { token } = await rest.till('verify-5');
    const agent = new PretendAgent();
    let asked = false;
    agent.onFlush = () => {
      asked = true;
      return new Promise(() => undefined);
    };
    const disconnect = await rest.agent(token, agent);
    const ask = () => rest.call('POST', '/api/v1/verify', rest.operator, { terminalId: 'verify-5' });
    const { body } = await ask();
    await until(() => asked, 'the till is asked');
    await disconnect();
    expect(await finished((body as { runId: string }).runId)).toMatchObject({
      state: 'failed',
      terminals: [{ error: { code: 'TERMINAL_OFFLINE' } }],
    });
    await rest.agent(token, new PretendAgent());
    expect(await finished(((await ask()).body as { runId: string }).runId)).toMatchObject({ state: 'done' });
  });

  it('that is asked for again and again waits for the one that runs, once', async () => {
    const { token } = await rest.till('verify-6');
    const agent = new PretendAgent();
    let [running, most, flushes] = [0, 0, 0];
    let goOn: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (goOn = resolve));
    agent.onFlush = async () => {
      flushes += 1;
      running += 1;
      most = Math.max(most, running);
      await held;
      running -= 1;
      return PULLED;
    };
    await rest.agent(token, agent);
    const ask = async (body: object) =>
      (
        (await rest.call('POST', '/api/v1/verify', rest.operator, { terminalId: 'verify-6', ...body }))
          .body as { runId: string }
      ).runId;
    const first = await ask({});
    await until(() => running === 1, 'the first one runs');
    const [second, third, repair] = [await ask({}), await ask({}), await ask({ repair: true })];
    expect(third).toBe(second);
    expect(new Set([first, second, repair]).size).toBe(3);
    goOn();
    for (const runId of [first, second, repair])
      expect(await finished(runId)).toMatchObject({ state: 'done' });
    expect({ most, flushes }).toEqual({ most: 1, flushes: 3 });
  });

  it('that a gateway left unfinished is begun anew by the next one', async () => {
    const { token } = await rest.till('verify-3');
    const runId = '7c6e3d1e-5b5b-4d0a-9a0a-3a5f5b0f4a11';
    await rest.pool.query(
      `INSERT INTO payflow_sync.verify (run_id, terminal_id, requested_by, state) VALUES ($1, 'verify-3', 'anna', 'running')`,
      [runId],
    );
    await rest.restartGateway();
    await rest.agent(token, new PretendAgent());
    const { state } = await finished(runId);
    expect(['done', 'failed']).toContain(state);
  });

  it('comes by the clock, for the tills that are connected', async () => {
    const scheduled = await rest.site.gateway({ env: { VERIFY_SCHEDULE: '* * * * * *' } });
    const { token } = await rest.site.till(scheduled, 'verify-4');
    await rest.site.agent(scheduled, token, new PretendAgent());
    const done = async () => {
      const { rowCount } = await rest.pool.query(
        `SELECT FROM payflow_sync.verify WHERE terminal_id = 'verify-4' AND requested_by = 'VERIFY_SCHEDULE' AND state = 'done'`,
      );
      return (rowCount ?? 0) > 0;
    };
    await until(done, 'the clock has had the till compared');
    await scheduled.stop();
    const others = await rest.pool.query(
      `SELECT FROM payflow_sync.verify WHERE requested_by = 'VERIFY_SCHEDULE' AND terminal_id <> 'verify-4'`,
    );
    expect(others.rowCount).toBe(0);
  });
});
