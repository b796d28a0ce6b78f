/** Records that are applied again because an operator asks for it. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openShopTill, product, type ShopTill } from '../../support/shop-till.ts';

let shop: ShopTill;
beforeEach(() => {
  shop = openShopTill();
});
afterEach(() => shop.close());

describe('replay', () => {
  it('applies again what is missing, and changes nothing where it stands already', async () => {
    const { catalog } = shop;
    await shop.knownProduct();
    await shop.toCatalog(catalog.commit(101, catalog.row('products', 7, product('A', { name: 'new' }))));
    shop.test.app.exec(`INSERT INTO sync_silence VALUES (1); DELETE FROM products; DELETE FROM sync_silence`);
    const done = await shop.apply.replay('payflow.catalog', catalog.records);
    expect(done).toEqual({ applied: 1, skipped: 1 });
    expect(shop.rows('SELECT sku, name FROM products')).toEqual([{ sku: 'A', name: 'new' }]);
  });
});
