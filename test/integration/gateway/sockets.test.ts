import type { Socket } from 'socket.io-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../../scripts/support/until.ts';
import type { SystemStatus } from '../../../services/gateway/status.ts';
import { retireTerminal } from '../../../services/gateway/terminals.ts';
import { freePort } from '../../../services/shared/database/free-port.ts';
import {
  eventOf,
  GatewaySite,
  PretendAgent,
  PULLED,
  PUSHED,
  type RunningGateway,
} from '../../support/gateway-site.ts';

let site: GatewaySite;
let gateway: RunningGateway;

beforeAll(async () => {
  site = await GatewaySite.start();
  gateway = await site.gateway();
});

afterAll(() => site.stop());

async function refusal(socket: Socket): Promise<unknown> {
  const error = (await eventOf(socket, 'connect_error')) as Error & { data?: unknown };
  return error.data;
}

describe('/terminals', () => {
  it('refuses a wrong token, a retired till and the token of a person at connect', async () => {
    expect(await refusal(site.socket(gateway, '/terminals', 'wrong'))).toMatchObject({
      code: 'UNAUTHENTICATED',
    });
    const { token } = await site.till(gateway, 'gone-1');
    await retireTerminal(site.pool, 'gone-1');
    expect(await refusal(site.socket(gateway, '/terminals', token))).toMatchObject({
      code: 'UNAUTHENTICATED',
    });
    const operator = await site.token('operator');
    expect(await refusal(site.socket(gateway, '/terminals', operator))).toMatchObject({ code: 'FORBIDDEN' });
  });

  it('answers sync:request with the job, then tells the app how its part went', async () => {
    const { token } = await site.till(gateway, 'app-1');
    const agent = new PretendAgent();
    await site.agent(gateway, token, agent);
    const app = site.socket(gateway, '/terminals', token);
    await eventOf(app, 'connect');
    const done = eventOf(app, 'sync:done');
    const reply = (await app.emitWithAck('sync:request', { direction: 'both' })) as {
      ok: true;
      jobId: string;
    };
    expect(reply).toEqual({ ok: true, jobId: expect.stringMatching(/^[0-9a-f-]{36}$/) as string });
    expect(await done).toMatchObject({
      jobId: reply.jobId,
      terminalId: 'app-1',
      state: 'done',
      pull: PULLED,
      push: PUSHED,
    });
  });

  it('answers a malformed sync:request with a code, and tells a failure as sync:failed', async () => {
    const { token } = await site.till(gateway, 'app-2');
    const agent = new PretendAgent();
    agent.onFlush = () => Promise.reject(new Error('no'));
    await site.agent(gateway, token, agent);
    const app = site.socket(gateway, '/terminals', token);
    await eventOf(app, 'connect');
    const wrong = (await app.emitWithAck('sync:request', { direction: 'up' })) as unknown;
    expect(wrong).toMatchObject({ ok: false, code: 'VALIDATION' });
    const failed = eventOf(app, 'sync:failed');
    await app.emitWithAck('sync:request', { direction: 'pull' });
    expect(await failed).toMatchObject({ state: 'failed', error: { code: 'INTERNAL' } });
  });

  it('asks only the agent to flush, never the app with the same token', async () => {
    const { token } = await site.till(gateway, 'app-3');
    const app = site.socket(gateway, '/terminals', token);
    await eventOf(app, 'connect');
    const asked: string[] = [];
    app.onAny((event: string) => asked.push(event));
    const { jobId } = (await app.emitWithAck('sync:request', { direction: 'pull' })) as { jobId: string };
    const agent = new PretendAgent();
    await site.agent(gateway, token, agent);
    await until(() => asked.includes('sync:done'), `job ${jobId} is done`);
    expect(agent.calls).toEqual(['flush']);
    expect(asked).not.toContain('sync:flush');
  });

  it('keeps the agent linked over a restart of the gateway', async () => {
    const { token } = await site.till(gateway, 'link-1');
    const env = { GATEWAY_PORT: String(await freePort()) };
    const first = await site.gateway({ env });
    await site.agent(first, token, new PretendAgent());
    await first.stop();
    const second = await site.gateway({ env });
    const authorization = `Bearer ${await site.token('viewer')}`;
    const isLinked = async () => {
      const answer = await fetch(`${second.url}/api/v1/terminals/link-1`, { headers: { authorization } });
      return ((await answer.json()) as { online: boolean }).online;
    };
    await until(isLinked, 'the agent is linked to the new gateway', { everyMs: 200 });
    await second.stop();
  });
});

