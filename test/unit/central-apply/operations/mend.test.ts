/** A value put into a stored change by hand. */
import { describe, expect, it } from 'vitest';
import { mendChanges } from '../../../../services/central-apply/operations/mend.ts';
import type { CentralModel } from '../../../../services/central-apply/rows/model.ts';
import type { SqliteValue, UnitChange, UnitOp } from '../../../../services/shared/records/unit-record.ts';

const column = (local: string, central: string, parent: string | null = null) =>
  [local, { local, central: { name: central }, parent }] as const;
const columns = [column('qty', 'quantity'), column('note', 'note'), column('order_id', 'order_id', 'orders')];
const LINES = {
  local: 'lines',
  name: 'order_items',
  byLocal: new Map(columns),
  byCentral: new Map(columns.map(([, model]) => [model.central.name, model])),
};
const MODEL = {
  byLocal: new Map([['lines', LINES]]),
  tables: new Map([['order_items', LINES]]),
} as unknown as CentralModel;

function change(seq: number, op: UnitOp, values: Record<string, SqliteValue>): UnitChange {
  return {
    seq,
    table: 'lines',
    op,
    capturedAtMs: 0,
    row: { identity: `i${seq}`, centralId: null },
    columns: Object.entries(values).map(([name, value]) => ({ name, old: null, new: value })),
    references:
      'order_id' in values ? [{ column: 'order_id', target: { identity: 'o', centralId: null } }] : [],
  };
}
const mended = (changes: UnitChange[], name: string, value: string | null, seq?: number) => {
  const [table = '', col = ''] = name.split('.');
  return mendChanges(MODEL, changes, [{ table, column: col, value, seq }]);
};
const valueOf = (changes: UnitChange[], name: string, at = 0) =>
  changes[at]?.columns.find((each) => each.name === name)?.new;

describe('a mended value', () => {
  it('takes its place by local and by central name, in the storage class that was there', () => {
    const changes = [change(1, 'c', { qty: 0n, note: 'a' })];
    expect(valueOf(mended(changes, 'lines.qty', '12'), 'qty')).toBe(12n);
    expect(valueOf(mended(changes, 'order_items.quantity', '12'), 'qty')).toBe(12n);
    expect(valueOf(mended(changes, 'lines.qty', '1.5'), 'qty')).toBe('1.5');
    expect(valueOf(mended(changes, 'lines.note', '7'), 'note')).toBe('7');
    expect(valueOf(mended(changes, 'lines.note', null), 'note')).toBeNull();
    expect(valueOf(changes, 'qty')).toBe(0n);
  });

  it('may be one that an insert left out, but not one that an update did not touch', () => {
    expect(valueOf(mended([change(1, 'c', { qty: 1n })], 'lines.note', 'x'), 'note')).toBe('x');
    expect(() => mended([change(1, 'u', { qty: 1n })], 'lines.note', 'x')).toThrow(/no change of it sets/);
  });

  it('is for one change: named by its seq where several set the column', () => {
    const changes = [change(1, 'c', { qty: 1n }), change(2, 'c', { qty: 0n }), change(3, 'd', { qty: 0n })];
    expect(() => mended(changes, 'lines.qty', '5')).toThrow(/seq 1, 2.*lines\.qty@1/);
    expect(valueOf(mended(changes, 'lines.qty', '5', 2), 'qty', 1)).toBe(5n);
    expect(() => mended(changes, 'lines.qty', '5', 3)).toThrow(/seq 3/);
  });

  it('is refused for what is not mapped, and for a reference unless it is emptied', () => {
    const changes = [change(1, 'c', { qty: 1n, order_id: 4n })];
    expect(() => mended(changes, 'nowhere.qty', '5')).toThrow(/no mapped table/);
    expect(() => mended(changes, 'lines.colour', '5')).toThrow(/no mapped column/);
    expect(() => mended(changes, 'lines.order_id', '5')).toThrow(/another row/);
    expect(mended(changes, 'lines.order_id', null)[0]?.references).toEqual([
      { column: 'order_id', target: null },
    ]);
  });
});
