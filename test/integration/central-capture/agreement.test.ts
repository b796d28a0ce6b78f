/** What central-apply leaves for the till in its transaction, as it comes out of the streams (DESIGN §5). */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ChangeRecord } from '../../../services/shared/records/change-record.ts';
import { CATALOG_POSITION_HEADER } from '../../../services/shared/records/envelope.ts';
import { ORIGIN_UNITS_HEADER } from '../../../services/shared/records/origin-units.ts';
import { decodePosition } from '../../../services/shared/records/position.ts';
import { CaptureSite } from '../../support/capture-site.ts';

type Entry = [
  seq: number,
  table: string,
  id: string | null,
  outcome: string,
  hash: null,
  image?: Record<string, string | null>,
];

describe("a till's outcomes", () => {
  let site: CaptureSite;

  beforeEach(async () => {
    site = await CaptureSite.start();
    await site.setup();
    await site.capture();
    await site.seeded();
    await site.pool.query(`
      INSERT INTO payflow_sync.terminal (terminal_id, store_id, up_partition)
      VALUES ('till-n', 'north', 0), ('till-s', 'south', 1)`);
    await site.pool.query(`
      INSERT INTO products (id, sku) VALUES (1, 'A'); INSERT INTO orders VALUES (1, 'north', 'n'), (2, 'south', 's')`);
    await site.acknowledged();
  });
  afterEach(async () => {
    await site.stop();
  });

  /** One transaction as central-apply makes it. */
  async function apply(
    terminal: string,
    entries: Entry[],
    sql: string,
    hash: Buffer | null = null,
  ): Promise<void> {
    const client = await site.pool.connect();
    try {
      await client.query('BEGIN');
      await client.query(
        `INSERT INTO payflow_sync.outcome (terminal_id, incarnation, unit, entries, hash)
         VALUES ($1, 'inc', 1, $2, $3)`,
        [terminal, JSON.stringify(entries), hash],
      );
      await client.query(sql);
      await client.query(
        `INSERT INTO payflow_sync.progress (terminal_id, incarnation, last_unit, last_seq, chain_hash)
         VALUES ($1, 'inc', 1, 9, '\\x00')`,
        [terminal],
      );
      await client.query('COMMIT');
    } finally {
      client.release();
    }
    await site.acknowledged();
  }

  const last = (changes: readonly ChangeRecord[], table: string) =>
    changes.filter((change) => change.table === table && change.xid !== 0).at(-1);

  it('name the change that a row record answers', async () => {
    await apply(
      'till-n',
      [
        [7, 'products', '1', 'applied', null],
        [8, 'orders', '1', 'merged', null],
      ],
      `UPDATE products SET shelf = 1 WHERE id = 1; UPDATE orders SET note = 'z' WHERE id = 1`,
    );
    const origin = { terminal: 'till-n', incarnation: 'inc' };
    const catalog = await site.catalog();
    const north = await site.store('north');
    expect(last(catalog.changes, 'products')?.origins).toEqual([{ ...origin, seq: 7, outcome: 'applied' }]);
    expect(last(north.changes, 'orders')?.origins).toEqual([{ ...origin, seq: 8, outcome: 'merged' }]);
    await site.pool.query(`UPDATE products SET shelf = 2 WHERE id = 1`);
    await site.acknowledged();
    expect(last((await site.catalog()).changes, 'products')?.origins).toEqual([]);
  });

  it.each([
    ['where the centre knows it', Buffer.alloc(32, 9), Buffer.alloc(16, 9)],
    ['not of what is no unit', Buffer.alloc(0), Buffer.alloc(16)],
    ['not of one that an earlier version applied', null, Buffer.alloc(16)],
  ])('name its unit, by which a till tells it from a copy’s: %s', async (_, hash, header) => {
    const image = { id: '1', sku: 'A', price: '2.50', weight: '0.5', active: 't', shelf: null };
    const entries: Entry[] = [
      [7, 'products', '1', 'lost', null, image],
      [8, 'orders', '1', 'applied', null],
      [9, 'orders', '99', 'gone', null],
    ];
    await apply('till-n', entries, `UPDATE orders SET note = 'z' WHERE id = 1`, hash);
    const answers = [...(await site.catalog()).stored, ...(await site.store('north')).stored];
    expect(answers.flatMap(({ headers }) => headers[ORIGIN_UNITS_HEADER] ?? [])).toEqual([
      header,
      header,
      header,
    ]);
  });

  it('bring the central row as it stands where nothing changed in it', async () => {
    const image = { id: '1', sku: 'A', price: '2.50', weight: '0.5', active: 't', shelf: null };
    await apply('till-n', [[7, 'products', '1', 'lost', null, image]], 'SELECT 1');
    const change = last((await site.catalog()).changes, 'products');
    expect(change).toMatchObject({
      op: 'r',
      id: '1',
      after: { sku: 'A', price: '2.50', weight: 0.5, active: true },
    });
    expect(change?.origins).toMatchObject([{ seq: 7, outcome: 'lost' }]);
  });

  it('of rows that the till does not read are told as gone, by key, in its own stream only', async () => {
    const image = { id: '2', store_id: 'south', note: 'secret' };
    const entries: Entry[] = [
      [7, 'orders', '2', 'lost', null, image],
      [8, 'orders', '99', 'gone', null],
    ];
    await apply('till-n', entries, 'SELECT 1');
    await apply(
      'till-s',
      [[3, 'orders', '1', 'applied', null]],
      `UPDATE orders SET note = 'by south' WHERE id = 1`,
    );
    const north = (await site.store('north')).changes.filter((change) => change.xid !== 0);
    const south = (await site.store('south')).changes.filter((change) => change.xid !== 0);
    const gone = (changes: readonly ChangeRecord[]) =>
      changes
        .filter((change) => change.op === 'd')
        .map(({ id, before, origins }) => ({ id, before: { ...before }, origins }));
    expect(gone(north)).toEqual([
      {
        id: '2',
        before: { id: 2n },
        origins: [{ terminal: 'till-n', incarnation: 'inc', seq: 7, outcome: 'gone' }],
      },
      {
        id: '99',
        before: { id: 99n },
        origins: [{ terminal: 'till-n', incarnation: 'inc', seq: 8, outcome: 'gone' }],
      },
    ]);
    expect(gone(south)).toEqual([
      {
        id: '1',
        before: { id: 1n },
        origins: [{ terminal: 'till-s', incarnation: 'inc', seq: 3, outcome: 'gone' }],
      },
    ]);
    expect(last(north, 'orders')).toMatchObject({ op: 'u', after: { note: 'by south' }, origins: [] });
    expect(
      JSON.stringify(north, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value)),
    ).not.toContain('secret');
  });

  it('travel with links and progress in the store stream of the till alone', async () => {
    await apply(
      'till-n',
      [[7, 'products', '1', 'applied', null]],
      `INSERT INTO payflow_sync.link VALUES ('till-n', 'products', 'uuid-1', '1');
       UPDATE products SET shelf = 3 WHERE id = 1`,
    );
    const { changes, stored } = await site.store('north');
    expect(last(changes, 'payflow_sync.link')?.after).toMatchObject({ identity: 'uuid-1', central_id: '1' });
    const progress = stored.find((record) => record.key?.toString() === 'payflow_sync.progress:till-n');
    const header = progress?.headers[CATALOG_POSITION_HEADER];
    const product = last((await site.catalog()).changes, 'products');
    expect(header === undefined ? null : decodePosition(header)).toEqual(product?.position);
    const others = [...(await site.catalog()).changes, ...(await site.store('south')).changes];
    expect(others.filter(({ table }) => /link|progress|outcome|terminal/.test(table))).toEqual([]);
  });
});
