import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ChangeColumns, OutboxEntry } from '../../../../services/terminal-agent/units/outbox.ts';
import {
  type CutEntry,
  cutPoint,
  type DigestForm,
  digestUnit,
} from '../../../../services/terminal-agent/units/units.ts';
import type { SqliteValue } from '../../../../services/shared/records/unit-record.ts';

const columns = (names: readonly string[]): ChangeColumns => ({
  table: 't',
  stored: names.map((name, index) => [name, index]),
  oldIndex: new Map(),
  newIndex: new Map(),
});
const entry = (seq: number, values: readonly SqliteValue[], names = ['new_a', 'new_b']): OutboxEntry => ({
  seq,
  op: 'c',
  rowKey: 1n,
  capturedAtMs: 0,
  identity: 'x',
  centralId: null,
  columns: columns(names),
  values,
});
const FORM: DigestForm = { registration: undefined, coversTime: false };
const hashOf = (...entries: OutboxEntry[]) => digestUnit(entries, FORM).hash.toString('hex');

describe("a unit's hash", () => {
  it('tells storage classes and columns apart', () => {
    const values: SqliteValue[] = [null, 1n, 1, '1', Buffer.from('1'), 0n, '', Buffer.alloc(0), 2n ** 62n];
    const hashes = values.flatMap((value) => [
      hashOf(entry(1, [value, null])),
      hashOf(entry(1, [null, value])),
    ]);
    expect(new Set(hashes).size).toBe(hashes.length - 1);
  });

  it('is the same after a column was added to the table', () => {
    expect(hashOf(entry(1, [1n, null, null], ['new_a', 'new_b', 'new_c']))).toBe(
      hashOf(entry(1, [1n, null])),
    );
  });

  it('is the same once links are known', () => {
    expect(hashOf({ ...entry(1, [1n]), centralId: '7' })).toBe(hashOf(entry(1, [1n])));
  });

  it('covers the registration, and is what it was for a unit that names none', () => {
    const entries = [entry(1, [1n])];
    const hashes = [undefined, 1, 2, 21].map(
      (registration) => digestUnit(entries, { ...FORM, registration }).hash,
    );
    expect(new Set(hashes.map((hash) => hash.toString('hex'))).size).toBe(4);
    expect(hashes[0]?.toString('hex')).toBe(
      '2826c8175a98ccdad0f54db32863fb5c7686de91d48385747a34a8140fc6a277',
    );
  });

  it('covers the time of each change, and is what it was for a unit of a version that left it out', () => {
    const at = (...times: number[]) =>
      times.map((capturedAtMs, i) => ({ ...entry(i + 1, [9n]), capturedAtMs }));
    const timed = (...times: number[]) =>
      digestUnit(at(...times), { ...FORM, coversTime: true }).hash.toString('hex');
    expect(new Set([timed(1, 2), timed(2, 1), timed(1, 1), hashOf(...at(1, 2))]).size).toBe(4);
    expect(hashOf(...at(1, 2))).toBe(hashOf(...at(5, 6)));
  });

  it('splits a large unit into parts that end where stored values say, each with one change at least', () => {
    const large = 'x'.repeat(100 * 1024);
    const entries = [
      entry(1, [large]),
      entry(3, [large]),
      entry(4, ['y']),
      entry(9, ['x'.repeat(500 * 1024)]),
    ];
    expect(digestUnit(entries, FORM).partEnds).toEqual([1, 4, 9]);
    expect(digestUnit([entry(5, ['y'])], FORM).partEnds).toEqual([5]);
  });
});

describe('a backlog', () => {
  const sale = (from: number, lines: number): CutEntry[] => [
    { seq: from, inserts: `orders\0${from}`, names: [`orders\0${from}`, 'stores\x001'] },
    ...Array.from({ length: lines }, (_, index) => ({
      seq: from + 1 + index,
      inserts: `items\0${from + 1 + index}`,
      names: [`items\0${from + 1 + index}`, `orders\0${from}`],
    })),
  ];

  it('is cut between sales, never between a sale and its lines', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 1, maxLength: 60 }),
        fc.integer({ min: 8, max: 40 }),
        (lines, limit) => {
          const entries: CutEntry[] = [];
          const starts = new Set<number>();
          for (const count of lines) {
            starts.add(entries.length);
            entries.push(...sale(entries.length + 1, count));
          }
          starts.add(entries.length);
          const cut = cutPoint(entries, limit);
          expect(cut).toBeGreaterThan(0);
          expect(cut).toBeLessThanOrEqual(limit);
          expect(starts.has(cut)).toBe(true);
        },
      ),
    );
  });

  it('of one huge transaction is cut at the limit', () => {
    expect(cutPoint(sale(1, 50), 20)).toBe(20);
  });
});
