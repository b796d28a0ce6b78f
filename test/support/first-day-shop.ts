/** A shop on the reference schemas on its first day: head office has its range, a till has sold without any sync. */
import Database from 'better-sqlite3';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Pool } from 'pg';
import { Cashier, enterShop, seededRandom } from '../../scripts/support/shop.ts';
import { schemaFile } from '../../services/shared/paths.ts';

const PRODUCTS = 240;
const SALES = 220;

export async function enterReferenceCentre(pool: Pool): Promise<void> {
  await pool.query(readFileSync(schemaFile('postgres/reference.sql'), 'utf8'));
  await enterShop(pool, { stores: 3, products: PRODUCTS, customers: 60 });
}

/** The till got its range by an import of its own: same codes, own numbers, own moments. */
export async function enterReferenceTill(pool: Pool, file: string): Promise<void> {
  const db = new Database(file);
  db.exec(readFileSync(schemaFile('sqlite/reference.sql'), 'utf8'));
  const copy = async (query: string, insert: string) => {
    const { rows } = await pool.query<Record<string, string | number | null>>(query);
    const statement = db.prepare(insert);
    db.transaction(() => {
      for (const row of rows) statement.run({ ...row, local_id: randomUUID() });
    })();
  };
  await copy(
    `SELECT code, name, address, currency FROM stores WHERE code = 'S2'`,
    'INSERT INTO stores (id, code, name, address, currency, local_id) VALUES (7, @code, @name, @address, @currency, @local_id)',
  );
  await copy(
    `SELECT username, full_name FROM users WHERE store_id = 2`,
    'INSERT INTO users (store_id, username, full_name, local_id) VALUES (7, @username, @full_name, @local_id)',
  );
  await copy(
    'SELECT code, name, rate::float FROM taxes ORDER BY id DESC',
    'INSERT INTO taxes (code, name, rate, local_id) VALUES (@code, @name, @rate, @local_id)',
  );
  await copy(
    'SELECT slug, name FROM categories ORDER BY id DESC',
    'INSERT INTO categories (slug, name, local_id) VALUES (@slug, @name, @local_id)',
  );
  await copy(
    'SELECT code, name FROM suppliers',
    'INSERT INTO suppliers (code, name, local_id) VALUES (@code, @name, @local_id)',
  );
  await copy(
    `SELECT p.*, p.price::float AS price_, p.cost_price::float AS cost_, p.master_stock_quantity::float AS stock, c.slug, t.code,
            array_to_json(tags)::text AS labels FROM products p JOIN categories c ON c.id = category_id JOIN taxes t ON t.id = tax_id ORDER BY random()`.replace(
      'p.*',
      'p.sku, p.barcode, p.name, p.description',
    ),
    `INSERT INTO products (category_id, supplier_id, tax_id, sku, barcode, name, description, price, cost_price, stock_quantity, tags, local_id)
     VALUES ((SELECT id FROM categories WHERE slug = @slug), 1, (SELECT id FROM taxes WHERE code = @code), @sku, @barcode, @name,
             @description, @price_, @cost_, @stock - 3, @labels, @local_id)`,
  );
  await copy(
    'SELECT email, full_name FROM customers',
    'INSERT INTO customers (email, full_name, local_id) VALUES (@email, @full_name, @local_id)',
  );
  db.close();
  const cashier = new Cashier('till-7', file, seededRandom(7));
  for (let sale = 0; sale < SALES; sale += 1) cashier.sell();
  cashier.close();
}
