import type { Pool } from 'pg';
import { beforeEach, describe, expect, it } from 'vitest';
import { AwaitedParents } from '../../../../services/central-capture/routing/awaited-parents.ts';
import { Parents, UNKNOWN } from '../../../../services/central-capture/routing/parents.ts';
import { ScopeCache, type TableScope } from '../../../../services/central-capture/routing/scope.ts';
import { ChildLooks } from '../../../../services/central-capture/seeding/child-looks.ts';
import type { ReadingParts } from '../../../../services/central-capture/seeding/chunk-rows.ts';
import { Watermarks } from '../../../../services/central-capture/seeding/watermarks.ts';
import type { CentralTable } from '../../../../services/shared/catalog/central-catalog.ts';

const SCOPES = new Map<string, TableScope>([
  ['orders', { kind: 'column', column: 'store_id' }],
  ['order_items', { kind: 'via', column: 'order_id', parent: 'orders' }],
  ['payments', { kind: 'via', column: 'order_id', parent: 'orders' }],
]);
const ORDERS = { schema: 'public', table: 'orders', key: ['id'], columns: [{ name: 'id', type: 'bigint' }] };
const CATALOG = new Map([['orders', ORDERS as unknown as CentralTable]]);

/** The orders that the database has, with their store. */
let orders: Map<string, string>;
let reads: number;
const pool = {
  query: (_: string, [ids]: [string[]]) => {
    reads += 1;
    const rows = ids.flatMap((id) => {
      const store = orders.get(id);
      return store === undefined ? [] : [{ id, store, xids: ['5'], missing: [] }];
    });
    return Promise.resolve({ rows: [{ snapshot: '100:100:', rows }] });
  },
} as unknown as Pool;

function partsOf({ kept, most }: { kept?: number; most?: number } = {}) {
  const newCache = () => new ScopeCache({ pool, catalog: CATALOG, scopes: SCOPES, kept });
  let cache = newCache();
  const awaited = new AwaitedParents({} as Pool);
  const seeded: unknown[] = [];
  const looks = new ChildLooks({
    pool: {
      query: (_: string, values: unknown[]) => {
        seeded.push(values);
        return Promise.resolve({ rows: [] });
      },
    } as unknown as Pool,
    epoch: 1,
    awaited,
    oblige: () => () => undefined,
    onWork: () => undefined,
    most,
  });
  const parents = new Parents({
    looks,
    awaited,
    watermarks: new Watermarks(),
    cache: () => cache,
    xid: () => 7,
  });
  const childOf = async (id: string) => {
    if (parents.storeOf('orders', id) === undefined) await parents.learn('orders', [id]);
    const store = parents.storeOf('orders', id);
    parents.forget();
    if (store === UNKNOWN) parents.wait('orders', id);
    return store;
  };
  const comes = (id: string, store: string) => {
    orders.set(id, store);
    parents.happened('orders', id, { kind: 'inserted', now: store });
  };
  const reload = () => {
    cache = newCache();
    parents.renewed();
  };
  return { parents, looks, seeded, childOf, comes, reload };
}

describe('a parent that was certainly not there', () => {
  beforeEach(() => {
    orders = new Map();
    reads = 0;
  });

  it('is not read again for each of its children, until it comes', async () => {
    const { childOf, comes } = partsOf();
    expect([await childOf('1'), await childOf('1'), reads]).toEqual([UNKNOWN, UNKNOWN, 1]);
    comes('1', 'north');
    expect([await childOf('1'), reads]).toEqual(['north', 1]);
  });

  it('and came, gives its store also when the cache has forgotten it before its children were looked at', async () => {
    const { childOf, comes } = partsOf({ kept: 1 });
    await childOf('1');
    comes('1', 'north');
    comes('2', 'south');
    expect(await childOf('1')).toBe('north');
  });

  it('among too many that came at once, also when the seeding of their children renews the cache', async () => {
    const { childOf, comes, looks, seeded, reload } = partsOf({ most: 2 });
    for (const id of ['1', '2', '3']) await childOf(id);
    for (const id of ['1', '2', '3']) comes(id, 'north');
    const routes = { childrenOf: (table: string) => (table === 'orders' ? ['order_items', 'payments'] : []) };
    await looks.step({ rows: { routes } } as unknown as ReadingParts);
    expect(seeded).toHaveLength(1);
    reload();
    expect(await childOf('1')).toBe('north');
  });

  it.each(['another mapping may have sent it unseen', 'its table was emptied'])(
    'is read again when %s',
    async (what) => {
      const { childOf, parents, reload } = partsOf();
      await childOf('1');
      orders.set('1', 'north');
      if (what === 'its table was emptied') parents.emptied('orders');
      else reload();
      expect(await childOf('1')).toBe('north');
    },
  );
});
