import fc from 'fast-check';
import { expect, test } from 'vitest';
import { connectedParts } from '../../../../services/central-apply/rows/connected-parts.ts';
import type { UnitChange, UnitOp } from '../../../../services/shared/records/unit-record.ts';

let seq = 0;
function change(
  op: UnitOp,
  table: string,
  identity: string,
  references: Record<string, string> = {},
): UnitChange {
  return {
    seq: (seq += 1),
    table,
    op,
    capturedAtMs: 0,
    row: { identity, centralId: null },
    columns: [],
    references: Object.entries(references).map(([column, target]) => ({
      column,
      target: { identity: target, centralId: null },
    })),
  };
}

const parentOf = (_table: string, column: string) =>
  ({ order: 'orders', product: 'products' })[column as 'order' | 'product'] ?? null;
const parts = (changes: UnitChange[]) =>
  connectedParts(changes, parentOf).map((part) => part.map(({ row }) => row.identity));

test('each sale is a part of its own, with its children wherever they stand', () => {
  expect(
    parts([
      change('c', 'orders', 'o1'),
      change('c', 'orders', 'o2'),
      change('c', 'items', 'i1', { order: 'o1' }),
      change('c', 'items', 'i2', { order: 'o2' }),
      change('u', 'orders', 'o1'),
    ]),
  ).toEqual([
    ['o1', 'i1', 'o1'],
    ['o2', 'i2'],
  ]);
});

test('a product that every sale takes its stock from connects nothing', () => {
  expect(
    parts([
      change('c', 'items', 'i1', { product: 'p' }),
      change('u', 'products', 'p'),
      change('c', 'items', 'i2', { product: 'p' }),
      change('u', 'products', 'p'),
    ]),
  ).toEqual([['i1'], ['p', 'p'], ['i2']]);
});

test('a product that is new in this unit connects what was sold of it', () => {
  expect(parts([change('c', 'items', 'i1', { product: 'p' }), change('c', 'products', 'p')])).toEqual([
    ['i1', 'p'],
  ]);
});

test('the parts are all changes, each once, in order', () => {
  const anyChange = fc
    .record({
      op: fc.constantFrom<UnitOp>('c', 'u', 'd'),
      identity: fc.constantFrom('a', 'b', 'c', 'd'),
      order: fc.constantFrom('a', 'b', 'c', 'd'),
    })
    .map(({ op, identity, order }) => change(op, 'orders', identity, { order }));
  fc.assert(
    fc.property(fc.array(anyChange), (changes) => {
      const all = connectedParts(changes, parentOf);
      expect(new Set(all.flat())).toEqual(new Set(changes));
      expect(all.flat()).toHaveLength(changes.length);
      for (const part of all)
        expect(part).toEqual([...part].sort((a, b) => changes.indexOf(a) - changes.indexOf(b)));
    }),
  );
});
