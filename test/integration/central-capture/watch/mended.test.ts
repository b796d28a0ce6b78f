/** What the watch mends by itself costs as little as what was lost: one seeding, or none. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../../../scripts/support/until.ts';
import { publicationName } from '../../../../services/shared/database/slot-names.ts';
import { WatchedShop } from '../../../support/watched-shop.ts';

const TABLES = ['events', 'goods', 'rates', 'sale_lines', 'sales'];
let shop: WatchedShop;

beforeEach(async () => {
  shop = await WatchedShop.start();
});
afterEach(async () => {
  await shop.site.stop();
});

/** Notes each wish for a seeding and each ALTER PUBLICATION from now on: seedings that begin late hide the second wish. */
const NOTING_SQL = `
  CREATE TABLE noted (what text);
  CREATE FUNCTION note_wish() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO noted VALUES (NEW.table_name); RETURN NULL; END $$;
  CREATE TRIGGER note_wish AFTER UPDATE ON payflow_sync.seeding FOR EACH ROW
    WHEN (NEW.state = 'wanted') EXECUTE FUNCTION note_wish();
  CREATE FUNCTION note_alter() RETURNS event_trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO noted VALUES (tg_tag); END $$;
  CREATE EVENT TRIGGER note_alter ON ddl_command_end WHEN TAG IN ('ALTER PUBLICATION')
    EXECUTE FUNCTION note_alter()`;

async function noted(): Promise<string[]> {
  const { rows } = await shop.site.pool.query<{ what: string }>(
    `SELECT what FROM noted WHERE what NOT LIKE 'payflow_sync.%' ORDER BY what COLLATE "C"`,
  );
  return rows.map(({ what }) => what);
}

describe('wrong options of the publication', () => {
  it.each([
    ['while capture runs', ''],
    ['while capture is away', ''],
    ['with nothing kept of the tables, as by an earlier version', 'DELETE FROM payflow_sync.watched_table'],
  ])('are mended once, and seed every table once: %s', async (when, more) => {
    const publication = `"${publicationName(shop.site.prefix)}"`;
    if (when !== 'while capture runs') await shop.pause();
    await shop.sql(NOTING_SQL);
    await shop.sql(`ALTER PUBLICATION ${publication} SET (publish = 'insert')`);
    await shop.sql(`UPDATE goods SET stock = 500 WHERE id = 3; DELETE FROM rates WHERE id = 4; ${more}`);
    if (when !== 'while capture runs') await shop.begin();
    await shop.isRight();
    await shop.looks();
    await shop.isRight();
    expect(await noted()).toEqual(['ALTER PUBLICATION', 'ALTER PUBLICATION', ...TABLES]);
    expect(await shop.states()).toEqual({});
  });
});

it('a new partition that somebody fills is no state of its table, and gets its identity when that is over', async () => {
  const identity = async () => {
    const { rows } = await shop.site.pool.query<{ identity: string }>(
      `SELECT relreplident AS identity FROM pg_class WHERE relname = 'events_3'`,
    );
    return rows[0]?.identity;
  };
  // So that it is locked before the first look at it.
  await shop.pause();
  await shop.sql(`${NOTING_SQL}; CREATE TABLE events_3 PARTITION OF events FOR VALUES FROM (3) TO (4)`);
  const client = await shop.site.pool.connect();
  try {
    await client.query(`BEGIN; INSERT INTO events VALUES (90, 3, 'north', 'filled')`);
    await shop.begin();
    await shop.looks();
    expect([await identity(), await shop.states()]).toEqual(['d', {}]);
  } finally {
    await client.query('COMMIT');
    client.release();
  }
  // The lock may be somebody else's for a moment: then the next look mends it.
  await until(async () => (await identity()) === 'f', 'the partition has its identity');
  await shop.sql(`UPDATE events SET store_id = 'south' WHERE id = 90`);
  await shop.isRight();
  expect([await identity(), await shop.states(), await noted()]).toEqual(['f', {}, []]);
});

it('what changes in partitions that have their identity costs no seeding', async () => {
  await shop.sql(NOTING_SQL);
  await shop.sql(`UPDATE events SET store_id = CASE store_id WHEN 'south' THEN 'north' ELSE 'south' END`);
  await shop.sql(`UPDATE events SET what = 'else' WHERE id % 2 = 0; DELETE FROM events WHERE id % 5 = 0`);
  await shop.isRight();
  await shop.looks();
  await shop.isRight();
  expect(await noted()).toEqual([]);
});
