/** Which records are let in at all, and that the others stop nobody. */
import { describe, expect, test } from 'vitest';
import { sale, useCentre } from '../../support/apply-site.ts';

const centre = useCentre();

describe('the door', () => {
  test('a record whose signature fails is noted by its place and touches nothing else', async () => {
    const till = await centre.newTill();
    const good = till.stored(centre.nextOffset(), [till.unit(...sale('A'))]);
    const forged = { ...good, headers: { sig: Buffer.alloc(64) } };
    expect(await centre.apply.applyRecords(0, [forged])).toMatchObject({ units: 0, refusedRecords: 1 });
    expect(
      await centre.all('SELECT 1 FROM payflow_sync.progress WHERE terminal_id = $1', [till.terminal]),
    ).toEqual([]);
    expect(
      await centre.one('SELECT terminal_id, code FROM payflow_sync.refused_record WHERE record_offset = $1', [
        good.offset,
      ]),
    ).toEqual({ terminal_id: till.terminal, code: 'SIGNATURE_INVALID' });
    expect(await centre.apply.applyRecords(0, [good])).toMatchObject({ units: 1 });
  });

  test('unknown terminals are refused, and what comes of retired ones is held whole', async () => {
    const till = await centre.newTill();
    const record = till.stored(centre.nextOffset(), [till.unit(...sale('A'))]);
    await centre.pool.query(`UPDATE payflow_sync.terminal SET status = 'retired' WHERE terminal_id = $1`, [
      till.terminal,
    ]);
    const stranger = { ...record, offset: centre.nextOffset(), key: Buffer.from('stranger') };
    expect(await centre.apply.applyRecords(0, [record, stranger])).toMatchObject({
      units: 0,
      refusedRecords: 1,
      heldRecords: 1,
    });
    expect(
      await centre.all('SELECT reason FROM payflow_sync.held WHERE terminal_id = $1', [till.terminal]),
    ).toEqual([{ reason: 'retired' }]);
  });

  test('bytes that are no record are refused and do not stop the partition', async () => {
    const till = await centre.newTill();
    const record = till.stored(centre.nextOffset(), [till.unit(...sale('A'))]);
    const cut = { ...record, offset: centre.nextOffset(), key: null, value: null };
    expect(await centre.apply.applyRecords(0, [cut, record])).toMatchObject({ units: 1, refusedRecords: 1 });
  });

  test('the offset moves in the transaction that applies', async () => {
    const till = await centre.newTill();
    const { record } = await centre.send(till, sale('A'));
    expect(await centre.one(`SELECT next_offset FROM payflow_sync.consumed WHERE partition = 0`)).toEqual({
      next_offset: String(record.offset + 1),
    });
  });
});
