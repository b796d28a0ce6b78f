/** A slot that is gone, or a database that was restored: capture says so, and only setup begins a new epoch. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EmbeddedPostgres } from '../../../../services/shared/database/embedded-postgres.ts';
import { slotName } from '../../../../services/shared/database/slot-names.ts';
import { setupCentre } from '../../../../services/central-capture/setup/setup.ts';
import { parseMapping } from '../../../../services/shared/mapping/mapping-parser.ts';
import { CaptureSite, SHOP_MAPPING, type RunningCapture } from '../../../support/capture-site.ts';
import { wrappedLog } from '../../../support/wrapped-log.ts';

describe('another history', () => {
  let site: CaptureSite;
  let running: RunningCapture;

  beforeEach(async () => {
    site = await CaptureSite.start();
    await site.pool.query(`INSERT INTO products (id, sku) VALUES (1, 'A'), (2, 'B')`);
    await site.setup();
    running = await site.capture();
    await site.seeded();
    await site.acknowledged();
  });
  afterEach(async () => {
    await site.stop();
  });

  const refusal = (text: string) => ({
    code: 'SLOT_LOST',
    message: expect.stringContaining(text) as string,
    remedy: expect.stringContaining('payflow setup') as string,
  });

  /** What the catalog stream says of products under this epoch. */
  async function sentUnder(epoch: number): Promise<string[]> {
    const { changes } = await site.catalog();
    return changes
      .filter(
        (change) => change.table === 'products' && change.position.epoch === epoch && change.after !== null,
      )
      .map((change) => change.id);
  }

  it('a slot that vanishes ends capture with what to do; nothing is recreated by itself', async () => {
    const name = slotName(site.prefix);
    await site.dropSlot();
    expect(await running.ended()).toMatchObject(refusal('does not exist'));
    const { rowCount } = await site.pool.query('SELECT FROM pg_replication_slots WHERE slot_name = $1', [
      name,
    ]);
    expect(rowCount).toBe(0);
    expect(await site.setup()).toMatchObject({ epoch: 2 });
    await site.capture();
    await site.seeded();
    await site.acknowledged();
    expect(await sentUnder(2)).toEqual(['1', '2']);
  });

  it('a database that was restored begins a new epoch above all that the streams know', async () => {
    await running.stop();
    // As a restore leaves it: the epoch of an older time, and another timeline.
    await site.pool.query(`UPDATE payflow_sync.meta SET value = '7' WHERE name = 'epoch'`);
    await site.pool.query(`UPDATE payflow_sync.seeding SET epoch = 7`);
    running = await site.capture();
    await site.pool.query(`UPDATE products SET shelf = 1`);
    await site.acknowledged();
    await running.stop();
    await site.pool.query(`
      UPDATE payflow_sync.meta SET value = '1' WHERE name = 'epoch'; DELETE FROM payflow_sync.stream;
      UPDATE payflow_sync.meta SET value = '1/00000001' WHERE name = 'server'`);
    await expect(site.capture()).rejects.toMatchObject(refusal('restored'));
    const { epoch, changes } = await site.setup();
    expect(epoch).toBe(8);
    expect(changes.join()).toContain('restored');
    await site.capture();
    await site.seeded();
    await site.acknowledged();
    expect(await sentUnder(8)).toEqual(['1', '2']);
  });

  it('what capture sends while setup looks at the streams is not ahead of the database', async () => {
    const eventLog = wrappedLog(site.eventLog, {
      offsets: async (stream) => {
        await site.pool.query(`UPDATE products SET shelf = coalesce(shelf, 0) + 1`);
        await site.acknowledged();
        return site.eventLog.offsets(stream);
      },
    });
    const { pool, prefix } = site;
    const mapping = parseMapping(SHOP_MAPPING);
    const again = await setupCentre({ pool, prefix, mapping, eventLog, horizonDays: 14, upPartitions: 2 });
    expect(again).toMatchObject({ epoch: 1, changes: [] });
  });

  it('streams that are ahead of the database are enough to know it', async () => {
    await running.stop();
    await site.pool.query(`DELETE FROM payflow_sync.meta WHERE name = 'server'`);
    await site.pool.query(`UPDATE payflow_sync.meta SET value = '0' WHERE name = 'epoch'`);
    await expect(site.capture()).rejects.toMatchObject(refusal('ahead of the database'));
    expect(await site.setup()).toMatchObject({ epoch: 2 });
    await site.capture();
    await site.seeded();
  });
});

it('a slot whose WAL was removed ends capture with what to do, and setup replaces it', async () => {
  const server = await EmbeddedPostgres.start({
    flags: ['-c', 'wal_level=logical', '-c', 'max_slot_wal_keep_size=1MB', '-c', 'max_wal_size=32MB'],
  });
  const site = await CaptureSite.start({ server: server.url('postgres') });
  await site.setup();
  const running = await site.capture();
  await site.seeded();
  await running.stop();
  await site.pool.query(`CREATE TABLE junk (a int)`);
  for (let segment = 0; segment < 4; segment += 1) {
    await site.pool.query(`INSERT INTO junk VALUES (1)`);
    await site.pool.query(`SELECT pg_switch_wal()`);
    await site.pool.query('CHECKPOINT');
  }
  await expect(site.capture()).rejects.toMatchObject({
    code: 'SLOT_LOST',
    message: expect.stringContaining('was removed') as string,
  });
  expect(await site.setup()).toMatchObject({ epoch: 2 });
  await site.capture();
  await site.seeded();
  await site.stop();
  await server.stop();
});
