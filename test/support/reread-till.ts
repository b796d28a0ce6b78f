/** What the tests of a stream that is read again from its beginning share. */
import { afterEach, beforeEach } from 'vitest';
import type { StoredRecord } from '../../services/shared/log/event-log.ts';
import { openShopTill, type ShopTill } from './shop-till.ts';

/** A product of the centre, named by nothing but its SKU. */
export const plainProduct = (sku: string) => ({
  sku,
  name: sku,
  price: '1.00',
  stock_quantity: 1,
  category_id: null,
  updated_at: '2026-01-02 03:04:05+00',
});

export class RereadTill {
  #shop: ShopTill | undefined;

  open(): void {
    this.#shop = openShopTill();
  }

  close(): void {
    this.#shop?.close();
  }

  get shop(): ShopTill {
    if (this.#shop === undefined) throw new Error('there is no till outside of a test');
    return this.#shop;
  }

  /** Of the products that the till holds. */
  skus(): string[] {
    const rows = this.shop.rows('SELECT sku FROM products ORDER BY 1') as { sku: string }[];
    return rows.map(({ sku }) => sku);
  }

  /** As the reader does it: from the first record to what is the end now. */
  async readAgain(topic: string, records: readonly StoredRecord[]): Promise<void> {
    await this.shop.apply.reread.begin(topic, { end: records.length, whole: true });
    await this.shop.apply.applyBatch(topic, records);
  }
}

/** A till for each test of a file, closed after it. */
export function useRereadTill(): RereadTill {
  const till = new RereadTill();
  beforeEach(() => till.open());
  afterEach(() => till.close());
  return till;
}
