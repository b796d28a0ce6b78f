import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Difference, TableFindings } from '../../../services/gateway/verify/findings.ts';
import type { VerifyRun } from '../../../services/gateway/verify/run-store.ts';
import { RunningShop } from '../../support/running-shop.ts';
import { CENTRAL, LOCAL, MAPPING, SOLD, STOCKED } from './shop.ts';

let shop: RunningShop;

beforeAll(async () => {
  shop = await RunningShop.start({
    central: CENTRAL + STOCKED,
    local: LOCAL,
    mapping: MAPPING,
    tills: { 'till-1': '1' },
  });
  await shop.sync('till-1');
  shop.app('till-1').exec(SOLD);
  await shop.sync('till-1');
});

afterAll(() => shop.stop());

async function verify(...args: string[]): Promise<{ code: number; tables: readonly TableFindings[] }> {
  const { code, stdout, stderr } = await shop.payflow('verify', '--terminal', 'till-1', '--json', ...args);
  if (stdout === '') throw new Error(stderr);
  const [till] = (JSON.parse(stdout) as VerifyRun).terminals;
  if (till?.error != null) throw new Error(till.error.message);
  return { code, tables: till?.tables ?? [] };
}

function differences(tables: readonly TableFindings[]): (Difference & { table: string })[] {
  return tables.flatMap(({ table, differs }) => differs.map((each) => ({ ...each, table })));
}

describe('two sides that are the same', () => {
  it('are found so, in whatever form each of them writes', async () => {
    const { code, tables } = await verify();
    expect(tables.filter(({ counts }) => Object.values(counts).some((count) => count > 0))).toEqual([]);
    expect(code).toBe(0);
    expect(Object.fromEntries(tables.map(({ table, rows }) => [table, rows]))).toEqual({
      items: { till: 301, centre: 301 },
      receipts: { till: 41, centre: 41 },
      lines: { till: 124, centre: 124 },
      journal: { till: 2, centre: 2 },
      rates: { till: 20, centre: 20 },
    });
  });
});

