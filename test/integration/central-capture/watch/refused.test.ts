/** Setup never breaks the centre's own programs; names and shapes work, or are refused before anything is changed. */
import { afterEach, describe, expect, it } from 'vitest';
import { until } from '../../../../scripts/support/until.ts';
import { checkMapping } from '../../../../services/shared/mapping/mapping-check.ts';
import { parseMapping } from '../../../../services/shared/mapping/mapping-parser.ts';
import { readCentralCatalog } from '../../../../services/shared/catalog/central-catalog.ts';
import { publicationName } from '../../../../services/shared/database/slot-names.ts';
import { CaptureSite } from '../../../support/capture-site.ts';
import { canNarrow } from '../../../support/watched-shop.ts';

let site: CaptureSite;

afterEach(async () => {
  await site.stop();
});

const mappingOf = (tables: string) => `version: 1\ntables:\n${tables}`;
const GLOBAL = (name: string) => `  ${name}: { scope: global }\n`;

describe('setup, on a table whose rows PostgreSQL could not name,', () => {
  it.each([
    ['a deferrable primary key', `CREATE TABLE t (id int PRIMARY KEY DEFERRABLE, n int)`],
    [
      'identity NOTHING',
      `CREATE TABLE t (id int PRIMARY KEY, n int); ALTER TABLE t REPLICA IDENTITY NOTHING`,
    ],
    [
      'an identity by another index',
      `CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL UNIQUE); ALTER TABLE t REPLICA IDENTITY USING INDEX t_n_key`,
    ],
    [
      'an identity by an index that is gone',
      `CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL UNIQUE); ALTER TABLE t REPLICA IDENTITY USING INDEX t_n_key;
       ALTER TABLE t DROP CONSTRAINT t_n_key`,
    ],
  ])('%s: leaves the centre able to write, and its writes arrive', async (_, sql) => {
    site = await CaptureSite.start({ sql, mapping: mappingOf(GLOBAL('t')) });
    await site.pool.query('INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)');
    await site.setup();
    await site.capture();
    await site.seeded();
    await site.pool.query('UPDATE t SET n = n + 10 WHERE id < 3; DELETE FROM t WHERE id = 2');
    await site.acknowledged();
    const { changes } = await site.catalog();
    const last = new Map(changes.filter(({ table }) => table === 't').map(({ id, after }) => [id, after]));
    expect([...last]).toEqual([
      ['1', { id: 1, n: 11 }],
      ['2', null],
      ['3', { id: 3, n: 3 }],
    ]);
  });
});

describe('setup refuses by name, and changes nothing,', () => {
  it.each([
    ['TABLE_INHERITED', 't_heir', `CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE t_heir () INHERITS (t)`],
    ['TABLE_NOT_LOGGED', 't', `CREATE UNLOGGED TABLE t (id int PRIMARY KEY)`],
    [
      'TABLE_NOT_LOGGED',
      't_1',
      `CREATE TABLE t (id int PRIMARY KEY) PARTITION BY LIST (id);
       CREATE UNLOGGED TABLE t_1 PARTITION OF t FOR VALUES IN (1)`,
    ],
    [
      'TABLE_KEY_DEFERRABLE',
      't',
      `CREATE TABLE t (id int PRIMARY KEY DEFERRABLE) PARTITION BY LIST (id);
       CREATE TABLE t_1 PARTITION OF t FOR VALUES IN (1)`,
    ],
  ])('%s: %s', async (code, name, sql) => {
    site = await CaptureSite.start({ sql, mapping: mappingOf(GLOBAL('t')) });
    await expect(site.setup()).rejects.toMatchObject({
      code,
      message: expect.stringContaining(name) as string,
    });
    const { rows } = await site.pool.query('SELECT FROM pg_publication');
    expect(rows).toEqual([]);
  });

  it('a scope through a parent whose key is composite', async () => {
    const mapping = mappingOf(
      `  orders: { scope: { store: store_id } }\n  lines: { scope: { store: { via: order_id } }, references: { order_id: orders } }\n`,
    );
    site = await CaptureSite.start({
      sql: `CREATE TABLE orders (id int, store_id text, PRIMARY KEY (id, store_id)) PARTITION BY LIST (store_id);
            CREATE TABLE orders_rest PARTITION OF orders DEFAULT;
            CREATE TABLE lines (id int PRIMARY KEY, order_id int)`,
      mapping,
    });
    await expect(site.setup()).rejects.toMatchObject({
      code: 'MAPPING_INVALID',
      message: expect.stringContaining('lines.order_id leads to orders, whose key is id, store_id') as string,
    });
    const central = await readCentralCatalog(site.pool, ['orders', 'lines']);
    const codes = checkMapping(parseMapping(mapping), { central }).map(({ code }) => code);
    expect(codes).toContain('reference_to_composite');
  });

  it('and the check of the mapping names tables that others inherit from, and unlogged ones', async () => {
    site = await CaptureSite.start({
      sql: `CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE t_heir () INHERITS (t);
            CREATE UNLOGGED TABLE u (id int PRIMARY KEY)`,
    });
    const central = await readCentralCatalog(site.pool, ['t', 'u']);
    const findings = checkMapping(parseMapping(mappingOf(GLOBAL('t') + GLOBAL('u'))), { central });
    expect(findings.map(({ code, table }) => [code, table])).toEqual([
      ['inherited_table', 't'],
      ['unlogged_table', 'u'],
    ]);
  });
});

