-- Reference till schema (payflow.db), SQLite 3.8 and later. Idempotent.
--
-- As a point-of-sale app has it: integer keys of its own, foreign keys on them, and the usual sync columns
-- (local_id, server_id, sync_status, sync_operation, last_sync_at). Some columns differ from head office's:
-- products.stock_quantity and orders.cashier_id have other names there, payments are in cents, orders.sold_at is
-- epoch milliseconds, receipts point at an order by its local_id, most tables have no store_id, and a few
-- columns (products.shelf_label, orders.is_parked, users.last_login_at) exist on the till only.

CREATE TABLE IF NOT EXISTS stores (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  code TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  address TEXT,
  phone TEXT,
  time_zone TEXT NOT NULL DEFAULT 'UTC',
  currency TEXT NOT NULL DEFAULT 'EUR',
  deleted_at TEXT,
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  local_id TEXT UNIQUE,
  server_id INTEGER,
  sync_status TEXT DEFAULT 'pending',
  sync_operation TEXT,
  last_sync_at TEXT
);

CREATE TABLE IF NOT EXISTS terminals (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  store_id INTEGER NOT NULL REFERENCES stores (id),
  code TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  is_active INTEGER NOT NULL DEFAULT 1,
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  local_id TEXT UNIQUE,
  server_id INTEGER,
  sync_status TEXT DEFAULT 'pending',
  sync_operation TEXT,
  last_sync_at TEXT
);

CREATE TABLE IF NOT EXISTS users (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  store_id INTEGER NOT NULL REFERENCES stores (id),
  username TEXT NOT NULL UNIQUE,
  full_name TEXT NOT NULL,
  pin_hash TEXT,
  role TEXT NOT NULL DEFAULT 'cashier',
  is_active INTEGER NOT NULL DEFAULT 1,
  last_login_at TEXT,
  deleted_at TEXT,
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  local_id TEXT UNIQUE,
  server_id INTEGER,
  sync_status TEXT DEFAULT 'pending',
  sync_operation TEXT,
  last_sync_at TEXT
);

CREATE TABLE IF NOT EXISTS taxes (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  code TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  rate NUMERIC NOT NULL,
  is_inclusive INTEGER NOT NULL DEFAULT 1,
  deleted_at TEXT,
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  local_id TEXT UNIQUE,
  server_id INTEGER,
  sync_status TEXT DEFAULT 'pending',
  sync_operation TEXT,
  last_sync_at TEXT
);

CREATE TABLE IF NOT EXISTS suppliers (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  code TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  email TEXT,
  phone TEXT,
  is_deleted INTEGER NOT NULL DEFAULT 0,
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  local_id TEXT UNIQUE,
  server_id INTEGER,
  sync_status TEXT DEFAULT 'pending',
  sync_operation TEXT,
  last_sync_at TEXT
);

CREATE TABLE IF NOT EXISTS categories (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  parent_id INTEGER REFERENCES categories (id),
  slug TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  sort_order INTEGER NOT NULL DEFAULT 0,
  is_deleted INTEGER NOT NULL DEFAULT 0,
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  local_id TEXT UNIQUE,
  server_id INTEGER,
  sync_status TEXT DEFAULT 'pending',
  sync_operation TEXT,
  last_sync_at TEXT
);

CREATE TABLE IF NOT EXISTS products (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  category_id INTEGER REFERENCES categories (id),
  supplier_id INTEGER REFERENCES suppliers (id),
  tax_id INTEGER REFERENCES taxes (id),
  sku TEXT NOT NULL UNIQUE,
  barcode TEXT,
  name TEXT NOT NULL,
  description TEXT,
  price NUMERIC NOT NULL CHECK (price >= 0),
  cost_price NUMERIC,
  stock_quantity NUMERIC NOT NULL DEFAULT 0,
  reorder_level NUMERIC,
  tags TEXT NOT NULL DEFAULT '[]',
  is_active INTEGER NOT NULL DEFAULT 1,
  shelf_label TEXT,
  deleted_at TEXT,
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  local_id TEXT UNIQUE,
  server_id INTEGER,
  sync_status TEXT DEFAULT 'pending',
  sync_operation TEXT,
  last_sync_at TEXT
);
CREATE INDEX IF NOT EXISTS products_category_id ON products (category_id);
CREATE INDEX IF NOT EXISTS products_barcode ON products (barcode);

