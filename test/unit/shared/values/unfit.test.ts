/** Values that no conversion makes sense of are told as what they are, with the option that would. */
import { describe, expect, test } from 'vitest';
import { CHARSETS, codecOf, utf8Text } from '../../../../services/shared/values/charset.ts';
import { toCentralText, toLocalValue } from '../../../../services/shared/values/values.ts';
import type { ColumnOptions } from '../../../../services/shared/mapping/mapping.ts';
import type { SqliteValue } from '../../../../services/shared/records/unit-record.ts';

const LATIN1 = Buffer.from('Caf\u00e9', 'latin1');
const refused: [type: string, value: SqliteValue, options: ColumnOptions, says: RegExp][] = [
  ['numeric(12,2)', '12,50', {}, /"12,50", which is no number/],
  ['integer', 'twelve', {}, /"twelve", which is no number/],
  ['numeric', '', {}, /an empty text, which is no number; say empty: null/],
  ['timestamp with time zone', '', {}, /no point in time; say empty: null/],
  ['date', '  ', {}, /no date; say empty: null/],
  ['uuid', '', {}, /empty: null/],
  ['boolean', '', {}, /empty: null/],
  ['jsonb', '', {}, /empty: null/],
  ['timestamp with time zone', 2461314.5, {}, /"2461314.5", a number .*format: julian/],
  ['timestamp with time zone', 1_790_813_000n, {}, /epoch_s/],
  ['timestamp with time zone', '01.02.2026', {}, /"01.02.2026", which does not say one day/],
  ['date', '1/2/26', {}, /does not say one day/],
  ['timestamp with time zone', 'now', {}, /does not say one day/],
  ['boolean', 'ja', {}, /"ja", which is neither yes nor no/],
  ['uuid', Buffer.alloc(16), {}, /16 bytes of a uuid.*declare it TEXT/],
  ['text', LATIN1, {}, /4 bytes that are no UTF-8; say charset:/],
  ['jsonb', LATIN1, {}, /4 bytes that are no UTF-8/],
  ['integer', 'x'.repeat(100), {}, /a text of 100 letters/],
  ['text', Buffer.from([0x41, 0xff]), { charset: 'iso-8859-7' }, /2 bytes that are no text in iso-8859-7/],
];

describe('a value is refused by name', () => {
  test.each(refused)('%s: %s', (type, value, options, says) => {
    expect(() => toCentralText(value, { type }, options)).toThrow(says);
  });
});

const read: [type: string, value: SqliteValue, options: ColumnOptions, central: string | null][] = [
  ['numeric(12,2)', '', { emptyIsNull: true }, null],
  ['timestamp with time zone', ' ', { emptyIsNull: true }, null],
  ['text', '', { emptyIsNull: true }, null],
  ['text', ' ', { emptyIsNull: true }, ' '],
  ['text', '', {}, ''],
  ['inet', '', {}, ''],
  ['timestamp with time zone', 2461314.50231481, { format: 'julian' }, '2026-10-01 00:03:20+00'],
  ['timestamp with time zone', '2026-10-01 00:03:20', { format: 'julian' }, '2026-10-01 00:03:20+00'],
  ['date', 2461314.5, { format: 'julian' }, '2026-10-01'],
  ['date', '20261001', {}, '20261001'],
  ['date', 20_261_001n, {}, '20261001'],
  ['integer', '0x1F', {}, '0x1F'],
  ['boolean', 'ye', {}, 'true'],
  ['text', LATIN1, { charset: 'latin1' }, 'Café'],
  ['text', Buffer.from('Ã©'), { charset: 'latin1' }, 'Ã\u0083Â©'],
  ['text', 'é 日本', { charset: 'latin1' }, 'é 日本'],
  ['text', Buffer.alloc(0), { charset: 'latin1', emptyIsNull: true }, null],
  ['jsonb', Buffer.alloc(0), { charset: 'latin1', emptyIsNull: true }, null],
  ['bytea', Buffer.alloc(0), { emptyIsNull: true }, '\\x'],
  ['text', Buffer.alloc(0), { charset: 'latin1' }, ''],
  ['text', Buffer.from([0x80]), { charset: 'windows-1252' }, '€'],
  ['text', Buffer.from([0x80]), { charset: 'cp1252' }, '€'],
  ['text', Buffer.from([0x80]), { charset: 'iso-8859-1' }, '\u0080'],
  ['text', Buffer.from([0xa4]), { charset: 'iso-8859-15' }, '€'],
  ['text', Buffer.from('Café'), {}, 'Café'],
  ['jsonb', Buffer.from('["\u00e9"]', 'latin1'), { charset: 'windows-1252' }, '["é"]'],
  ['text', 12n, { charset: 'latin1' }, '12'],
];

test.each(read)('%s: %s is read', (type, value, options, central) => {
  expect(toCentralText(value, { type }, options)).toBe(central);
});

describe('on the way down', () => {
  test('texts of a column with a character set are its bytes', () => {
    const target = { affinity: 'TEXT', options: { charset: 'windows-1252' } } as const;
    expect(toLocalValue('5 € für Café', { type: 'text' }, target)).toEqual(
      Buffer.concat([Buffer.from('5 '), Buffer.from([0x80]), Buffer.from(' für Café', 'latin1')]),
    );
  });
  test('a letter that it lacks is never replaced', () => {
    const target = { affinity: 'TEXT', options: { charset: 'latin1' } } as const;
    expect(() => toLocalValue('5 €', { type: 'text' }, target)).toThrow(/letters that latin1 lacks/);
  });
  test('nothing is an empty text where the column takes no NULL', () => {
    const options = { emptyIsNull: true } as const;
    expect(toLocalValue(null, { type: 'text' }, { affinity: 'TEXT', options, notNull: true })).toBe('');
    expect(toLocalValue(null, { type: 'text' }, { affinity: 'TEXT', options, notNull: false })).toBeNull();
  });
  test.each([
    ['sqlite', 'TEXT', '2026-10-01 00:03:20'],
    ['julian', 'REAL', 2461314.502314815],
    ['julian', 'NUMERIC', 2461314.502314815],
  ] as const)('a time in the format %s', (format, affinity, stored) => {
    const value = toLocalValue(
      '2026-10-01 00:03:20+00',
      { type: 'timestamp with time zone' },
      { affinity, options: { format } },
    );
    expect(value).toBe(stored);
  });
});

describe.each(CHARSETS)('the character set %s', (charset) => {
  const codec = codecOf(charset);
  test('gives every byte that it knows back as it was', () => {
    const known = Array.from({ length: 256 }, (_, byte) => Buffer.from([byte])).filter(
      (byte) => codec.decode(byte) !== null,
    );
    expect(known.length).toBeGreaterThan(200);
    for (const byte of known) expect(codec.encode(codec.decode(byte) ?? '')).toEqual(byte);
  });
  test('has no letter for U+FFFD', () => {
    expect(codec.encode('\ufffd')).toBeNull();
  });
});

test('bytes that are no UTF-8 are no text, and a real U+FFFD is one', () => {
  expect(utf8Text(LATIN1)).toBeNull();
  expect(utf8Text(Buffer.from('\ufffd'))).toBe('\ufffd');
  expect(utf8Text(Buffer.from('\ufeffx'))).toBe('\ufeffx');
});
