/** Behind a gap in the WAL: no till hears that its rows are settled, or sees them, before it can know them for its own. */
import { afterEach, expect, it } from 'vitest';
import { slotName } from '../../../services/shared/database/slot-names.ts';
import { CaptureSite } from '../../support/capture-site.ts';

let site: CaptureSite;
afterEach(() => site.stop());

const sold = (seq: number, sql: string) => `
  INSERT INTO payflow_sync.progress (terminal_id, incarnation, last_unit, last_seq, chain_hash)
    VALUES ('till-n', 'inc', ${seq}, ${seq}, '\\x00')
    ON CONFLICT (terminal_id) DO UPDATE SET last_unit = ${seq}, last_seq = ${seq};
  ${sql};`;

async function begin(): Promise<void> {
  site = await CaptureSite.start();
  await site.setup();
  await site.pool.query(
    `INSERT INTO payflow_sync.terminal (terminal_id, store_id, up_partition, status) VALUES ('till-n', 'north', 0, 'enrolled');
     INSERT INTO orders VALUES (1, 'north', 'old')`,
  );
  const running = await site.capture();
  await site.seeded();
  await site.storeHolds('north', 'orders:1');
  await running.stop();
}

async function sellsInTheGap(): Promise<void> {
  await site.pool.query(
    sold(
      5,
      `INSERT INTO orders VALUES (2, 'north', 'sold'); INSERT INTO payflow_sync.link VALUES ('till-n', 'orders', 'uuid-2', '2')`,
    ),
  );
}

/** Of what came since, the keys, in order of their first records. */
async function firstSent(from: number): Promise<string[]> {
  const { stored } = await site.store('north');
  const keys = stored
    .filter(({ offset }) => offset >= from)
    .map((record) => record.key?.toString('utf8') ?? '');
  return [...new Set(keys)].filter((key) => /^(payflow_sync.(link|progress)|orders):/.test(key));
}

it('of a slot that was made again, links come first, then progress and rows, whatever the WAL holds of them', async () => {
  await begin();
  const { stored } = await site.store('north');
  await site.dropSlot();
  await sellsInTheGap();
  await site.pool.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [slotName(site.prefix)]);
  // In the WAL that is read next, ahead of any seeding.
  await site.pool.query(sold(6, `UPDATE orders SET note = 'head office'`));
  await site.pool.query(
    `INSERT INTO orders VALUES (4, 'north', 'to be moved'), (5, 'north', 'to be deleted')`,
  );
  await site.pool.query(`UPDATE orders SET store_id = 'south' WHERE id = 4; DELETE FROM orders WHERE id = 5`);
  await site.capture();
  await site.seeded();
  const sent = await firstSent(stored.length);
  // What tills made and nobody sent them is taken away all the same.
  expect(sent.slice(0, 3)).toEqual(['orders:4', 'orders:5', expect.stringMatching(/^payflow_sync.link:/)]);
  expect(sent).toEqual(expect.arrayContaining(['payflow_sync.progress:till-n', 'orders:1', 'orders:2']));
  const { changes } = await site.store('north');
  expect(changes.findLast(({ table }) => table === 'payflow_sync.progress')?.after).toMatchObject({
    last_seq: 6n,
  });
  expect(changes.findLast(({ table, id }) => table === 'orders' && id === '2')?.after).toMatchObject({
    note: 'head office',
  });
  const ofGone = changes.filter(({ table, id }) => table === 'orders' && /^[45]$/.test(id));
  expect(ofGone.filter(({ op }) => op !== 'd')).toEqual([]);
});

it('what comes once the links are there is sent as ever', async () => {
  await begin();
  await site.dropSlot();
  await sellsInTheGap();
  await site.pool.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [slotName(site.prefix)]);
  await site.capture();
  await site.seeded();
  await site.pool.query(sold(7, `INSERT INTO orders VALUES (3, 'north', 'later')`));
  await site.acknowledged();
  await site.storeHolds('north', 'orders:3');
  const { changes } = await site.store('north');
  expect(changes.findLast(({ table }) => table === 'payflow_sync.progress')?.after).toMatchObject({
    last_seq: 7n,
  });
});

it('what a till sold and head office moved or deleted, all inside the gap, goes away from it', async () => {
  await begin();
  await site.dropSlot();
  await sellsInTheGap();
  await site.pool.query(
    sold(
      6,
      `INSERT INTO orders VALUES (6, 'north', 'sold'), (7, 'north', 'sold');
       INSERT INTO payflow_sync.link VALUES ('till-n', 'orders', 'uuid-6', '6'), ('till-n', 'orders', 'uuid-7', '7')`,
    ),
  );
  await site.pool.query(`UPDATE orders SET store_id = 'south' WHERE id = 6; DELETE FROM orders WHERE id = 7`);
  await site.pool.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [slotName(site.prefix)]);
  await site.capture();
  await site.seeded();
  const { changes } = await site.store('north');
  const last = (id: string) =>
    changes.findLast((change) => change.table === 'orders' && change.id === id)?.op;
  expect(['2', '6', '7'].map(last)).toEqual(['r', 'd', 'd']);
  // Said once: the next seeding of the table is not behind a gap.
  const { rows } = await site.pool.query('SELECT table_name FROM payflow_sync.seeding WHERE after_gap');
  expect(rows).toEqual([]);
});
