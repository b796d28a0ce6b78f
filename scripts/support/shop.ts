/**
 * A small shop on the reference schemas, for the demo, the benchmarks and the fault runs: what head office
 * enters, and a cashier who sells into a till's SQLite file exactly as a point-of-sale app would (own
 * connection, own transactions, knows nothing of sync).
 */
import { randomUUID } from 'node:crypto';
import Database from 'better-sqlite3';
import type { Pool } from 'pg';

export interface ShopSize {
  readonly stores: number;
  readonly products: number;
  readonly customers: number;
}

/** Head office enters its stores, catalog and customers. Store ids are 1 … n. */
export async function enterShop(pool: Pool, size: ShopSize): Promise<void> {
  await pool.query(
    `INSERT INTO stores (code, name, address, currency)
     SELECT 'S' || n, 'Store ' || n, n || ' Market Street', 'EUR' FROM generate_series(1, $1::int) n`,
    [size.stores],
  );
  await pool.query(
    `INSERT INTO users (store_id, username, full_name)
     SELECT n, 'cashier' || n, 'Cashier ' || n FROM generate_series(1, $1::int) n`,
    [size.stores],
  );
  await pool.query(
    `INSERT INTO taxes (code, name, rate) VALUES ('std', 'Standard', 0.19), ('red', 'Reduced', 0.07)`,
  );
  await pool.query(
    `INSERT INTO categories (slug, name) VALUES ('food', 'Food'), ('drink', 'Drinks'), ('home', 'Household')`,
  );
  await pool.query(`INSERT INTO suppliers (code, name) VALUES ('acme', 'Acme Wholesale')`);
  await enterProducts(pool, size.products);
  await pool.query(
    `INSERT INTO customers (email, full_name, credit_limit)
     SELECT 'customer' || n || '@example.com', 'Customer ' || n, 100 + n FROM generate_series(1, $1::int) n`,
    [size.customers],
  );
}

/** @param count how many products are added, numbered on from those that are there */
export async function enterProducts(pool: Pool, count: number): Promise<void> {
  await pool.query(
    `INSERT INTO products (category_id, supplier_id, tax_id, sku, barcode, name, description, price, cost_price,
                           master_stock_quantity, tags)
     SELECT 1 + n % 3, 1, 1 + n % 2, 'SKU-' || n, (4000000000000 + n)::text, 'Product ' || n,
            'A product of the range, number ' || n, 1 + n % 90 + 0.49, 0.5 + n % 40, 1000, ARRAY['range', 'n' || n]
       FROM (SELECT (SELECT count(*) FROM products) + g AS n FROM generate_series(1, $1::int) g) numbers`,
    [count],
  );
}

export interface Sale {
  readonly orderNumber: string;
  readonly totalCents: number;
}

export interface WantedSale {
  readonly lines: number;
  /** A row in inventory_transactions for each line. */
  readonly moveStock: boolean;
  /** Of the first line, off the product itself. */
  readonly takeStock: boolean;
  /** `deferred`: reads first, and asks for the lock once it writes. */
  readonly begin: 'immediate' | 'deferred';
}

interface ProductRow {
  readonly id: number;
  readonly price: number;
}

/** Sells at one till. */
export class Cashier {
  readonly terminalId: string;
  readonly db: Database.Database;
  readonly #random: () => number;
  readonly #statements = new Map<string, Database.Statement>();
  #number = 0;

  /**
   * @param random 0 ≤ random() < 1; a seeded one makes the same sales again
   * @param timeoutMs how long a statement waits for a lock of another
   */
  constructor(terminalId: string, file: string, random: () => number = Math.random, timeoutMs = 10_000) {
    this.terminalId = terminalId;
    this.db = new Database(file, { timeout: timeoutMs });
    this.#random = random;
    this.#number =
      this.db
        .prepare<[string], number>(`SELECT count(*) FROM orders WHERE order_number LIKE ? || '-%'`)
        .pluck()
        .get(terminalId) ?? 0;
  }

  /** One sale in one transaction: the order, its items, what becomes of the stock, a payment. */
  sell(wanted: Partial<WantedSale> = {}): Sale {
    const sale: WantedSale = { lines: 3, moveStock: true, takeStock: false, begin: 'immediate', ...wanted };
    return this.db.transaction(() => this.#sell(sale))[sale.begin]();
  }

  #sell({ lines, moveStock, takeStock }: WantedSale): Sale {
    this.#number += 1;
    const orderNumber = `${this.terminalId}-${String(this.#number).padStart(6, '0')}`;
    const soldAt = Date.now();
    const items = Array.from({ length: lines }, () => ({
      ...this.#anyProduct(),
      quantity: 1 + Math.floor(this.#random() * 3),
    }));
    const totalCents = items.reduce((sum, item) => sum + Math.round(item.price * 100) * item.quantity, 0);
    const order = this.#statement(
      `INSERT INTO orders (local_id, order_number, cashier_id, status, subtotal, total, sold_at)
         VALUES (?, ?, (SELECT min(id) FROM users), 'completed', ?, ?, ?)`,
    ).run(randomUUID(), orderNumber, totalCents / 100, totalCents / 100, soldAt).lastInsertRowid;
    items.forEach((item, index) => {
      this.#statement(
        `INSERT INTO order_items (local_id, order_id, product_id, line_number, quantity, unit_price, line_total)
           VALUES (?, ?, ?, ?, ?, ?, ?)`,
      ).run(
        randomUUID(),
        order,
        item.id,
        index + 1,
        item.quantity,
        item.price,
        (Math.round(item.price * 100) * item.quantity) / 100,
      );
      if (moveStock) {
        this.#statement(
          `INSERT INTO inventory_transactions (local_id, product_id, order_id, kind, quantity) VALUES (?, ?, ?, 'sale', ?)`,
        ).run(randomUUID(), item.id, order, -item.quantity);
      }
    });
    if (takeStock) {
      this.#statement('UPDATE products SET stock_quantity = stock_quantity - ? WHERE id = ?').run(
        items[0]?.quantity ?? 0,
        items[0]?.id ?? 0,
      );
    }
    this.#statement(
      `INSERT INTO payments (local_id, order_id, method, amount_cents, paid_at) VALUES (?, ?, 'card', ?, ?)`,
    ).run(randomUUID(), order, totalCents, soldAt);
    return { orderNumber, totalCents };
  }

  #anyProduct(): ProductRow {
    const found = this.#statement<ProductRow>(
      `SELECT id, price FROM products WHERE id >= ? AND deleted_at IS NULL ORDER BY id LIMIT 1`,
    ).get(1 + Math.floor(this.#random() * this.#newestProduct()));
    if (found === undefined) throw new Error(`till ${this.terminalId} has no product to sell`);
    return found;
  }

  #newestProduct(): number {
    return this.#statement<number>('SELECT max(id) FROM products').pluck().get() ?? 0;
  }

  /** Made once each: a statement whose inserts fire triggers holds some 100 KB until a collection frees it. */
  #statement<Row = unknown>(sql: string): Database.Statement<unknown[], Row> {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement as Database.Statement<unknown[], Row>;
  }

  close(): void {
    this.db.close();
  }
}

/**
 * A linear congruential generator: the same seed sells the same again. Good enough to vary a load, for
 * nothing else. (Multiplier and increment: Knuth, The Art of Computer Programming 2, §3.3.4, line 26.)
 */
export function seededRandom(seed: number): () => number {
  let state = BigInt(seed);
  return () => {
    state = BigInt.asUintN(64, state * 6364136223846793005n + 1442695040888963407n);
    return Number(state >> 32n) / 2 ** 32;
  };
}
