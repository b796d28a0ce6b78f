/** Tables that only come down (`direction: push`): what the app does to them is put back. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openShopTill, type ShopTill } from '../../support/shop-till.ts';

let shop: ShopTill;
beforeEach(() => {
  shop = openShopTill();
});
afterEach(() => shop.close());

describe('tables that the till only receives', () => {
  it('show central’s values again after an edit, an insert and a delete, and count them', async () => {
    const { catalog } = shop;
    await shop.toCatalog(
      catalog.commit(
        100,
        catalog.row('settings', 'a', { value: '1' }),
        catalog.row('settings', 'b', { value: '2' }),
      ),
    );
    shop.test.app.exec(`UPDATE settings SET value = 'x' WHERE name = 'a'`);
    shop.test.app.exec(`UPDATE settings SET value = 'y' WHERE name = 'a'`);
    shop.test.app.exec(`DELETE FROM settings WHERE name = 'b'`);
    shop.test.app.exec(`INSERT INTO settings VALUES ('c', '3')`);
    shop.apply.applyLocal();
    expect(shop.rows('SELECT * FROM settings ORDER BY name')).toEqual([
      { name: 'a', value: '1' },
      { name: 'b', value: '2' },
    ]);
    expect(shop.apply.putBack.get('settings')).toBe(4);
    await shop.toCatalog(catalog.commit(101, catalog.row('settings', 'b', { value: '5' })));
    expect(shop.rows(`SELECT value FROM settings WHERE name = 'b'`)).toEqual([{ value: '5' }]);
    expect(shop.outcomes()).toEqual([]);
  });
});
