/** Edits of a table that only comes down are put back, whatever triggers and constraints of the app say to that. */
import { afterEach, describe, expect, it } from 'vitest';
import { openShopTill, SHOP_MAPPING, SHOP_SCHEMA, type ShopTill } from '../../support/shop-till.ts';

let shop: ShopTill;
afterEach(() => shop.close());

describe('an edit of a table that only comes down', () => {
  const SETTINGS = SHOP_MAPPING.replace('direction: push', 'direction: push\n    app_triggers: keep');
  const setting = (lsn: number, ...values: [name: string, value: string][]) =>
    shop.toCatalog(
      shop.catalog.commit(
        lsn,
        ...values.map(([name, value]) => shop.catalog.row('settings', name, { value })),
      ),
    );

  for (const kind of ['INSERT', 'UPDATE', 'DELETE']) {
    it(`is put back although a trigger forbids each ${kind}`, async () => {
      shop = openShopTill({ mapping: SETTINGS });
      await setting(100, ['a', '1'], ['b', '2'], ['c', '3']);
      shop.test.app
        .exec(`INSERT INTO settings VALUES ('x', 'mine'); UPDATE settings SET value = 'mine' WHERE name = 'a';
        DELETE FROM settings WHERE name = 'b';
        CREATE TRIGGER no BEFORE ${kind} ON settings BEGIN SELECT RAISE(ABORT, 'no'); END`);
      shop.test.till.appCommitted();
      await setting(101, ['c', '3']);
      expect(shop.rows('SELECT * FROM settings ORDER BY name')).toEqual([
        { name: 'a', value: '1' },
        { name: 'b', value: '2' },
        { name: 'c', value: '3' },
      ]);
      expect(shop.rows(`SELECT name FROM sqlite_master WHERE name = 'no'`)).toHaveLength(1);
    });
  }

  it('that can not be put back ends nothing: another row has its place', async () => {
    const schema = SHOP_SCHEMA.replace('value TEXT)', 'value TEXT UNIQUE)');
    shop = openShopTill({ schema });
    await setting(100, ['a', '1']);
    shop.test.app.exec(`UPDATE settings SET value = 'mine'`);
    await setting(101, ['b', '1'], ['a', '2']);
    expect(shop.rows('SELECT * FROM settings ORDER BY name')).toEqual([
      { name: 'a', value: '2' },
      { name: 'b', value: '1' },
    ]);
  });
});
