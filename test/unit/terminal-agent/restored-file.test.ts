/** A till file that was put back from a copy: what its agent file has cut was cut from another one, of the same keys and numbers. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { INCARNATION, mine, openShopTill, product, type ShopTill } from '../../support/shop-till.ts';

let shop: ShopTill;
/** Each look at the clock is long after the one before: what has to be still is. */
let spanMs = 0;
beforeEach(() => {
  shop = openShopTill({ apply: { elapsedMs: () => (spanMs += 60_000) } });
});
afterEach(() => shop.close());

async function restore(copy: Buffer): Promise<void> {
  const file = join(shop.test.folder, 'copy.db');
  writeFileSync(file, copy);
  const backup = new Database(file);
  await backup.backup(shop.test.file);
  backup.close();
}
const sell = (...skus: string[]) => {
  for (const sku of skus)
    shop.test.app.prepare('INSERT INTO products (sku, name) VALUES (?, ?)').run(sku, sku);
};
const UUID = '00000000-0000-4000-8000-000000000001';
const shown = () => shop.rows('SELECT sku, name, server_id FROM products ORDER BY sku');

describe('while nobody has said yet that it goes on', () => {
  it('no row of it is taken for one that was cut from the other', async () => {
    const { catalog, store, test } = shop;
    test.app.exec(`INSERT INTO products (sku, name, local_id) VALUES ('A', 'A', '${UUID}')`);
    const copy = test.app.serialize();
    sell('L1', 'L2');
    shop.look();
    const lost = ['A', 'L1', 'L2'].map((_, at) => shop.identityAt('products', at + 1));
    await restore(copy);
    sell('N1', 'N2');
    shop.restart();
    await shop.toStore(
      store.commit(200, ...lost.map((identity, at) => store.link('T1', 'products', identity, at + 1))),
    );
    const named = (sku: string) => product(sku, { name: sku });
    await shop.toCatalog(
      catalog.commit(200, ...['A', 'L1', 'L2'].map((sku, at) => catalog.row('products', at + 1, named(sku)))),
    );
    expect(shown()).toEqual([
      { sku: 'A', name: 'A', server_id: 1 },
      { sku: 'L1', name: 'L1', server_id: 2 },
      { sku: 'L2', name: 'L2', server_id: 3 },
      { sku: 'N1', name: 'N1', server_id: null },
      { sku: 'N2', name: 'N2', server_id: null },
    ]);
    shop.goOn();
    const names = (shop.cut() as [string, string, number][]).map(([op, identity, key]) => [
      op,
      key,
      identity,
    ]);
    expect(names.map(([op]) => op)).not.toContain('r');
    expect(names.every(([, key, identity]) => key !== 1 || identity === UUID)).toBe(true);
    const made = names.filter(([op]) => op === 'c');
    expect(new Set(made.map(([, , identity]) => identity)).size).toBe(made.length);
  });
});

