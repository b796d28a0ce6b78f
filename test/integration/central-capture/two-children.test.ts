/** A parent with two tables below it: what waits in the one does not get lost over the other. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { until } from '../../../scripts/support/until.ts';
import { CaptureSite, SHOP_MAPPING, SHOP_SQL } from '../../support/capture-site.ts';
import { stateOf } from '../../support/stream-state.ts';

const SQL = `${SHOP_SQL} CREATE TABLE payments (id bigint PRIMARY KEY, order_id bigint, amount int)`;
const MAPPING = `${SHOP_MAPPING}
  payments: { scope: { store: { via: order_id } }, references: { order_id: orders } }`;

let site: CaptureSite;
beforeEach(async () => {
  site = await CaptureSite.start({ sql: SQL, mapping: MAPPING });
  await site.setup();
  await site.capture();
  await site.seeded();
});
afterEach(() => site.stop());

it('a child that comes while its parent is looked at, and the tables are read anew, is sent', async () => {
  await site.pool.query('INSERT INTO order_items VALUES (10, 1, 1)');
  await site.acknowledged();
  const client = await site.pool.connect();
  await client.query('BEGIN; LOCK TABLE payments IN ACCESS EXCLUSIVE MODE');
  await site.pool.query(`BEGIN; INSERT INTO orders VALUES (1, 'north', '');
    UPDATE payflow_sync.seeding SET state = 'wanted', last_key = NULL WHERE table_name = 'products'; COMMIT`);
  // The items have been looked at then.
  const isWaiting = async () => {
    const { rowCount } = await site.pool.query(
      `SELECT FROM pg_locks WHERE relation = 'payments'::regclass AND NOT granted`,
    );
    return rowCount !== 0;
  };
  await until(isWaiting, 'the payments are to be looked at', { everyMs: 5 });
  await site.pool.query('INSERT INTO order_items VALUES (11, 1, 2)');
  await client.query('COMMIT');
  client.release();
  await site.seeded();
  await site.acknowledged();
  const held = [...stateOf((await site.store('north')).changes).keys()].filter((key) => /^order_/.test(key));
  expect(held.sort()).toEqual(['order_items:10', 'order_items:11']);
});
