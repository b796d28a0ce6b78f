/** What head office does in its database during the demo, in plain SQL. */
import type { Pool } from 'pg';
import { enterProducts, enterShop, type ShopSize } from '../support/shop.ts';

const SIZE: ShopSize = { stores: 2, products: 300, customers: 40 };

/** Fills every table that head office keeps; two tables (receipts, audit logs) only tills write. */
const REST_OF_THE_SHOP: readonly string[] = [
  `INSERT INTO terminals (store_id, code, name)
   VALUES (1, 'T1', 'Front till'), (1, 'T2', 'Back till'), (2, 'T3', 'A till of the other store')`,
  `INSERT INTO variants (product_id, sku, name, attributes, surcharge)
   SELECT id, sku || '-XL', name || ' XL', '{"size": "XL", "pack": [1, 6]}', 0.75 FROM products WHERE id % 10 = 0`,
  `INSERT INTO discounts (code, name, percent, conditions, starts_at, ends_at)
   VALUES ('STAFF', 'Staff', 12.5, NULL, NULL, NULL),
          ('SUMMER', 'Summer', 5, '{"minimum": 20}', '2026-06-01', '2026-09-01')`,
  `INSERT INTO settings (store_id, name, value)
   SELECT s.id, v.name, v.value || s.id
     FROM stores s CROSS JOIN (VALUES ('receipt_footer', 'Thank you, store '), ('opening', '08:0')) v (name, value)`,
  `INSERT INTO purchase_orders (store_id, supplier_id, po_number, status, expected_on, total)
   SELECT id, 1, 'PO-' || id, 'sent', date '2026-12-01' + id::int, 123.45 FROM stores`,
  `INSERT INTO purchase_order_items (purchase_order_id, product_id, quantity, unit_cost)
   SELECT po.id, p.id, 24, p.cost_price FROM purchase_orders po CROSS JOIN products p WHERE p.id <= 5`,
];

export interface Product {
  /** As text: central ids are bigint. */
  readonly id: string;
  readonly sku: string;
  readonly priceCents: number;
}

export class HeadOffice {
  readonly #pool: Pool;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  /** A small shop of two stores; both tills of the demo stand in the first. */
  async enterShop(): Promise<void> {
    await enterShop(this.#pool, SIZE);
    for (const sql of REST_OF_THE_SHOP) await this.#pool.query(sql);
  }

  async addProducts(count: number): Promise<void> {
    await enterProducts(this.#pool, count);
  }

  async products(count: number): Promise<Product[]> {
    const found = await this.#pool.query<Product>(
      `SELECT id::text, sku, (price * 100)::int AS "priceCents" FROM products
        WHERE deleted_at IS NULL ORDER BY id LIMIT $1`,
      [count],
    );
    return found.rows;
  }

  /** The first one. */
  async product(): Promise<Product> {
    const [product] = await this.products(1);
    if (product === undefined) throw new Error('head office has no product');
    return product;
  }

  async setPrice(product: Product, cents: number): Promise<void> {
    await this.#pool.query('UPDATE products SET price = $2::numeric / 100 WHERE id = $1', [
      product.id,
      cents,
    ]);
  }

  /** Goods come in: the stock and the movement that explains it, in one transaction. */
  async receiveGoods(product: Product, storeId: string, quantity: number): Promise<void> {
    await this.#pool.query(
      `WITH movement AS (
         INSERT INTO inventory_transactions (store_id, product_id, kind, quantity, reason)
         VALUES ($2, $1, 'receipt', $3, 'delivery'))
       UPDATE products SET master_stock_quantity = master_stock_quantity + $3 WHERE id = $1`,
      [product.id, storeId, quantity],
    );
  }

  /** First column of the first row, as text. */
  async text(sql: string, values: readonly unknown[] = []): Promise<string | null> {
    const found = await this.#pool.query<Record<string, string | number | null>>(sql, [...values]);
    const [value] = Object.values(found.rows[0] ?? {});
    return value === undefined || value === null ? null : String(value);
  }

  async rows<Row extends object>(sql: string, values: readonly unknown[] = []): Promise<Row[]> {
    return (await this.#pool.query<Row>(sql, [...values])).rows;
  }
}
