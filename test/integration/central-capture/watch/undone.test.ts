/** What a DBA does to a running database: afterwards the tills are right, whether capture ran meanwhile or not. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { publicationName } from '../../../../services/shared/database/slot-names.ts';
import { canNarrow, WatchedShop } from '../../../support/watched-shop.ts';

/** By name; $P is the publication. */
const DEEDS: Readonly<Record<string, readonly string[]>> = {
  'a table dropped and made again with other rows': [
    `DROP TABLE goods; CREATE TABLE goods (id int PRIMARY KEY, name text, price numeric(12,2), size size, stock int);
     INSERT INTO goods VALUES (1, 'other', 9, 'large', 1), (77, 'new', 8, 'small', 2)`,
    `INSERT INTO goods VALUES (78, 'later', 1, NULL, 3)`,
  ],
  'a blue/green rename': [
    `CREATE TABLE goods_new (LIKE goods INCLUDING ALL); INSERT INTO goods_new SELECT id, 'green', price, size, 0 FROM goods
       WHERE id < 15; BEGIN; ALTER TABLE goods RENAME TO goods_old; ALTER TABLE goods_new RENAME TO goods; COMMIT`,
    `UPDATE goods SET stock = 5 WHERE id = 3; UPDATE goods_old SET stock = 99; DELETE FROM goods WHERE id = 4`,
  ],
  'renamed away, changed, and back': [
    `ALTER TABLE sales RENAME TO sales_away`,
    `UPDATE sales_away SET total = 500 WHERE id = 3; DELETE FROM sales_away WHERE id = 4;
     UPDATE sales_away SET store_id = 'north' WHERE id = 5`,
    `ALTER TABLE sales_away RENAME TO sales`,
  ],
  'taken out of the publication, changed, and put back': [
    `ALTER PUBLICATION $P DROP TABLE sales`,
    `UPDATE sales SET total = 500 WHERE id = 3; DELETE FROM sales WHERE id = 4;
     UPDATE sales SET store_id = 'north' WHERE id = 5; INSERT INTO sales VALUES (50, 'south', 5, 'x')`,
    `ALTER PUBLICATION $P ADD TABLE sales`,
  ],
  'taken out of the publication': [
    `ALTER PUBLICATION $P DROP TABLE goods`,
    `UPDATE goods SET stock = 500 WHERE id = 3; DELETE FROM goods WHERE id = 4`,
  ],
  'a row filter': [
    `ALTER PUBLICATION $P DROP TABLE rates; ALTER PUBLICATION $P ADD TABLE rates WHERE (id < 3)`,
    `UPDATE rates SET percent = 500 WHERE id = 4; DELETE FROM rates WHERE id = 5`,
  ],
  'a column list': [
    `ALTER PUBLICATION $P DROP TABLE rates; ALTER PUBLICATION $P ADD TABLE rates (id, percent)`,
    `UPDATE rates SET floor = 500 WHERE id = 4`,
  ],
  'publish narrowed for a while': [
    `ALTER PUBLICATION $P SET (publish = 'insert')`,
    `UPDATE goods SET stock = 500 WHERE id = 3; DELETE FROM goods WHERE id = 4; TRUNCATE rates`,
    `ALTER PUBLICATION $P SET (publish = 'insert, update, delete, truncate')`,
  ],
  'by its partitions instead of its root for a while': [
    `ALTER PUBLICATION $P SET (publish_via_partition_root = false)`,
    `UPDATE events SET what = 'hidden' WHERE id = 3; DELETE FROM events WHERE id = 4`,
    `ALTER PUBLICATION $P SET (publish_via_partition_root = true)`,
  ],
  'TRUNCATE of one partition': [`TRUNCATE events_1`, `INSERT INTO events VALUES (2, 1, 'north', 'again')`],
  'a partition detached': [
    `ALTER TABLE events DETACH PARTITION events_2`,
    `INSERT INTO events VALUES (90, 1, 'north', 'x')`,
  ],
  'a partition dropped': [`DROP TABLE events_2`],
  'a partition detached, changed, and attached again': [
    `ALTER TABLE events DETACH PARTITION events_2`,
    `UPDATE events_2 SET what = 'apart', store_id = 'north'; DELETE FROM events_2 WHERE id = 3`,
    `ALTER TABLE events ATTACH PARTITION events_2 FOR VALUES FROM (2) TO (3)`,
  ],
  'a filled table attached as partition': [
    `CREATE TABLE events_3 (id int NOT NULL, month int NOT NULL, store_id text, what text);
     INSERT INTO events_3 SELECT i, 3, 'north', 'filled' FROM generate_series(100, 150) AS i;
     ALTER TABLE events ATTACH PARTITION events_3 FOR VALUES FROM (3) TO (4)`,
    `UPDATE events SET store_id = 'south' WHERE id = 120`,
  ],
  'a new partition whose rows move at once': [
    `CREATE TABLE events_3 PARTITION OF events FOR VALUES FROM (3) TO (4);
     INSERT INTO events VALUES (200, 3, 'north', 'a'), (201, 3, 'north', 'b')`,
    `UPDATE events SET store_id = 'south' WHERE id = 200; UPDATE events SET what = 'c' WHERE id = 201`,
  ],
  'a partition of partitions': [
    `CREATE TABLE events_4 PARTITION OF events FOR VALUES FROM (4) TO (10) PARTITION BY LIST (month);
     CREATE TABLE events_4_4 PARTITION OF events_4 FOR VALUES IN (4);
     CREATE TABLE events_4_5 PARTITION OF events_4 DEFAULT;
     INSERT INTO events VALUES (300, 4, 'north', 'a'), (301, 5, 'north', 'b')`,
    `UPDATE events SET store_id = 'south' WHERE id = 300; TRUNCATE events_4_5`,
  ],
  'USING with the type unchanged': [
    `ALTER TABLE goods ALTER price TYPE numeric(12,2) USING price * 2`,
    `UPDATE goods SET stock = 0 WHERE id = 1`,
  ],
  'USING in a partitioned table': [`ALTER TABLE events ALTER what TYPE text USING upper(what)`],
  'varchar shortened by USING, and widened again': [
    `ALTER TABLE goods ALTER name TYPE varchar(4) USING left(name, 2); ALTER TABLE goods ALTER name TYPE varchar(20)`,
  ],
  'a column dropped and added under its name': [
    `ALTER TABLE rates DROP COLUMN floor; ALTER TABLE rates ADD COLUMN floor int`,
    `UPDATE rates SET floor = 1 WHERE id = 1`,
  ],
  'two columns swapped by RENAME': [
    `ALTER TABLE rates RENAME percent TO x; ALTER TABLE rates RENAME floor TO percent; ALTER TABLE rates RENAME x TO floor`,
    `UPDATE rates SET percent = 1000 WHERE id = 1`,
  ],
  'two columns swapped for a while': [
    `ALTER TABLE rates RENAME percent TO x; ALTER TABLE rates RENAME floor TO percent; ALTER TABLE rates RENAME x TO floor`,
    `UPDATE rates SET percent = 1000 WHERE id = 1`,
    `ALTER TABLE rates RENAME percent TO x; ALTER TABLE rates RENAME floor TO percent; ALTER TABLE rates RENAME x TO floor`,
  ],
  'an enum value renamed': [
    `ALTER TYPE size RENAME VALUE 'small' TO 'tiny'`,
    `UPDATE goods SET stock = 0 WHERE id = 1`,
  ],
  'a toastable column on a fixed-width table': [
    `ALTER TABLE rates ADD COLUMN remark text; ALTER TABLE rates ALTER remark SET STORAGE EXTERNAL`,
    `UPDATE rates SET remark = repeat('r', 9000)`,
    `UPDATE rates SET percent = percent + 1`,
  ],
  'REPLICA IDENTITY DEFAULT, then a store move': [
    `ALTER TABLE sales REPLICA IDENTITY DEFAULT`,
    `UPDATE sales SET store_id = 'north' WHERE id = 5; DELETE FROM sales WHERE id = 3`,
  ],
  'REPLICA IDENTITY DEFAULT for a while': [
    `ALTER TABLE sales REPLICA IDENTITY DEFAULT`,
    `UPDATE sales SET store_id = 'north' WHERE id = 5`,
    `ALTER TABLE sales REPLICA IDENTITY FULL`,
  ],
  'REPLICA IDENTITY USING INDEX without the key': [
    `ALTER TABLE rates ALTER floor SET NOT NULL; CREATE UNIQUE INDEX by_floor ON rates (floor);
     ALTER TABLE rates REPLICA IDENTITY USING INDEX by_floor`,
    `UPDATE rates SET floor = 7 WHERE id = 1; UPDATE rates SET percent = 7 WHERE id = 2; DELETE FROM rates WHERE id = 3`,
  ],
  'out of the publication, unlogged, and back': [
    `ALTER PUBLICATION $P DROP TABLE rates; ALTER TABLE rates SET UNLOGGED; UPDATE rates SET percent = 9;
     ALTER TABLE rates SET LOGGED`,
  ],
};

const NARROWING: ReadonlySet<string> = new Set(['a row filter', 'a column list']);

describe.each(['while capture runs', 'while capture is away'])('%s', (when) => {
  let shop: WatchedShop;

  beforeEach(async () => {
    shop = await WatchedShop.start();
  });
  afterEach(async () => {
    await shop.site.stop();
  });

  it.each(Object.keys(DEEDS))('%s: the tills are right', async (name) => {
    if (NARROWING.has(name) && !(await canNarrow(shop.site))) return;
    if (when === 'while capture is away') await shop.pause();
    const publication = `"${publicationName(shop.site.prefix)}"`;
    for (const deed of DEEDS[name] ?? []) await shop.sql(deed.replaceAll('$P', publication));
    if (when === 'while capture is away') await shop.begin();
    await shop.isRight();
    expect(await shop.states()).toEqual({});
    // And so they stay.
    await shop.sql(`UPDATE goods SET stock = stock + 1; UPDATE sales SET total = total + 1;
                    UPDATE events SET what = what || '!'`);
    await shop.isRight();
  });
});
