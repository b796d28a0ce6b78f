import { expect, test } from 'vitest';
import { isSpeltAlike, nameLikeness, wordsOf } from '../../../../services/cli/mapping-draft/name-likeness.ts';

test.each([
  ['orderItems', 'order_items'],
  ['ORDER_ITEM', 'order_items'],
  ['Category', 'categories'],
  ['taxRate', 'tax_rate'],
])('%s is spelt like %s', (a, b) => {
  expect(isSpeltAlike(a, b)).toBe(true);
  expect(nameLikeness(a, b)).toBe(1);
});

test.each([
  // Meaning, abbreviation, a word that only the table says, a slip of the pen.
  ['ekpreis', 'purchase_price', []],
  ['artikelnummer', 'article_no', []],
  ['prod_desc', 'product_description', []],
  ['qty', 'quantity', []],
  ['product_name', 'name', ['products']],
  ['adress', 'address', []],
  ['geändert_am', 'updated_at', []],
] as const)('%s is like %s', (a, b, context) => {
  expect(nameLikeness(a, b, context)).toBeGreaterThan(0.75);
});

test.each([
  ['price', 'name'],
  ['sold_at', 'paid_amount'],
  ['is_active', 'is_parked'],
  ['shelf_label', 'barcode'],
  ['net', 'network_id'],
])('%s is not like %s', (a, b) => {
  expect(nameLikeness(a, b)).toBeLessThan(0.62);
});

test('compounds are cut only where all of their parts are words', () => {
  expect(wordsOf('kundennummer')).toEqual(['kunden', 'nummer']);
  expect(wordsOf('pricelessness')).toEqual(['pricelessness']);
});