describe('/monitor', () => {
  it('shows the status at connect and again when a till changes, and what happens to jobs', async () => {
    const viewer = await site.token('viewer');
    const monitor = site.socket(gateway, '/monitor', viewer);
    const seen: SystemStatus[] = [];
    const events: string[] = [];
    monitor.on('status', (status: SystemStatus) => seen.push(status));
    monitor.onAny((event: string) => events.push(event));
    await until(() => seen.length > 0, 'the first status');
    const { token } = await site.till(gateway, 'mon-1');
    const agent = new PretendAgent();
    agent.outboxDepth = 7;
    await site.agent(gateway, token, agent);
    const shown = () => seen.at(-1)?.terminals.find((terminal) => terminal.terminalId === 'mon-1');
    await until(() => shown()?.agent?.outbox.depth === 7, 'the status of the new till');
    expect(shown()).toMatchObject({ online: true, mode: 'stream', pushLagMs: 4, pullLagMs: 0 });
    const app = site.socket(gateway, '/terminals', token);
    await eventOf(app, 'connect');
    await app.emitWithAck('sync:request', { direction: 'pull' });
    await until(() => events.includes('sync:done'), 'sync:done on the monitor');
  });

  it('tells each new conflict and dead letter once, none of those from before', async () => {
    const conflict = (seq: number) =>
      site.pool.query(
        `INSERT INTO payflow_sync.conflict (table_name, central_id, terminal_id, seq, central_row, terminal_row, winner, rule)
         VALUES ('products', '1', 'mon-3', $1, '{"name":"a"}', '{"name":"b"}', 'central', 'last-writer-wins')`,
        [seq],
      );
    await conflict(1);
    const gateway = await site.gateway();
    const { token } = await site.till(gateway, 'mon-3');
    const agent = new PretendAgent();
    await site.agent(gateway, token, agent);
    const monitor = site.socket(gateway, '/monitor', await site.token('viewer'));
    const operator = site.socket(gateway, '/monitor', await site.token('operator'));
    // Asked for before either is connected: a status that has come is not told again.
    const begun = [eventOf(operator, 'status'), eventOf(monitor, 'status')];
    const full: object[] = [];
    operator.on('conflict', (told: object) => full.push(told));
    const conflicts: { seq: number }[] = [];
    const deadLetters: { code: string }[] = [];
    monitor.on('conflict', (told: { seq: number }) => conflicts.push(told));
    monitor.on('dead-letter', (told: { code: string }) => deadLetters.push(told));
    await Promise.all(begun);
    await conflict(2);
    await site.pool.query(
      `INSERT INTO payflow_sync.dead_letter (terminal_id, incarnation, unit, first_seq, last_seq, changes, code, message)
       VALUES ('mon-3', 'i', 1, 1, 1, '[]', '23514', 'refused')`,
    );
    const app = site.socket(gateway, '/terminals', token);
    await eventOf(app, 'connect');
    for (const look of [1, 2]) {
      const status = eventOf(monitor, 'status');
      await app.emitWithAck('sync:request', { direction: 'pull' });
      await status;
      await until(() => conflicts.length > 0 && deadLetters.length > 0, `told at look ${look}`);
    }
    expect(conflicts).toMatchObject([{ seq: 2, terminalId: 'mon-3', winner: 'central', columns: ['name'] }]);
    expect(conflicts[0]).not.toHaveProperty('centralRow');
    await until(() => full.length > 0, 'the operator is told with both rows');
    expect(full[0]).toHaveProperty('centralRow');
    expect(deadLetters).toMatchObject([{ code: '23514', terminalId: 'mon-3', state: 'open' }]);
    await gateway.stop();
  });

  it('refuses a till', async () => {
    const { token } = await site.till(gateway, 'mon-2');
    expect(await refusal(site.socket(gateway, '/monitor', token))).toMatchObject({ code: 'FORBIDDEN' });
  });
});

describe('the schedule', () => {
  it('syncs stream and scheduled tills by the clock, never manual ones', async () => {
    const clocked = await site.gateway({ env: { SYNC_SCHEDULE: '* * * * * *' } });
    const agents = new Map<string, PretendAgent>();
    for (const mode of ['stream', 'scheduled', 'manual'] as const) {
      const { token } = await site.till(clocked, `clock-${mode}`);
      const agent = new PretendAgent();
      agents.set(mode, agent);
      await site.agent(clocked, token, agent, mode);
    }
    const calls = (mode: string) => agents.get(mode)?.calls.length ?? 0;
    await until(() => calls('stream') >= 4 && calls('scheduled') >= 4, 'two ticks');
    expect(calls('manual')).toBe(0);
    await clocked.stop();
  });

  it('leaves a till alone that is still at its last job', async () => {
    const clocked = await site.gateway({ env: { SYNC_SCHEDULE: '* * * * * *' } });
    const { token } = await site.till(clocked, 'clock-slow');
    const before = Date.now();
    const slow = new PretendAgent();
    slow.flush = () => new Promise(() => undefined);
    await site.agent(clocked, token, slow, 'stream');
    const jobs = async () => {
      const { rows } = await site.pool.query<{ n: string }>(
        `SELECT count(*) AS n FROM payflow_sync.job WHERE terminals LIKE '%clock-slow%'`,
      );
      return Number(rows[0]?.n);
    };
    await until(
      async () => (await jobs()) > 0 && Date.now() - before > 3_500,
      'the first tick, and two more',
    );
    expect(await jobs()).toBe(1);
    await clocked.stop();
  });
});

describe('a token that is revoked while its socket is open', () => {
  it('ends that socket, and no other', async () => {
    const watched = await site.gateway({ recheckMs: 50 });
    const { token } = await site.till(watched, 'open-1');
    const other = await site.till(watched, 'open-2');
    const sockets = [
      site.socket(watched, '/terminals', token),
      site.socket(watched, '/terminals', other.token),
    ];
    await until(() => sockets.every(({ connected }) => connected), 'both are connected');
    await retireTerminal(site.pool, 'open-1');
    await until(() => sockets[0]?.connected === false, 'the retired till is cut off');
    expect(sockets[1]?.connected).toBe(true);
    await watched.stop();
  });
});
