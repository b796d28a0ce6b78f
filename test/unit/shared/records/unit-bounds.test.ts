import { describe, expect, test } from 'vitest';
import {
  boundsFault,
  MOST_CHANGES,
  MOST_COLUMNS,
  MOST_PARTS,
} from '../../../../services/shared/records/unit-bounds.ts';
import { decodeUnitRecord, encodeUnitRecord } from '../../../../services/shared/records/unit-codec.ts';
import {
  announcementUnit,
  type Unit,
  type UnitChange,
  type UnitRecord,
} from '../../../../services/shared/records/unit-record.ts';

const change = (seq: number, options: Partial<UnitChange> = {}): UnitChange => ({
  seq,
  table: 'orders',
  op: 'c',
  capturedAtMs: 1_700_000_000_000,
  row: { identity: `row-${seq}`, centralId: null },
  columns: [{ name: 'number', old: null, new: 'N' }],
  references: [],
  ...options,
});

const unit = (number: number, changes: readonly UnitChange[], options: Partial<Unit> = {}): Unit => ({
  number,
  firstSeq: changes[0]?.seq ?? number,
  lastSeq: changes.at(-1)?.seq ?? number,
  hash: Buffer.alloc(32, number),
  previousHash: Buffer.alloc(32, number - 1),
  changes,
  ...options,
});

const record = (options: Partial<UnitRecord> = {}): UnitRecord => ({
  protocol: 1,
  terminal: 'T1',
  incarnation: 'i',
  databaseId: 'd',
  mappingVersion: 1,
  keyVersion: 1,
  part: 1,
  parts: 1,
  units: [unit(1, [change(1), change(2)]), unit(3, [change(7)])],
  ...options,
});

describe('a unit record', () => {
  test('of an honest till lies within', () => {
    expect(boundsFault(record())).toBeNull();
    expect(boundsFault(record({ units: [unit(1, [])] }))).toBeNull();
    expect(
      boundsFault(
        record({ part: 7, parts: 9, units: [unit(4, [change(30)], { firstSeq: 1, lastSeq: 99 })] }),
      ),
    ).toBeNull();
  });

  test('are not broken by a file that announces itself, with or without changes to send', () => {
    for (const range of [
      { firstSeq: 0, lastSeq: 0 },
      { firstSeq: 5, lastSeq: 9 },
    ]) {
      expect(boundsFault(record({ units: [announcementUnit('before', range)] }))).toBeNull();
    }
  });

  const long = 'x'.repeat(8_192);
  const announced = announcementUnit('before', { firstSeq: 5, lastSeq: 9 });
  const outside: readonly [string, Partial<UnitRecord>][] = [
    ['no incarnation', { incarnation: '' }],
    ['a zero character in the incarnation', { incarnation: 'a\0b' }],
    ['8 KB of incarnation', { incarnation: long }],
    ['8 KB of database id', { databaseId: long }],
    ['part 0', { part: 0 }],
    ['no parts', { parts: 0 }],
    ['part beyond parts', { part: 3, parts: 2 }],
    ['3e9 parts', { part: 3e9, parts: 3e9 }],
    ['more parts than any unit has', { part: 1, parts: MOST_PARTS + 1 }],
    ['two units in one part', { part: 1, parts: 2 }],
    ['a negative mapping version', { mappingVersion: -1 }],
    ['the same unit twice', { units: [unit(1, [change(1)]), unit(1, [change(2)])] }],
    ['units going back', { units: [unit(2, [change(5)]), unit(1, [change(6)])] }],
    ['unit 0', { units: [unit(0, [change(1)])] }],
    ['an announcement with a unit behind it', { units: [announced, unit(1, [change(10)])] }],
    ['an announcement in parts', { part: 1, parts: 2, units: [announced] }],
    ['an announcement that goes back', { units: [{ ...announced, lastSeq: 4 }] }],
    ['a negative unit', { units: [unit(-4, [change(1)])] }],
    ['seqs of two units that overlap', { units: [unit(1, [change(5)]), unit(2, [change(5)])] }],
    ['a seq twice', { units: [unit(1, [change(1), change(1)])] }],
    ['seqs going back', { units: [unit(1, [change(2), change(1)], { firstSeq: 1, lastSeq: 2 })] }],
    ['a seq beyond its unit', { units: [unit(1, [change(9)], { firstSeq: 1, lastSeq: 8 })] }],
    ['a seq before its unit', { units: [unit(1, [change(1)], { firstSeq: 2, lastSeq: 8 })] }],
    ['a unit that ends before it begins', { units: [unit(1, [], { firstSeq: 9, lastSeq: 3 })] }],
    ['a negative seq', { units: [unit(1, [change(-3)], { firstSeq: -3, lastSeq: 3 })] }],
    ['8 KB of identity', { units: [unit(1, [change(1, { row: { identity: long, centralId: null } })])] }],
    [
      'a zero character in an identity',
      { units: [unit(1, [change(1, { row: { identity: 'a\0', centralId: null } })])] },
    ],
    ['8 KB of central id', { units: [unit(1, [change(1, { row: { identity: 'a', centralId: long } })])] }],
    [
      'a zero character in what is referred to',
      {
        units: [
          unit(1, [change(1, { references: [{ column: 'o', target: { identity: '', centralId: '\0' } }] })]),
        ],
      },
    ],
    ['a time outside of the calendar', { units: [unit(1, [change(1, { capturedAtMs: 2 ** 53 - 1 })])] }],
    [
      'more columns than a table can have',
      {
        units: [
          unit(1, [
            change(1, {
              columns: Array.from({ length: MOST_COLUMNS + 1 }, () => ({ name: 'a', old: null, new: null })),
            }),
          ]),
        ],
      },
    ],
    [
      'more changes than a record holds',
      {
        units: [
          unit(
            1,
            Array.from({ length: MOST_CHANGES + 1 }, (_, index) => change(index + 1, { columns: [] })),
          ),
        ],
      },
    ],
  ];
  test.each(outside)('with %s does not', (_what, options) => {
    expect(boundsFault(record(options))).toEqual(expect.any(String));
  });

  test('whose tables or columns have impossible names cannot be read', () => {
    for (const name of ['a\0b', long]) {
      const bytes = encodeUnitRecord(record({ units: [unit(1, [change(1, { table: name })])] }));
      expect(() => decodeUnitRecord(bytes)).toThrow(/no usable name/);
    }
  });

  test('of a newer protocol is told from one that is none of ours', () => {
    const newer = encodeUnitRecord(record({ protocol: 9 }));
    const foreign = encodeUnitRecord(record());
    for (const bytes of [newer, foreign]) bytes[4] = (bytes[4] ?? 0) ^ 1;
    expect(() => decodeUnitRecord(newer)).toThrow(expect.objectContaining({ code: 'PROTOCOL_NEWER' }));
    expect(() => decodeUnitRecord(foreign)).toThrow(expect.objectContaining({ code: 'SCHEMA_UNKNOWN' }));
  });
});
