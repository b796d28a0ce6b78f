/** A table that gets a state after its seeding was wanted and before that begins: it is seeded when the state ends. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { WatchedShop } from '../../../support/watched-shop.ts';

let shop: WatchedShop;
let login: string;

beforeEach(async () => {
  // Looks are the test's own: none by itself comes before the seeding.
  shop = await WatchedShop.start({ leastRights: true, heartbeatMs: 60_000 });
  login = `c_${shop.site.prefix}`;
});
afterEach(() => shop.site.stop());

const look = () => shop.running?.session().watch.look();

it('where the seeding itself found the state', async () => {
  await shop.sql(`BEGIN; REVOKE SELECT ON goods FROM ${login};
    UPDATE payflow_sync.seeding SET state = 'wanted', last_key = NULL, updated_at = clock_timestamp()
     WHERE table_name = 'goods'; COMMIT`);
  await shop.hasState('goods', 'TABLE_NOT_READABLE');
  await shop.sql(`GRANT SELECT ON goods TO ${login}`);
  await look();
  await shop.site.seeded();
  expect([await shop.seedings('goods'), await shop.states()]).toEqual([2, {}]);
});

it('where capture began with both', async () => {
  await shop.pause();
  await shop.sql(`ALTER TABLE goods ADD COLUMN weight int; REVOKE SELECT ON goods FROM ${login}`);
  shop.running = await shop.site.capture();
  await shop.hasState('goods', 'TABLE_NOT_READABLE');
  await shop.sql(`GRANT SELECT ON goods TO ${login}`);
  await look();
  await shop.site.seeded();
  expect([await shop.seedings('goods'), await shop.states()]).toEqual([2, {}]);
});
