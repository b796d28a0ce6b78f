/** What a till's value means, and when it is left in its own form. */
import { describe, expect, test } from 'vitest';
import type { CentralValue } from '../../../../services/shared/records/change-record.ts';
import type { SqliteValue } from '../../../../services/shared/records/unit-record.ts';
import { inFormOf, meaningComparer } from '../../../../services/shared/values/same-meaning.ts';
import { localConverter, type LocalTarget } from '../../../../services/shared/values/values.ts';

type Line = readonly [type: string, target: LocalTarget, local: SqliteValue, central: CentralValue];

const text: LocalTarget = { affinity: 'TEXT', options: {} };
const number: LocalTarget = { affinity: 'NUMERIC', options: {} };
const format = (of: NonNullable<LocalTarget['options']['format']>): LocalTarget => ({
  affinity: of === 'julian' ? 'REAL' : of.startsWith('epoch') ? 'INTEGER' : 'TEXT',
  options: { format: of },
});
const TIMESTAMPTZ = 'timestamp with time zone';

function isLeft([type, target, local, central]: Line): boolean {
  const written = localConverter(type, target)(central);
  return meaningComparer(type, target)({ local, central, written });
}

const equal: Line[] = [
  ['uuid', text, '0F0E0D0C-0B0A-4908-8706-050403020100', '0f0e0d0c-0b0a-4908-8706-050403020100'],
  ['uuid', text, '{0F0E0D0C-0B0A-4908-8706-050403020100}', '0f0e0d0c-0b0a-4908-8706-050403020100'],
  ['uuid', text, '0F0E0D0C0B0A49088706050403020100', '0f0e0d0c-0b0a-4908-8706-050403020100'],
  [TIMESTAMPTZ, text, '2026-10-01 00:03:20', '2026-10-01 00:03:20+00'],
  [TIMESTAMPTZ, text, '2026-10-01T00:03:20Z', '2026-10-01 00:03:20+00'],
  [TIMESTAMPTZ, text, '2026-10-01 02:03:20 +02:00', '2026-10-01 00:03:20+00'],
  [TIMESTAMPTZ, text, '2026-10-01 00:03', '2026-10-01 00:03:00+00'],
  [TIMESTAMPTZ, format('sqlite'), '2026-10-01T00:03:20.000Z', '2026-10-01 00:03:20+00'],
  [TIMESTAMPTZ, format('sqlite'), '2026-10-01 00:03:20', '2026-10-01 00:03:20.7+00'],
  [TIMESTAMPTZ, format('julian'), 2461314.50231481, '2026-10-01 00:03:20+00'],
  [TIMESTAMPTZ, format('epoch_s'), 1790813000n, '2026-10-01 00:03:20+00'],
  ['date', text, '2026-10-01T00:00:00Z', '2026-10-01'],
  ['time without time zone', text, '12:34', '12:34:00'],
  ['time without time zone', text, '12:34:56.500', '12:34:56.5'],
  ['boolean', text, 'true', true],
  ['boolean', text, 'Y', true],
  ['boolean', text, 'N', false],
  ['boolean', text, 'off', false],
  ['boolean', number, 7n, true],
  ['numeric(12,2)', text, '00012.5000', '12.50'],
  ['numeric(12,2)', text, ' 12.5 ', '12.50'],
  ['numeric(20,0)', text, '13.0', '13'],
  ['numeric(5,-2)', text, '1.2e3', '1200'],
  ['numeric', text, '12.50', '12.5000'],
  ['numeric(12,2)', text, 'nan', 'NaN'],
  ['timestamp(0) with time zone', text, '2026-10-01T00:03:20.000Z', '2026-10-01 00:03:20+00'],
  ['timestamp(3) without time zone', text, '2026-10-01 00:03:20.500000', '2026-10-01 00:03:20.5'],
  ['real', text, '0.1000', Math.fround(0.1)],
  ['numeric(12,2)', { affinity: 'INTEGER', options: { minorUnits: 2 } }, 1250n, '12.50'],
  ['integer', text, '007', 7],
  ['bigint', text, '+42', 42n],
  ['double precision', text, '1e3', 1000],
  ['real', text, '0.10', 0.1],
  ['jsonb', text, '{"b":1,"a":[2]}', '{"a": [2], "b": 1}'],
  ['jsonb', text, '{"a\\"": 1e-7}', '{"a\\"": 0.0000001}'],
  [
    'jsonb',
    text,
    '{"id":"0f1e90ff-0000-4000-8000-123456789012","b":"\\"1e5"}',
    '{"b": "\\"1e5", "id": "0f1e90ff-0000-4000-8000-123456789012"}',
  ],
  ['text[]', text, '[ "a", "b c" ]', '{a,"b c"}'],
  ['character(6)', text, 'ab    ', 'ab'],
  ['text', { affinity: 'TEXT', options: { emptyIsNull: true } }, '', null],
  ['integer', { affinity: 'INTEGER', options: { emptyIsNull: true } }, '  ', null],
  ['text', { affinity: 'TEXT', options: { charset: 'latin1' } }, Buffer.from('Caf\u00e9', 'latin1'), 'Café'],
  ['text', { affinity: 'TEXT', options: { charset: 'latin1', emptyIsNull: true } }, Buffer.alloc(0), null],
  ['bytea', { affinity: 'BLOB', options: {} }, 'abc', Buffer.from('abc')],
];

