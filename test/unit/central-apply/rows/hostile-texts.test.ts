/**
 * Texts a till may send that take the square of their length where they are looked at more than once per letter: a
 * million letters would take the best part of an hour then, and these tests would never end.
 */
import { describe, expect, test } from 'vitest';
import type { CentralColumn, CentralKind } from '../../../../services/shared/catalog/central-catalog.ts';
import { PayflowError } from '../../../../services/shared/errors.ts';
import { canonicalKeyText } from '../../../../services/central-apply/rows/key-form.ts';
import { sameValue } from '../../../../services/central-apply/rows/same-value.ts';
import {
  isDecimal,
  parseDecimal,
  specialText,
  trimDecimal,
} from '../../../../services/shared/values/decimal.ts';
import { centralConverter, timestampMs } from '../../../../services/shared/values/values.ts';

const LENGTH = 1_000_000;
const many = (letter: string) => letter.repeat(LENGTH);
const texts: readonly [string, string][] = [
  ['digits and a letter', `${many('9')}x`],
  ['zeros and a letter', `${many('0')}x`],
  ['digits behind a point and a letter', `1.${many('0')}x`],
  ['points', many('.')],
  ['blanks and a letter', `${many(' ')}x`],
  ['blanks between letters', `x${many(' ')}x`],
  ['signs', many('-')],
  ['an exponent without end', `1e${many('9')}`],
  ['brackets', many('[')],
  ['braces', many('{')],
  ['quotes', `["${many('\\')}`],
  ['a list of nothing', `[${many(',')}]`],
  ['a list of quotes', `[${'"a",'.repeat(LENGTH / 4)}1]`],
];
const types: readonly [string, CentralKind][] = [
  ['numeric', 'text'],
  ['numeric(12,2)', 'text'],
  ['integer', 'int'],
  ['bigint', 'bigint'],
  ['double precision', 'double'],
  ['real', 'double'],
  ['boolean', 'boolean'],
  ['timestamp with time zone', 'text'],
  ['date', 'text'],
  ['uuid', 'text'],
  ['jsonb', 'text'],
  ['character(5)', 'text'],
  ['text[]', 'text'],
  ['numeric[]', 'text'],
];

function textOrRefusal(type: string, text: string): string | null {
  try {
    return centralConverter(type, {})(text);
  } catch (error) {
    if (error instanceof PayflowError && error.code === 'VALUE_UNFIT') return error.message;
    throw error;
  }
}

describe.each(texts)('%s', (_what, text) => {
  test.each(types)('for a column of type %s', (type, kind) => {
    const column = { name: 'c', type, kind, isArray: type.endsWith('[]') } as CentralColumn;
    expect(textOrRefusal(type, text)).toEqual(expect.any(String));
    expect(sameValue(column, text, `${text}y`)).toEqual(expect.any(Boolean));
    expect(sameValue(column, '1', text)).toEqual(expect.any(Boolean));
    expect(canonicalKeyText(column, text)).toEqual(expect.any(String));
  });

  test('as a number or a time', () => {
    expect(isDecimal(text)).toBe(false);
    expect(parseDecimal(text)).toBeNull();
    expect(specialText(text)).toBeNull();
    expect(timestampMs(text, { format: 'epoch_ms' })).toBeNull();
  });
});

test('the longest decimals are trimmed at once', () => {
  const longest = parseDecimal(`1.${'0'.repeat(19_990)}`);
  if (longest === null) throw new Error('it is a decimal');
  for (let times = 0; times < 1_000; times += 1)
    expect(trimDecimal(longest)).toEqual({ unscaled: 1n, scale: 0 });
  expect(trimDecimal({ unscaled: -1200n, scale: 3 })).toEqual({ unscaled: -12n, scale: 1 });
  expect(trimDecimal({ unscaled: 0n, scale: 3 })).toEqual({ unscaled: 0n, scale: 0 });
  expect(trimDecimal({ unscaled: 1200n, scale: 1 })).toEqual({ unscaled: 120n, scale: 0 });
});
