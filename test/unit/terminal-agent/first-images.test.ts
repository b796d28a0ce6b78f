/** Sales that refer to rows from before the agent, which only their images link, wait for these. */
import { afterEach, describe, expect, it } from 'vitest';
import { agentStatus } from '../../../services/terminal-agent/agent-status.ts';
import { CATALOG, openShopTill, STORE, type ShopTill } from '../../support/shop-till.ts';

const SCHEMA = `
CREATE TABLE shops (id INTEGER PRIMARY KEY, code TEXT UNIQUE);
CREATE TABLE cashiers (id INTEGER PRIMARY KEY, shop_id INTEGER, name TEXT UNIQUE);
CREATE TABLE colours (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE sales (id INTEGER PRIMARY KEY, cashier_id INTEGER, total REAL);
`;
const MAPPING = `
version: 1
tables:
  shops: {scope: global, direction: push, natural_key: [code]}
  cashiers: {scope: {store: shop_id}, direction: push, references: {shop_id: shops}, natural_key: [name]}
  colours: {scope: global, direction: push}
  sales: {scope: global, references: {cashier_id: cashiers}}
`;
const CENTRAL = {
  shops: { id: ['bigint', 'bigint'], code: ['text', 'text'] },
  cashiers: { id: ['bigint', 'bigint'], shop_id: ['bigint', 'bigint'], name: ['text', 'text'] },
  colours: { id: ['bigint', 'bigint'], name: ['text', 'text'] },
  sales: { id: ['bigint', 'bigint'], cashier_id: ['bigint', 'bigint'], total: ['text', 'numeric(12,2)'] },
} as const;

let shop: ShopTill;
afterEach(() => shop.close());

/** @param rows as they stood in the file before any agent had it */
function open(rows: string): void {
  shop = openShopTill({ schema: `${SCHEMA}${rows}`, mapping: MAPPING, central: CENTRAL });
}

const WITH_CASHIERS = `INSERT INTO shops VALUES (1, 'S1'); INSERT INTO cashiers VALUES (1, 1, 'ann'), (2, 1, 'zoe');`;
const sell = (cashier: number) =>
  shop.test.app.exec(`INSERT INTO sales (cashier_id, total) VALUES (${cashier}, 5)`);
const began = (catalog = 1, store = 1) => {
  shop.apply.checkpoints.setCatchUpEnd(CATALOG, catalog);
  shop.apply.checkpoints.setCatchUpEnd(STORE, store);
};
const cashier = (id: number, name: string) => shop.store.row('cashiers', id, { shop_id: 8, name });

