import Database from 'better-sqlite3';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import {
  storedDecimal,
  storedDouble,
  storedInteger,
  storedShortDecimal,
  storedText,
} from '../../../../services/shared/catalog/affinity.ts';
import { arrayToJson, jsonToArray } from '../../../../services/shared/values/array-text.ts';
import type { CentralValue } from '../../../../services/shared/records/change-record.ts';
import { floatText } from '../../../../services/shared/values/float-text.ts';
import { affinityOf, type Affinity } from '../../../../services/shared/catalog/local-catalog.ts';
import type { ColumnOptions } from '../../../../services/shared/mapping/mapping.ts';
import type { SqliteValue } from '../../../../services/shared/records/unit-record.ts';
import { timestampMs, toCentralText, toLocalValue } from '../../../../services/shared/values/values.ts';

const AFFINITIES: readonly Affinity[] = ['INTEGER', 'REAL', 'NUMERIC', 'TEXT', 'BLOB'];
const DECLARED: Record<Affinity, string> = {
  INTEGER: 'INTEGER',
  REAL: 'REAL',
  NUMERIC: 'NUMERIC',
  TEXT: 'TEXT',
  BLOB: '',
};

const db = new Database(':memory:').defaultSafeIntegers(true);
afterAll(() => db.close());
db.exec(`CREATE TABLE t (${AFFINITIES.map((name) => `"${name}" ${DECLARED[name]}`).join(', ')})`);
const write = new Map(AFFINITIES.map((name) => [name, db.prepare(`INSERT INTO t ("${name}") VALUES (?)`)]));
const read = new Map(AFFINITIES.map((name) => [name, db.prepare(`SELECT "${name}" FROM t`).pluck()]));
const clear = db.prepare('DELETE FROM t');

/** What comes back from a column after this value was written into it. */
function throughSqlite(value: SqliteValue, affinity: Affinity): unknown {
  clear.run();
  write.get(affinity)?.run(value);
  return read.get(affinity)?.get();
}

