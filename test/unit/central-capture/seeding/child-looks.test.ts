import type { Pool } from 'pg';
import { describe, expect, it } from 'vitest';
import { AwaitedParents } from '../../../../services/central-capture/routing/awaited-parents.ts';
import { ChildLooks } from '../../../../services/central-capture/seeding/child-looks.ts';
import type { ReadingParts } from '../../../../services/central-capture/seeding/chunk-rows.ts';

/** orders ← order_items ← item_notes; no child has a row. */
const CHILDREN: Readonly<Record<string, string[]>> = { orders: ['order_items'], order_items: ['item_notes'] };

function looksOf(options: { most?: number; parentsAtOnce?: number } = {}) {
  const asked: unknown[][] = [];
  let [open, stored] = [0, 0];
  const pool = {
    query: (_: string, values: unknown[]) => {
      asked.push(values);
      return Promise.resolve({ rows: [] });
    },
  } as unknown as Pool;
  const awaited = {
    versionOf: () => -1,
    remove: () => undefined,
    store: () => {
      stored += 1;
      return Promise.resolve();
    },
  } as unknown as AwaitedParents;
  const looks = new ChildLooks({
    pool,
    epoch: 1,
    awaited,
    oblige: () => {
      open += 1;
      return () => (open -= 1);
    },
    onWork: () => undefined,
    ...options,
  });
  const parts = {
    rows: {
      routes: {
        childrenOf: (table: string) => CHILDREN[table] ?? [],
        forTable: () => Promise.resolve(undefined),
      },
    },
    streams: { flush: () => undefined },
  } as unknown as ReadingParts;
  return { looks, parts, asked, open: () => open, stored: () => stored };
}

describe('children that are looked at again', () => {
  it('keep their transaction open until the batch of their parent is done, many parents at a time', async () => {
    const { looks, parts, open, stored } = looksOf({ parentsAtOnce: 2 });
    for (const id of ['1', '2', '3']) looks.want('orders', id, ['north']);
    const left: number[] = [];
    while (looks.hasWork) {
      await looks.step(parts);
      left.push(open());
    }
    expect([left, stored()]).toEqual([[1, 0], 2]);
  });

  it('of one parent are looked at once, for all who asked, and leave all places that were named', async () => {
    const { looks, parts, open } = looksOf();
    looks.want('orders', '1', ['north']);
    looks.want('orders', '1', ['south']);
    expect([looks.placesOf('orders', '1'), looks.placesOf('orders', '2')]).toEqual([
      ['north', 'south'],
      undefined,
    ]);
    expect([looks.isBusy(['orders']), looks.isBusy(['order_items'])]).toEqual([true, false]);
    await looks.step(parts);
    expect([looks.hasWork, open(), looks.placesOf('orders', '1')]).toEqual([false, 0, undefined]);
  });

  it('of too many parents are seeded instead, with all that hangs below them', async () => {
    const { looks, parts, open, asked } = looksOf({ most: 2 });
    for (let id = 0; id < 9; id += 1) looks.want('orders', String(id), 'everywhere');
    expect(open()).toBe(9);
    await looks.step(parts);
    expect(asked.map(([tables, , epoch]) => [tables, epoch])).toEqual([[['order_items', 'item_notes'], 1]]);
    expect([open(), looks.hasWork]).toEqual([0, false]);
  });
});

describe('parents that are waited for', () => {
  const waiting = (most?: number) => new AwaitedParents({} as Pool, most);

  it('are forgotten by who has seen all that waits, and not when another child came since', () => {
    const awaited = waiting();
    awaited.add('orders', '1', true);
    const version = awaited.versionOf('orders', '1');
    awaited.add('orders', '1', false);
    awaited.remove('orders', '1', version);
    expect([awaited.has('orders', '1'), awaited.isCertain('orders', '1')]).toEqual([true, true]);
    awaited.remove('orders', '1', awaited.versionOf('orders', '1'));
    expect([awaited.has('orders', '1'), awaited.isUnstored]).toEqual([false, true]);
  });

  it('are every parent of the table once there are too many', () => {
    const awaited = waiting(2);
    for (const id of ['1', '2', '3']) awaited.add('orders', id, true);
    expect([awaited.has('orders', '99'), awaited.isCertain('orders', '99')]).toEqual([true, false]);
    expect(awaited.has('order_items', '1')).toBe(false);
    awaited.clear('orders');
    expect(awaited.has('orders', '1')).toBe(false);
  });
});
