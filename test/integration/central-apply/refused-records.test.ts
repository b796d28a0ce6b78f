/** Records that no honest till sends: noted with their place, why and their bytes, and passed over. */
import { describe, expect, test } from 'vitest';
import { until } from '../../../scripts/support/until.ts';
import { MOST_HELD_RECORDS } from '../../../services/central-apply/held-bounds.ts';
import type { StoredRecord } from '../../../services/shared/log/event-log.ts';
import { encodeUnitRecord } from '../../../services/shared/records/unit-codec.ts';
import type { Unit, UnitRecord } from '../../../services/shared/records/unit-record.ts';
import { seededRandom } from '../../support/random.ts';
import { sale, useCentre } from '../../support/apply-site.ts';
import { insert, type FakeTill } from '../../support/centre.ts';

const centre = useCentre();

const refusedAt = (offset: number) =>
  centre.one<{ terminal_id: string; code: string; message: string; bytes: Buffer | null; size: string }>(
    'SELECT terminal_id, code, message, bytes, size FROM payflow_sync.refused_record WHERE record_offset = $1',
    [offset],
  );

/** A till's bad record between sales of it and of another. */
async function isPassedOver(
  make: (till: FakeTill, offset: number, unit: Unit) => StoredRecord,
  code: string,
) {
  const [till, other] = [await centre.newTill(), await centre.newTill()];
  const good = till.unit(...sale('A'));
  const bad = make(till, centre.nextOffset(), good);
  const { units } = await centre.apply.applyRecords(0, [
    bad,
    other.stored(centre.nextOffset(), [other.unit(...sale('B'))]),
    till.stored(centre.nextOffset(), [good]),
  ]);
  expect(units).toBe(2);
  const noted = await refusedAt(bad.offset);
  expect(noted).toMatchObject({ terminal_id: till.terminal, code, size: String(bad.value?.length ?? 0) });
  expect(noted.bytes).toEqual(bad.value?.subarray(0, 65_536) ?? null);
  expect(noted.message).not.toContain('\0');
  expect(await centre.ordersOf(till)).toHaveLength(1);
  expect(await centre.ordersOf(other)).toHaveLength(1);
}

describe('is passed over:', () => {
  const heads: readonly [string, Partial<UnitRecord>, string][] = [
    ['a part beyond all parts', { part: 3e9, parts: 3e9 }, 'RECORD_OUT_OF_BOUNDS'],
    ['part 0', { part: 0, parts: 2 }, 'RECORD_OUT_OF_BOUNDS'],
    ['a zero character in the incarnation', { incarnation: 'x\0y' }, 'RECORD_OUT_OF_BOUNDS'],
    ['8 KB of incarnation', { incarnation: 'x'.repeat(8_192) }, 'RECORD_OUT_OF_BOUNDS'],
    ['a newer protocol', { protocol: 7 }, 'PROTOCOL_NEWER'],
    ['protocol 0', { protocol: 0 }, 'RECORD_OUT_OF_BOUNDS'],
    ['a mapping that was never published', { mappingVersion: 77 }, 'MAPPING_UNPUBLISHED'],
    ['a mapping before the first', { mappingVersion: -1 }, 'RECORD_OUT_OF_BOUNDS'],
    ['another key than the registered', { keyVersion: 2 }, 'KEY_VERSION_WRONG'],
    ['another terminal', { terminal: 'somebody' }, 'SIGNATURE_INVALID'],
  ];
  test.each(heads)('%s', async (_what, options, code) => {
    await isPassedOver((till, offset, unit) => till.stored(offset, [unit], options), code);
  });

  const rows: readonly [string, (unit: Unit) => Unit[]][] = [
    ['a zero character in an identity', (unit) => [withIdentity(unit, 'a\0b')]],
    ['8 KB of identity', (unit) => [withIdentity(unit, 'a'.repeat(8_192))]],
    ['a unit twice', (unit) => [unit, unit]],
    ['seqs going back', (unit) => [{ ...unit, changes: [...unit.changes].reverse() }]],
  ];
  test.each(rows)('%s', async (_what, units) => {
    await isPassedOver((till, offset, unit) => till.stored(offset, units(unit)), 'RECORD_OUT_OF_BOUNDS');
  });

  test('a schema that nobody knows, and one of a later version', async () => {
    const changed = (protocol: number) => (till: FakeTill, offset: number, unit: Unit) => {
      const bytes = encodeUnitRecord(till.record([unit], { protocol }));
      bytes[5] = (bytes[5] ?? 0) ^ 1;
      return till.signed(offset, bytes);
    };
    await isPassedOver(changed(1), 'SCHEMA_UNKNOWN');
    await isPassedOver(changed(2), 'PROTOCOL_NEWER');
  });

  test('more than is kept of it', async () => {
    await isPassedOver(
      (till, offset, unit) =>
        till.signed(offset, Buffer.concat([encodeUnitRecord(till.record([unit])), Buffer.alloc(200_000)])),
      'RECORD_MALFORMED',
    );
  });

  test('a batch that the log could not read', async () => {
    const offset = centre.nextOffset();
    const bytes = Buffer.from('not a batch');
    const unreadable = { why: 'the stream holds a batch of \0 nonsense', firstOffset: offset, bytes };
    const record: StoredRecord = { offset, key: null, value: null, headers: {}, timestampMs: 0, unreadable };
    const till = await centre.newTill();
    const sold = till.stored(centre.nextOffset(), [till.unit(...sale('A'))]);
    expect(await centre.apply.applyRecords(0, [record, sold])).toMatchObject({ units: 1, refusedRecords: 1 });
    expect(await refusedAt(offset)).toMatchObject({ code: 'RECORD_UNREADABLE', bytes, terminal_id: null });
  });
});