const NESTED = 200_000;
const nested = (inner: string) => '['.repeat(NESTED) + inner + ']'.repeat(NESTED);

const different: Line[] = [
  ['uuid', text, '0F0E0D0C-0B0A-4908-8706-050403020101', '0f0e0d0c-0b0a-4908-8706-050403020100'],
  [TIMESTAMPTZ, text, '2026-10-01 00:03:20', '2026-10-01 00:03:21+00'],
  [TIMESTAMPTZ, text, '2026-10-01 00:03:20', '2026-10-01 00:03:20.5+00'],
  [TIMESTAMPTZ, text, '01.10.2026', '2026-10-01 00:00:00+00'],
  ['boolean', text, 'Y', false],
  ['boolean', text, 'ja', true],
  ['boolean', text, null, false],
  ['numeric(12,2)', text, '12.51', '12.50'],
  ['numeric(12,2)', text, '12,50', '12.50'],
  ['numeric(12,2)', number, 12.504, '12.50'],
  ['numeric(12,2)', { affinity: 'INTEGER', options: { minorUnits: 3 } }, 1251n, '1.25'],
  ['timestamp(0) with time zone', text, '2026-10-01T00:03:20.400Z', '2026-10-01 00:03:20+00'],
  ['timestamp(0) with time zone', text, '2026-10-01 00:03:20.4', '2026-10-01 00:03:20+00'],
  ['numeric(12,2)', text, '12.504', '12.50'],
  ['numeric(20,0)', number, 12.5, '13'],
  ['numeric(5,-2)', number, 1234n, '1200'],
  ['timestamp(0) without time zone', text, '2026-10-01 00:03:20.5', '2026-10-01 00:03:21'],
  ['timestamp(3) with time zone', text, '2026-10-01 00:03:20.4004', '2026-10-01 00:03:20.4+00'],
  ['real', number, 0.1234567891, Math.fround(0.1234567891)],
  ['integer', number, 7n, 8],
  ['character varying(20)', text, 'a ', 'a'],
  [TIMESTAMPTZ, text, '2026-10-01T00:03:20.400Z', '2026-10-01 00:03:20+00'],
  ['text', text, 'A', 'a'],
  ['text', text, '', null],
  ['text', text, null, ''],
  ['text', text, Buffer.from([0x43, 0xe9]), 'C\ufffd'],
  ['text', { affinity: 'TEXT', options: { charset: 'latin1' } }, Buffer.from('Café'), 'Café'],
  ['json', text, '{"b":1,"a":2}', '{"a": 2, "b": 1}'],
  ['jsonb', text, '{"a": 12345678901234567890}', '{"a": 12345678901234567891}'],
  ['jsonb', text, '[1234567890.1234567891]', '[1234567890.1234567892]'],
  ['jsonb', text, '[0.30000000000000001]', '[0.3]'],
  ['jsonb', text, '[1E400]', '[1E401]'],
  ['jsonb', text, '["\\\\", 1E+400]', '["\\\\", 1E+401]'],
];

describe('a value of the till is left in its own form', () => {
  test.each(equal)('%s', (...line) => {
    expect(isLeft(line)).toBe(true);
  });
});

test('a string of megabytes in JSON is no matter, whatever digits are in it', () => {
  const long = `"${'x'.repeat(20_000_000)}0123456789abcdef1234567890123456"`;
  expect(isLeft(['jsonb', text, `{"b":1,"a":${long}}`, `{"a": ${long}, "b": 1}`])).toBe(true);
});

test('JSON that is nested deeper than anybody compares is another one', () => {
  expect(isLeft(['jsonb', text, nested('1'), nested(' 1')])).toBe(false);
});

describe('a value of the till that means something else, or nothing, is replaced', () => {
  test.each(different)('%s', (...line) => {
    expect(isLeft(line)).toBe(false);
  });
});

test('a value of its own that the centre has not answered is compared with what the row shows', () => {
  const same = meaningComparer('numeric(12,2)', text);
  expect(same({ local: '12.5', central: undefined, written: '12.50' })).toBe(true);
  expect(same({ local: '12.5', central: undefined, written: '12.51' })).toBe(false);
});

test.each([
  ['Y', '0', 'N'],
  ['n', '1', 'y'],
  ['TRUE', '0', 'FALSE'],
  ['True', '0', 'False'],
  ['off', '1', 'on'],
  ['1', '0', '0'],
  [null, '1', '1'],
])('where %s stood, %s is written as %s', (standing, written, as) => {
  expect(inFormOf(standing, written, 'boolean')).toBe(as);
});
