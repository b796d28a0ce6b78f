/** A table that the app makes anew, and what goes up of it. */
import type { ShopTill } from './shop-till.ts';

/** What goes up, in order: op, row, and what it says of columns, amounts as differences. */
export function toldBy(shop: ShopTill): unknown[][] {
  return shop.changes().map(({ op, handle, cut }) => {
    if (cut.op === 'c')
      return [op, Object.fromEntries([...cut.values].filter(([, value]) => value !== null))];
    if (cut.op === 'd') return [op, handle];
    const edits = [...cut.edits].map(([column, { before, after }]) => [column, [before, after]] as const);
    return [op, handle, Object.fromEntries(edits), Object.fromEntries(cut.sums)];
  });
}

/** Without its end, so that more may go into the same transaction. */
export const REBUILD = `BEGIN;
CREATE TABLE products_new (id INTEGER PRIMARY KEY, local_id TEXT, server_id INTEGER, sku TEXT NOT NULL UNIQUE,
  name TEXT, price REAL CHECK (price >= 0), stock_quantity INTEGER NOT NULL DEFAULT 0,
  category_id INTEGER REFERENCES categories, updated_at TEXT, shelf TEXT,
  sync_status TEXT, sync_operation TEXT, last_sync_at TEXT);
INSERT INTO products_new SELECT * FROM products;
DROP TABLE products;
ALTER TABLE products_new RENAME TO products;`;
