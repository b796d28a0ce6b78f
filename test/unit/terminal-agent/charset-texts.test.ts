/** Texts that the app writes in an older character set: left to the byte, written in it, and never half. */
import { afterEach, describe, expect, it } from 'vitest';
import type { CentralColumns } from '../../support/down-stream.ts';
import { mine, openShopTill, type ShopTill } from '../../support/shop-till.ts';

const MAPPING = `
version: 1
tables:
  tags:
    scope: global
    columns: {menu: {charset: windows-1252}}
`;

const SCHEMA = 'CREATE TABLE tags (code TEXT PRIMARY KEY, menu TEXT)';
const CENTRAL: Record<string, CentralColumns> = { tags: { code: ['text', 'text'], menu: ['text', 'text'] } };

let shop: ShopTill;
afterEach(() => shop.close());

function openMenus(): void {
  shop = openShopTill({ schema: SCHEMA, mapping: MAPPING, central: CENTRAL });
}

describe('texts of another character set', () => {
  const menus = () =>
    shop.rows(`SELECT code, hex(menu) AS bytes, typeof(menu) AS class FROM tags ORDER BY code`);
  const menu = (text: string) => ({ menu: text });

  it('come from the centre in its bytes, and what stands there in other bytes of the same meaning stays', async () => {
    openMenus();
    const { catalog } = shop;
    await shop.toCatalog(catalog.commit(100, catalog.row('tags', 'a', menu('5 € für Café'))));
    expect(menus()).toEqual([{ code: 'a', bytes: '3520802066FC7220436166E9', class: 'text' }]);
    await shop.toCatalog(catalog.commit(101, catalog.row('tags', 'a', menu('Tee'))));
    expect(menus()).toEqual([{ code: 'a', bytes: '546565', class: 'text' }]);
  });

  it('of the app are left to the byte by the answer', async () => {
    openMenus();
    shop.test.app.exec(`INSERT INTO tags VALUES ('a', CAST(X'436166E980' AS TEXT))`);
    const row = shop.catalog.row('tags', 'a', menu('Café€'), { op: 'c', origins: [mine(1)] });
    await shop.toCatalog(shop.catalog.commit(100, row));
    expect(menus()).toEqual([{ code: 'a', bytes: '436166E980', class: 'text' }]);
    shop.test.app.exec(`UPDATE tags SET menu = CAST(X'E9' AS TEXT)`);
    await shop.toCatalog(shop.catalog.commit(101, shop.catalog.row('tags', 'a', menu('central'))));
    expect(menus()).toEqual([{ code: 'a', bytes: 'E9', class: 'text' }]);
  });

  it('are no bytes in a file that keeps its texts as UTF-16', async () => {
    shop = openShopTill({
      schema: `PRAGMA encoding = 'UTF-16le'; ${SCHEMA}`,
      mapping: MAPPING,
      central: CENTRAL,
      journalMode: 'delete',
    });
    expect(shop.test.app.pragma('encoding', { simple: true })).toBe('UTF-16le');
    const { catalog } = shop;
    await shop.toCatalog(catalog.commit(100, catalog.row('tags', 'a', menu('5 € für Café 日本'))));
    expect(shop.rows('SELECT menu FROM tags')).toEqual([{ menu: '5 € für Café 日本' }]);
    shop.test.till.adoptMapping(2, MAPPING);
    await shop.toCatalog(catalog.commit(101, catalog.row('tags', 'a', menu('Größe'))));
    expect(shop.rows('SELECT menu FROM tags')).toEqual([{ menu: 'Größe' }]);
  });

  it('have waited as an earlier version kept them', async () => {
    openMenus();
    const { catalog } = shop;
    shop.test.app
      .prepare(
        `INSERT INTO sync_parked (table_name, central_id, position, topic, record, reason, message, parked_at_ms)
         VALUES ('tags', 'a', zeroblob(24), 'payflow.catalog', '{"code":"ta","menu":"tCafé"}', 'refused', '', 0)`,
      )
      .run();
    shop.restart();
    await shop.toCatalog(catalog.commit(100, catalog.row('tags', 'b', menu('Tee'))));
    expect(menus()[0]).toEqual({ code: 'a', bytes: '436166E9', class: 'text' });
  });

  it('that have a letter which it lacks wait, named, and other rows go on', async () => {
    openMenus();
    const { catalog } = shop;
    await shop.toCatalog(
      catalog.commit(100, catalog.row('tags', 'a', menu('日本')), catalog.row('tags', 'b', menu('Tee'))),
    );
    expect(menus()).toEqual([{ code: 'b', bytes: '546565', class: 'text' }]);
    expect(shop.rows('SELECT central_id, reason, message FROM sync_parked')).toEqual([
      {
        central_id: 'a',
        reason: 'refused',
        message: expect.stringMatching(/letters that windows-1252 lacks/) as string,
      },
    ]);
    // Under a mapping that says otherwise they are written with whatever comes next.
    shop.test.till.adoptMapping(2, MAPPING.replace('    columns: {menu: {charset: windows-1252}}\n', ''));
    await shop.toCatalog(catalog.commit(101, catalog.heartbeat()));
    expect(shop.rows('SELECT code, menu FROM tags ORDER BY code')).toEqual([
      { code: 'a', menu: '日本' },
      { code: 'b', menu: 'Tee' },
    ]);
    expect(shop.rows('SELECT 1 FROM sync_parked')).toEqual([]);
  });
});