CREATE TABLE IF NOT EXISTS variants (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  product_id INTEGER NOT NULL REFERENCES products (id),
  sku TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  attributes TEXT NOT NULL DEFAULT '{}',
  surcharge NUMERIC NOT NULL DEFAULT 0,
  deleted_at TEXT,
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  local_id TEXT UNIQUE,
  server_id INTEGER,
  sync_status TEXT DEFAULT 'pending',
  sync_operation TEXT,
  last_sync_at TEXT
);
CREATE INDEX IF NOT EXISTS variants_product_id ON variants (product_id);

CREATE TABLE IF NOT EXISTS customers (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  email TEXT UNIQUE,
  phone TEXT,
  full_name TEXT NOT NULL,
  loyalty_points INTEGER NOT NULL DEFAULT 0,
  credit_limit NUMERIC,
  birthday TEXT,
  notes TEXT,
  deleted_at TEXT,
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  local_id TEXT UNIQUE,
  server_id TEXT,
  sync_status TEXT DEFAULT 'pending',
  sync_operation TEXT,
  last_sync_at TEXT
);

CREATE TABLE IF NOT EXISTS discounts (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  code TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  percent NUMERIC,
  amount NUMERIC,
  conditions TEXT,
  starts_at INTEGER,
  ends_at INTEGER,
  is_active INTEGER NOT NULL DEFAULT 1,
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  local_id TEXT UNIQUE,
  server_id INTEGER,
  sync_status TEXT DEFAULT 'pending',
  sync_operation TEXT,
  last_sync_at TEXT
);

CREATE TABLE IF NOT EXISTS orders (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  order_number TEXT NOT NULL UNIQUE,
  cashier_id INTEGER REFERENCES users (id),
  customer_id INTEGER REFERENCES customers (id),
  discount_id INTEGER REFERENCES discounts (id),
  refund_of_id INTEGER REFERENCES orders (id),
  status TEXT NOT NULL DEFAULT 'open',
  subtotal REAL NOT NULL DEFAULT 0,
  discount_amount REAL NOT NULL DEFAULT 0,
  tax_amount REAL NOT NULL DEFAULT 0,
  total REAL NOT NULL DEFAULT 0,
  notes TEXT,
  sold_at INTEGER NOT NULL,
  is_parked INTEGER NOT NULL DEFAULT 0,
  deleted_at TEXT,
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  local_id TEXT UNIQUE,
  server_id INTEGER,
  sync_status TEXT DEFAULT 'pending',
  sync_operation TEXT,
  last_sync_at TEXT
);
CREATE INDEX IF NOT EXISTS orders_sold_at ON orders (sold_at);

CREATE TABLE IF NOT EXISTS order_items (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  order_id INTEGER NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
  product_id INTEGER NOT NULL REFERENCES products (id),
  variant_id INTEGER REFERENCES variants (id),
  line_number INTEGER NOT NULL,
  quantity NUMERIC NOT NULL,
  unit_price REAL NOT NULL,
  discount_amount REAL NOT NULL DEFAULT 0,
  tax_amount REAL NOT NULL DEFAULT 0,
  line_total REAL NOT NULL,
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  local_id TEXT UNIQUE,
  server_id INTEGER,
  sync_status TEXT DEFAULT 'pending',
  sync_operation TEXT,
  last_sync_at TEXT
);
CREATE INDEX IF NOT EXISTS order_items_order_id ON order_items (order_id);
CREATE INDEX IF NOT EXISTS order_items_product_id ON order_items (product_id);

