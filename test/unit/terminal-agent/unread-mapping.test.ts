/** A mapping with options of a later version reaches a till: the agent goes on with the one that it can read. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { agentStatus } from '../../../services/terminal-agent/agent-status.ts';
import { CATALOG, openShopTill, product, SHOP_MAPPING, type ShopTill } from '../../support/shop-till.ts';

let shop: ShopTill;
beforeEach(() => {
  shop = openShopTill();
});
afterEach(() => shop.close());

describe('a newer mapping that this version can not read', () => {
  const withOption = (option: string) =>
    SHOP_MAPPING.replace('    natural_key: [sku]', `    natural_key: [sku]\n    ${option}`);
  const LATER = withOption('fold_case: true');
  const stream = (source: string) => {
    const { catalog } = shop;
    return [
      ...catalog.commit(100, catalog.row('products', 1, product('A'))),
      ...catalog.commit(101, catalog.mapping(2, source)),
      ...catalog.commit(102, catalog.row('products', 2, product('B'))),
    ];
  };
  const status = () =>
    agentStatus({
      till: shop.test.till,
      apply: shop.apply,
      topics: [CATALOG],
      mode: 'stream',
      earlierRows: [],
    });

  it('is an alarm, the one before holds, and what follows comes in', async () => {
    expect(await shop.apply.applyBatch(CATALOG, stream(LATER))).toBe(true);
    expect(shop.rows('SELECT sku FROM products ORDER BY sku')).toEqual([{ sku: 'A' }, { sku: 'B' }]);
    const alarm = { version: 2, why: expect.stringMatching(/fold_case/) as string };
    expect(status()).toMatchObject({ mappingVersion: 1, unreadMapping: alarm });
    shop.restart();
    expect(status()).toMatchObject({ mappingVersion: 1, unreadMapping: alarm });
    shop.test.app.exec(`INSERT INTO products (sku, name) VALUES ('C', 'sold')`);
    expect(shop.outcomes()).toHaveLength(1);
    expect(shop.apply.resume(CATALOG)).toBeGreaterThan(0);
  });

  it('is taken by the version that can, at its start, and the streams are read under it', async () => {
    await shop.apply.applyBatch(CATALOG, stream(LATER));
    // As the later version of the agent reads it.
    const readable = withOption('app_triggers: keep');
    shop.test.app
      .prepare(`UPDATE sync_meta SET value = ? WHERE name = 'unread_mapping_source'`)
      .run(readable);
    shop.restart();
    expect(status()).toMatchObject({ mappingVersion: 2, unreadMapping: null });
    expect(shop.apply.resume(CATALOG)).toBe(0);
    shop.restart();
    expect(status()).toMatchObject({ mappingVersion: 2, unreadMapping: null });
    await shop.apply.applyBatch(CATALOG, stream(readable));
    expect(shop.apply.resume(CATALOG)).toBeGreaterThan(0);
    shop.restart();
    expect(shop.apply.resume(CATALOG)).toBeGreaterThan(0);
  });

  it('is past once a still newer one can be read', async () => {
    await shop.apply.applyBatch(CATALOG, stream(LATER));
    const { catalog } = shop;
    const next = catalog.commit(103, catalog.mapping(3, SHOP_MAPPING));
    expect(await shop.apply.applyBatch(CATALOG, next)).toBe(false);
    expect(status()).toMatchObject({ mappingVersion: 3, unreadMapping: null });
    expect(shop.apply.resume(CATALOG)).toBe(0);
    shop.restart();
    expect(status()).toMatchObject({ mappingVersion: 3, unreadMapping: null });
  });

  it('counts no more beside a newer one that was read, also after a crash in between', async () => {
    await shop.apply.applyBatch(CATALOG, stream(LATER));
    shop.test.till.adoptMapping(3, SHOP_MAPPING);
    shop.test.app
      .prepare(`UPDATE sync_meta SET value = ? WHERE name = 'unread_mapping_source'`)
      .run(withOption('app_triggers: keep'));
    shop.restart();
    expect(status()).toMatchObject({ mappingVersion: 3, unreadMapping: null });
    expect(shop.apply.resume(CATALOG)).toBe(0);
  });

  it('that was taken by a later version leaves an older one with that of its enrolment', async () => {
    await shop.apply.applyBatch(CATALOG, stream(withOption('app_triggers: keep')));
    shop.test.app.prepare(`UPDATE sync_meta SET value = ? WHERE name = 'mapping_source'`).run(LATER);
    shop.restart();
    expect(status()).toMatchObject({ mappingVersion: 1, unreadMapping: { version: 2 } });
  });
});