function withIdentity(unit: Unit, identity: string): Unit {
  const [first, ...rest] = unit.changes;
  if (first === undefined) throw new Error('a unit with changes');
  return { ...unit, changes: [{ ...first, row: { identity, centralId: null } }, ...rest] };
}

test('a mapping that is published after the record was refused lets the next one in', async () => {
  const till = await centre.newTill();
  const unit = till.unit(...sale('A'));
  const early = till.stored(centre.nextOffset(), [unit], { mappingVersion: 2 });
  expect(await centre.apply.applyRecords(0, [early])).toMatchObject({ refusedRecords: 1 });
  await centre.pool.query('UPDATE payflow_sync.mapping SET version = 2');
  const again = { ...early, offset: centre.nextOffset() };
  expect(await centre.apply.applyRecords(0, [again])).toMatchObject({ units: 1, refusedRecords: 0 });
});

test('a decimal of 60,000 digits with a letter at its end is a dead letter like any other unfit value', async () => {
  const till = await centre.newTill();
  const price = `${'9'.repeat(60_000)}x`;
  const { result } = await centre.send(
    till,
    [insert('products', 'p', { sku: 'long', name: 'p', price: 1n, stock: price })],
    [insert('products', 'q', { sku: 'longer', name: 'q', price, stock: 1n })],
    sale('A'),
  );
  expect(result.outcomes).toEqual(
    new Map([
      ['rejected', 2],
      ['applied', 4],
    ]),
  );
});

test('bytes changed at random and signed again stop nobody', async () => {
  const [till, other] = [await centre.newTill(), await centre.newTill()];
  const random = seededRandom(20_261_126);
  const whole = encodeUnitRecord(till.record([till.unit(...sale('A')), till.unit(...sale('B'))]));
  for (let round = 0; round < 10; round += 1) {
    const records = Array.from({ length: 40 }, () => {
      const bytes = Buffer.from(whole);
      for (let times = 1 + Math.floor(random() * 3); times > 0; times -= 1) {
        bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
      }
      return till.signed(centre.nextOffset(), bytes);
    });
    const sold = other.stored(centre.nextOffset(), [other.unit(...sale(`S${round}`))]);
    await centre.apply.applyRecords(0, [...records, sold]);
    expect(await centre.ordersOf(other)).toHaveLength(round + 1);
  }
});

test('a till of which too much waits is told apart, keeps others going, and goes on when its gap is filled', async () => {
  const [till, other] = [await centre.newTill(), await centre.newTill()];
  const [first, second, third] = ['A', 'B', 'C'].map((name) => till.unit(...sale(name)));
  if (!first || !second || !third) throw new Error('three units');
  await centre.pool.query(
    `INSERT INTO payflow_sync.held (terminal_id, incarnation, unit, part, parts, reason, record)
     SELECT $1, $2, 1000 + g, 1, 2, 'part', 'x' FROM generate_series(1, ${MOST_HELD_RECORDS}) g`,
    [till.terminal, till.incarnation],
  );
  const bounds = () =>
    centre.all<{ code: string }>(
      `SELECT code FROM payflow_sync.hold WHERE terminal_id = $1 AND reason = 'bounds'`,
      [till.terminal],
    );
  const late = till.stored(centre.nextOffset(), [third]);
  expect(
    await centre.apply.applyRecords(0, [late, other.stored(centre.nextOffset(), [other.unit(...sale('X'))])]),
  ).toMatchObject({ units: 1, refusedRecords: 1, heldRecords: 0 });
  expect(await refusedAt(late.offset)).toMatchObject({ code: 'HELD_TOO_MUCH', terminal_id: till.terminal });
  expect(await bounds()).toEqual([{ code: 'HELD_TOO_MUCH' }]);
  await centre.pool.query('DELETE FROM payflow_sync.held WHERE terminal_id = $1 AND unit > 1500', [
    till.terminal,
  ]);
  const sendAgain = () => centre.apply.applyRecords(0, [{ ...late, offset: centre.nextOffset() }]);
  await until(async () => (await sendAgain()).heldRecords === 1, 'it is noticed that there is room again');
  expect(await bounds()).toEqual([]);
  expect(
    await centre.apply.applyRecords(0, [till.stored(centre.nextOffset(), [first, second])]),
  ).toMatchObject({
    units: 3,
  });
});
