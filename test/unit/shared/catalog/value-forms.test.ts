/** In which form a till keeps values: each form is found among the others, by rows that both sides have. */
import { describe, expect, test } from 'vitest';
import { affinityOf } from '../../../../services/shared/catalog/local-catalog.ts';
import {
  agreement,
  bestForm,
  timeForm,
  type ValuePair,
} from '../../../../services/shared/catalog/value-forms.ts';
import type { SqliteValue } from '../../../../services/shared/records/unit-record.ts';
import { centralTable } from '../../../support/catalogs.ts';

const central = (type: string) => {
  const [column] = centralTable('t', [`c ${type}`]).columns;
  if (column === undefined) throw new Error('no column');
  return column;
};
const local = (declaredType: string) => ({
  name: 'c',
  declaredType,
  affinity: affinityOf(declaredType),
  notNull: false,
  hasDefault: false,
  generated: false,
});
const MOMENTS = [
  Date.UTC(2026, 0, 5, 9, 30),
  Date.UTC(2026, 6, 1, 22, 15, 7),
  Date.UTC(2026, 10, 27, 6, 0, 59),
];
const iso = (ms: number) => new Date(ms).toISOString();
const pg = (ms: number) =>
  iso(ms)
    .replace('T', ' ')
    .replace(/\.000Z$/, '+00');
const pairs = (type: string, form: (ms: number) => SqliteValue): ValuePair[] =>
  MOMENTS.map((ms) => ({ local: form(ms), central: type === 'date' ? iso(ms).slice(0, 10) : pg(ms) }));
const best = (declared: string, type: string, given: readonly ValuePair[]) =>
  bestForm({ local: local(declared), central: central(type) }, given);

describe('of rows that both sides have', () => {
  test.each<[string, string, string, (ms: number) => SqliteValue, object]>([
    ['epoch_ms', 'INTEGER', 'timestamp with time zone', (ms) => BigInt(ms), { format: 'epoch_ms' }],
    ['epoch_s', 'INTEGER', 'timestamp with time zone', (ms) => BigInt(ms / 1000), { format: 'epoch_s' }],
    [
      'julian',
      'REAL',
      'timestamp with time zone',
      (ms) => ms / 86_400_000 + 2_440_587.5,
      { format: 'julian' },
    ],
    [
      'sqlite',
      'TEXT',
      'timestamp with time zone',
      (ms) => iso(ms).slice(0, 19).replace('T', ' '),
      { format: 'sqlite' },
    ],
    ['iso', 'TEXT', 'timestamp with time zone', iso, {}],
    [
      'local',
      'TEXT',
      'timestamp with time zone',
      (ms) =>
        new Intl.DateTimeFormat('sv-SE', {
          timeZone: 'America/New_York',
          dateStyle: 'short',
          timeStyle: 'medium',
        }).format(ms),
      { format: 'local', zone: 'America/New_York' },
    ],
    ['date', 'TEXT', 'date', (ms) => iso(ms).slice(0, 10), { format: 'date' }],
  ])('%s is told', (_, declared, type, form, options) => {
    expect(best(declared, type, pairs(type, form))).toEqual({ options, agree: 3, compared: 3 });
  });

  test('cents are told from the same numbers', () => {
    const money = ['12.50', '3.99', '100.00'];
    const cents = money.map((text) => ({ local: BigInt(Math.round(Number(text) * 100)), central: text }));
    const plain = money.map((text) => ({ local: Number(text), central: text }));
    expect(best('INTEGER', 'numeric(12,2)', cents)).toEqual({
      options: { minorUnits: 2 },
      agree: 3,
      compared: 3,
    });
    expect(best('NUMERIC', 'numeric(12,2)', cents).options).toEqual({ minorUnits: 2 });
    expect(best('REAL', 'numeric(12,2)', plain)).toEqual({ options: {}, agree: 3, compared: 3 });
  });

  test('empty texts for NULL, and letters of another character set', () => {
    const emptied = [
      { local: '', central: null },
      { local: 'a', central: 'a' },
    ];
    expect(best('TEXT', 'text', emptied).options).toEqual({ emptyIsNull: true });
    const letters = [{ local: Buffer.from('Müsli', 'latin1'), central: 'Müsli' }];
    expect(best('TEXT', 'text', letters).options).toEqual({ charset: 'windows-1252' });
    const cyrillic = [{ local: Buffer.from([0xd1, 0xfb, 0xf0]), central: 'Сыр' }];
    expect(best('TEXT', 'text', cyrillic).options).toEqual({ charset: 'windows-1251' });
  });

  test('what is NULL on both sides says nothing, and a value that fits no type disagrees', () => {
    const given = [
      { local: null, central: null },
      { local: 'soon', central: pg(MOMENTS[0] ?? 0) },
      { local: null, central: pg(MOMENTS[1] ?? 0) },
    ];
    expect(agreement({ type: 'timestamp with time zone' }, {}, given)).toEqual({
      options: {},
      agree: 0,
      compared: 2,
    });
  });

  test('json says the same in any order', () => {
    const given = [{ local: '{"b":[1,2],"a":"x"}', central: '{"a": "x", "b": [1, 2]}' }];
    expect(best('TEXT', 'jsonb', given)).toMatchObject({ agree: 1, compared: 1 });
    const other = [{ local: '{"b":[2,1]}', central: '{"b": [1, 2]}' }];
    expect(best('TEXT', 'jsonb', other)).toMatchObject({ agree: 0 });
  });
});

describe('by the looks of the values alone', () => {
  const time = { type: 'timestamp with time zone' };
  test.each<[string, SqliteValue[], string, object]>([
    ['seconds', [1_700_000_000n, 1_700_000_500n], 'INTEGER', { format: 'epoch_s' }],
    ['milliseconds', [1_700_000_000_000n, null], 'INTEGER', { format: 'epoch_ms' }],
    ['Julian days', [2_460_000.5], 'REAL', { format: 'julian' }],
    ['wall clocks', ['2026-01-05 09:30:00'], 'TEXT', { format: 'sqlite' }],
    ['days', ['2026-01-05'], 'TEXT', { format: 'date' }],
    ['ISO', ['2026-01-05T09:30:00.000Z'], 'TEXT', {}],
    ['nothing, in whole numbers', [], 'INTEGER', { format: 'epoch_ms' }],
    ['nothing, in texts', [], 'TEXT', {}],
  ])('%s', (_, values, declared, form) => {
    expect(timeForm(values, local(declared), time)).toEqual(form);
  });

  test('whole numbers without values are seconds where the centre keeps no more', () => {
    expect(timeForm([], local('INTEGER'), { type: 'timestamp(0) with time zone' })).toEqual({
      format: 'epoch_s',
    });
  });
});
