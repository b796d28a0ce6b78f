import { describe, expect, it } from 'vitest';
import { toldChange } from '../../../../services/central-capture/routing/old-rows.ts';
import type { Route } from '../../../../services/central-capture/routing/routes.ts';
import type { RowChange } from '../../../../services/central-capture/routing/row-sender.ts';
import { UNCHANGED_LENGTH } from '../../../../services/central-capture/wal/pgoutput-decoder.ts';
import { tupleOf } from '../../../../services/central-capture/wal/tuples.ts';

type Texts = readonly (string | null)[];

/** id (key), code (NOT NULL), store, note: an update must bring the old row. */
function routeOf({ partitioned, scopeIndex = 2 }: { partitioned: boolean; scopeIndex?: number }): Route {
  const columns = ['id', 'code', 'store', 'note'].map((name) => ({ name }));
  const filledIndexes = [0, 1, scopeIndex].filter((index) => index >= 0);
  const route: Pick<Route, 'keyIndexes' | 'filledIndexes' | 'scopeIndex' | 'needsOldRow'> = {
    keyIndexes: [0],
    filledIndexes,
    scopeIndex,
    needsOldRow: true,
  };
  return { ...route, relation: { columns }, table: { partitioned } } as unknown as Route;
}

const WHOLE: Texts = ['1', 'a', 'north', 'n'];
const KEY: Texts = ['1', null, null, null];

function update(before: Texts | null, { beforeIsKey = true, unchanged = -1 } = {}): RowChange {
  const after = tupleOf(['1', 'b', 'south', 'n']);
  if (unchanged >= 0) after.lengths[unchanged] = UNCHANGED_LENGTH;
  return { op: 'u', before: before === null ? null : tupleOf(before), beforeIsKey, after };
}

const told = (route: Route, change: RowChange) => {
  const { change: sent, isShort } = toldChange(route, change);
  return { isShort, beforeIsKey: sent?.beforeIsKey };
};

describe('an update of a table that needs the old row', () => {
  const plain = routeOf({ partitioned: false });
  it('is short without one, or where it is a key', () => {
    expect(told(plain, update(null)).isShort).toBe(true);
    expect(told(plain, update(KEY)).isShort).toBe(true);
    // An index' columns, as they are called a key.
    expect(told(plain, update(WHOLE))).toEqual({ isShort: true, beforeIsKey: true });
    expect(told(plain, update(WHOLE, { beforeIsKey: false }))).toEqual({
      isShort: false,
      beforeIsKey: false,
    });
  });
});

describe('an update of a partitioned table, whose whole old rows are called keys', () => {
  const route = routeOf({ partitioned: true });
  it.each<[string, Texts | null, boolean]>([
    ['a whole row', WHOLE, false],
    ['one with a NULL where there may be one', ['1', 'a', 'north', null], false],
    ['nothing', null, true],
    ['a key', KEY, true],
    ['an index without a column that is never NULL', ['1', null, 'north', 'n'], true],
    ['one that does not say its store', ['1', 'a', null, 'n'], true],
  ])('with %s', (_what, before, isShort) => {
    expect(told(route, update(before))).toEqual({ isShort, beforeIsKey: isShort });
  });

  it('is short where it lacks what the update did not touch', () => {
    const without: Texts = ['1', 'a', 'north', null];
    expect(told(route, update(without, { unchanged: 3 })).isShort).toBe(true);
    expect(told(route, update(WHOLE, { unchanged: 3 })).isShort).toBe(false);
  });

  it('is short where only its key says anything, although nothing else has to', () => {
    const bare = { ...routeOf({ partitioned: true, scopeIndex: -1 }), filledIndexes: [0] };
    expect(told(bare, update(KEY)).isShort).toBe(true);
    expect(told(bare, update(['1', null, null, 'n'])).isShort).toBe(false);
  });
});

it('a delete needs its key alone, and nothing is told of one without it', () => {
  const route = routeOf({ partitioned: true });
  const deleted = (before: Texts): RowChange => ({
    op: 'd',
    before: tupleOf(before),
    beforeIsKey: true,
    after: null,
  });
  expect(told(route, deleted(KEY))).toEqual({ isShort: false, beforeIsKey: true });
  expect(told(route, deleted(WHOLE))).toEqual({ isShort: false, beforeIsKey: false });
  expect(toldChange(route, deleted([null, 'a', null, null]))).toEqual({ change: null, isShort: true });
});
