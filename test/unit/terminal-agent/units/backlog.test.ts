/** A backlog is cut into small units, none of them through a sale, and everything comes once and in order. */
import { describe, expect, it } from 'vitest';
import { Backlog, PIECE_CHANGES } from '../../../../services/terminal-agent/units/backlog.ts';
import type { Outbox, OutboxEntry } from '../../../../services/terminal-agent/units/outbox.ts';
import type { CutEntry } from '../../../../services/terminal-agent/units/units.ts';

/** Sales of so many entries each, the first of which is the order that the others refer to. */
function outboxOf(sale: number) {
  const entries = (first: number, last: number) =>
    Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => ({ seq: first + index }));
  const cutEntry = ({ seq }: { seq: number }): CutEntry => {
    const order = `orders\0${Math.floor((seq - 1) / sale)}`;
    return { seq, inserts: (seq - 1) % sale === 0 ? order : null, names: [order] };
  };
  return {
    outbox: { entries } as unknown as Outbox,
    cutEntry: cutEntry as unknown as (entry: OutboxEntry) => CutEntry,
  };
}

function cutAll(backlog: Backlog, highest: number): number[][] {
  const units: number[][] = [];
  for (let last = 0; last < highest; last = units.at(-1)?.at(-1) ?? highest) {
    units.push(backlog.next(last + 1, highest).map(({ seq }) => seq));
  }
  return units;
}

describe('a backlog', () => {
  it('of up to one unit is one unit, however many sales it holds', () => {
    expect(cutAll(new Backlog(outboxOf(5)), 10_000)).toHaveLength(1);
  });

  it.each([5, 700, 1_900])('is cut between sales of %i changes, everything once and in order', (sale) => {
    const units = cutAll(new Backlog(outboxOf(sale)), 21_003);
    expect(units.flat()).toEqual(Array.from({ length: 21_003 }, (_, index) => index + 1));
    for (const unit of units.slice(0, -1)) expect((unit.at(-1) ?? 0) % sale).toBe(0);
    expect(Math.max(...units.map(({ length }) => length))).toBeLessThanOrEqual(
      Math.max(PIECE_CHANGES, 2 * sale),
    );
  });

  it('ends where the till stood when it was seen: what is sold meanwhile is a unit of its own', () => {
    const backlog = new Backlog(outboxOf(5));
    let last = 0;
    while (last < 20_000) {
      last = backlog.next(last + 1, last === 0 ? 20_000 : 20_004).at(-1)?.seq ?? 20_000;
      expect(last).toBeLessThanOrEqual(20_000);
    }
    expect(backlog.next(20_001, 20_004).map(({ seq }) => seq)).toEqual([20_001, 20_002, 20_003, 20_004]);
  });
});
