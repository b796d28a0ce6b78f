/** A stored change against what its till wrote later. */
import { describe, expect, it } from 'vitest';
import { notOvertaken } from '../../../../services/central-apply/operations/overtaken.ts';
import type { TableModel } from '../../../../services/central-apply/rows/model.ts';
import type { UnitChange, UnitOp } from '../../../../services/shared/records/unit-record.ts';

const column = (local: string, policy: string) =>
  [local, { local, policy, central: { name: local } }] as const;
const TABLE = {
  timestampColumn: 'updated_at',
  byLocal: new Map([
    column('name', 'last-writer-wins'),
    column('price', 'last-writer-wins'),
    column('stock', 'delta'),
    column('shelf', 'last-writer-wins'),
    column('updated_at', 'last-writer-wins'),
  ]),
} as unknown as TableModel;

function change(op: UnitOp, ...names: string[]): UnitChange {
  return {
    seq: 10,
    table: 'products',
    op,
    capturedAtMs: 0,
    row: { identity: 'i', centralId: null },
    columns: names.map((name) => ({ name, old: null, new: 'x' })),
    references: names.includes('shelf')
      ? [{ column: 'shelf', target: { identity: 's', centralId: null } }]
      : [],
  };
}
const left = (of: UnitChange, later: Record<string, number>) =>
  notOvertaken(of, new Map(Object.entries(later)), TABLE)?.columns.map(({ name }) => name) ?? null;

describe('of a stored update', () => {
  it.each([
    ['nothing came later', {}, ['name', 'price', 'updated_at']],
    ['the same column was written later', { name: 20, updated_at: 20 }, ['price']],
    ['it was written earlier only', { name: 9 }, ['name', 'price', 'updated_at']],
    ['by this very change', { name: 10 }, ['name', 'price', 'updated_at']],
    ['all of it was written later', { name: 20, price: 21 }, null],
    ['the row was inserted or deleted later', { '*': 20 }, null],
  ] as const)('stays what is still meant: %s', (_, later, expected) => {
    expect(left(change('u', 'name', 'price', 'updated_at'), later)).toEqual(expected);
  });

  it('an amount always counts, with or without the rest', () => {
    expect(left(change('u', 'stock', 'name', 'updated_at'), { '*': 20 })).toEqual(['stock']);
    expect(left(change('u', 'stock'), { stock: 20 })).toEqual(['stock']);
  });

  it('a reference goes with its column', () => {
    const kept = notOvertaken(change('u', 'shelf', 'name'), new Map([['shelf', 20]]), TABLE);
    expect(kept?.references).toEqual([]);
  });
});

describe('a stored delete, insert and offer', () => {
  it('are void once the till went on with the row', () => {
    expect(left(change('d', 'name'), { price: 20 })).toBeNull();
    expect(left(change('d', 'name'), { '*': 20 })).toBeNull();
    for (const op of ['c', 'r'] as const) {
      expect(left(change(op, 'name'), { '*': 20 })).toBeNull();
      expect(left(change(op, 'name'), { name: 20 })).toEqual(['name']);
    }
    expect(left(change('d', 'name'), { price: 9 })).toEqual(['name']);
  });
});
