/** POST /sync: what is run at which tills, what is answered, and what happens when a till or time is missing. */
import { describe, expect, it } from 'vitest';
import { until } from '../../../scripts/support/until.ts';
import { Markers } from '../../../services/gateway/jobs/markers.ts';
import { useGateway } from '../../support/gateway-rest.ts';
import { PretendAgent, PULLED, PUSHED } from '../../support/gateway-site.ts';

const rest = useGateway();

describe('sync', () => {
  it('runs pull ↑ before push ↓ and answers with the counts of both', async () => {
    const { token } = await rest.till('sync-1');
    const agent = new PretendAgent();
    await rest.agent(token, agent);
    const answer = await rest.call('POST', '/api/v1/sync', rest.operator, {
      terminalId: 'sync-1',
      direction: 'both',
      wait: true,
    });
    expect(answer).toMatchObject({
      status: 200,
      body: {
        state: 'done',
        terminals: [{ terminalId: 'sync-1', state: 'done', pull: PULLED, push: PUSHED }],
      },
    });
    expect(agent.calls).toEqual(['flush', 'catchUp']);
  });

  it('hands the till an LSN that lies after everything committed before the request', async () => {
    const { token } = await rest.till('sync-2');
    const agent = new PretendAgent();
    let asked = '';
    agent.onCatchUp = async (lsn) => {
      asked = lsn;
      return PUSHED;
    };
    await rest.agent(token, agent);
    const { rows } = await rest.pool.query<{ lsn: string }>(
      'SELECT pg_current_wal_insert_lsn()::text AS lsn',
    );
    await rest.call('POST', '/api/v1/sync', rest.operator, {
      terminalId: 'sync-2',
      direction: 'push',
      wait: true,
    });
    const compared = await rest.pool.query<{ after: boolean }>('SELECT $1::pg_lsn >= $2::pg_lsn AS after', [
      asked,
      rows[0]?.lsn,
    ]);
    expect(compared.rows[0]?.after).toBe(true);
  });

  it('takes that LSN only when the tables that are being seeded have reached the streams', async () => {
    const { token } = await rest.till('sync-seeding');
    const agent = new PretendAgent();
    await rest.agent(token, agent);
    await rest.pool.query(
      `INSERT INTO payflow_sync.seeding (table_name, epoch, state) VALUES ('products', 1, 'running'), ('old', 0, 'wanted')`,
    );
    const request = { terminalId: 'sync-seeding', direction: 'push', wait: true };
    const waiting = rest.call('POST', '/api/v1/sync', rest.operator, request);
    await until(async () => {
      const { rows } = await rest.pool.query(`SELECT FROM payflow_sync.job WHERE state = 'running'`);
      return rows.length > 0;
    }, 'the job runs');
    const markers = new Markers({ pool: rest.pool, prefix: 'payflow', seedingLimitMs: 0 });
    await expect(markers.write('s1')).rejects.toMatchObject({ code: 'SYNC_TIMEOUT' });
    expect(agent.calls).toEqual([]);
    await rest.pool.query(`UPDATE payflow_sync.seeding SET state = 'done' WHERE epoch = 1`);
    expect(await waiting).toMatchObject({ status: 200, body: { state: 'done' } });
    expect(agent.calls).toEqual(['catchUp']);
  });

  it('answers 202 for an offline till, and runs the job when it connects', async () => {
    const { token } = await rest.till('sync-3');
    const answer = await rest.call('POST', '/api/v1/sync', rest.operator, {
      terminalId: 'sync-3',
      direction: 'pull',
      wait: true,
    });
    expect(answer).toMatchObject({
      status: 202,
      body: { state: 'waiting', terminals: [{ state: 'waiting', error: { code: 'TERMINAL_OFFLINE' } }] },
    });
    await rest.agent(token, new PretendAgent());
    const { jobId } = answer.body as { jobId: string };
    const later = await rest.call('GET', `/api/v1/sync/${jobId}?waitMs=30000`, rest.operator);
    expect(later.body).toMatchObject({ state: 'done', terminals: [{ state: 'done', pull: PULLED }] });
  });

  it('runs a part again whose till went away in the middle', async () => {
    const { token } = await rest.till('sync-4');
    const first = new PretendAgent();
    let begun: () => void = () => undefined;
    const hasBegun = new Promise<void>((resolve) => (begun = resolve));
    first.onFlush = () => {
      begun();
      return new Promise(() => undefined);
    };
    const disconnect = await rest.agent(token, first);
    const { jobId } = (
      await rest.call('POST', '/api/v1/sync', rest.operator, { terminalId: 'sync-4', direction: 'pull' })
    ).body as { jobId: string };
    await hasBegun;
    await disconnect();
    await rest.agent(token, new PretendAgent());
    const later = await rest.call('GET', `/api/v1/sync/${jobId}?waitMs=30000`, rest.operator);
    expect(later.body).toMatchObject({ state: 'done' });
  });

  it('is partial when some tills are done and others failed, with the code of the failure', async () => {
    const good = await rest.till('partial-1', 's-partial');
    const bad = await rest.till('partial-2', 's-partial');
    await rest.agent(good.token, new PretendAgent());
    const failing = new PretendAgent();
    failing.onFlush = () => Promise.reject(new Error('boom'));
    await rest.agent(bad.token, failing);
    const answer = await rest.call('POST', '/api/v1/sync', rest.operator, {
      storeId: 's-partial',
      direction: 'pull',
      wait: true,
    });
    expect(answer).toMatchObject({
      status: 200,
      body: {
        state: 'partial',
        terminals: [
          { terminalId: 'partial-1', state: 'done' },
          { terminalId: 'partial-2', state: 'failed', error: { code: 'INTERNAL', message: 'boom' } },
        ],
      },
    });
  });

  it('answers 202 when time is up, and the job goes on', async () => {
    const { token } = await rest.till('slow-1');
    const slow = new PretendAgent();
    let finish: (value: typeof PULLED) => void = () => undefined;
    slow.onFlush = () => new Promise((resolve) => (finish = resolve));
    await rest.agent(token, slow);
    const answer = await rest.call('POST', '/api/v1/sync', rest.operator, {
      terminalId: 'slow-1',
      direction: 'pull',
      wait: true,
      timeoutMs: 200,
    });
    expect(answer).toMatchObject({ status: 202, body: { state: 'running' } });
    await until(() => slow.calls.length === 1, 'the till is asked');
    finish(PULLED);
    const { jobId } = answer.body as { jobId: string };
    expect((await rest.call('GET', `/api/v1/sync/${jobId}?waitMs=30000`, rest.operator)).body).toMatchObject({
      state: 'done',
    });
  });

  it('takes up waiting jobs after a restart of the gateway', async () => {
    const { token } = await rest.till('restart-1');
    const { jobId } = (
      await rest.call('POST', '/api/v1/sync', rest.operator, { terminalId: 'restart-1', direction: 'both' })
    ).body as { jobId: string };
    await rest.restartGateway();
    await rest.agent(token, new PretendAgent());
    const later = await rest.call('GET', `/api/v1/sync/${jobId}?waitMs=30000`, rest.operator);
    expect(later.body).toMatchObject({ jobId, state: 'done' });
  });

  it('names the wrong field of a request', async () => {
    const faults: [unknown, string][] = [
      [{ direction: 'sideways', all: true }, 'direction'],
      [{ direction: 'pull' }, 'terminalId'],
      [{ direction: 'pull', all: true, storeId: 's1' }, 'terminalId'],
      [{ direction: 'pull', all: true, quickly: true }, 'quickly'],
      [{ direction: 'pull', all: true, timeoutMs: -1 }, 'timeoutMs'],
    ];
    for (const [body, field] of faults) {
      const answer = await rest.call('POST', '/api/v1/sync', rest.operator, body);
      expect(answer).toMatchObject({ status: 422, body: { code: 'VALIDATION', field } });
    }
  });

  it('says 404 for an unknown till, job, store and path', async () => {
    const body = { direction: 'pull' };
    expect(
      await rest.call('POST', '/api/v1/sync', rest.operator, { ...body, terminalId: 'nobody' }),
    ).toMatchObject({
      status: 404,
      body: { code: 'TERMINAL_UNKNOWN' },
    });
    expect(
      (await rest.call('POST', '/api/v1/sync', rest.operator, { ...body, storeId: 'nowhere' })).status,
    ).toBe(404);
    expect((await rest.call('GET', '/api/v1/sync/none', rest.operator)).status).toBe(404);
    expect((await rest.call('GET', '/api/v1/nothing', rest.operator)).status).toBe(404);
  });

  it('says 409 for a fenced till', async () => {
    await rest.till('fenced-1');
    await rest.pool.query(
      "UPDATE payflow_sync.terminal SET status = 'fenced' WHERE terminal_id = 'fenced-1'",
    );
    const answer = await rest.call('POST', '/api/v1/sync', rest.operator, {
      terminalId: 'fenced-1',
      direction: 'pull',
    });
    expect(answer).toMatchObject({ status: 409, body: { code: 'TERMINAL_FENCED' } });
  });
});
