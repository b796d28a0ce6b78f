import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../../../scripts/support/until.ts';
import { checkCentre, setupCentre } from '../../../../services/central-capture/setup/setup.ts';
import { publicationName } from '../../../../services/shared/database/slot-names.ts';
import { parseMapping } from '../../../../services/shared/mapping/mapping-parser.ts';
import { createPool } from '../../../../services/shared/database/postgres.ts';
import { CaptureSite, SHOP_MAPPING } from '../../../support/capture-site.ts';

describe('setup of the centre', () => {
  let site: CaptureSite;

  beforeEach(async () => {
    site = await CaptureSite.start();
  });
  afterEach(async () => {
    await site.stop();
  });

  const options = (mapping = SHOP_MAPPING) => ({
    pool: site.pool,
    prefix: site.prefix,
    mapping: parseMapping(mapping),
    eventLog: site.eventLog,
    horizonDays: 14,
    upPartitions: 2,
  });

  it('makes what is missing, says so beforehand, and does nothing the second time', async () => {
    const missing = await checkCentre(options());
    expect(missing.join('\n')).toContain('publication');
    const first = await setupCentre(options());
    expect(first).toMatchObject({ epoch: 1, mappingVersion: 1 });
    expect(first.databaseId).toMatch(/^[0-9a-f-]{36}$/);
    expect(await checkCentre(options())).toEqual([]);
    expect(await setupCentre(options())).toEqual({ ...first, changes: [] });
  });

  it('counts the mapping up only when its text changed, and seeds only what is new in it', async () => {
    await setupCentre(options());
    await site.pool.query(`UPDATE payflow_sync.seeding SET state = 'done'`);
    const changed = SHOP_MAPPING.replace('{ scope: global }', '{ scope: global, exclude: [price] }');
    expect((await setupCentre(options(changed))).mappingVersion).toBe(2);
    expect((await setupCentre(options(changed))).mappingVersion).toBe(2);
    const { rows } = await site.pool.query<{ table_name: string }>(
      `SELECT table_name FROM payflow_sync.seeding WHERE state = 'wanted'`,
    );
    expect(rows).toEqual([{ table_name: 'products' }]);
  });

  it('seeds a table anew that was not mapped for a while, and waits for none that is mapped no longer', async () => {
    await setupCentre(options());
    const without = SHOP_MAPPING.replace(/^ {2}products.*\n/m, '');
    await setupCentre(options(without));
    const names = async () => {
      const { rows } = await site.pool.query<{ table_name: string }>(
        `SELECT table_name FROM payflow_sync.seeding WHERE state = 'wanted'`,
      );
      return rows.map((row) => row.table_name);
    };
    expect(await names()).not.toContain('products');
    await site.pool.query(`UPDATE payflow_sync.seeding SET state = 'done'`);
    await setupCentre(options());
    expect(await names()).toEqual(['products']);
  });

  it.each([
    ['a table that it alters', `INSERT INTO orders VALUES (1, 'north', 'n')`, 'REPLICA IDENTITY FULL'],
    ['any table, for the slot', 'SELECT txid_current()', 'replication slot'],
  ])('says which open transaction is in its way on %s, and goes on when that ends', async (_, sql, what) => {
    const client = await site.pool.connect();
    const said: string[] = [];
    try {
      await client.query(`SET application_name = 'forgotten'; BEGIN; ${sql}`);
      const done = setupCentre({ ...options(), onWait: (text) => said.push(text) });
      await until(() => said.length > 0, 'setup says what it waits for');
      await client.query('COMMIT');
      expect((await done).epoch).toBe(1);
    } finally {
      client.release(true);
    }
    expect(said[0]).toContain(what);
    expect(said[0]).toMatch(/ waits for a transaction to end: process \d+ \(forgotten\), open for \d+ s$/);
  });

  it('adds the columns that an earlier version did not make', async () => {
    await setupCentre(options());
    await site.pool.query('ALTER TABLE payflow_sync.outcome DROP COLUMN hash');
    expect(await checkCentre(options())).toEqual(['tables payflow_sync.outcome.hash']);
    await setupCentre(options());
    expect(await checkCentre(options())).toEqual([]);
  });

  it.each([
    ['ALTER TABLE payflow_sync.stream DROP COLUMN other_history', ['payflow_sync.stream.other_history']],
    ['DROP TABLE payflow_sync.watched_table', ['payflow_sync.watched_table']],
    [
      `ALTER TABLE payflow_sync.mapping DROP COLUMN horizon_days; DROP TABLE payflow_sync.topic;
       DROP TABLE payflow_sync.awaited_parent`,
      ['payflow_sync.topic', 'payflow_sync.awaited_parent', 'payflow_sync.mapping.horizon_days'],
    ],
    [
      `DROP TABLE payflow_sync.watched_table; DROP TABLE payflow_sync.stream; DROP TABLE payflow_sync.seeding`,
      ['payflow_sync.stream', 'payflow_sync.seeding', 'payflow_sync.watched_table'],
    ],
  ])('says of the schema of an earlier version what it lacks: %s', async (sql, lacking) => {
    await setupCentre(options());
    await site.pool.query(sql);
    const [schema] = await checkCentre(options());
    expect(schema).toBe(`tables ${lacking.join(', ')}`);
    await setupCentre(options());
    expect(await checkCentre(options())).toEqual([]);
  });

  it('names the mapped tables that have no primary key', async () => {
    await site.pool.query('ALTER TABLE orders DROP CONSTRAINT orders_pkey');
    await expect(setupCentre(options())).rejects.toMatchObject({
      code: 'TABLE_NO_KEY',
      details: { tables: ['orders'] },
    });
  });

  it('leaves the centre able to update tables with stored generated columns, and sends their rows', async () => {
    await site.pool.query(
      `ALTER TABLE products ADD with_tax numeric GENERATED ALWAYS AS (price * 1.19) STORED;
       INSERT INTO products (id, sku, price) VALUES (1, 'A', 10)`,
    );
    await site.setup();
    await site.capture();
    await site.seeded();
    await site.pool.query('UPDATE products SET price = 20');
    await site.pool.query('DELETE FROM products');
    await site.acknowledged();
    const { changes } = await site.catalog();
    expect(
      changes
        .filter((change) => change.table === 'products')
        .map(({ op, after }) => [op, after?.['price'], after?.['with_tax']]),
    ).toEqual([
      ['r', '10.00', undefined],
      ['u', '20.00', undefined],
      ['d', undefined, undefined],
      // The tombstone.
      ['d', undefined, undefined],
    ]);
  });

  it('mends a publication made without generated columns', async () => {
    await setupCentre(options());
    const { rows } = await site.pool.query<{ version: number }>(
      `SELECT current_setting('server_version_num')::int AS version`,
    );
    const knowsThem = (rows[0]?.version ?? 0) >= 180_000;
    const option = knowsThem ? 'publish_generated_columns = none' : 'publish_via_partition_root = false';
    const publication = publicationName(site.prefix);
    await site.pool.query(`ALTER PUBLICATION "${publication}" SET (${option})`);
    const [missing, ...more] = await checkCentre(options());
    expect(missing).toBe(`options of publication ${publication}`);
    expect(more).toEqual([expect.stringMatching(/^seeding again of .*products, orders, order_items$/)]);
    await setupCentre(options());
    expect(await checkCentre(options())).toEqual([]);
  });

  it('does not begin where a virtual column would make every update fail', async () => {
    const added = site.pool.query(
      `ALTER TABLE products ADD twice numeric GENERATED ALWAYS AS (price * 2) VIRTUAL`,
    );
    // Servers before 18 know no virtual columns.
    const refusedBySyntax = await added.then(
      () => false,
      () => true,
    );
    if (refusedBySyntax) return;
    await expect(setupCentre(options())).rejects.toMatchObject({
      code: 'TABLE_VIRTUAL_COLUMN',
      details: { columns: ['products.twice'] },
    });
    await site.pool.query(`INSERT INTO products (id, sku, price) VALUES (1, 'A', 10)`);
    await site.pool.query('UPDATE products SET price = 20');
  });

  it('says that the role may not replicate', async () => {
    const role = `plain_${site.prefix}`;
    await site.pool.query(`CREATE ROLE ${role} LOGIN PASSWORD 'secret'`);
    const url = new URL(site.url);
    url.username = role;
    url.password = 'secret';
    const pool = createPool({ connectionString: url.href, applicationName: 'test', log: site.log });
    await expect(setupCentre({ ...options(), pool })).rejects.toMatchObject({ code: 'DB_NO_REPLICATION' });
    await pool.end();
    await site.pool.query(`DROP ROLE ${role}`);
  });

  it('sets the replica identity on each partition, and rows of all of them go out as one table', async () => {
    await site.pool.query(`
      CREATE TABLE tickets (store_id text, id uuid, note text, PRIMARY KEY (store_id, id)) PARTITION BY LIST (store_id);
      CREATE TABLE tickets_north PARTITION OF tickets FOR VALUES IN ('north');
      CREATE TABLE tickets_rest PARTITION OF tickets DEFAULT;`);
    await site.setup(`${SHOP_MAPPING}  tickets: { scope: { store: store_id } }\n`);
    const { rows } = await site.pool.query(
      `SELECT FROM pg_class WHERE relname IN ('tickets_north', 'tickets_rest') AND relreplident = 'f'`,
    );
    expect(rows).toHaveLength(2);
    await site.capture();
    await site.seeded();
    const id = '00000000-0000-4000-8000-000000000001';
    await site.pool.query(`INSERT INTO tickets VALUES ('north', $1, 'a')`, [id]);
    await site.pool.query(`UPDATE tickets SET store_id = 'south'`);
    await site.acknowledged();
    const tickets = async (store: string) =>
      (await site.store(store)).changes
        .filter((change) => change.table === 'tickets')
        .map((change) => [change.op, change.id]);
    expect(await tickets('north')).toEqual([
      ['c', `["north","${id}"]`],
      ['d', `["north","${id}"]`],
      ['d', `["north","${id}"]`],
    ]);
    expect(await tickets('south')).toEqual([['c', `["south","${id}"]`]]);
  });

  it('seeds again, in a loud voice, what a lost stream held', async () => {
    await site.pool.query(`INSERT INTO products (id, sku) VALUES (1, 'A')`);
    await site.setup();
    const running = await site.capture();
    await site.seeded();
    await running.stop();
    await site.pool.query(`
      INSERT INTO payflow_sync.stream (topic, stream_id, last_offset, position)
      VALUES ('${site.prefix}.catalog', 'another stream', 5, '1:0/1:1')
      ON CONFLICT (topic) DO UPDATE SET stream_id = 'another stream'`);
    await site.capture();
    await until(async () => {
      const { changes } = await site.catalog();
      return changes.filter((change) => change.table === 'products').length > 1;
    }, 'the row is sent again');
  });
});
