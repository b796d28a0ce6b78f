import { describe, expect, it } from 'vitest';
import { unitDigest } from '../../../../services/shared/records/unit-digest.ts';
import type { SqliteValue, UnitChange } from '../../../../services/shared/records/unit-record.ts';

const change = (
  seq: number,
  old: SqliteValue,
  now: SqliteValue,
  more: Partial<UnitChange> = {},
): UnitChange => ({
  seq,
  table: 't',
  op: 'u',
  capturedAtMs: 0,
  row: { identity: 'x', centralId: null },
  columns: [{ name: 'a', old, new: now }],
  references: [],
  ...more,
});
const hashOf = (...changes: UnitChange[]) => unitDigest({ registration: 1, changes }).toString('hex');

describe("a unit's hash", () => {
  it('tells storage classes apart, and old from new', () => {
    const values: SqliteValue[] = [null, 1n, 1, '1', Buffer.from('1'), 0n, '', Buffer.alloc(0), 2n ** 62n];
    const hashes = values.flatMap((value) => [hashOf(change(1, value, 'n')), hashOf(change(1, 'n', value))]);
    expect(new Set(hashes).size).toBe(hashes.length);
  });

  it('covers the registration, the time, the entry, and what is referred to', () => {
    const plain = change(1, 1n, 2n);
    const target = { identity: 'p', centralId: null };
    const others = [
      hashOf(plain),
      unitDigest({ registration: 2, changes: [plain] }).toString('hex'),
      unitDigest({ registration: undefined, changes: [plain] }).toString('hex'),
      hashOf({ ...plain, capturedAtMs: 1 }),
      hashOf({ ...plain, entry: '5' }),
      hashOf({ ...plain, references: [{ column: 'a', target }] }),
      hashOf({ ...plain, references: [{ column: 'a', target: null }] }),
    ];
    expect(new Set(others).size).toBe(others.length);
  });

  it('is the same once links are known', () => {
    const linked = { identity: 'x', centralId: '7' };
    expect(hashOf(change(1, 1n, 2n, { row: linked }))).toBe(hashOf(change(1, 1n, 2n)));
  });

  it('of many changes depends on each of them', () => {
    const many = Array.from({ length: 3000 }, (_, at) => change(at + 1, null, 'some text'));
    const other = many.map((each) => (each.seq === 2500 ? change(2500, null, 'another') : each));
    expect(hashOf(...many)).not.toBe(hashOf(...other));
  });
});
