import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Policy } from '../../../../services/shared/mapping/mapping.ts';
import type { SqliteValue } from '../../../../services/shared/records/unit-record.ts';
import { addDelta, type OpenChange, rebase } from '../../../../services/terminal-agent/rows/rebase.ts';

const policies: Record<string, Policy> = { stock: 'delta', name: 'last-writer-wins' };
const policyOf = (column: string): Policy => policies[column] ?? 'last-writer-wins';
const update = (edits: Record<string, [SqliteValue, SqliteValue]>): OpenChange => ({
  op: 'u',
  edits: new Map(Object.entries(edits).map(([column, [from, to]]) => [column, { old: from, new: to }])),
});
const image = (values: Record<string, SqliteValue>) => new Map(Object.entries(values));
const shown = (values: Record<string, SqliteValue> | null, ...changes: OpenChange[]) => {
  const result = rebase(values === null ? null : image(values), changes, policyOf);
  return result.kind === 'row' ? Object.fromEntries(result.values) : result.kind;
};

describe('rebase', () => {
  it('shows the image as it is when nothing is open', () => {
    expect(shown({ name: 'n', stock: 5n })).toEqual({ name: 'n', stock: 5n });
    expect(shown(null)).toBe('absent');
  });

  it('keeps the newest unsettled value of an edited column, and the image in all others', () => {
    expect(
      shown({ name: 'central', note: 'central' }, update({ name: ['a', 'b'] }), update({ name: ['b', 'c'] })),
    ).toEqual({ name: 'c', note: 'central' });
  });

  it('ignores columns that an edit names without changing them', () => {
    expect(shown({ name: 'central' }, update({ name: ['a', 'a'] }))).toEqual({ name: 'central' });
  });

  it('adds nothing for an insert: an image says that the centre has it', () => {
    const insert: OpenChange = { op: 'c', edits: new Map([['stock', { old: null, new: 5n }]]) };
    expect(shown({ name: 'n', stock: 5n }, insert, update({ stock: [5n, 3n] }))).toEqual({
      name: 'n',
      stock: 3n,
    });
  });

  it('keeps a deleted row away, and leaves a row alone that the centre deleted meanwhile', () => {
    expect(shown({ name: 'n' }, { op: 'd', edits: new Map() })).toBe('absent');
    expect(shown(null, update({ name: ['a', 'b'] }))).toBe('keep');
    expect(shown(null, { op: 'd', edits: new Map() })).toBe('absent');
  });

  it('shows a delta column as the centre’s value plus the sum of what is open, to the last digit', () => {
    const cents = fc.integer({ min: -1_000_000, max: 1_000_000 });
    const text = (value: number) => (value / 100).toFixed(2);
    fc.assert(
      fc.property(cents, cents, fc.array(cents, { maxLength: 8 }), (central, start, steps) => {
        let at = start;
        const changes = steps.map((step) => {
          const from = at;
          at += step;
          return update({ stock: [text(from), text(at)] });
        });
        const row = shown({ stock: text(central) }, ...changes) as { stock: string };
        expect(Number(row.stock)).toBeCloseTo((central + at - start) / 100, 5);
        expect(row.stock).toMatch(/^-?\d+\.\d{2}$/);
      }),
    );
  });

  it('gives the same result however the open changes were split before: it is recomputed, never accumulated', () => {
    const value = fc.bigInt({ min: -1000n, max: 1000n });
    fc.assert(
      fc.property(value, value, fc.array(value, { minLength: 1, maxLength: 6 }), (central, start, values) => {
        let at = start;
        const changes = values.map((next) => {
          const change = update({ stock: [at, next] });
          at = next;
          return change;
        });
        expect(shown({ stock: central }, ...changes)).toEqual({ stock: central + at - start });
        // Settling the first k: the centre has added their differences, the rest is open.
        changes.forEach((_, k) => {
          const settled = k === 0 ? start : (values[k - 1] as bigint);
          expect(shown({ stock: central + settled - start }, ...changes.slice(k))).toEqual({
            stock: central + at - start,
          });
        });
      }),
    );
  });

  it('adds in the storage class of the centre’s value', () => {
    expect(addDelta(10n, { old: 3n, new: 5n })).toBe(12n);
    expect(addDelta(0.1, { old: 0, new: 0.2 })).toBe(0.3);
    expect(addDelta('0.10', { old: '0', new: '0.2' })).toBe('0.30');
    expect(addDelta(10n, { old: 0, new: 0.5 })).toBe(10.5);
    expect(addDelta(null, { old: 3n, new: 5n })).toBe(2n);
    expect(addDelta(1e21, { old: 1e-7, new: 2e-7 })).toBe(1e21);
  });

  it('takes the newest value where an edit is no difference of numbers', () => {
    expect(shown({ stock: 7n }, update({ stock: [null, 5n] }))).toEqual({ stock: 5n });
    expect(shown({ stock: 7n }, update({ stock: [5n, null] }))).toEqual({ stock: null });
    expect(shown({ stock: 'n/a' }, update({ stock: [5n, 6n] }))).toEqual({ stock: 6n });
  });
});
