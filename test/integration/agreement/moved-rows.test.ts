/** Head office moves a row to another store while a till that edits it is offline. */
import { afterEach, expect, test } from 'vitest';
import { World } from './world.ts';

let world: World | undefined;
afterEach(async () => {
  await world?.close();
  world = undefined;
});

test('the till loses the row, its edits are kept as dead letters, and the other store’s till has it as it was', async () => {
  world = await World.open();
  const { pool } = world;
  const [a, b, c] = world.tills;
  if (a === undefined || b === undefined || c === undefined) throw new Error('the world has three tills');
  await world.settle();
  a.app.exec(`
    INSERT INTO tickets (number, name) VALUES ('made here', 'made here');
    INSERT INTO lines (ticket_id, quantity) SELECT id, 1 FROM tickets WHERE number = 'made here'`);
  await world.settle();

  a.app.exec(`
    UPDATE tickets SET name = 'edited offline' WHERE number IN ('first-4', 'made here');
    UPDATE lines SET quantity = 7;
    INSERT INTO lines (ticket_id, quantity) SELECT id, 9 FROM tickets WHERE number = 'made here';
    DELETE FROM tickets WHERE number = 'first-5'`);
  await pool.query(`UPDATE tickets SET store_id = 2 WHERE number IN ('first-4', 'first-5', 'made here')`);
  await world.settle();

  const names = (till: typeof a) =>
    till.app.prepare('SELECT number, name FROM tickets WHERE server_id IS NOT NULL ORDER BY 1').raw().all();
  const moved = ['first-4', 'first-5', 'made here'].map((number) => [number, number]);
  expect(names(a)).toEqual([]);
  expect(names(b)).toEqual([]);
  expect(names(c)).toEqual([moved[0], moved[1], ['first-6', 'first-6'], moved[2]]);
  expect(c.app.prepare('SELECT quantity FROM lines').pluck().all()).toEqual([1]);
  const letters = await pool.query<{ code: string }>('SELECT code FROM payflow_sync.dead_letter');
  expect(new Set(letters.rows.map(({ code }) => code))).toEqual(new Set(['CHANGE_NOT_ALLOWED']));
  const outcomes = a.app.prepare('SELECT DISTINCT outcome FROM sync_settled WHERE change > 2').pluck().all();
  expect(outcomes).toEqual(['rejected']);
  const tickets = await pool.query('SELECT count(*)::int AS n FROM tickets WHERE store_id = 2');
  expect(tickets.rows).toEqual([{ n: 4 }]);
}, 120_000);
