import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CutEntry, cutPoint } from '../../../../services/terminal-agent/units/units.ts';

describe('a backlog', () => {
  const sale = (from: number, lines: number): CutEntry[] => [
    { seq: from, inserts: `orders\0${from}`, names: [`orders\0${from}`, 'stores\x001'] },
    ...Array.from({ length: lines }, (_, index) => ({
      seq: from + 1 + index,
      inserts: `items\0${from + 1 + index}`,
      names: [`items\0${from + 1 + index}`, `orders\0${from}`],
    })),
  ];

  it('is cut between sales, never between a sale and its lines', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 1, maxLength: 60 }),
        fc.integer({ min: 8, max: 40 }),
        (lines, limit) => {
          const entries: CutEntry[] = [];
          const starts = new Set<number>();
          for (const count of lines) {
            starts.add(entries.length);
            entries.push(...sale(entries.length + 1, count));
          }
          starts.add(entries.length);
          const cut = cutPoint(entries, limit);
          expect(cut).toBeGreaterThan(0);
          expect(cut).toBeLessThanOrEqual(limit);
          expect(starts.has(cut)).toBe(true);
        },
      ),
    );
  });

  it('of one huge transaction is cut at the limit', () => {
    expect(cutPoint(sale(1, 50), 20)).toBe(20);
  });
});