describe('setup seeds again what it mends', () => {
  it.each([
    ['an identity', 'ALTER TABLE sales REPLICA IDENTITY DEFAULT', ['sales', 'lines']],
    ['a membership', 'ALTER PUBLICATION $P DROP TABLE goods', ['goods']],
    [
      'a row filter',
      'ALTER PUBLICATION $P DROP TABLE goods; ALTER PUBLICATION $P ADD TABLE goods WHERE (id > 5)',
      ['goods'],
    ],
  ])('%s', async (what, sql, tables) => {
    site = await CaptureSite.start({
      sql: `CREATE TABLE goods (id int PRIMARY KEY); CREATE TABLE sales (id int PRIMARY KEY, store_id text);
            CREATE TABLE lines (id int PRIMARY KEY, sale_id int)`,
      mapping: mappingOf(
        `${GLOBAL('goods')}  sales: { scope: { store: store_id } }
  lines: { scope: { store: { via: sale_id } }, references: { sale_id: sales } }\n`,
      ),
    });
    if (what === 'a row filter' && !(await canNarrow(site))) return;
    await site.setup();
    const running = await site.capture();
    await site.seeded();
    await running.stop();
    await site.pool.query(sql.replaceAll('$P', `"${publicationName(site.prefix)}"`));
    const { changes } = await site.setup();
    expect(changes.at(-1)).toBe(`seeding again of ${tables.join(', ')}`);
    expect((await site.setup()).changes).toEqual([]);
  });
});

describe('names that Avro does not take', () => {
  it('a table that begins with a digit, and columns beside numbered ones', async () => {
    site = await CaptureSite.start({
      sql: `CREATE TABLE "2024_sales" (id int PRIMARY KEY, "größe" int, column_1 int, "column_1_" int, "1st" int);
            INSERT INTO "2024_sales" VALUES (1, 10, 20, 30, 40)`,
      mapping: mappingOf(`  '2024_sales': { scope: global }\n`),
    });
    await site.setup();
    await site.capture();
    await site.seeded();
    await site.pool.query(`UPDATE "2024_sales" SET "größe" = 11, "1st" = 41`);
    await site.acknowledged();
    const rows = async () => (await site.catalog()).changes.filter(({ table }) => table === '2024_sales');
    await until(async () => (await rows()).length === 2, 'both changes are there');
    expect((await rows()).map(({ after }) => after)).toEqual([
      { id: 1, größe: 10, column_1: 20, column_1_: 30, '1st': 40 },
      { id: 1, größe: 11, column_1: 20, column_1_: 30, '1st': 41 },
    ]);
  });
});
