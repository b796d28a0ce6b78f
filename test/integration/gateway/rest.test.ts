import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../../scripts/support/until.ts';
import { Markers } from '../../../services/gateway/jobs/markers.ts';
import { registerTerminal, retireTerminal } from '../../../services/gateway/terminals.ts';
import {
  GatewaySite,
  newPublicKey,
  PretendAgent,
  PULLED,
  PUSHED,
  type RunningGateway,
} from '../../support/gateway-site.ts';

interface OpenApi {
  readonly paths: Record<
    string,
    {
      post?: {
        responses: Record<string, { content?: Record<string, { schema?: { properties?: object } }> }>;
      };
    }
  >;
}

let site: GatewaySite;
let gateway: RunningGateway;
let viewer: string;
let operator: string;

beforeAll(async () => {
  site = await GatewaySite.start();
  gateway = await site.gateway();
  viewer = await site.token('viewer');
  operator = await site.token('operator');
});

afterAll(() => site.stop());

async function call(method: string, path: string, token?: string, body?: unknown) {
  const response = await fetch(gateway.url + path, {
    method,
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const json = response.headers.get('content-type')?.includes('json') === true;
  return {
    status: response.status,
    headers: response.headers,
    body: json ? (JSON.parse(text) as unknown) : text,
  };
}

describe('tokens', () => {
  it('refuses a request without a token, or with a wrong or revoked one', async () => {
    const revoked = await site.token('operator');
    await site.pool.query(
      "UPDATE payflow_sync.token SET revoked_at = now() WHERE token_hash = encode(sha256($1::bytea), 'hex')",
      [revoked],
    );
    for (const token of [undefined, 'pfu_wrong', revoked]) {
      const answer = await call('GET', '/api/v1/status', token);
      expect(answer.status).toBe(401);
      expect(answer.headers.get('content-type')).toContain('application/problem+json');
      expect(answer.headers.get('www-authenticate')).toBe('Bearer');
      expect(answer.body).toMatchObject({ status: 401, code: 'UNAUTHENTICATED' });
    }
  });

  it('lets a viewer look but not sync', async () => {
    expect((await call('GET', '/api/v1/status', viewer)).status).toBe(200);
    const refused = await call('POST', '/api/v1/sync', viewer, { all: true, direction: 'pull' });
    expect(refused).toMatchObject({ status: 403, body: { code: 'FORBIDDEN' } });
  });

  it('lets a till ask only for its own sync and status', async () => {
    const { token } = await site.till(gateway, 'own-1');
    await site.till(gateway, 'own-2');
    expect((await call('GET', '/api/v1/terminals/own-1', token)).status).toBe(200);
    expect((await call('GET', '/api/v1/terminals/own-2', token)).status).toBe(403);
    expect((await call('GET', '/api/v1/status', token)).status).toBe(403);
    const body = { direction: 'pull' };
    const own = await call('POST', '/api/v1/sync', token, body);
    expect(own.status).toBe(202);
    expect((await call('GET', own.headers.get('location') ?? '', token)).status).toBe(200);
    expect((await call('POST', '/api/v1/sync', token, { ...body, terminalId: 'own-2' })).status).toBe(403);
    expect((await call('POST', '/api/v1/sync', token, { ...body, all: true })).status).toBe(403);
    const foreign = await call('POST', '/api/v1/sync', operator, { ...body, terminalId: 'own-2' });
    expect((await call('GET', foreign.headers.get('location') ?? '', token)).status).toBe(403);
  });
});

describe('enrolment', () => {
  it('serves one key: repeatable for it after a lost reply, refused for another', async () => {
    const { enrolmentCode } = await registerTerminal(site.pool, {
      terminalId: 'enrol-1',
      storeId: 's1',
      upPartitions: 4,
    });
    const publicKey = newPublicKey();
    const first = await call('POST', '/api/v1/enroll', undefined, { code: enrolmentCode, publicKey });
    expect(first.body).toMatchObject({
      terminalId: 'enrol-1',
      storeId: 's1',
      databaseId: 'db-1',
      prefix: 'payflow',
      streams: { catalog: 'payflow.catalog', store: 'payflow.store.s1', up: 'payflow.up' },
      mapping: { version: 3, source: 'version: 1' },
      keyVersion: 1,
    });
    const again = await call('POST', '/api/v1/enroll', undefined, { code: enrolmentCode, publicKey });
    expect(again.body).toMatchObject({ terminalId: 'enrol-1', keyVersion: 1 });
    const other = { code: enrolmentCode, publicKey: newPublicKey() };
    expect(await call('POST', '/api/v1/enroll', undefined, other)).toMatchObject({
      status: 403,
      body: { code: 'ENROLMENT_REFUSED' },
    });
  });

  it('refuses an expired code and a key that is not Ed25519', async () => {
    const { enrolmentCode: code } = await registerTerminal(site.pool, {
      terminalId: 'enrol-2',
      storeId: 's1',
      upPartitions: 4,
    });
    const wrong = await call('POST', '/api/v1/enroll', undefined, { code, publicKey: 'not a key' });
    expect(wrong).toMatchObject({ status: 422, body: { code: 'VALIDATION', field: 'publicKey' } });
    await site.pool.query(
      "UPDATE payflow_sync.terminal SET enrolment_expires = now() - interval '1 s' WHERE terminal_id = 'enrol-2'",
    );
    const late = await call('POST', '/api/v1/enroll', undefined, { code, publicKey: newPublicKey() });
    expect(late.status).toBe(403);
  });

  it('spreads tills over the partitions and never moves one', async () => {
    const partitions: number[] = [];
    for (const terminalId of ['part-1', 'part-2', 'part-3', 'part-1']) {
      await registerTerminal(site.pool, { terminalId, storeId: 's9', upPartitions: 64 });
      const found = await call('GET', `/api/v1/terminals/${terminalId}`, viewer);
      partitions.push((found.body as { partition: number }).partition);
    }
    expect(new Set(partitions.slice(0, 3)).size).toBe(3);
    expect(partitions[3]).toBe(partitions[0]);
  });

  it('refuses to move a till to another store by registering it again', async () => {
    await registerTerminal(site.pool, { terminalId: 'move-1', storeId: 's1', upPartitions: 4 });
    const move = registerTerminal(site.pool, { terminalId: 'move-1', storeId: 's2', upPartitions: 4 });
    await expect(move).rejects.toMatchObject({ code: 'CONFLICT' });
  });

  it('refuses the token of a retired till', async () => {
    const { token } = await site.till(gateway, 'retire-1');
    await retireTerminal(site.pool, 'retire-1');
    expect((await call('GET', '/api/v1/terminals/retire-1', token)).status).toBe(401);
  });
});

describe('sync', () => {
  it('runs pull ↑ before push ↓ and answers with the counts of both', async () => {
    const { token } = await site.till(gateway, 'sync-1');
    const agent = new PretendAgent();
    await site.agent(gateway, token, agent);
    const answer = await call('POST', '/api/v1/sync', operator, {
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
    const { token } = await site.till(gateway, 'sync-2');
    const agent = new PretendAgent();
    let asked = '';
    agent.onCatchUp = async (lsn) => {
      asked = lsn;
      return PUSHED;
    };
    await site.agent(gateway, token, agent);
    const { rows } = await site.pool.query<{ lsn: string }>(
      'SELECT pg_current_wal_insert_lsn()::text AS lsn',
    );
    await call('POST', '/api/v1/sync', operator, { terminalId: 'sync-2', direction: 'push', wait: true });
    const compared = await site.pool.query<{ after: boolean }>('SELECT $1::pg_lsn >= $2::pg_lsn AS after', [
      asked,
      rows[0]?.lsn,
    ]);
    expect(compared.rows[0]?.after).toBe(true);
  });

  it('takes that LSN only when the tables that are being seeded have reached the streams', async () => {
    const { token } = await site.till(gateway, 'sync-seeding');
    const agent = new PretendAgent();
    await site.agent(gateway, token, agent);
    await site.pool.query(
      `INSERT INTO payflow_sync.seeding (table_name, epoch, state) VALUES ('products', 1, 'running'), ('old', 0, 'wanted')`,
    );
    const request = { terminalId: 'sync-seeding', direction: 'push', wait: true };
    const waiting = call('POST', '/api/v1/sync', operator, request);
    await until(async () => {
      const { rows } = await site.pool.query(`SELECT FROM payflow_sync.job WHERE state = 'running'`);
      return rows.length > 0;
    }, 'the job runs');
    const markers = new Markers({ pool: site.pool, prefix: 'payflow', seedingLimitMs: 0 });
    await expect(markers.write('s1')).rejects.toMatchObject({ code: 'SYNC_TIMEOUT' });
    expect(agent.calls).toEqual([]);
    await site.pool.query(`UPDATE payflow_sync.seeding SET state = 'done' WHERE epoch = 1`);
    expect(await waiting).toMatchObject({ status: 200, body: { state: 'done' } });
    expect(agent.calls).toEqual(['catchUp']);
  });

  it('answers 202 for an offline till, and runs the job when it connects', async () => {
    const { token } = await site.till(gateway, 'sync-3');
    const answer = await call('POST', '/api/v1/sync', operator, {
      terminalId: 'sync-3',
      direction: 'pull',
      wait: true,
    });
    expect(answer).toMatchObject({
      status: 202,
      body: { state: 'waiting', terminals: [{ state: 'waiting', error: { code: 'TERMINAL_OFFLINE' } }] },
    });
    await site.agent(gateway, token, new PretendAgent());
    const { jobId } = answer.body as { jobId: string };
    const later = await call('GET', `/api/v1/sync/${jobId}?waitMs=10000`, operator);
    expect(later.body).toMatchObject({ state: 'done', terminals: [{ state: 'done', pull: PULLED }] });
  });

  it('runs a part again whose till went away in the middle', async () => {
    const { token } = await site.till(gateway, 'sync-4');
    const first = new PretendAgent();
    let begun: () => void = () => undefined;
    const hasBegun = new Promise<void>((resolve) => (begun = resolve));
    first.onFlush = () => {
      begun();
      return new Promise(() => undefined);
    };
    const disconnect = await site.agent(gateway, token, first);
    const { jobId } = (
      await call('POST', '/api/v1/sync', operator, { terminalId: 'sync-4', direction: 'pull' })
    ).body as { jobId: string };
    await hasBegun;
    await disconnect();
    await site.agent(gateway, token, new PretendAgent());
    const later = await call('GET', `/api/v1/sync/${jobId}?waitMs=10000`, operator);
    expect(later.body).toMatchObject({ state: 'done' });
  });

  it('is partial when some tills are done and others failed, with the code of the failure', async () => {
    const good = await site.till(gateway, 'partial-1', 's-partial');
    const bad = await site.till(gateway, 'partial-2', 's-partial');
    await site.agent(gateway, good.token, new PretendAgent());
    const failing = new PretendAgent();
    failing.onFlush = () => Promise.reject(new Error('boom'));
    await site.agent(gateway, bad.token, failing);
    const answer = await call('POST', '/api/v1/sync', operator, {
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
    const { token } = await site.till(gateway, 'slow-1');
    const slow = new PretendAgent();
    let finish: (value: typeof PULLED) => void = () => undefined;
    slow.onFlush = () => new Promise((resolve) => (finish = resolve));
    await site.agent(gateway, token, slow);
    const answer = await call('POST', '/api/v1/sync', operator, {
      terminalId: 'slow-1',
      direction: 'pull',
      wait: true,
      timeoutMs: 200,
    });
    expect(answer).toMatchObject({ status: 202, body: { state: 'running' } });
    finish(PULLED);
    const { jobId } = answer.body as { jobId: string };
    expect((await call('GET', `/api/v1/sync/${jobId}?waitMs=5000`, operator)).body).toMatchObject({
      state: 'done',
    });
  });

  it('takes up waiting jobs after a restart of the gateway', async () => {
    const { token } = await site.till(gateway, 'restart-1');
    const { jobId } = (
      await call('POST', '/api/v1/sync', operator, { terminalId: 'restart-1', direction: 'both' })
    ).body as { jobId: string };
    await gateway.stop();
    gateway = await site.gateway();
    await site.agent(gateway, token, new PretendAgent());
    const later = await call('GET', `/api/v1/sync/${jobId}?waitMs=10000`, operator);
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
      const answer = await call('POST', '/api/v1/sync', operator, body);
      expect(answer).toMatchObject({ status: 422, body: { code: 'VALIDATION', field } });
    }
  });

  it('says 404 for an unknown till, job, store and path', async () => {
    const body = { direction: 'pull' };
    expect(await call('POST', '/api/v1/sync', operator, { ...body, terminalId: 'nobody' })).toMatchObject({
      status: 404,
      body: { code: 'TERMINAL_UNKNOWN' },
    });
    expect((await call('POST', '/api/v1/sync', operator, { ...body, storeId: 'nowhere' })).status).toBe(404);
    expect((await call('GET', '/api/v1/sync/none', operator)).status).toBe(404);
    expect((await call('GET', '/api/v1/nothing', operator)).status).toBe(404);
  });

  it('says 409 for a fenced till', async () => {
    await site.till(gateway, 'fenced-1');
    await site.pool.query(
      "UPDATE payflow_sync.terminal SET status = 'fenced' WHERE terminal_id = 'fenced-1'",
    );
    const answer = await call('POST', '/api/v1/sync', operator, {
      terminalId: 'fenced-1',
      direction: 'pull',
    });
    expect(answer).toMatchObject({ status: 409, body: { code: 'TERMINAL_FENCED' } });
  });
});

describe('lists', () => {
  it('pages through every dead letter exactly once, newest first', async () => {
    await site.pool.query(
      `INSERT INTO payflow_sync.dead_letter
         (terminal_id, incarnation, unit, first_seq, last_seq, changes, code, message)
       SELECT 't', 'i', n, n, n, '[]', '23505', 'doubled' FROM generate_series(1, 7) n`,
    );
    const units: number[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const page = await call('GET', `/api/v1/dead-letters?limit=3${cursor && `&cursor=${cursor}`}`, viewer);
      const body = page.body as { deadLetters: { unit: number }[]; nextCursor: string | null };
      units.push(...body.deadLetters.map(({ unit }) => unit));
      cursor = body.nextCursor;
    }
    expect(units).toEqual([7, 6, 5, 4, 3, 2, 1]);
    expect((await call('GET', '/api/v1/dead-letters?cursor=zz', viewer)).status).toBe(422);
  });

  it('shows both versions of a conflict', async () => {
    await site.pool.query(
      `INSERT INTO payflow_sync.conflict (table_name, central_id, terminal_id, seq, central_row, terminal_row, winner, rule)
       VALUES ('products', '5', 't', 9, '{"name":"a"}', '{"name":"b"}', 'terminal', 'last-writer-wins')`,
    );
    const { body } = await call('GET', '/api/v1/conflicts', viewer);
    expect(body).toMatchObject({
      conflicts: [
        { table: 'products', centralRow: { name: 'a' }, terminalRow: { name: 'b' }, winner: 'terminal' },
      ],
      nextCursor: null,
    });
  });
});

describe('operations', () => {
  it('serves health, metrics, docs and an OpenAPI 3.1 document without a token', async () => {
    expect((await call('GET', '/healthz')).status).toBe(200);
    const metrics = await call('GET', '/metrics');
    expect(metrics.body).toContain('payflow_gateway_agents');
    const document = (await call('GET', '/openapi.json')).body as OpenApi & { openapi: string };
    expect(document.openapi).toMatch(/^3\.1/);
    expect(Object.keys(document.paths)).toEqual(
      expect.arrayContaining(['/api/v1/sync', '/api/v1/sync/{jobId}', '/api/v1/status', '/api/v1/enroll']),
    );
    const { default: problem } = document.paths['/api/v1/sync']?.post?.responses ?? {};
    expect(problem?.content?.['application/problem+json']?.schema?.properties).toHaveProperty('code');
    const docs = await call('GET', '/docs/');
    expect(docs).toMatchObject({ status: 200 });
    expect(docs.headers.get('content-security-policy')).toContain("default-src 'self'");
  });

  it('is not ready while no capture is connected', async () => {
    expect(await call('GET', '/readyz')).toMatchObject({
      status: 503,
      body: {
        ready: false,
        parts: [
          { name: 'database', ready: true },
          { name: 'capture', ready: false },
        ],
      },
    });
  });

  it('passes bootstrap and replay on to the till, for operators only', async () => {
    const { token } = await site.till(gateway, 'cmd-1');
    const agent = new PretendAgent();
    await site.agent(gateway, token, agent);
    const path = '/api/v1/terminals/cmd-1';
    expect((await call('POST', `${path}/bootstrap`, viewer, {})).status).toBe(403);
    const linked = await call('POST', `${path}/bootstrap`, operator, { dryRun: true });
    expect(linked).toMatchObject({ status: 200, body: { linked: 1, dryRun: true } });
    const range = { stream: 'payflow.catalog', fromOffset: 0, toOffset: 9 };
    expect((await call('POST', `${path}/replay`, operator, range)).body).toMatchObject({ read: 5 });
    const offline = await call('POST', '/api/v1/terminals/own-2/bootstrap', operator, {});
    expect(offline).toMatchObject({ status: 503, body: { code: 'TERMINAL_OFFLINE' } });
    expect(offline.headers.get('retry-after')).not.toBeNull();
  });

  it('says 429 with Retry-After when asked too often', async () => {
    const strict = await site.gateway({ limits: { perMinute: 3, enrolmentsPerMinute: 3 } });
    const ask = () =>
      fetch(`${strict.url}/api/v1/status`, { headers: { authorization: `Bearer ${viewer}` } });
    for (let n = 0; n < 3; n += 1) expect((await ask()).status).toBe(200);
    const refused = await ask();
    expect(refused.status).toBe(429);
    expect(refused.headers.get('retry-after')).not.toBeNull();
    expect(await refused.json()).toMatchObject({ code: 'RATE_LIMITED' });
  });
});