describe('a sale by a cashier from before the agent', () => {
  it('goes up once the cashier is known from the centre, and all that was sold with it', async () => {
    open(WITH_CASHIERS);
    began(1, 3);
    sell(1);
    sell(1);
    expect(shop.changes()).toEqual([]);
    await shop.toStore(shop.store.commit(100, cashier(3, 'ann')));
    expect(shop.changes()).toEqual([]);
    await shop.toCatalog(shop.catalog.commit(100, shop.catalog.row('shops', 8, { code: 'S1' })));
    expect(shop.changes()).toEqual([]);
    await shop.toStore(shop.store.commit(101, shop.store.seedComplete('cashiers'), shop.store.heartbeat()));
    const sales = shop.changes();
    expect(sales.map(({ table, op }) => [table, op])).toEqual([
      ['sales', 'c'],
      ['sales', 'c'],
    ]);
    expect(sales.map(({ cut }) => (cut.op === 'c' ? cut.values.get('cashier_id') : null))).toEqual([
      'H3',
      'H3',
    ]);
  });

  it('is said to wait, and for what, until then', async () => {
    const status = () => {
      const { state, why } = agentStatus({
        till: shop.test.till,
        apply: shop.apply,
        topics: [CATALOG, STORE],
        mode: 'stream',
        earlierRows: [],
      });
      return [state, why];
    };
    open(WITH_CASHIERS);
    began(1, 1);
    await shop.toCatalog(shop.catalog.commit(100, shop.catalog.row('shops', 8, { code: 'S1' })));
    await shop.toStore(shop.store.commit(100, shop.store.heartbeat()));
    expect(status()).toEqual([
      'catching up',
      'what is sold goes up once the rows of cashiers are known from the centre',
    ]);
    await shop.toStore(shop.store.commit(101, cashier(3, 'ann'), cashier(4, 'zoe')));
    expect(status()).toEqual(['ready', null]);
  });

  it('waits as well while the cashier that came waits for its own shop', async () => {
    open(WITH_CASHIERS.replace(`INSERT INTO shops VALUES (1, 'S1');`, ''));
    began(1, 2);
    sell(1);
    expect(shop.changes()).toEqual([]);
    await shop.toStore(shop.store.commit(100, cashier(3, 'ann'), shop.store.seedComplete('cashiers')));
    await shop.toCatalog(shop.catalog.commit(100, shop.catalog.heartbeat()));
    expect(shop.changes()).toEqual([]);
    await shop.toCatalog(shop.catalog.commit(101, shop.catalog.row('shops', 8, { code: 'S1' })));
    expect(shop.changes()).toHaveLength(1);
  });

  it('goes up without one that the centre does not have, once it is clear that none comes, and later ones at once', async () => {
    open(WITH_CASHIERS);
    began();
    sell(2);
    expect(shop.changes()).toEqual([]);
    await shop.toStore(shop.store.commit(100, shop.store.seedComplete('cashiers')));
    expect(shop.changes()).toEqual([]);
    await shop.toCatalog(shop.catalog.commit(100, shop.catalog.heartbeat()));
    expect(shop.changes()).toHaveLength(1);
    // Also without any network.
    shop.restart();
    sell(2);
    expect(shop.changes()).toHaveLength(2);
  });

  it('does not wait for ever where nothing says that the table is seeded', async () => {
    open(WITH_CASHIERS);
    began();
    sell(2);
    expect(shop.changes()).toEqual([]);
    const at = (ms: number, lsn: number) => {
      const records = shop.store.commit(lsn, shop.store.heartbeat());
      const others = shop.catalog.commit(lsn, shop.catalog.heartbeat());
      const timed = (list: typeof records) => list.map((record) => ({ ...record, timestampMs: ms }));
      return [timed(records), timed(others)] as const;
    };
    for (const [ms, lsn, sent] of [
      [1_000_000, 100, 0],
      [1_500_000, 101, 0],
      [1_700_000, 102, 1],
    ] as const) {
      const [store, catalog] = at(ms, lsn);
      await shop.toStore(store);
      await shop.toCatalog(catalog);
      expect(shop.changes()).toHaveLength(sent);
    }
  });
});

describe('nothing waits', () => {
  it('where nobody refers to rows that are not known', () => {
    open(`INSERT INTO colours VALUES (1, 'red');`);
    sell(1);
    expect(shop.changes()).toHaveLength(1);
  });

  it('on a till that has read the streams with nothing to wait for, whatever the app enters later', async () => {
    open('');
    began();
    sell(1);
    expect(shop.changes()).toHaveLength(1);
    await shop.toStore(shop.store.commit(100, shop.store.heartbeat()));
    await shop.toCatalog(shop.catalog.commit(100, shop.catalog.heartbeat()));
    await shop.toCatalog(shop.catalog.commit(101, shop.catalog.heartbeat()));
    shop.test.app.exec(`INSERT INTO cashiers VALUES (9, 1, 'new')`);
    sell(9);
    expect(shop.changes()).toHaveLength(2);
  });

  it('on a till that has read the streams before', async () => {
    open('');
    await shop.toStore(shop.store.commit(100, shop.store.heartbeat()));
    shop.restart();
    shop.test.app.exec(`INSERT INTO cashiers VALUES (9, 1, 'new')`);
    sell(9);
    expect(shop.changes()).toHaveLength(1);
  });
});
