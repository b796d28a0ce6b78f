/** A backlog is cut into small units, none of them through a sale, and everything comes once and in order. */
import { describe, expect, it } from 'vitest';
import { MAX_UNIT_CHANGES } from '../../../../services/terminal-agent/units/units.ts';
import { sell, useTillPull, type TillPull } from '../../../support/till-pull.ts';

const till = useTillPull();
const PIECE = 500;

const unitsOf = (t: TillPull) => t.agentFile.unpublished(1_000, Number.MAX_SAFE_INTEGER);

async function soldWhileAway({ sale, changes }: { sale: number; changes: number }): Promise<TillPull> {
  const t = await till();
  t.app.transaction(() => {
    for (let n = 1; n <= changes / sale; n += 1) sell(t, n, sale - 1);
  })();
  return t;
}

describe('a backlog', () => {
  it('of up to one unit is one unit, however many sales it holds', async () => {
    const t = await soldWhileAway({ sale: 5, changes: MAX_UNIT_CHANGES });
    t.capture.cutAll();
    expect(unitsOf(t).map(({ firstSeq, lastSeq }) => [firstSeq, lastSeq])).toEqual([[1, MAX_UNIT_CHANGES]]);
  });

  it.each([5, 700, 1_900])(
    'is cut between sales of %i changes, everything once and in order',
    async (sale) => {
      const t = await soldWhileAway({ sale, changes: 12_000 });
      t.capture.cutAll();
      const units = unitsOf(t);
      for (const [at, { firstSeq, lastSeq, changes, partEnds }] of units.entries()) {
        expect(firstSeq).toBe((units[at - 1]?.lastSeq ?? 0) + 1);
        expect(lastSeq - firstSeq + 1).toBe(changes);
        expect(lastSeq % sale).toBe(0);
        expect(changes).toBeLessThanOrEqual(Math.max(PIECE, sale));
        if (changes <= PIECE) expect(partEnds).toEqual([lastSeq]);
      }
      expect(units.at(-1)?.lastSeq).toBe(Math.floor(12_000 / sale) * sale);
      const before = units.length;
      sell(t, 99_999);
      t.capture.cutAll();
      expect(unitsOf(t).slice(before)).toMatchObject([{ changes: 5 }]);
    },
  );
});