describe('what is not cut in it, and the centre has from the other', () => {
  /** By the entries of their inserts: none of them has a UUID. */
  const linked = async (...keys: number[]) => {
    const names = keys.map((key) => shop.identityAt('products', key));
    return (at: number) =>
      shop.toStore(
        shop.store.commit(at, ...names.map((name, n) => shop.store.link('T1', 'products', name, n + 1))),
      );
  };
  const arrive = (at: number, ...skus: string[]) =>
    shop.toCatalog(
      shop.catalog.commit(
        at,
        ...skus.map((sku, n) => shop.catalog.row('products', n + 1, product(sku, { name: sku }))),
      ),
    );

  it('is linked by the entries of its rows, and no second row is made of any', async () => {
    sell('A', 'B');
    const copy = shop.test.app.serialize();
    shop.look();
    const links = await linked(1, 2);
    sell('L1');
    shop.look();
    await restore(copy);
    sell('N1');
    shop.restart();
    await links(200);
    await arrive(200, 'A', 'B');
    const before = [
      { sku: 'A', name: 'A', server_id: 1 },
      { sku: 'B', name: 'B', server_id: 2 },
      { sku: 'N1', name: 'N1', server_id: null },
    ];
    expect(shown()).toEqual(before);
    shop.goOn();
    expect((shop.cut() as [string, string, number][]).map(([op, , key]) => [op, key])).toEqual([
      ['c', 1],
      ['c', 2],
      ['c', 3],
    ]);
    expect(shown()).toEqual(before);
  });

  it('is waited for by a row of the catalog that comes ahead of its link', async () => {
    sell('A');
    const copy = shop.test.app.serialize();
    shop.look();
    const links = await linked(1);
    sell('L1');
    shop.look();
    await restore(copy);
    shop.restart();
    await arrive(200, 'A');
    expect(shown()).toEqual([{ sku: 'A', name: 'A', server_id: null }]);
    await links(200);
    expect(shown()).toEqual([{ sku: 'A', name: 'A', server_id: 1 }]);
  });

  it('is what it became meanwhile: edited, under another key, or gone', async () => {
    const { app } = shop.test;
    sell('A', 'B', 'C');
    const copy = app.serialize();
    shop.look();
    const links = await linked(1, 2, 3);
    sell('L1');
    shop.look();
    await restore(copy);
    app.exec(`UPDATE products SET name = 'edited' WHERE sku = 'A'; UPDATE products SET id = 9 WHERE sku = 'B';
      DELETE FROM products WHERE sku = 'C'; INSERT INTO products (id, sku, name) VALUES (2, 'N1', 'N1')`);
    shop.restart();
    await links(200);
    await arrive(200, 'A', 'B', 'C');
    const rows = () =>
      shop.rows("SELECT id, sku, name, server_id FROM products WHERE sku <> 'C' ORDER BY sku");
    const expected = [
      { id: 1, sku: 'A', name: 'edited', server_id: 1 },
      { id: 9, sku: 'B', name: 'B', server_id: 2 },
      { id: 2, sku: 'N1', name: 'N1', server_id: null },
    ];
    expect(rows()).toEqual(expected);
    shop.goOn();
    const cut = shop.cut() as [string, string, number][];
    expect(
      cut
        .filter(([op]) => op === 'c')
        .map(([, , key]) => key)
        .sort(),
    ).toEqual([1, 2, 9]);
    expect(rows()).toEqual(expected);
  });
});

describe('a file that takes another name', () => {
  const settledByItsImage = async () => {
    await shop.knownProduct('A', 7, { stock_quantity: 100 });
    shop.test.app.exec('UPDATE products SET stock_quantity = stock_quantity - 3');
    const number = shop.changes().at(-1)?.number ?? 0;
    const image = product('A', { stock_quantity: 97 });
    await shop.toCatalog(
      shop.catalog.commit(101, shop.catalog.row('products', 7, image, { origins: [mine(number)] })),
    );
    expect(shop.apply.unsettled()).toEqual([]);
    return number;
  };
  const stock = () => shop.rows('SELECT stock_quantity AS stock FROM products');
  const goesOn = () => shop.toStore(shop.store.commit(300, shop.store.progress('T1', 'incarnation-2', 0)));

  it('sends again what only images have answered, which its rows show already: nothing is counted twice', async () => {
    const number = await settledByItsImage();
    shop.apply.doubt = 'a copy sells, too';
    shop.watch().start(null);
    await goesOn();
    shop.watch().look();
    await shop.apply.sweep.due();
    expect(shop.changes().map((change) => [change.number, change.unit])).toEqual([[number, 1]]);
    expect([stock(), shop.apply.unsettled()]).toEqual([[{ stock: 97 }], []]);
  });

  it('knows what is settled also where it was killed before payflow.db knew the name', async () => {
    await settledByItsImage();
    await shop.toStore(shop.store.commit(200, shop.store.progress('T1', INCARNATION, 100)));
    shop.killedWhileRenamed();
    shop.watch().start(null);
    expect(shop.rows('SELECT DISTINCT incarnation FROM sync_settled')).toEqual([
      { incarnation: 'incarnation-2' },
    ]);
    await goesOn();
    shop.watch().look();
    await shop.apply.sweep.due();
    expect([shop.changes(), stock()]).toEqual([[], [{ stock: 97 }]]);
  });
});
