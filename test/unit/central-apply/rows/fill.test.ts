/** What an update that only fills may write. */
import { describe, expect, it } from 'vitest';
import { fillingOf } from '../../../../services/central-apply/rows/fill.ts';
import type { Policy } from '../../../../services/shared/mapping/mapping.ts';

interface Column {
  readonly current?: string | null;
  readonly policy?: Policy;
  readonly isPushed?: boolean;
}

function filling(
  value: string | null,
  { current = null, policy = 'last-writer-wins', isPushed = false }: Column,
) {
  const same = (a: string | null, b: string | null) => a?.toLowerCase() === b?.toLowerCase();
  const { set, verdict } = fillingOf(new Map([['colour', value]]), () => ({
    current,
    policy,
    isPushed,
    same,
  }));
  return [Object.fromEntries(set), verdict.outcome, verdict.discarded?.rule ?? null];
}

describe('a till’s column that was in none of its images', () => {
  it.each<[string, string | null, Column, unknown[]]>([
    ['is taken where the centre has NULL', 'red', {}, [{ colour: 'red' }, 'applied', null]],
    [
      'also where the centre wins conflicts',
      'red',
      { policy: 'central-wins' },
      [{ colour: 'red' }, 'applied', null],
    ],
    ['takes nothing away', 'red', { current: 'blue' }, [{}, 'lost', 'fills']],
    [
      'not even where the till wins conflicts',
      'red',
      { current: 'blue', policy: 'terminal-wins' },
      [{}, 'lost', 'fills'],
    ],
    ['is there already', 'Red', { current: 'red' }, [{}, 'applied', null]],
    ['says nothing by NULL', null, { current: 'blue' }, [{}, 'applied', null]],
    ['is no amount that anybody counted', '5', { policy: 'delta' }, [{}, 'lost', 'fills']],
    ['leaves a row as it was made', 'red', { policy: 'append-only' }, [{}, 'lost', 'fills']],
    ['leaves what only head office changes', 'red', { isPushed: true }, [{}, 'lost', 'push-only']],
  ])('%s', (_, value, column, expected) => {
    expect(filling(value, column)).toEqual(expected);
  });

  it('is merged where some of it was taken', () => {
    const standing: Record<string, string | null> = { colour: null, size: 'L' };
    const next = new Map([
      ['colour', 'red'],
      ['size', 'M'],
    ]);
    const { set, verdict } = fillingOf(next, (column) => ({
      current: standing[column] ?? null,
      policy: 'last-writer-wins',
      isPushed: false,
      same: (a, b) => a === b,
    }));
    expect([Object.fromEntries(set), verdict]).toEqual([
      { colour: 'red' },
      { outcome: 'merged', discarded: { winner: 'central', rule: 'fills' } },
    ]);
  });
});
