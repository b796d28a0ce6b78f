/** dead-letters, conflicts, refused and held by command line and REST, through a real gateway and central-apply. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../../scripts/support/until.ts';
import { runGateway } from '../../../services/gateway/main.ts';
import { createToken } from '../../../services/gateway/http/auth.ts';
import { loadConfig } from '../../../services/shared/config.ts';
import { sale, useCentre } from '../../support/apply-site.ts';
import { Asking } from '../../support/asking.ts';
import { insert, silentLog, type FakeTill } from '../../support/centre.ts';
import { payflow } from '../../support/cli.ts';

const centre = useCentre();
const asking = new Asking(centre);
const stop = new AbortController();
let running: Promise<unknown> = Promise.resolve();
let url = '';
let viewer = '';
let operator = '';
let till: FakeTill;

beforeAll(async () => {
  const config = loadConfig({ DATABASE_URL: centre.url, GATEWAY_PORT: '0', SYNC_SCHEDULE: '' });
  let gateway: Promise<void> = Promise.resolve();
  url = await new Promise<string>((resolve, reject) => {
    gateway = runGateway(config, { log: silentLog, signal: stop.signal, onListening: resolve });
    gateway.catch(reject);
  });
  centre.renewApplier();
  running = Promise.all([gateway, asking.operations().run(stop.signal)]);
  viewer = (await createToken(centre.pool, { name: 'vera', role: 'viewer' })).token;
  operator = (await createToken(centre.pool, { name: 'olga', role: 'operator' })).token;
});
afterAll(async () => {
  stop.abort();
  await running;
});
beforeEach(async () => {
  till = await centre.newTill();
});

/** As an operator; `data` is what --json printed. */
async function run(...args: string[]) {
  const result = await payflow([...args, '--json'], { GATEWAY_URL: url, PAYFLOW_TOKEN: operator });
  const data = (result.stdout === '' ? null : JSON.parse(result.stdout)) as never;
  return { ...result, data: data as Record<string, unknown> };
}

