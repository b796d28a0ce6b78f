import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  addDecimals,
  compareDecimals,
  formatDecimal,
  numberText,
  parseDecimal,
  roundDecimal,
  subtractDecimals,
  trimDecimal,
  type Decimal,
} from '../../../../services/shared/values/decimal.ts';

const decimal = fc.record<Decimal>({
  unscaled: fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }),
  scale: fc.integer({ min: 0, max: 30 }),
});

function parsed(text: string): Decimal {
  const found = parseDecimal(text);
  if (found === null) throw new Error(`no decimal: ${text}`);
  return found;
}

test('sums and differences are exact, whatever the number of digits', () => {
  fc.assert(
    fc.property(decimal, decimal, (a, b) => {
      const sum = addDecimals(formatDecimal(a), formatDecimal(b));
      expect(compareDecimals(parsed(subtractDecimals(sum, formatDecimal(b))), a)).toBe(0);
      expect(sum).toBe(addDecimals(formatDecimal(b), formatDecimal(a)));
    }),
  );
});

test('a thousand times ten cents is a hundred, not nearly', () => {
  let sum = '0';
  for (let count = 0; count < 1000; count += 1) sum = addDecimals(sum, '0.10');
  expect(sum).toBe('100.00');
  expect(subtractDecimals('9.7', '10')).toBe('-0.3');
});

test('text and decimal are one to one', () => {
  fc.assert(
    fc.property(decimal, (value) => {
      expect(parsed(formatDecimal(value))).toEqual(value);
    }),
  );
});

test('every double has one plain text that reads back the same', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      expect(numberText(value)).not.toMatch(/e/i);
      expect(Number(numberText(value))).toBe(value === 0 ? 0 : value);
    }),
  );
});

test.each([
  ['1.005', 2, '1.01'],
  ['-1.005', 2, '-1.01'],
  ['0.004', 2, '0.00'],
  ['7', 2, '7.00'],
  ['1e-3', 3, '0.001'],
  ['1.5e3', 0, '1500'],
])('%s to %d digits is %s: halves go away from zero', (text, scale, expected) => {
  expect(formatDecimal(roundDecimal(parsed(text), scale))).toBe(expected);
});

test('trailing zeros after the point go, others stay', () => {
  expect(formatDecimal(trimDecimal(parsed('1200.500')))).toBe('1200.5');
  expect(formatDecimal(trimDecimal(parsed('1200.00')))).toBe('1200');
});

test('not a number stays not a number, infinity infinite', () => {
  expect(addDecimals('NaN', '1')).toBe('NaN');
  expect(subtractDecimals('1', 'Infinity')).toBe('-Infinity');
  expect(subtractDecimals('Infinity', 'Infinity')).toBe('NaN');
  expect(() => addDecimals('one', '1')).toThrow(RangeError);
});

test.each(['', ' ', '.', '-', '1,5', '1e', '0x10', 'NaN', '1e999999999'])('%j is no decimal', (text) => {
  expect(parseDecimal(text)).toBeNull();
});
