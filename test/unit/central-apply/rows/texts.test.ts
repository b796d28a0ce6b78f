import { describe, expect, test } from 'vitest';
import type { CentralColumn, CentralKind } from '../../../../services/shared/catalog/central-catalog.ts';
import { changesFromJson, changesToJson } from '../../../../services/shared/records/stored-changes.ts';
import { canonicalKeyText, fitsKey } from '../../../../services/central-apply/rows/key-form.ts';
import type { TableModel } from '../../../../services/central-apply/rows/model.ts';
import { sameValue } from '../../../../services/central-apply/rows/same-value.ts';
import { castType, textArray } from '../../../../services/central-apply/rows/sql.ts';
import type { SqliteValue, UnitChange } from '../../../../services/shared/records/unit-record.ts';

const column = (type: string, kind: CentralKind = 'text'): CentralColumn =>
  ({ name: 'c', type, kind, isArray: type.endsWith('[]') }) as CentralColumn;

describe('the same value', () => {
  test.each([
    ['numeric(12,2)', '12.5', '12.50'],
    ['numeric', '-0', '0.000'],
    ['timestamp with time zone', '2026-01-01T10:00:00.5Z', '2026-01-01 10:00:00.5+00'],
    ['timestamp with time zone', '2026-01-01 12:00:00+02', '2026-01-01 10:00:00+00'],
    ['uuid', 'AB', 'ab'],
    ['character(5)', 'ab', 'ab   '],
    ['jsonb', '{"b":1,"a":[2]}', '{"a": [2], "b": 1}'],
  ])('%s %s', (type, a, b) => {
    expect(sameValue(column(type), a, b)).toBe(true);
  });

  test.each([
    ['text', '12.5', '12.50'],
    ['numeric', '1', null],
    ['jsonb', '{"a":12345678901234567}', '{"a":12345678901234568}'],
    ['timestamp with time zone', '2026-01-01 10:00:00.000001+00', '2026-01-01 10:00:00+00'],
  ])('is not another: %s %s', (type, a, b) => {
    expect(sameValue(column(type), a, b)).toBe(false);
  });

  test('truth has several spellings', () => {
    expect(sameValue(column('boolean', 'boolean'), 'true', 't')).toBe(true);
    expect(sameValue(column('boolean', 'boolean'), 'true', 'f')).toBe(false);
  });
});

test('a cast never cuts off: lengths are left to the assignment', () => {
  expect(
    ['character varying(20)', 'character(3)', 'numeric(12,2)', 'bit(3)'].map((type) => castType({ type })),
  ).toEqual(['character varying', 'bpchar', 'numeric', 'bit varying']);
  expect(castType({ type: 'timestamp(3) with time zone' })).toBe('timestamp with time zone');
  expect(castType({ type: 'character(3)[]' })).toBe('bpchar[]');
});

test('array literals keep quotes, backslashes, commas and NULL apart', () => {
  expect(textArray(['a"b', 'c\\d', null, 'NULL', '', '{,}'])).toBe('{"a\\"b","c\\\\d",NULL,"NULL","","{,}"}');
});

test('a malformed central id is recognised before PostgreSQL sees it', () => {
  const table = (type: string, kind: CentralKind) =>
    ({ key: ['c'], central: new Map([['c', column(type, kind)]]) }) as unknown as TableModel;
  expect(fitsKey(table('bigint', 'bigint'), '9223372036854775807')).toBe(true);
  expect(fitsKey(table('bigint', 'bigint'), '9223372036854775808')).toBe(false);
  expect(fitsKey(table('integer', 'int'), '12x')).toBe(false);
  expect(fitsKey(table('uuid', 'text'), 'nonsense')).toBe(false);
  expect(canonicalKeyText(column('bigint', 'bigint'), '007')).toBe('7');
});

test('a dead letter gives back exactly what SQLite had stored', () => {
  const values: SqliteValue[] = [
    null,
    9007199254740993n,
    0.1,
    -0,
    Infinity,
    NaN,
    'tëxt\0',
    '12',
    Buffer.from([0, 255]),
  ];
  const changes: UnitChange[] = [
    {
      seq: 1,
      table: 't',
      op: 'c',
      capturedAtMs: 5,
      row: { identity: 'i', centralId: null },
      columns: values.map((value, index) => ({ name: `c${index}`, old: null, new: value })),
      references: [{ column: 'x', target: null }],
    },
  ];
  expect(changesFromJson(changesToJson(changes))).toEqual(changes);
});
