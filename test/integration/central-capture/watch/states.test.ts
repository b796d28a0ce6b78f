/** What only a person can mend stands as a state of the table with a code, and ends by itself; what is harmless is not said. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../../../scripts/support/until.ts';
import type { Health } from '../../../../services/shared/lifecycle.ts';
import { publicationName, slotName } from '../../../../services/shared/database/slot-names.ts';
import { CaptureSite } from '../../../support/capture-site.ts';
import { WATCHED_MAPPING, WATCHED_SQL, WatchedShop } from '../../../support/watched-shop.ts';

let shop: WatchedShop;
const publication = () => `"${publicationName(shop.site.prefix)}"`;

describe('what a person must mend', () => {
  let tables: Health | undefined;

  beforeEach(async () => {
    shop = await WatchedShop.start({ onTables: (health) => (tables = health) });
  });
  afterEach(async () => {
    await shop.site.stop();
  });

  it.each([
    {
      what: 'a table renamed away',
      table: 'goods',
      code: 'TABLE_MISSING',
      deed: `ALTER TABLE goods RENAME TO goods_x; UPDATE goods_x SET stock = 70 WHERE id = 7; DELETE FROM goods_x WHERE id = 8`,
      mend: `ALTER TABLE goods_x RENAME TO goods`,
    },
    {
      what: 'a table that becomes a view',
      table: 'rates',
      code: 'TABLE_MISSING',
      deed: `ALTER TABLE rates RENAME TO rates_x; CREATE VIEW rates AS SELECT * FROM rates_x; UPDATE rates SET floor = 3`,
      mend: `DROP VIEW rates; ALTER TABLE rates_x RENAME TO rates`,
    },
    {
      what: 'a table that others inherit from',
      table: 'rates',
      code: 'TABLE_INHERITED',
      deed: `CREATE TABLE special_rates (PRIMARY KEY (id)) INHERITS (rates); INSERT INTO special_rates VALUES (900, 1, 1);
             UPDATE rates SET floor = 4`,
      mend: `ALTER TABLE special_rates NO INHERIT rates; DELETE FROM rates WHERE id = 2`,
    },
    {
      what: 'an unlogged partition',
      table: 'events',
      code: 'TABLE_NOT_LOGGED',
      deed: `CREATE UNLOGGED TABLE events_9 PARTITION OF events FOR VALUES FROM (9) TO (10);
             INSERT INTO events VALUES (900, 9, 'north', 'unseen')`,
      mend: `ALTER TABLE events_9 SET LOGGED`,
    },
  ])(
    '$what: a code stands until it is mended, then the tills are right',
    async ({ table, code, deed, mend }) => {
      await shop.sql(deed);
      await shop.hasState(table, code);
      await until(() => tables?.state === 'unready' && tables.error.code === code, 'the process is unready');
      await shop.sql(mend);
      await shop.hasState(table, undefined);
      await shop.isRight();
      await until(() => tables?.state === 'ready', 'the process is ready again');
    },
  );

  it('with the state known to the next capture, which seeds the table once that ends', async () => {
    await shop.sql(`ALTER TABLE goods RENAME TO goods_x`);
    await shop.hasState('goods', 'TABLE_MISSING');
    await shop.pause();
    await shop.sql(`UPDATE goods_x SET stock = 0; ALTER TABLE goods_x RENAME TO goods`);
    await shop.begin();
    await shop.isRight();
    expect(await shop.states()).toEqual({});
  });

  it('REPLICA IDENTITY NOTHING is put back, so that the centre can write again', async () => {
    await shop.sql('ALTER TABLE goods REPLICA IDENTITY NOTHING');
    const written = () =>
      shop.sql('UPDATE goods SET stock = 11').then(
        () => true,
        () => false,
      );
    await until(written, 'the centre may update');
    await shop.isRight();
  });
});

describe('between the start and the first look after it', () => {
  beforeEach(async () => {
    shop = await WatchedShop.start({ heartbeatMs: 3_600_000 });
  });
  afterEach(async () => {
    await shop.site.stop();
  });

  it.each(['ALTER TABLE goods RENAME TO goods_x', 'DROP TABLE goods CASCADE'])('%s is seen', async (deed) => {
    await shop.sql(deed);
    await shop.running?.session().watch.look();
    expect(await shop.states()).toEqual({ goods: 'TABLE_MISSING' });
  });
});

describe('a capture whose login owns nothing', () => {
  beforeEach(async () => {
    shop = await WatchedShop.start({ leastRights: true });
  });
  afterEach(async () => {
    await shop.site.stop();
  });

  it('says what it may not mend, and goes on when setup has', async () => {
    await shop.sql(
      `ALTER PUBLICATION ${publication()} DROP TABLE goods; UPDATE goods SET stock = 70 WHERE id = 7`,
    );
    await shop.hasState('goods', 'TABLE_NOT_PUBLISHED');
    await shop.sql(`ALTER TABLE sales REPLICA IDENTITY DEFAULT; UPDATE sales SET store_id = 'north'`);
    await shop.hasState('sales', 'TABLE_IDENTITY');
    await shop.site.setup();
    await shop.hasState('goods', undefined);
    await shop.hasState('sales', undefined);
    await shop.isRight();
  });

  it('is told of row level security, and deletes no row on tills by it', async () => {
    await shop.sql(`ALTER TABLE goods ENABLE ROW LEVEL SECURITY`);
    await shop.hasState('goods', 'TABLE_ROW_SECURITY');
    await shop.sql(
      `UPDATE payflow_sync.seeding SET state = 'wanted', last_key = NULL WHERE table_name IN ('goods', 'rates')`,
    );
    await until(async () => (await shop.seedings('rates')) === 2, 'the other table is seeded again');
    await shop.sql(`INSERT INTO goods VALUES (99, 'flows', 1, 'small', 1)`);
    await shop.isRight();
    await shop.sql(`ALTER TABLE goods DISABLE ROW LEVEL SECURITY`);
    await shop.hasState('goods', undefined);
    await shop.isRight();
  });

  it('is told of a table put in place of another, which it may not read', async () => {
    await shop.sql(`DROP TABLE rates; CREATE TABLE rates (id int PRIMARY KEY, percent int, floor int);
                    INSERT INTO rates VALUES (1, 1, 1)`);
    await shop.hasState('rates', 'TABLE_NOT_READABLE');
    await shop.sql(`GRANT SELECT ON rates TO PUBLIC`);
    await shop.hasState('rates', 'TABLE_NOT_PUBLISHED');
    await shop.site.setup();
    await shop.hasState('rates', undefined);
    await shop.isRight();
  });
});

describe('row level security from the beginning', () => {
  it('keeps a table from being seeded empty', async () => {
    const site = await CaptureSite.start({
      sql: `${WATCHED_SQL} ALTER TABLE goods ENABLE ROW LEVEL SECURITY`,
      mapping: WATCHED_MAPPING,
      heartbeatMs: 200,
      leastRights: true,
    });
    await site.setup();
    await site.capture();
    shop = WatchedShop.of(site);
    await shop.hasState('goods', 'TABLE_ROW_SECURITY');
    await until(async () => (await shop.seedings('rates')) === 1, 'other tables are seeded');
    expect(await shop.seedings('goods')).toBe(0);
    await shop.sql('ALTER TABLE goods DISABLE ROW LEVEL SECURITY');
    await site.seeded();
    await shop.isRight();
    await site.stop();
  });
});

describe('DROP PUBLICATION', () => {
  beforeEach(async () => {
    shop = await WatchedShop.start();
  });
  afterEach(async () => {
    await shop.site.stop();
  });

  const lose = `UPDATE goods SET stock = 70 WHERE id = 7; DELETE FROM sales WHERE id = 3; INSERT INTO rates VALUES (9, 9, 9)`;

  it.each(['while capture runs', 'while capture is away'])(
    '%s: a code stands, and setup ends it',
    async (when) => {
      if (when === 'while capture is away') await shop.pause();
      await shop.sql(`DROP PUBLICATION ${publication()}`);
      await shop.sql(lose);
      if (when === 'while capture is away') void shop.site.capture().catch(() => undefined);
      await shop.hasState('(publication)', 'PUBLICATION_LOST');
      const { epoch } = await shop.site.setup();
      expect(epoch).toBe(2);
      await shop.site.seeded();
      await shop.isRight();
      expect(await shop.states()).toEqual({});
    },
  );

  it('and another one in its place is seen, too', async () => {
    const { rows } = await shop.site.pool.query<{ list: string }>(
      `SELECT string_agg(prrelid::regclass::text, ', ') AS list FROM pg_publication_rel`,
    );
    await shop.pause();
    await shop.sql(`DROP PUBLICATION ${publication()}`);
    await shop.sql(lose);
    await shop.sql(`CREATE PUBLICATION ${publication()} FOR TABLE ${rows[0]?.list ?? ''}
                    WITH (publish_via_partition_root = true)`);
    void shop.site.capture().catch(() => undefined);
    await shop.hasState('(publication)', 'PUBLICATION_LOST');
    await shop.site.setup();
    await shop.site.seeded();
    await shop.isRight();
  });

  it('on a centre set up by an earlier version, which noted no publication', async () => {
    await shop.pause();
    await shop.sql(`DELETE FROM payflow_sync.meta WHERE name = 'publication'`);
    await shop.sql(`DROP PUBLICATION ${publication()}`);
    await shop.sql(lose);
    void shop.site.capture().catch(() => undefined);
    await shop.hasState('(publication)', 'PUBLICATION_LOST');
    await shop.site.setup();
    await shop.site.seeded();
    await shop.isRight();
    const { rowCount } = await shop.site.pool.query('SELECT FROM pg_replication_slots WHERE slot_name = $1', [
      slotName(shop.site.prefix),
    ]);
    expect(rowCount).toBe(1);
  });
});

describe('what costs no seeding of the table', () => {
  beforeEach(async () => {
    shop = await WatchedShop.start();
  });
  afterEach(async () => {
    await shop.site.stop();
  });

  it.each([
    ['goods', 'VACUUM FULL goods'],
    ['goods', 'CLUSTER goods USING goods_pkey'],
    [
      'goods',
      `ALTER TYPE size ADD VALUE 'huge' BEFORE 'large'; INSERT INTO goods VALUES (50, 'n', 1, NULL, 1)`,
    ],
    ['goods', `ALTER TABLE goods ALTER stock SET DEFAULT 3; ALTER TABLE goods ALTER stock SET NOT NULL`],
    ['goods', 'CREATE INDEX ON goods (name); GRANT SELECT ON goods TO PUBLIC; ANALYZE goods'],
    ['goods', 'TRUNCATE goods'],
    ['events', 'VACUUM FULL events_1'],
    ['events', `CREATE TABLE events_3 PARTITION OF events FOR VALUES FROM (3) TO (4)`],
    [
      'events',
      `CREATE TABLE events_3 PARTITION OF events FOR VALUES FROM (3) TO (4);
                INSERT INTO events SELECT i, 3, 'north', 'e' FROM generate_series(500, 520) AS i`,
    ],
    ['events', 'TRUNCATE events_1'],
    ['events', 'ALTER TABLE events DETACH PARTITION events_1'],
  ])('%s: %s', async (table, deed) => {
    for (const statement of deed.split(';')) await shop.sql(statement);
    await shop.looks();
    await shop.isRight();
    expect(await shop.seedings(table)).toBe(1);
    expect(await shop.states()).toEqual({});
    await shop.pause();
    await shop.begin();
    await shop.looks();
    expect(await shop.seedings(table)).toBe(1);
  });

  it('a repack, which exchanges the files of two tables', async () => {
    await shop.sql(`CREATE TABLE goods_packed AS TABLE goods`);
    await shop.sql(`SET allow_system_table_mods = on;
      UPDATE pg_class AS c SET relfilenode = o.relfilenode FROM pg_class AS o
       WHERE (c.relname, o.relname) IN (('goods', 'goods_packed'), ('goods_packed', 'goods')) AND c.relkind = 'r'`);
    await shop.looks();
    expect(await shop.seedings('goods')).toBe(1);
  });

  it('a parent, whose children follow it, is not seeded for what happens to a child', async () => {
    await shop.sql(`ALTER TABLE sale_lines ADD COLUMN note text DEFAULT 'n'`);
    await shop.looks();
    await shop.isRight();
    expect([await shop.seedings('sales'), await shop.seedings('sale_lines')]).toEqual([1, 2]);
  });
});