async function rest(method: string, path: string, token: string, body?: unknown) {
  const response = await fetch(`${url}/api/v1${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

async function letterId(): Promise<string> {
  const { id } = await centre.one<{ id: string }>(
    'SELECT min(dead_letter_id)::text AS id FROM payflow_sync.dead_letter WHERE terminal_id = $1',
    [till.terminal],
  );
  return id;
}

describe('dead letters', () => {
  it('are listed by filter, page by page, and shown with every change, before and after', async () => {
    await centre.send(till, sale('A', 0n), sale('B', 0n), [insert('unheard_of', 'x', { a: 1n })]);
    const list = (...filter: string[]) => run('dead-letters', 'list', '--terminal', till.terminal, ...filter);
    const all = (await list()).data as { deadLetters: { code: string; tables: string[] }[] };
    expect(all.deadLetters.map(({ code }) => code)).toEqual(['TABLE_NOT_MAPPED', '23514', '23514']);
    expect(all.deadLetters[1]?.tables).toEqual(['order_items', 'orders', 'payments']);
    for (const [filter, count] of [
      [['--table', 'payments'], 2],
      [['--code', 'TABLE_NOT_MAPPED'], 1],
      [['--since', '2099-01-01'], 0],
      [['--state', 'discarded'], 0],
    ] as const) {
      expect((await list(...filter)).data['deadLetters']).toHaveLength(count);
    }
    const first = (await list('--limit', '2')).data;
    const second = (await list('--limit', '2', '--cursor', String(first['nextCursor']))).data;
    expect([first, second].map(({ deadLetters }) => (deadLetters as unknown[]).length)).toEqual([2, 1]);
    const shown = await run('dead-letters', 'show', await letterId());
    expect(shown.data['changes']).toMatchObject([
      { op: 'insert', table: 'orders' },
      {
        table: 'order_items',
        columns: [
          { column: 'quantity', before: null, after: 0 },
          { column: 'price' },
          { column: 'order_id' },
        ],
        references: [{ column: 'order_id', identity: 'A-o' }],
      },
      { table: 'order_items' },
      { table: 'payments' },
    ]);
    const text = await payflow(['dead-letters', 'show', await letterId()], {
      GATEWAY_URL: url,
      PAYFLOW_TOKEN: operator,
    });
    expect(text.stdout).toMatch(/quantity\s+–\s+0/);
  });

  it('are retried: 1 refused again, 0 applied, and who it was is kept', async () => {
    await centre.send(till, sale('A', 0n));
    const id = await letterId();
    const again = await run('dead-letters', 'retry', id);
    expect(again).toMatchObject({ code: 1, data: { counts: { refused: 1 } } });
    const set = ['--set', 'order_items.quantity@2=4', '--why', 'asked the cashier'];
    expect(await run('dead-letters', 'retry', id, ...set)).toMatchObject({
      code: 0,
      data: { counts: { applied: 1 }, letters: [{ state: 'applied', outcomes: { applied: 4 } }] },
    });
    expect((await run('dead-letters', 'show', id)).data).toMatchObject({
      state: 'applied',
      tries: 1,
      decidedBy: 'olga',
      why: 'asked the cashier',
      mended: [{ table: 'order_items', column: 'quantity', value: '4', seq: 2 }],
    });
    expect(await centre.ordersOf(till)).toHaveLength(1);
    expect((await run('dead-letters', 'retry', id)).code).toBe(1);
  });

  it('are discarded by filter, with why and who', async () => {
    await centre.send(till, sale('A', 0n), sale('B', 0n));
    const all = ['--all', '--terminal', till.terminal];
    expect((await run('dead-letters', 'discard', ...all)).code).toBe(2);
    expect(await run('dead-letters', 'discard', ...all, '--why', 'test sales')).toMatchObject({
      code: 0,
      data: { counts: { discarded: 2 } },
    });
    expect((await centre.progressOf(till)).exceptions).toBe('[[1,8,"discarded","test sales"]]');
    const asked = await rest('GET', '/operations?limit=1', operator);
    expect(asked.body['operations']).toMatchObject([
      { kind: 'dead-letter-discard', requestedBy: 'olga', why: 'test sales', state: 'done' },
    ]);
  });

  it('are named rightly or not touched', async () => {
    for (const args of [
      ['retry'],
      ['retry', '1', '--all'],
      ['retry', '1', '--terminal', 'x'],
      ['retry', '1', '--set', 'nonsense'],
      ['retry', 'seven'],
      ['list', '--since', 'yesterday'],
    ]) {
      expect({ args, code: (await run('dead-letters', ...args)).code }).toEqual({ args, code: 2 });
    }
    expect((await run('dead-letters', 'show', '999999')).stderr).toMatch(/^\[NOT_FOUND\]/);
  });
});

describe('refused and held records', () => {
  it('are listed and shown, say what they wait for, and a skip lets their till go on', async () => {
    await centre.send(till, sale('A'));
    till.unit(...sale('lost'));
    const offset = centre.nextOffset();
    await centre.pool.query(
      `INSERT INTO payflow_sync.refused_record (topic, partition, record_offset, terminal_id, code, message, bytes)
       VALUES ('payflow.up', 0, $1, $2, 'RECORD_MALFORMED', 'cut off', '\\x0102')`,
      [offset, till.terminal],
    );
    await centre.send(till, sale('B'));
    const id = `payflow.up-0-${offset}`;
    const mine = ['list', '--terminal', till.terminal];
    expect((await run('refused', ...mine)).data['refused']).toMatchObject([
      { refusedId: id, code: 'RECORD_MALFORMED', message: 'cut off', sizeBytes: 2, skippedBy: null },
    ]);
    const held = (await run('held', ...mine, '--code', 'gap')).data['held'] as {
      heldId: string;
      waitsFor: string;
    }[];
    expect(held[0]?.waitsFor).toContain('unit 2');
    const shown = (await run('held', 'show', held[0]?.heldId ?? '')).data;
    expect(shown['changes']).toMatchObject([{ seq: 9, table: 'orders', op: 'insert' }, {}, {}, {}]);
    expect(await run('refused', 'skip', id, '--why', 'a damaged disk')).toMatchObject({
      code: 0,
      data: { skipped: { firstSeq: 5, lastSeq: 8 } },
    });
    expect((await run('refused', 'show', id)).data).toMatchObject({
      skippedBy: 'olga',
      why: 'a damaged disk',
    });
    // The answer comes with the commit that closes the gap; what was held is applied right behind it.
    await until(async () => (await centre.ordersOf(till)).length === 2, 'what was held is applied');
    expect((await run('held', ...mine)).data['held']).toEqual([]);
    expect((await run('refused', 'show', 'payflow.up-9-9')).stderr).toMatch(/^\[NOT_FOUND\]/);
  });
});

describe('conflicts', () => {
  it('are shown with both versions, and resolved unless the row has changed since', async () => {
    const { id } = await centre.one<{ id: string }>(
      `INSERT INTO products (sku, name, price) VALUES ('of-conflicts', 'first', 1) RETURNING id::text`,
    );
    await centre.pool.query(`UPDATE products SET name = 'office' WHERE id = $1`, [id]);
    await centre.send(till, [
      {
        op: 'u',
        table: 'products',
        row: { identity: 'p', centralId: id },
        old: { name: 'first' },
        new: { name: 'till' },
        atMs: Date.parse('2021-01-01'),
      },
    ]);
    const list = (await run('conflicts', 'list', '--terminal', till.terminal)).data;
    const [conflict] = list['conflicts'] as { conflictId: string }[];
    const at = conflict?.conflictId ?? '';
    expect((await run('conflicts', 'show', at)).data).toMatchObject({
      centralRow: { name: 'office' },
      terminalRow: { name: 'till' },
      standing: { name: 'office' },
      winner: 'central',
    });
    await centre.pool.query('UPDATE products SET price = 2 WHERE id = $1', [id]);
    const refused = await run('conflicts', 'resolve', at, '--take', 'terminal');
    expect(refused).toMatchObject({ code: 3, stdout: '' });
    const [, standing = ''] = /--standing ([0-9a-f]{32})/.exec(refused.stderr) ?? [];
    expect(await run('conflicts', 'resolve', at, '--take', 'terminal', '--standing', standing)).toMatchObject(
      {
        code: 0,
        data: { written: 'updated', columns: ['name', 'updated_at'] },
      },
    );
    expect((await run('conflicts', 'show', at)).data).toMatchObject({
      resolvedBy: 'olga',
      resolution: { take: 'terminal' },
    });
    const values = ['--take', 'values', '--set', 'products.name=agreed', '--force'];
    expect((await run('conflicts', 'resolve', at, ...values)).code).toBe(0);
    expect(await centre.one('SELECT name FROM products WHERE id = $1', [id])).toEqual({ name: 'agreed' });
    expect((await run('conflicts', 'resolve', at, '--take', 'values')).code).toBe(2);
    expect((await run('conflicts', 'resolve', at, '--take', 'values', '--set', 'orders.name=x')).code).toBe(
      2,
    );
    const asViewer = (await rest('GET', `/conflicts/${at}`, viewer)).body;
    expect(asViewer).toMatchObject({ conflictId: at, columns: ['name'], resolution: null });
    for (const hidden of ['centralRow', 'terminalRow', 'standing'])
      expect(asViewer).not.toHaveProperty(hidden);
  });
});

describe('over REST', () => {
  it('a viewer sees keys, columns and reasons, and acts on nothing', async () => {
    await centre.send(till, sale('A', 0n));
    const id = await letterId();
    const shown = (await rest('GET', `/dead-letters/${id}`, viewer)).body;
    expect(JSON.stringify(shown['changes'])).not.toContain('"after"');
    expect(shown['changes']).toMatchObject([{ columns: [{ column: 'number' }, {}, {}] }, {}, {}, {}]);
    const acts: [string, unknown][] = [
      [`/dead-letters/${id}/retry`, {}],
      [`/dead-letters/${id}/discard`, { why: 'x' }],
      ['/dead-letters/retry', { all: {} }],
      ['/dead-letters/discard', { all: {}, why: 'x' }],
      ['/refused/x-0-0/skip', { why: 'x' }],
      ['/conflicts/1/resolve', { take: 'central' }],
    ];
    for (const [path, body] of acts) expect((await rest('POST', path, viewer, body)).status).toBe(403);
    for (const path of ['/operations', '/operations/x'])
      expect((await rest('GET', path, viewer)).status).toBe(403);
    expect(
      await centre.one('SELECT state FROM payflow_sync.dead_letter WHERE dead_letter_id = $1', [id]),
    ).toEqual({
      state: 'open',
    });
  });

  it('says which field is wrong, and answers 202 with a place to look when it takes longer', async () => {
    await centre.send(till, sale('A', 0n));
    const id = await letterId();
    const wrong: [string, unknown, string][] = [
      [`/dead-letters/${id}/discard`, {}, 'why'],
      [`/dead-letters/${id}/discard`, { why: 'a\0b' }, 'why'],
      [`/dead-letters/${id}/retry`, { set: [{ table: 'orders', column: 'x' }] }, 'set.0.value'],
      ['/dead-letters/retry', { ids: ['1'], all: {} }, 'ids'],
      ['/dead-letters/retry', {}, 'ids'],
      ['/dead-letters/seven/retry', {}, 'id'],
    ];
    for (const [path, body, field] of wrong) {
      const answer = await rest('POST', path, operator, body);
      expect({ path, status: answer.status, field: answer.body['field'] }).toEqual({
        path,
        status: 422,
        field,
      });
    }
    const asked = await rest('POST', `/dead-letters/${id}/retry?waitMs=0`, operator, {});
    expect(asked.status).toBe(202);
    const done = await rest('GET', `/operations/${String(asked.body['operationId'])}?waitMs=30000`, operator);
    expect(done.body).toMatchObject({ state: 'done', result: { counts: { refused: 1 } } });
  });

  it('is described with a name and an example for every route', async () => {
    const response = await fetch(`${url}/openapi.json`);
    const { paths } = (await response.json()) as {
      paths: Record<string, Record<string, { operationId?: string }>>;
    };
    const ours = Object.entries(paths).filter(([path]) =>
      /dead-letters|conflicts|refused|held|operations/.test(path),
    );
    expect(ours.length).toBeGreaterThan(12);
    for (const [path, methods] of ours) {
      for (const [method, described] of Object.entries(methods)) {
        expect({ path, method, name: typeof described.operationId }).toEqual({
          path,
          method,
          name: 'string',
        });
        expect({ path, method, example: JSON.stringify(described).includes('"example"') }).toEqual({
          path,
          method,
          example: true,
        });
      }
    }
  });
});