const decimalText = fc
  .tuple(fc.bigInt({ min: -(10n ** 22n), max: 10n ** 22n }), fc.integer({ min: 0, max: 8 }))
  .map(([unscaled, scale]) => {
    const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0');
    const text = scale === 0 ? digits : `${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
    return unscaled < 0n ? `-${text}` : text;
  });
const affinity = fc.constantFrom(...AFFINITIES);

describe('a value is made exactly as SQLite stores it, so that writing it changes nothing', () => {
  const stays = (value: SqliteValue, of: Affinity) => {
    expect(throughSqlite(value, of)).toStrictEqual(value);
  };

  test('decimals', () => {
    fc.assert(
      fc.property(decimalText, affinity, (text, of) => {
        stays(storedDecimal(text, of), of);
        expect(storedShortDecimal(text, of)).toStrictEqual(storedDecimal(text, of));
      }),
    );
  });
  test('integers', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), affinity, (value, of) =>
        stays(storedInteger(value, of), of),
      ),
    );
  });
  test('doubles', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), affinity, (value, of) =>
        stays(storedDouble(value, of), of),
      ),
    );
  });
  test('texts, also those that look like numbers', () => {
    const text = fc.oneof(
      fc.string({ unit: 'grapheme' }).filter((value) => !value.includes('\0')),
      fc.string({ unit: fc.constantFrom(...' +-.0189eE') }),
      fc.constantFrom('1E98911', '-1e400', '1e-98911'),
      decimalText,
    );
    fc.assert(
      fc.property(text, affinity, (value, of) => stays(storedText(value, of), of)),
      { numRuns: 1000 },
    );
  });
});

test('affinity follows the declared type as SQLite reads it', () => {
  const types = [
    'INTEGER',
    'tinyint',
    'VARCHAR(20)',
    'CHARINT',
    'CLOB',
    '',
    'BLOB',
    'REAL',
    'DOUBLE PRECISION',
  ];
  expect(types.map(affinityOf)).toEqual(['INTEGER', 'INTEGER', 'TEXT', 'INTEGER', 'TEXT', 'BLOB', 'BLOB', 'REAL', 'REAL']); // prettier-ignore
  expect(['DECIMAL(10,5)', 'BOOLEAN', 'DATETIME', 'STRING'].map(affinityOf)).toEqual(
    Array(4).fill('NUMERIC'),
  );
});

type Row = [
  type: string,
  affinity: Affinity,
  options: ColumnOptions,
  central: CentralValue,
  local: SqliteValue,
];
const PAIRS: Row[] = [
  ['boolean', 'INTEGER', {}, true, 1n],
  ['boolean', 'NUMERIC', {}, false, 0n],
  ['integer', 'INTEGER', {}, 42, 42n],
  ['bigint', 'INTEGER', {}, 9223372036854775807n, 9223372036854775807n],
  ['bigint', 'TEXT', {}, -9223372036854775808n, '-9223372036854775808'],
  ['numeric(12,2)', 'NUMERIC', {}, '12.50', 12.5],
  ['numeric(12,2)', 'NUMERIC', {}, '12.00', 12n],
  ['numeric(12,2)', 'REAL', {}, '12.00', 12],
  ['numeric(12,2)', 'TEXT', {}, '12.50', '12.50'],
  ['numeric(30,10)', 'TEXT', {}, '12345678901234567890.0123456789', '12345678901234567890.0123456789'],
  ['numeric(30,10)', 'BLOB', {}, '12345678901234567890.0123456789', '12345678901234567890.0123456789'],
  ['numeric(12,2)', 'INTEGER', { minorUnits: 2 }, '-12.50', -1250n],
  ['numeric', 'NUMERIC', {}, 'NaN', 'NaN'],
  ['numeric', 'NUMERIC', {}, '-Infinity', '-Infinity'],
  ['double precision', 'REAL', {}, 0.1, 0.1],
  ['double precision', 'NUMERIC', {}, 3, 3n],
  ['double precision', 'REAL', {}, Number.POSITIVE_INFINITY, 'Infinity'],
  ['timestamp with time zone', 'TEXT', {}, '2026-01-31 12:34:56.123456+00', '2026-01-31T12:34:56.123456Z'],
  ['timestamp with time zone', 'TEXT', {}, '2026-01-31 12:34:56.5+00', '2026-01-31T12:34:56.500Z'],
  ['timestamp with time zone', 'TEXT', {}, '2026-01-31 12:34:56+00', '2026-01-31T12:34:56.000Z'],
  ['timestamp with time zone', 'TEXT', {}, 'infinity', 'Infinity'],
  ['timestamp with time zone', 'TEXT', {}, '0044-03-15 00:00:00+00 BC', '0044-03-15 00:00:00+00 BC'],
  ['timestamp without time zone', 'TEXT', {}, '2026-01-31 12:34:56', '2026-01-31T12:34:56.000Z'],
  ['timestamp(3) with time zone', 'INTEGER', { format: 'epoch_ms' }, '2026-01-31 12:34:56.123+00', 1769862896123n],
  ['timestamp(0) with time zone', 'INTEGER', { format: 'epoch_s' }, '1969-12-31 23:59:59+00', -1n],
  ['timestamp with time zone', 'REAL', { format: 'epoch_s' }, '2026-01-31 12:34:56.123456+00', 1769862896.123456],
  ['timestamp with time zone', 'TEXT', { format: 'local', zone: 'Europe/Berlin' }, '2026-07-01 10:00:00+00', '2026-07-01 12:00:00'],
  ['timestamp with time zone', 'TEXT', { format: 'date' }, '2026-01-31 00:00:00+00', '2026-01-31'],
  ['date', 'TEXT', {}, '2026-01-31', '2026-01-31'],
  ['date', 'INTEGER', { format: 'epoch_s' }, '1970-01-02', 86400n],
  ['text[]', 'TEXT', {}, '{a,"b,\\"c\\\\",NULL,"NULL",""}', '["a","b,\\"c\\\\",null,"NULL",""]'],
  ['numeric[]', 'TEXT', {}, '{{1.50,NaN},{12345678901234567890,NULL}}', '[[1.50,"NaN"],[12345678901234567890,null]]'],
  ['boolean[]', 'TEXT', {}, '{t,f,NULL}', '[true,false,null]'],
  ['integer[]', 'TEXT', {}, '{}', '[]'],
  ['integer[]', 'TEXT', {}, '[0:1]={1,2}', '[0:1]={1,2}'],
  ['jsonb', 'TEXT', {}, '{"a": [1, 2]}', '{"a": [1, 2]}'],
  ['bytea', 'BLOB', {}, Buffer.from([0, 255]), Buffer.from([0, 255])],
  ['uuid', 'TEXT', {}, '0b5c1a9e-0000-4000-8000-000000000001', '0b5c1a9e-0000-4000-8000-000000000001'],
]; // prettier-ignore

/** A central value in PostgreSQL's own text. */
function centralText(value: CentralValue): string | null {
  if (Buffer.isBuffer(value)) return `\\x${value.toString('hex')}`;
  return value === null ? null : String(value);
}

test.each(PAIRS)('%s in a %s column %j: %s ↔ %s, both ways', (type, of, options, central, local) => {
  expect(toLocalValue(central, { type }, { affinity: of, options })).toStrictEqual(local);
  expect(toCentralText(local, { type }, options)).toBe(centralText(central));
});

test('NULL is NULL in every type, both ways', () => {
  for (const [type, of, options] of PAIRS) {
    expect(toLocalValue(null, { type }, { affinity: of, options })).toBeNull();
    expect(toCentralText(null, { type }, options)).toBeNull();
  }
});

test.each<[string, SqliteValue, ColumnOptions, string]>([
  ['integer', 12, {}, '12'],
  ['integer', '12.0', {}, '12'],
  ['integer', 12.5, {}, '12.5'],
  ['real', 0.1, {}, '0.1'],
  ['double precision', 1e300, {}, '1e+300'],
  ['boolean', '1', {}, 'true'],
  ['boolean', 'False', {}, 'false'],
  ['boolean', 2n, {}, 'true'],
  ['numeric(12,2)', 0.30000000000000004, {}, '0.30'],
  ['numeric(12,2)', 1.005, {}, '1.01'],
  ['numeric(12,2)', 5n, {}, '5.00'],
  ['numeric(12,2)', '1250', { minorUnits: 2 }, '12.50'],
  ['numeric', Number.POSITIVE_INFINITY, {}, 'Infinity'],
  ['timestamp with time zone', '2026-01-31 12:34:56', {}, '2026-01-31 12:34:56+00'],
  ['timestamp with time zone', '2026-01-31T13:34:56.1+01:00', {}, '2026-01-31 12:34:56.1+00'],
  ['timestamp without time zone', '2026-01-31T13:34:56+01:00', {}, '2026-01-31 12:34:56'],
  ['timestamp(0) with time zone', '2026-01-31T12:34:56.5Z', {}, '2026-01-31 12:34:57+00'],
  ['timestamp with time zone', '2026-02-30', {}, '2026-02-30'],
  ['timestamp with time zone', '1769862896123.5', { format: 'epoch_ms' }, '2026-01-31 12:34:56.1235+00'],
  ['timestamp with time zone', '2026-10-25 02:30:00', { format: 'local', zone: 'Europe/Berlin' }, '2026-10-25 00:30:00+00'],
  ['timestamp with time zone', '2026-03-29 02:30:00', { format: 'local', zone: 'Europe/Berlin' }, '2026-03-29 01:30:00+00'],
  ['date', '2026-01-31T23:30:00', {}, '2026-01-31'],
  ['text', 4006381333931n, {}, '4006381333931'],
  ['text', Buffer.from('é'), {}, 'é'],
  ['bytea', 'ab', {}, '\\x6162'],
  ['jsonb[]', '[{"a": ["}"]}, [1]]', {}, '{"{\\"a\\": [\\"}\\"]}",{1}}'],
  ['text[]', 'not json', {}, 'not json'],
  ['uuid', 'ABCDEF00-0000-4000-8000-000000000001', {}, 'abcdef00-0000-4000-8000-000000000001'],
])('what a till holds in its own way is understood: %s %s %j → %s', (type, value, options, expected) => {
  expect(toCentralText(value, { type }, options)).toBe(expected);
}); // prettier-ignore

test('char(n) loses the blanks that only fill it up', () => {
  expect(toLocalValue('EU ', { type: 'character(3)' }, { affinity: 'TEXT', options: {} })).toBe('EU');
});

test('a digit beyond minor units is rounded away from zero, as PostgreSQL rounds', () => {
  const target = { affinity: 'INTEGER', options: { minorUnits: 2 } } as const;
  expect(toLocalValue('12.345', { type: 'numeric' }, target)).toBe(1235n);
  expect(toLocalValue('-12.345', { type: 'numeric' }, target)).toBe(-1235n);
});

test('a till clock is read in every format, and a value that tells no time gives none', () => {
  const ms = Date.UTC(2026, 0, 31, 12, 34, 56, 123);
  expect(timestampMs('2026-01-31T12:34:56.123999Z', {})).toBe(ms);
  expect(timestampMs('2026-01-31 12:34:56.123+00', {})).toBe(ms);
  expect(timestampMs(BigInt(ms), { format: 'epoch_ms' })).toBe(ms);
  expect(timestampMs(1769862896.123, { format: 'epoch_s' })).toBe(ms);
  expect(timestampMs('2026-01-31 13:34:56.123', { format: 'local', zone: 'Europe/Berlin' })).toBe(ms);
  expect(timestampMs('yesterday', {})).toBeNull();
  expect(timestampMs(null, {})).toBeNull();
});

test('local time comes back as the same instant, but for the hour that comes twice', () => {
  const zones = fc.constantFrom('Europe/Berlin', 'America/New_York', 'Asia/Kolkata', 'Australia/Lord_Howe');
  const instant = fc.date({ min: new Date('1980-01-01'), max: new Date('2037-12-31'), noInvalidDate: true });
  const type = 'timestamp with time zone';
  fc.assert(
    fc.property(instant, zones, (date, zone) => {
      const options: ColumnOptions = { format: 'local', zone };
      const central = date.toISOString().replace('T', ' ').replace('Z', '+00');
      const local = toLocalValue(central, { type }, { affinity: 'TEXT', options });
      const back = timestampMs(toCentralText(local, { type }, options), {}) ?? Number.NaN;
      expect([0, 30 * 60_000, 60 * 60_000]).toContain(date.getTime() - back);
      expect(
        toLocalValue(toCentralText(local, { type }, options), { type }, { affinity: 'TEXT', options }),
      ).toBe(local);
    }),
  );
});

test('arrays of any texts and depth come back the same', () => {
  const element = fc.oneof(
    fc.constant(null),
    fc.string({ unit: 'grapheme' }),
    fc.constantFrom('NULL', 'null', '{}', '\\', '"'),
  );
  const array = fc.oneof(fc.array(element), fc.array(fc.tuple(element, element), { minLength: 1 }));
  fc.assert(
    fc.property(array, (value) => {
      const literal = jsonToArray(JSON.stringify(value), 'text');
      expect(JSON.parse(arrayToJson(literal ?? '', 'text') ?? '')).toEqual(value);
    }),
  );
});

test('doubles print as the shortest text that reads back the same', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true }), (value) => {
      expect(Number(floatText(value, false))).toBe(value);
    }),
  );
  fc.assert(
    fc.property(fc.float({ noNaN: true }), (value) => {
      expect(Math.fround(Number(floatText(value, true)))).toBe(value);
    }),
  );
});
