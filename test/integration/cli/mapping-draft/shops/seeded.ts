/**
 * A till that an earlier sync once filled: local_id, server_id, sync_status and their kin in every table, numbers of
 * its own as keys, references that hold the server's ids; the centre kept the tills' UUIDs.
 */
import { counted, momentOf, scattered, uuidOf, type ForeignShop } from './shop.ts';

const PRODUCTS = 230;
const INVOICES = 240;
const cents = (n: number) => 99 + (scattered(n) % 5000);
const SYNC = `local_id TEXT UNIQUE, server_id INTEGER, sync_status TEXT NOT NULL DEFAULT 'synced', sync_operation TEXT, last_sync_at TEXT, sync_error TEXT`;

export const SEEDED_SHOP: ForeignShop = {
  async enterCentre(pool) {
    await pool.query(`
      CREATE TABLE shops (id bigserial PRIMARY KEY, name text NOT NULL);
      CREATE TABLE vendors (id bigserial PRIMARY KEY, code text NOT NULL UNIQUE, name text NOT NULL, updated_at timestamptz NOT NULL DEFAULT now());
      CREATE TABLE items (id bigserial PRIMARY KEY, shop_id bigint NOT NULL REFERENCES shops, vendor_id bigint REFERENCES vendors, code text NOT NULL,
        name text NOT NULL, price numeric(12,2) NOT NULL, qty_on_hand numeric(12,3) NOT NULL DEFAULT 0, notes text, attributes jsonb,
        is_deleted boolean NOT NULL DEFAULT false, updated_at timestamptz NOT NULL DEFAULT now(), UNIQUE (shop_id, code));
      CREATE TABLE invoices (id bigserial PRIMARY KEY, shop_id bigint NOT NULL REFERENCES shops, terminal text NOT NULL, invoice_no text NOT NULL,
        status text NOT NULL, total numeric(12,2) NOT NULL, issued_at timestamptz NOT NULL, updated_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (shop_id, invoice_no));
      CREATE TABLE invoice_items (id bigserial PRIMARY KEY, invoice_id bigint NOT NULL REFERENCES invoices, item_id bigint NOT NULL REFERENCES items,
        qty numeric(12,3) NOT NULL, price numeric(12,2) NOT NULL, updated_at timestamptz NOT NULL DEFAULT now());
      CREATE TABLE stock_movements (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), shop_id bigint NOT NULL REFERENCES shops, item_id bigint NOT NULL REFERENCES items,
        qty numeric(12,3) NOT NULL, reason text, moved_at timestamptz NOT NULL);
      INSERT INTO shops (name) VALUES ('One'), ('Two'), ('Three');
      INSERT INTO vendors (code, name) SELECT 'V' || n, 'Vendor ' || n FROM generate_series(1, 6) n;`);
    for (const n of counted(2 * PRODUCTS))
      await pool.query(
        `INSERT INTO items (id, shop_id, vendor_id, code, name, price, qty_on_hand, attributes, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, to_timestamp($9::float8 / 1000))`,
        [
          1000 + n,
          1 + (n % 2),
          1 + (n % 6),
          `I${n}`,
          `Item ${n}`,
          cents(n) / 100,
          scattered(n) % 90,
          JSON.stringify({ colour: n % 7, size: 'M' }),
          momentOf(n),
        ],
      );
    for (const n of counted(INVOICES / 2))
      await pool.query(
        `INSERT INTO invoices (id, shop_id, terminal, invoice_no, status, total, issued_at) VALUES ($1, 2, 'T9', $2, 'paid', $3, to_timestamp($4::float8 / 1000))`,
        [50_000 + n, `T9/${n}`, cents(n) / 100, momentOf(n)],
      );
  },
  enterTill(db) {
    db.exec(`
      CREATE TABLE vendors (id INTEGER PRIMARY KEY, code TEXT NOT NULL UNIQUE, name TEXT NOT NULL, updated_at TEXT, ${SYNC});
      CREATE TABLE items (id INTEGER PRIMARY KEY, vendor_server_id INTEGER, code TEXT NOT NULL UNIQUE, name TEXT NOT NULL, price NUMERIC NOT NULL,
        qty_on_hand NUMERIC NOT NULL DEFAULT 0, notes TEXT, attributes TEXT, is_deleted INTEGER NOT NULL DEFAULT 0, updated_at TEXT, ${SYNC});
      CREATE TABLE invoices (id INTEGER PRIMARY KEY, invoice_no TEXT NOT NULL UNIQUE, status TEXT NOT NULL, total NUMERIC NOT NULL, issued_at TEXT NOT NULL, updated_at TEXT, ${SYNC});
      CREATE TABLE invoice_items (id INTEGER PRIMARY KEY, invoice_local_id TEXT NOT NULL, item_id INTEGER NOT NULL, qty NUMERIC NOT NULL, price NUMERIC NOT NULL, updated_at TEXT, ${SYNC});
      CREATE TABLE stock_movements (uuid TEXT PRIMARY KEY, item_id INTEGER NOT NULL REFERENCES items (id), qty NUMERIC NOT NULL, reason TEXT, moved_at TEXT NOT NULL, sync_status TEXT);
    `);
    const iso = (ms: number) => new Date(ms).toISOString();
    const vendor = db.prepare(
      'INSERT INTO vendors (code, name, updated_at, local_id, server_id) VALUES (?, ?, ?, ?, ?)',
    );
    const item = db.prepare(
      'INSERT INTO items (vendor_server_id, code, name, price, qty_on_hand, attributes, updated_at, local_id, server_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
    );
    const invoice = db.prepare(
      'INSERT INTO invoices (invoice_no, status, total, issued_at, updated_at, local_id, server_id) VALUES (?, ?, ?, ?, ?, ?, ?)',
    );
    const line = db.prepare(
      'INSERT INTO invoice_items (invoice_local_id, item_id, qty, price, updated_at, local_id) VALUES (?, ?, 1, ?, ?, ?)',
    );
    const movement = db.prepare('INSERT INTO stock_movements VALUES (?, ?, -1, ?, ?, ?)');
    for (const n of counted(6))
      vendor.run(`V${6 - n}`, `Vendor ${6 - n}`, iso(momentOf(n)), uuidOf(4, n), 6 - n);
    // Those of shop 2 are the odd ones.
    for (const n of counted(PRODUCTS)) {
      const office = 2 * n + 1;
      item.run(
        1 + (office % 6),
        `I${office}`,
        `Item ${office}`,
        cents(office) / 100,
        scattered(office) % 90,
        JSON.stringify({ size: 'M', colour: office % 7 }),
        iso(momentOf(office)),
        uuidOf(5, n),
        1000 + office,
      );
    }
    for (const n of counted(INVOICES)) {
      const at = iso(momentOf(n));
      invoice.run(
        `T9/${n}`,
        'paid',
        cents(n) / 100,
        at,
        at,
        uuidOf(6, n),
        n < INVOICES / 2 ? 50_000 + n : null,
      );
      line.run(uuidOf(6, n), 1 + (n % PRODUCTS), cents(n) / 100, at, uuidOf(7, n));
      movement.run(uuidOf(8, n), 1 + (n % PRODUCTS), 'sale', at, 'pending');
    }
  },
};
