/** A slot that somebody moved, and a database that went on from an older disk: nothing is lost in silence. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EmbeddedPostgres } from '../../../services/shared/database/embedded-postgres.ts';
import type { EventLog } from '../../../services/shared/log/event-log.ts';
import { commitEndOf, POSITION_HEADER } from '../../../services/shared/records/position.ts';
import { slotName } from '../../../services/shared/database/slot-names.ts';
import { CaptureSite } from '../../support/capture-site.ts';
import { stateOf } from '../../support/stream-state.ts';
import { wrappedLog } from '../../support/wrapped-log.ts';

async function agree(site: CaptureSite): Promise<void> {
  const state = stateOf((await site.catalog()).changes);
  const { rows } = await site.pool.query<{ id: string; sku: string }>('SELECT id, sku FROM products');
  const shown = [...state].flatMap(([key, row]) =>
    key.startsWith('products:') ? [`${key} ${String(row?.['sku'])}`] : [],
  );
  expect(shown.sort()).toEqual(rows.map(({ id, sku }) => `products:${id} ${sku}`).sort());
}

/** As earlier versions wrote it: nothing says where a commit ends. */
function withoutEnds(log: EventLog): EventLog {
  return wrappedLog(log, {
    append: (stream, records, options) =>
      log.append(
        stream,
        records.map((record) => {
          const header = record.headers?.[POSITION_HEADER]?.subarray(0, 17);
          return header === undefined
            ? record
            : { ...record, headers: { ...record.headers, [POSITION_HEADER]: header } };
        }),
        options,
      ),
  });
}

describe('a slot', () => {
  let site: CaptureSite;
  let isOld: boolean;
  beforeEach(async () => {
    isOld = false;
    site = await CaptureSite.start({ wrapLog: (log) => (isOld ? withoutEnds(log) : log) });
    await site.setup();
    const running = await site.capture();
    await site.seeded();
    await site.pool.query(`INSERT INTO products (id, sku) VALUES (1, 'a'), (2, 'b'), (3, 'c')`);
    await site.acknowledged();
    await running.stop();
  });
  afterEach(() => site.stop());

  const change = () =>
    site.pool.query(`DELETE FROM products WHERE id = 1; UPDATE products SET sku = 'new' WHERE id = 2;
      INSERT INTO products (id, sku) VALUES (4, 'unseen')`);
  const seedings = async () =>
    (
      await site.pool.query<{ at: string }>(
        `SELECT updated_at::text AS at FROM payflow_sync.seeding ORDER BY 1`,
      )
    ).rows;

  it('that was dropped and made again under its name leads to a new seeding', async () => {
    await site.dropSlot();
    await change();
    await site.pool.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [
      slotName(site.prefix),
    ]);
    await site.capture();
    await site.seeded();
    await site.acknowledged();
    await agree(site);
  });

  it('that was moved forward leads to a new seeding', async () => {
    await change();
    await site.pool.query('SELECT pg_replication_slot_advance($1, pg_current_wal_lsn())', [
      slotName(site.prefix),
    ]);
    await site.capture();
    await site.seeded();
    await site.acknowledged();
    await agree(site);
  });

  it('that is as it was left costs no seeding, whatever the WAL holds for nobody', async () => {
    const before = await seedings();
    await site.pool.query('CREATE TABLE private AS SELECT i FROM generate_series(1, 50000) AS i');
    for (let round = 0; round < 3; round += 1) {
      const running = await site.capture();
      await site.pool.query('UPDATE private SET i = i + 1 WHERE i < 1000');
      await site.acknowledged();
      await running.stop();
    }
    expect(await seedings()).toEqual(before);
    await agree(site);
  });

  it('has never confirmed more than what stands in the streams', async () => {
    await site.capture();
    await site.pool.query('CREATE TABLE private AS SELECT i FROM generate_series(1, 1000) AS i');
    await site.pool.query(`INSERT INTO products (id, sku) VALUES (9, 'i')`);
    await site.pool.query(`INSERT INTO order_items VALUES (1, NULL, 1)`);
    await site.acknowledged();
    await site.pool.query('DELETE FROM private');
    const { rows } = await site.pool.query<{ lsn: string }>(
      `SELECT (confirmed_flush_lsn - '0/0'::pg_lsn)::text AS lsn FROM pg_replication_slots WHERE slot_name = $1`,
      [slotName(site.prefix)],
    );
    const { stored } = await site.catalog();
    const ends = stored.map(
      ({ headers }) => commitEndOf(headers[POSITION_HEADER] ?? Buffer.alloc(0))?.endLsn ?? 0n,
    );
    expect(ends.some((end) => end >= BigInt(rows[0]?.lsn ?? -1))).toBe(true);
  });

  it('of an earlier version, which confirmed more than it wrote, is adopted once', async () => {
    isOld = true;
    const old = await site.capture();
    await change();
    await site.acknowledged();
    await old.stop();
    isOld = false;
    await site.pool.query('CREATE TABLE private AS SELECT i FROM generate_series(1, 1000) AS i');
    await site.pool.query('SELECT pg_replication_slot_advance($1, pg_current_wal_lsn())', [
      slotName(site.prefix),
    ]);
    const before = await seedings();
    const running = await site.capture();
    await site.acknowledged();
    await running.stop();
    expect(await seedings()).toEqual(before);
    await site.pool.query(`INSERT INTO products (id, sku) VALUES (5, 'left out')`);
    await site.pool.query('SELECT pg_replication_slot_advance($1, pg_current_wal_lsn())', [
      slotName(site.prefix),
    ]);
    await site.capture();
    await site.seeded();
    await site.acknowledged();
    await agree(site);
  });
});

it(
  'a database that goes on from an older disk is known by what does not come again',
  { timeout: 180_000 },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'payflow-disk-'));
    const server = await EmbeddedPostgres.start({ folder, flags: ['-c', 'fsync=off'] });
    const data = join(EmbeddedPostgres.dataFolder(folder), 'data');
    const copy = (from: string, to: string) => promisify(execFile)('cp', ['-a', from, to]);
    const site = await CaptureSite.start({ server: server.url('postgres') });
    try {
      await site.setup();
      let running = await site.capture();
      await site.seeded();
      await site.pool.query(`INSERT INTO products (id, sku) VALUES (1, 'a'), (2, 'b')`);
      await site.acknowledged();
      await running.stop();
      await server.stopImmediately();
      await copy(data, `${data}.snapshot`);
      await server.restart();
      running = await site.capture();
      await site.pool.query(`INSERT INTO products (id, sku) VALUES (3, 'undone'), (4, 'undone')`);
      await site.pool.query(`UPDATE products SET sku = 'undone' WHERE id = 1`);
      await site.acknowledged();
      await running.stop();
      await server.stopImmediately();
      rmSync(data, { recursive: true });
      await copy(`${data}.snapshot`, data);
      await server.restart();
      // The WAL is soon longer than it was.
      await site.pool.query(
        `INSERT INTO products (id, sku) SELECT i, 'other' FROM generate_series(10, 3000) AS i`,
      );
      running = await site.capture();
      expect(await running.ended()).toMatchObject({ code: 'SLOT_LOST' });
      await expect(site.capture()).rejects.toMatchObject({ code: 'SLOT_LOST' });
      expect((await site.setup()).epoch).toBe(2);
      await site.capture();
      await site.seeded();
      await site.acknowledged();
      await agree(site);
    } finally {
      await site.stop();
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  },
);