/** One fault after the other, each of its own row. */
describe('a fault', () => {
  const item = (code: string) =>
    shop
      .app('till-1')
      .prepare<[string], { id: number; server_id: number }>('SELECT id, server_id FROM items WHERE code = ?')
      .get(code) ?? { id: 0, server_id: 0 };
  const onTill = (sql: string) => shop.behindOurBack('till-1', sql);
  const found = async () => {
    const { code, tables } = await verify();
    return { code, differences: differences(tables).map(({ key: _, ...each }) => each) };
  };

  it('of one byte on the till is named with its column', async () => {
    const { server_id: id } = item('A7');
    onTill("UPDATE items SET title = 'Brticle 7' WHERE code = 'A7'");
    expect(await found()).toEqual({
      code: 1,
      differences: [{ table: 'items', id: String(id), how: 'different', columns: ['title'], newer: 'till' }],
    });
    onTill("UPDATE items SET title = 'Article 7' WHERE code = 'A7'");
    expect((await found()).code).toBe(0);
  });

  it('is named also while a transaction stays open at the centre', async () => {
    const client = await shop.pool.connect();
    try {
      await client.query(`BEGIN; UPDATE branch SET title = 'being renamed' WHERE id = 2`);
      onTill("UPDATE items SET title = 'Brticle 9' WHERE code = 'A9'");
      expect(await found()).toMatchObject({ code: 1, differences: [{ columns: ['title'], newer: 'till' }] });
    } finally {
      await client.query('ROLLBACK');
      client.release();
    }
    onTill("UPDATE items SET title = 'Article 9' WHERE code = 'A9'");
    expect((await found()).code).toBe(0);
  });

  it.each([
    ['price_cents', 'price_cents + 1', 'price_cents - 1'],
    ['weight', 'weight + 1', 'weight - 1'],
    ['stock', 'stock - 1', 'stock + 1'],
    ['tags', "'[]'", `'["x",null,"y \\"8"]'`],
    ['extra', `'{"a": 1.5, "b": 9}'`, `'{"a": 1.50, "b": 8}'`],
    ['active', '0', '1'],
    ['grade', "'zz'", "'g8'"],
    ['picture', "x'01'", "x'0008'"],
    ['server_id', 'server_id + 100000', 'server_id - 100000'],
  ])('in %s is named, and gone when the value is back', async (column, wrong, right) => {
    const { server_id: id } = item('A8');
    onTill(`UPDATE items SET ${column} = ${wrong} WHERE code = 'A8'`);
    expect(await found()).toEqual({
      code: 1,
      differences: [{ table: 'items', id: String(id), how: 'different', columns: [column], newer: 'till' }],
    });
    onTill(`UPDATE items SET ${column} = ${right} WHERE code = 'A8'`);
    expect(await found()).toEqual({ code: 0, differences: [] });
  });

  it('of a row missing, one extra and a reference to another row is named, each in its table', async () => {
    const app = shop.app('till-1');
    const [line, other] = app
      .prepare<[], { id: number; item_id: number }>('SELECT id, item_id FROM lines ORDER BY id LIMIT 2')
      .all();
    const ids = new Map(
      app.prepare<[], [number, string]>('SELECT row_key, central_id FROM sync_row_lines').raw().all(),
    );
    onTill(`UPDATE lines SET item_id = (SELECT id FROM items WHERE code = 'A300') WHERE id = ${line?.id};
      DELETE FROM lines WHERE id = ${other?.id};
      INSERT INTO rates VALUES ('nowhere', 'k', 1);
      INSERT INTO items (code, title) VALUES ('EXTRA', 'extra');
      DELETE FROM rates WHERE land = 'land 3'`);
    const { code, differences: named } = await found();
    expect(code).toBe(1);
    expect(named).toEqual([
      { table: 'items', id: null, how: 'missing at centre', columns: [], newer: 'till' },
      { table: 'lines', id: ids.get(line?.id ?? 0), how: 'different', columns: ['item_id'], newer: 'till' },
      { table: 'lines', id: ids.get(other?.id ?? 0), how: 'missing on till', columns: [], newer: 'unknown' },
      { table: 'rates', id: '["land 3","k"]', how: 'missing on till', columns: [], newer: 'unknown' },
    ]);
  });

  it('of a change, a delete and an insert of the centre that never came is named, and so is the newer side', async () => {
    const app = shop.app('till-1');
    const ids = ['A20', 'A21', 'A22'].map((code) => String(item(code).server_id));
    const [edited, deleted] = ids;
    app.exec(`CREATE TEMP TABLE was AS SELECT * FROM items WHERE code IN ('A20', 'A21');
      CREATE TEMP TABLE kept AS SELECT * FROM sync_row_items WHERE central_id IN (${edited}, ${deleted})`);
    await shop.pool.query(`UPDATE article SET title = 'new', stock = stock + 5 WHERE code = 'A20'`);
    await shop.pool.query(`DELETE FROM article WHERE code = 'A21'`);
    await shop.sync('till-1');
    onTill(`DELETE FROM items WHERE code IN ('A20', 'A21', 'A22');
      DELETE FROM sync_row_items WHERE central_id IN (${ids.join(', ')});
      INSERT INTO items SELECT * FROM temp.was; INSERT INTO sync_row_items SELECT * FROM temp.kept`);
    const { differences: named } = await found();
    expect(named.filter(({ id }) => id !== null && ids.includes(id))).toEqual([
      { table: 'items', id: edited, how: 'different', columns: ['title', 'stock'], newer: 'centre' },
      { table: 'items', id: deleted, how: 'missing at centre', columns: [], newer: 'centre' },
      { table: 'items', id: ids[2], how: 'missing on till', columns: [], newer: 'centre' },
    ]);
  });

  it('is no fault where head office deletes with triggers off: the till hears of it all the same', async () => {
    const { server_id: id } = item('A30');
    await shop.pool.query(
      `BEGIN; SET LOCAL session_replication_role = replica; DELETE FROM article WHERE code = 'A30'; COMMIT`,
    );
    const { differences: named } = await found();
    expect(named.filter((each) => each.id === String(id))).toEqual([]);
    expect(item('A30').id).toBe(0);
  });
});

describe('a row that the centre has refused', () => {
  it('is named with that reason, and is a difference', async () => {
    shop
      .app('till-1')
      .exec(`INSERT INTO items (code, title) VALUES ('${'x'.repeat(40)}', 'too long a code')`);
    const sync = await shop.payflow('sync', '--terminal', 'till-1', '--wait');
    expect(sync.code).toBe(1);
    const { code, tables } = await verify('--table', 'items');
    expect(code).toBe(1);
    expect(tables.flatMap(({ known }) => known)).toEqual([
      { id: null, key: expect.stringMatching(/^\d+$/) as string, why: 'dead letter' },
    ]);
  });
});

describe('a table that is asked for by itself', () => {
  it('is compared alone, and one that the till lacks is refused by name', async () => {
    expect((await verify('--table', 'rates')).tables.map(({ table }) => table)).toEqual(['rates']);
    const { code, stdout } = await shop.payflow('verify', '--table', 'nothing');
    expect({ code, stdout }).toEqual({
      code: 3,
      stdout: expect.stringContaining('the mapping of this till has no table nothing') as string,
    });
  });
});