CREATE TABLE IF NOT EXISTS payments (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  order_id INTEGER NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
  method TEXT NOT NULL,
  amount_cents INTEGER NOT NULL,
  tendered_cents INTEGER,
  reference TEXT,
  status TEXT NOT NULL DEFAULT 'captured',
  paid_at INTEGER NOT NULL,
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  local_id TEXT UNIQUE,
  server_id INTEGER,
  sync_status TEXT DEFAULT 'pending',
  sync_operation TEXT,
  last_sync_at TEXT
);
CREATE INDEX IF NOT EXISTS payments_order_id ON payments (order_id);

CREATE TABLE IF NOT EXISTS inventory_transactions (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  product_id INTEGER NOT NULL REFERENCES products (id),
  variant_id INTEGER REFERENCES variants (id),
  order_id INTEGER REFERENCES orders (id),
  kind TEXT NOT NULL,
  quantity NUMERIC NOT NULL,
  reason TEXT,
  happened_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  local_id TEXT UNIQUE,
  server_id INTEGER,
  sync_status TEXT DEFAULT 'pending',
  sync_operation TEXT,
  last_sync_at TEXT
);
CREATE INDEX IF NOT EXISTS inventory_transactions_product_id ON inventory_transactions (product_id);

CREATE TABLE IF NOT EXISTS purchase_orders (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  store_id INTEGER NOT NULL REFERENCES stores (id),
  supplier_id INTEGER NOT NULL REFERENCES suppliers (id),
  po_number TEXT NOT NULL UNIQUE,
  status TEXT NOT NULL DEFAULT 'draft',
  expected_on TEXT,
  total NUMERIC NOT NULL DEFAULT 0,
  notes TEXT,
  deleted_at TEXT,
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  local_id TEXT UNIQUE,
  server_id INTEGER,
  sync_status TEXT DEFAULT 'pending',
  sync_operation TEXT,
  last_sync_at TEXT
);

CREATE TABLE IF NOT EXISTS purchase_order_items (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  purchase_order_id INTEGER NOT NULL REFERENCES purchase_orders (id) ON DELETE CASCADE,
  product_id INTEGER NOT NULL REFERENCES products (id),
  quantity NUMERIC NOT NULL,
  received_quantity NUMERIC NOT NULL DEFAULT 0,
  unit_cost NUMERIC NOT NULL,
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  local_id TEXT UNIQUE,
  server_id INTEGER,
  sync_status TEXT DEFAULT 'pending',
  sync_operation TEXT,
  last_sync_at TEXT,
  UNIQUE (purchase_order_id, product_id)
);

CREATE TABLE IF NOT EXISTS receipts (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  order_local_id TEXT NOT NULL,
  receipt_number INTEGER NOT NULL UNIQUE,
  body TEXT NOT NULL,
  signature BLOB,
  printed_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  local_id TEXT UNIQUE,
  server_id INTEGER,
  sync_status TEXT DEFAULT 'pending',
  sync_operation TEXT,
  last_sync_at TEXT
);
CREATE INDEX IF NOT EXISTS receipts_order_local_id ON receipts (order_local_id);

CREATE TABLE IF NOT EXISTS settings (
  store_id INTEGER NOT NULL REFERENCES stores (id),
  name TEXT NOT NULL,
  value TEXT,
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  sync_status TEXT DEFAULT 'pending',
  sync_operation TEXT,
  last_sync_at TEXT,
  PRIMARY KEY (store_id, name)
);

CREATE TABLE IF NOT EXISTS audit_logs (
  id TEXT NOT NULL PRIMARY KEY,
  user_id INTEGER REFERENCES users (id),
  action TEXT NOT NULL,
  entity TEXT,
  details TEXT,
  logged_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  sync_status TEXT DEFAULT 'pending',
  sync_operation TEXT,
  last_sync_at TEXT
);

-- The app keeps its stock by itself. Rows that come from the centre must not run this: head office's stock
-- figure already counts them.
CREATE TRIGGER IF NOT EXISTS stock_follows_inventory AFTER INSERT ON inventory_transactions
BEGIN
  UPDATE products
     SET stock_quantity = stock_quantity + NEW.quantity,
         updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
   WHERE id = NEW.product_id;
END;
