CREATE TABLE categories (id INTEGER PRIMARY KEY, local_id TEXT, server_id INTEGER, name TEXT NOT NULL,
  parent_id INTEGER REFERENCES categories, sync_status TEXT, last_sync_at TEXT);
INSERT INTO "categories" VALUES (1, '01a219cd-5ab8-7000-990c-d80b511aa901', 3, 'food', NULL, 'synced', '2026-11-26T21:40:18.232Z');
CREATE TABLE products (id INTEGER PRIMARY KEY, local_id TEXT, server_id INTEGER, sku TEXT NOT NULL UNIQUE,
  name TEXT, price REAL CHECK (price >= 0), stock_quantity INTEGER NOT NULL DEFAULT 0,
  category_id INTEGER REFERENCES categories, updated_at TEXT, shelf TEXT,
  sync_status TEXT, sync_operation TEXT, last_sync_at TEXT);
INSERT INTO "products" VALUES (1, '01a219cd-5ab8-7000-a2e0-e4c0bd2023cc', 7, 'A', 'mine', 12.5, 98, 1, '2026-01-02T03:04:05.000Z', NULL, 'pending', 'update', '2026-11-26T21:40:18.232Z');
INSERT INTO "products" VALUES (2, '01a219cd-5ab8-7001-8202-ff6b08321665', 8, 'B', 'B3', 12.5, 6, 1, '2026-01-02T03:04:05.000Z', NULL, 'pending', 'update', '2026-11-26T21:40:18.232Z');
INSERT INTO "products" VALUES (3, '01a219cd-5ab8-7002-85c0-bad70a7cfd28', 9, 'C', 'Name of C', 12.5, 10, NULL, '2026-01-02T03:04:05.000Z', NULL, 'synced', NULL, '2026-11-26T21:40:18.232Z');
CREATE TABLE orders (id INTEGER PRIMARY KEY, local_id TEXT, server_id INTEGER, number TEXT, total REAL,
  updated_at TEXT, sync_status TEXT, sync_operation TEXT, last_sync_at TEXT);
INSERT INTO "orders" VALUES (1, NULL, 50, 'n1', 5.25, NULL, 'synced', 'insert', '2026-11-26T21:40:18.282Z');
INSERT INTO "orders" VALUES (2, NULL, NULL, 'refused', 1.0, NULL, 'rejected', 'insert', '2026-11-26T21:40:18.318Z');
INSERT INTO "orders" VALUES (3, NULL, NULL, 'n2', 7.5, NULL, 'pending', 'insert', NULL);
INSERT INTO "orders" VALUES (77, NULL, NULL, 'n4', 1.5, NULL, 'pending', 'insert', NULL);
CREATE TABLE order_items (id INTEGER PRIMARY KEY, local_id TEXT, server_id INTEGER,
  order_id INTEGER NOT NULL REFERENCES orders, product_id INTEGER REFERENCES products, quantity INTEGER,
  sync_status TEXT);
INSERT INTO "order_items" VALUES (2, NULL, NULL, 3, 2, 1, 'pending');
INSERT INTO "order_items" VALUES (3, NULL, NULL, 1, 3, 4, 'pending');
INSERT INTO "order_items" VALUES (4, NULL, NULL, 77, 1, 1, 'pending');
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT);
INSERT INTO "settings" VALUES ('a', 'edited');
INSERT INTO "settings" VALUES ('c', 'new');
CREATE TABLE sync_outbox (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  table_name TEXT,
  op TEXT,
  row_key,
  captured_at_ms INTEGER,
  outcome TEXT
);
INSERT INTO "sync_outbox" VALUES (1, 'orders', 'c', 1, 1795729218268, 'applied');
INSERT INTO "sync_outbox" VALUES (2, 'order_items', 'c', 1, 1795729218270, 'applied');
INSERT INTO "sync_outbox" VALUES (3, 'products', 'u', 1, 1795729218296, NULL);
INSERT INTO "sync_outbox" VALUES (4, 'orders', 'c', 2, 1795729218311, 'rejected');
INSERT INTO "sync_outbox" VALUES (5, 'orders', 'c', 3, 1795729218323, NULL);
INSERT INTO "sync_outbox" VALUES (6, 'order_items', 'c', 2, 1795729218324, NULL);
INSERT INTO "sync_outbox" VALUES (7, 'products', 'u', 2, 1795729218325, NULL);
INSERT INTO "sync_outbox" VALUES (8, 'products', 'u', 2, 1795729218330, NULL);
INSERT INTO "sync_outbox" VALUES (9, 'products', 'u', 2, 1795729218331, NULL);
INSERT INTO "sync_outbox" VALUES (10, 'orders', 'c', 4, 1795729218332, NULL);
INSERT INTO "sync_outbox" VALUES (11, 'order_items', 'c', 3, 1795729218333, NULL);
INSERT INTO "sync_outbox" VALUES (12, 'order_items', 'c', 4, 1795729218333, NULL);
INSERT INTO "sync_outbox" VALUES (13, 'order_items', 'd', 1, 1795729218334, NULL);
INSERT INTO "sync_outbox" VALUES (14, 'orders', 'k', 4, 1795729218334, 'local');
INSERT INTO "sync_outbox" VALUES (15, 'order_items', 'u', 4, 1795729218335, NULL);
INSERT INTO "sync_outbox" VALUES (16, 'settings', 'u', 'a', 1795729218336, NULL);
INSERT INTO "sync_outbox" VALUES (17, 'settings', 'd', 'b', 1795729218336, NULL);
INSERT INTO "sync_outbox" VALUES (18, 'settings', 'c', 'c', 1795729218336, NULL);
CREATE TABLE sync_identity (
  table_name TEXT NOT NULL,
  row_key,
  identity TEXT NOT NULL,
  PRIMARY KEY (table_name, row_key)
);
INSERT INTO "sync_identity" VALUES ('orders', 1, '42a36a91008ade79a7e08917da5172cb');
INSERT INTO "sync_identity" VALUES ('orders', 2, 'a4488be82ba2d6d18b33baa2d4320a0c');
INSERT INTO "sync_identity" VALUES ('orders', 3, 'c0ae1971017cc97ea97c66d175b6abc8');
INSERT INTO "sync_identity" VALUES ('order_items', 2, '0e9b1f2f59851cc0826218432ac68eaf');
INSERT INTO "sync_identity" VALUES ('orders', 77, 'da434f16d01033950479dc464856a97c');
INSERT INTO "sync_identity" VALUES ('order_items', 3, 'd8a88d407ec78b4bc01c3e7c586630e7');
INSERT INTO "sync_identity" VALUES ('order_items', 4, 'b9f073fd494be65aac9843cbd86dc0e2');
INSERT INTO "sync_identity" VALUES ('settings', 'a', 'd56fc2ab0472d0bf64a9d8ea2aff2e29');
INSERT INTO "sync_identity" VALUES ('settings', 'c', 'd7a9b5186e39356176d50e21d5887b99');
CREATE TABLE sync_retired (
  table_name TEXT NOT NULL,
  identity TEXT NOT NULL,
  PRIMARY KEY (table_name, identity)
);
CREATE TABLE sync_given_up (
  table_name TEXT NOT NULL,
  row_key,
  reason TEXT NOT NULL,
  PRIMARY KEY (table_name, row_key)
);
CREATE TABLE sync_silence (silent INTEGER);
CREATE TABLE sync_stream (
  topic TEXT PRIMARY KEY,
  stream_id TEXT,
  next_offset INTEGER NOT NULL,
  position BLOB NOT NULL,
  newest_record_ms INTEGER NOT NULL
);
INSERT INTO "sync_stream" VALUES ('payflow.catalog', NULL, 7, X'00000001000000000000006600000001', 1795729218301);
INSERT INTO "sync_stream" VALUES ('payflow.store.S1', NULL, 5, X'00000001000000000000006700000001', 1795729218317);
CREATE TABLE sync_checkpoint (
  table_name TEXT PRIMARY KEY,
  position BLOB NOT NULL,
  last_timestamp TEXT,
  rows INTEGER NOT NULL
);
INSERT INTO "sync_checkpoint" VALUES ('categories', X'00000001000000000000006400000001', NULL, 1);
INSERT INTO "sync_checkpoint" VALUES ('products', X'00000001000000000000006600000001', '2026-01-02T03:04:05.000Z', 4);
INSERT INTO "sync_checkpoint" VALUES ('settings', X'00000001000000000000006400000006', NULL, 2);
INSERT INTO "sync_checkpoint" VALUES ('orders', X'00000001000000000000006500000003', NULL, 1);
INSERT INTO "sync_checkpoint" VALUES ('order_items', X'00000001000000000000006500000004', NULL, 1);
CREATE TABLE sync_parked (
  table_name TEXT NOT NULL,
  central_id TEXT NOT NULL,
  position BLOB NOT NULL,
  topic TEXT NOT NULL,
  record BLOB,
  reason TEXT NOT NULL,
  message TEXT NOT NULL,
  waits_for TEXT,
  parked_at_ms INTEGER NOT NULL,
  PRIMARY KEY (table_name, central_id)
);
CREATE TABLE sync_reread (
  topic TEXT PRIMARY KEY,
  until_offset INTEGER NOT NULL,
  seeded_from INTEGER NOT NULL
);
CREATE TABLE sync_unseen (
  topic TEXT NOT NULL,
  table_name TEXT NOT NULL,
  central_id TEXT NOT NULL,
  PRIMARY KEY (topic, table_name, central_id)
) WITHOUT ROWID;
CREATE TABLE sync_seeded (
  topic TEXT NOT NULL,
  central_table TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  PRIMARY KEY (topic, central_table)
) WITHOUT ROWID;
CREATE TABLE sync_lost (
  topic TEXT PRIMARY KEY,
  position BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE sync_begun (
  topic TEXT NOT NULL,
  central_table TEXT NOT NULL,
  PRIMARY KEY (topic, central_table)
) WITHOUT ROWID;
CREATE TABLE sync_meta (name TEXT PRIMARY KEY, value TEXT);
INSERT INTO "sync_meta" VALUES ('terminal_id', 'T1');
INSERT INTO "sync_meta" VALUES ('incarnation', 'incarnation-1');
INSERT INTO "sync_meta" VALUES ('bound_columns', '["categories.name","categories.parent_id","order_items.order_id","order_items.product_id","order_items.quantity","orders.number","orders.total","orders.updated_at","products.category_id","products.name","products.price","products.sku","products.stock_quantity","products.updated_at","settings.name","settings.value"]');
INSERT INTO "sync_meta" VALUES ('registrations', '[{"registration":1,"afterSeq":0}]');
INSERT INTO "sync_meta" VALUES ('progress', '{"incarnation":"incarnation-1","lastSeq":4,"lastUnit":3,"exceptions":[{"first":3,"last":3,"kind":"held"},{"first":4,"last":4,"kind":"rejected"}],"catalog":"00000000000000000000000000000000","chainHash":"50c295240dbef69adb5ac4c27a1f903e5ee128aa1ca6a762fe388d6bb05e638e","standing":{"kind":"ok"},"at":"00000001000000000000006700000001"}');
INSERT INTO "sync_meta" VALUES ('confirmed_seq', '4');
INSERT INTO "sync_meta" VALUES ('writes', '6');
CREATE TABLE "sync_row_categories" (
  central_id TEXT NOT NULL PRIMARY KEY,
  row_key,
  position BLOB NOT NULL,
  deleted INTEGER NOT NULL DEFAULT 0,
  base TEXT
) WITHOUT ROWID;
INSERT INTO "sync_row_categories" VALUES ('3', 1, X'00000001000000000000006400000001', 0, NULL);
CREATE TABLE "sync_change_categories" (
  seq INTEGER PRIMARY KEY,
  identity TEXT,
  central_id TEXT,
  "old_name",
  "new_name",
  "old_parent_id",
  "new_parent_id"
);
CREATE TABLE "sync_evicted_categories" (
  state INTEGER,
  row_key,
  identity TEXT,
  central_id TEXT,
  key_0,
  "old_name",
  "old_parent_id"
);
CREATE TABLE "sync_row_products" (
  central_id TEXT NOT NULL PRIMARY KEY,
  row_key,
  position BLOB NOT NULL,
  deleted INTEGER NOT NULL DEFAULT 0,
  base TEXT
) WITHOUT ROWID;
INSERT INTO "sync_row_products" VALUES ('7', 1, X'00000001000000000000006600000001', 0, '[["sku","text","tA"],["name","text","tName of A"],["price","numeric(12,2)","t12.50"],["stock_quantity","integer","r100"],["category_id","bigint","i3"],["updated_at","timestamp with time zone","t2026-01-02 03:04:05+00"]]');
INSERT INTO "sync_row_products" VALUES ('8', 2, X'00000001000000000000006400000003', 0, NULL);
INSERT INTO "sync_row_products" VALUES ('9', 3, X'00000001000000000000006400000004', 0, NULL);
CREATE TABLE "sync_change_products" (
  seq INTEGER PRIMARY KEY,
  identity TEXT,
  central_id TEXT,
  "old_sku",
  "new_sku",
  "old_name",
  "new_name",
  "old_price",
  "new_price",
  "old_stock_quantity",
  "new_stock_quantity",
  "old_category_id",
  "new_category_id",
  "old_updated_at",
  "new_updated_at"
);
INSERT INTO "sync_change_products" VALUES (3, '01a219cd-5ab8-7000-a2e0-e4c0bd2023cc', '7', 'A', 'A', 'Name of A', 'mine', 12.5, 12.5, 10, 8, 1, 1, '2026-01-02T03:04:05.000Z', '2026-01-02T03:04:05.000Z');
INSERT INTO "sync_change_products" VALUES (7, '01a219cd-5ab8-7001-8202-ff6b08321665', '8', 'B', 'B', 'Name of B', 'Name of B', 12.5, 12.5, 10, 9, 1, 1, '2026-01-02T03:04:05.000Z', '2026-01-02T03:04:05.000Z');
INSERT INTO "sync_change_products" VALUES (8, '01a219cd-5ab8-7001-8202-ff6b08321665', '8', 'B', 'B', 'Name of B', 'B2', 12.5, 12.5, 9, 6, 1, 1, '2026-01-02T03:04:05.000Z', '2026-01-02T03:04:05.000Z');
INSERT INTO "sync_change_products" VALUES (9, '01a219cd-5ab8-7001-8202-ff6b08321665', '8', 'B', 'B', 'B2', 'B3', 12.5, 12.5, 6, 6, 1, 1, '2026-01-02T03:04:05.000Z', '2026-01-02T03:04:05.000Z');
CREATE TABLE "sync_evicted_products" (
  state INTEGER,
  row_key,
  identity TEXT,
  central_id TEXT,
  key_0,
  "old_sku",
  "old_name",
  "old_price",
  "old_stock_quantity",
  "old_category_id",
  "old_updated_at"
);
CREATE TABLE "sync_row_orders" (
  central_id TEXT NOT NULL PRIMARY KEY,
  row_key,
  position BLOB NOT NULL,
  deleted INTEGER NOT NULL DEFAULT 0,
  base TEXT
) WITHOUT ROWID;
INSERT INTO "sync_row_orders" VALUES ('50', 1, X'00000001000000000000006500000003', 0, NULL);
CREATE TABLE "sync_change_orders" (
  seq INTEGER PRIMARY KEY,
  identity TEXT,
  central_id TEXT,
  "old_number",
  "new_number",
  "old_total",
  "new_total",
  "old_updated_at",
  "new_updated_at"
);
INSERT INTO "sync_change_orders" VALUES (1, '42a36a91008ade79a7e08917da5172cb', '50', NULL, 'n1', NULL, 5.25, NULL, NULL);
INSERT INTO "sync_change_orders" VALUES (4, 'a4488be82ba2d6d18b33baa2d4320a0c', NULL, NULL, 'refused', NULL, 1.0, NULL, NULL);
INSERT INTO "sync_change_orders" VALUES (5, 'c0ae1971017cc97ea97c66d175b6abc8', NULL, NULL, 'n2', NULL, 7.5, NULL, NULL);
INSERT INTO "sync_change_orders" VALUES (10, 'da434f16d01033950479dc464856a97c', NULL, NULL, 'n4', NULL, 1.5, NULL, NULL);
INSERT INTO "sync_change_orders" VALUES (14, 'da434f16d01033950479dc464856a97c', NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE "sync_evicted_orders" (
  state INTEGER,
  row_key,
  identity TEXT,
  central_id TEXT,
  key_0,
  "old_number",
  "old_total",
  "old_updated_at"
);
CREATE TABLE "sync_row_order_items" (
  central_id TEXT NOT NULL PRIMARY KEY,
  row_key,
  position BLOB NOT NULL,
  deleted INTEGER NOT NULL DEFAULT 0,
  base TEXT
) WITHOUT ROWID;
INSERT INTO "sync_row_order_items" VALUES ('60', NULL, X'00000001000000000000006500000004', 0, NULL);
CREATE TABLE "sync_change_order_items" (
  seq INTEGER PRIMARY KEY,
  identity TEXT,
  central_id TEXT,
  "old_order_id",
  "new_order_id",
  "old_product_id",
  "new_product_id",
  "old_quantity",
  "new_quantity"
);
INSERT INTO "sync_change_order_items" VALUES (2, '76a7f1e083fa48c9142ea13303b574f4', '60', NULL, 1, NULL, 1, NULL, 2);
INSERT INTO "sync_change_order_items" VALUES (6, '0e9b1f2f59851cc0826218432ac68eaf', NULL, NULL, 3, NULL, 2, NULL, 1);
INSERT INTO "sync_change_order_items" VALUES (11, 'd8a88d407ec78b4bc01c3e7c586630e7', NULL, NULL, 1, NULL, 3, NULL, 4);
INSERT INTO "sync_change_order_items" VALUES (12, 'b9f073fd494be65aac9843cbd86dc0e2', NULL, NULL, 4, NULL, 1, NULL, 1);
INSERT INTO "sync_change_order_items" VALUES (13, '76a7f1e083fa48c9142ea13303b574f4', '60', 1, NULL, 1, NULL, 2, NULL);
INSERT INTO "sync_change_order_items" VALUES (15, 'b9f073fd494be65aac9843cbd86dc0e2', NULL, 4, 77, 1, 1, 1, 1);
CREATE TABLE "sync_evicted_order_items" (
  state INTEGER,
  row_key,
  identity TEXT,
  central_id TEXT,
  key_0,
  "old_order_id",
  "old_product_id",
  "old_quantity"
);
CREATE TABLE "sync_row_settings" (
  central_id TEXT NOT NULL PRIMARY KEY,
  row_key,
  position BLOB NOT NULL,
  deleted INTEGER NOT NULL DEFAULT 0,
  base TEXT
) WITHOUT ROWID;
INSERT INTO "sync_row_settings" VALUES ('a', 'a', X'00000001000000000000006400000005', 0, NULL);
INSERT INTO "sync_row_settings" VALUES ('b', NULL, X'00000001000000000000006400000006', 0, NULL);
CREATE TABLE "sync_change_settings" (
  seq INTEGER PRIMARY KEY,
  identity TEXT,
  central_id TEXT,
  "old_name",
  "new_name",
  "old_value",
  "new_value"
);
INSERT INTO "sync_change_settings" VALUES (16, 'd56fc2ab0472d0bf64a9d8ea2aff2e29', 'a', 'a', 'a', '1', 'edited');
INSERT INTO "sync_change_settings" VALUES (17, '26275717efc594ac463f4c3d13adfe35', 'b', 'b', NULL, '2', NULL);
INSERT INTO "sync_change_settings" VALUES (18, 'd7a9b5186e39356176d50e21d5887b99', NULL, NULL, 'c', NULL, 'new');
CREATE TABLE "sync_evicted_settings" (
  state INTEGER,
  row_key,
  identity TEXT,
  central_id TEXT,
  key_0,
  "old_name",
  "old_value"
);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES ('sync_outbox', 18);
CREATE INDEX sync_outbox_open ON sync_outbox (table_name, row_key) WHERE outcome IS NULL;
CREATE INDEX sync_outbox_gone ON sync_outbox (table_name, row_key) WHERE op IN ('d', 'k');
CREATE INDEX sync_outbox_moved ON sync_outbox (table_name) WHERE op = 'k';
CREATE INDEX sync_identity_name ON sync_identity (table_name, identity);
CREATE INDEX sync_parked_waiting ON sync_parked (waits_for) WHERE waits_for IS NOT NULL;
CREATE INDEX "sync_key_categories" ON "sync_row_categories" (row_key);
CREATE INDEX "sync_uuid_categories" ON "categories" ("local_id");
CREATE INDEX "sync_key_products" ON "sync_row_products" (row_key);
CREATE INDEX "sync_uuid_products" ON "products" ("local_id");
CREATE INDEX "sync_key_orders" ON "sync_row_orders" (row_key);
CREATE INDEX "sync_uuid_orders" ON "orders" ("local_id");
CREATE INDEX "sync_key_order_items" ON "sync_row_order_items" (row_key);
CREATE INDEX "sync_uuid_order_items" ON "order_items" ("local_id");
CREATE INDEX "sync_key_settings" ON "sync_row_settings" (row_key);
CREATE TRIGGER "sync_pin_categories" BEFORE UPDATE OF "local_id" ON "categories" FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM sync_silence) AND OLD."local_id" IS NOT NEW."local_id" COLLATE BINARY
BEGIN
  INSERT INTO sync_identity (table_name, row_key, identity) SELECT 'categories', +OLD."id", lower(hex(randomblob(16)))
      WHERE (+OLD."id") IS NOT NULL AND (NOT (typeof(OLD."local_id") = 'text' AND length(OLD."local_id") >= 32) OR EXISTS (SELECT 1 FROM sync_retired WHERE table_name = 'categories' AND identity = +OLD."local_id") OR (NOT EXISTS (SELECT 1 FROM "sync_row_categories" WHERE row_key = +OLD."id")
      AND (EXISTS (SELECT 1 FROM sync_identity
      WHERE table_name = 'categories' AND identity = +OLD."local_id" AND row_key IS NOT +OLD."id") OR EXISTS (SELECT 1 FROM "categories" AS twin
      WHERE twin."local_id" = OLD."local_id" AND (+twin."id") IS NOT (+OLD."id")
      AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE table_name = 'categories' AND row_key = +twin."id")))))
      AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE table_name = 'categories' AND row_key = +OLD."id");
  INSERT INTO sync_identity (table_name, row_key, identity) SELECT 'categories', +OLD."id", OLD."local_id"
      WHERE (+OLD."id") IS NOT NULL AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE table_name = 'categories' AND row_key = +OLD."id");
END;
CREATE TRIGGER "sync_self_categories" BEFORE UPDATE OF "id" ON "categories" FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM sync_silence) AND (+OLD."id") IS NOT (+NEW."id") COLLATE BINARY AND (OLD."parent_id" = +OLD."id")
BEGIN
  INSERT INTO sync_identity (table_name, row_key, identity) SELECT 'categories', +OLD."id", lower(hex(randomblob(16)))
      WHERE (+OLD."id") IS NOT NULL AND (NOT (typeof(OLD."local_id") = 'text' AND length(OLD."local_id") >= 32) OR EXISTS (SELECT 1 FROM sync_retired WHERE table_name = 'categories' AND identity = +OLD."local_id") OR (NOT EXISTS (SELECT 1 FROM "sync_row_categories" WHERE row_key = +OLD."id")
      AND (EXISTS (SELECT 1 FROM sync_identity
      WHERE table_name = 'categories' AND identity = +OLD."local_id" AND row_key IS NOT +OLD."id") OR EXISTS (SELECT 1 FROM "categories" AS twin
      WHERE twin."local_id" = OLD."local_id" AND (+twin."id") IS NOT (+OLD."id")
      AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE table_name = 'categories' AND row_key = +twin."id")))))
      AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE table_name = 'categories' AND row_key = +OLD."id");
  INSERT INTO sync_identity (table_name, row_key, identity) SELECT 'categories', +OLD."id", OLD."local_id"
      WHERE (+OLD."id") IS NOT NULL AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE table_name = 'categories' AND row_key = +OLD."id");
END;
CREATE TRIGGER "sync_offer_categories" BEFORE UPDATE ON "categories" FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM sync_silence) AND (OLD."name" IS NOT NEW."name" COLLATE BINARY OR OLD."parent_id" IS NOT NEW."parent_id" COLLATE BINARY) AND NOT EXISTS (SELECT 1 FROM "sync_row_categories" WHERE row_key = +OLD."id")
    AND NOT EXISTS (SELECT 1 FROM sync_outbox WHERE table_name = 'categories' AND row_key = +OLD."id" AND outcome IS NULL) AND NOT (NEW."parent_id" = +NEW."id" AND OLD."parent_id" <> NEW."parent_id" AND (+OLD."id") IS (+NEW."id")
    AND EXISTS (SELECT 1 FROM sync_identity WHERE table_name = 'categories' AND row_key = +OLD."parent_id")
    AND NOT EXISTS (SELECT 1 FROM "categories" AS t WHERE t."id" = OLD."parent_id"))
BEGIN
  INSERT INTO sync_identity (table_name, row_key, identity) SELECT 'categories', +OLD."id", lower(hex(randomblob(16)))
      WHERE (+OLD."id") IS NOT NULL AND (NOT (typeof(OLD."local_id") = 'text' AND length(OLD."local_id") >= 32) OR EXISTS (SELECT 1 FROM sync_retired WHERE table_name = 'categories' AND identity = +OLD."local_id") OR (NOT EXISTS (SELECT 1 FROM "sync_row_categories" WHERE row_key = +OLD."id")
      AND (EXISTS (SELECT 1 FROM sync_identity
      WHERE table_name = 'categories' AND identity = +OLD."local_id" AND row_key IS NOT +OLD."id") OR EXISTS (SELECT 1 FROM "categories" AS twin
      WHERE twin."local_id" = OLD."local_id" AND (+twin."id") IS NOT (+OLD."id")
      AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE table_name = 'categories' AND row_key = +twin."id")))))
      AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE table_name = 'categories' AND row_key = +OLD."id");
  INSERT INTO sync_outbox (table_name, op, row_key, captured_at_ms) VALUES ('categories', 'r', +OLD."id", CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER));
  INSERT INTO "sync_change_categories" (seq, identity, central_id, "new_name", "new_parent_id")
      VALUES (last_insert_rowid(), coalesce(coalesce((SELECT identity FROM sync_identity WHERE table_name = 'categories'
    AND row_key = +OLD."id"), CASE WHEN (typeof(OLD."local_id") = 'text' AND length(OLD."local_id") >= 32) THEN OLD."local_id" END), lower(hex(randomblob(16)))), NULL, OLD."name", OLD."parent_id");
END;
CREATE TRIGGER "sync_gone_categories" AFTER UPDATE OF state ON "sync_evicted_categories" FOR EACH ROW
WHEN NEW.state = 2
BEGIN
  INSERT INTO sync_outbox (table_name, op, row_key, captured_at_ms) VALUES ('categories', 'd', NEW.row_key, CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER));
  INSERT INTO "sync_change_categories" (seq, identity, central_id, "old_name", "old_parent_id")
      VALUES (last_insert_rowid(), NEW.identity, NEW.central_id, NEW."old_name", NEW."old_parent_id");
  INSERT INTO sync_retired (table_name, identity) SELECT 'categories', NEW.identity
      WHERE NOT EXISTS (SELECT 1 FROM sync_retired WHERE table_name = 'categories' AND identity = NEW.identity);
  DELETE FROM sync_identity WHERE table_name = 'categories' AND row_key = NEW.row_key;
  UPDATE "sync_row_categories" SET row_key = NULL WHERE row_key = NEW.row_key;
END;
CREATE TRIGGER "sync_evict_categories" BEFORE INSERT ON "categories" FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM sync_silence) AND (EXISTS (SELECT 1 FROM "sync_evicted_categories")
    OR EXISTS (SELECT 1 FROM "categories" AS t WHERE 1 AND t."id" = NEW."id"))
BEGIN
  DELETE FROM "sync_evicted_categories";
  INSERT INTO "sync_evicted_categories" (state, row_key, identity, central_id, key_0, "old_name", "old_parent_id")
      SELECT 0, +t."id", coalesce(coalesce((SELECT identity FROM sync_identity WHERE table_name = 'categories'
    AND row_key = +t."id"), CASE WHEN (typeof(t."local_id") = 'text' AND length(t."local_id") >= 32) THEN t."local_id" END), lower(hex(randomblob(16)))), (SELECT central_id FROM "sync_row_categories" WHERE row_key = +t."id" LIMIT 1), t."id", t."name", t."parent_id"
      FROM "categories" AS t WHERE 1 AND t."id" = NEW."id"
      AND NOT EXISTS (SELECT 1 FROM "sync_evicted_categories" AS e WHERE e.key_0 IS t."id");
END;
CREATE TRIGGER "sync_displace_categories" BEFORE UPDATE OF "id" ON "categories" FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM sync_silence) AND (EXISTS (SELECT 1 FROM "sync_evicted_categories")
    OR EXISTS (SELECT 1 FROM "categories" AS t WHERE NOT (t."id" IS OLD."id") AND t."id" = NEW."id"))
BEGIN
  DELETE FROM "sync_evicted_categories";
  INSERT INTO "sync_evicted_categories" (state, row_key, identity, central_id, key_0, "old_name", "old_parent_id")
      SELECT 0, +t."id", coalesce(coalesce((SELECT identity FROM sync_identity WHERE table_name = 'categories'
    AND row_key = +t."id"), CASE WHEN (typeof(t."local_id") = 'text' AND length(t."local_id") >= 32) THEN t."local_id" END), lower(hex(randomblob(16)))), (SELECT central_id FROM "sync_row_categories" WHERE row_key = +t."id" LIMIT 1), t."id", t."name", t."parent_id"
      FROM "categories" AS t WHERE NOT (t."id" IS OLD."id") AND t."id" = NEW."id"
      AND NOT EXISTS (SELECT 1 FROM "sync_evicted_categories" AS e WHERE e.key_0 IS t."id");
END;
CREATE TRIGGER "sync_replace_categories" AFTER INSERT ON "categories" FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM sync_silence) AND EXISTS (SELECT 1 FROM "sync_evicted_categories" WHERE state = 0)
BEGIN
  UPDATE "sync_evicted_categories" SET state = 3 WHERE state = 0 AND NOT ("sync_evicted_categories".key_0 IS NEW."id") AND EXISTS (SELECT 1 FROM "categories" AS t WHERE t."id" = "sync_evicted_categories".key_0);
  UPDATE "sync_evicted_categories" SET state = 1 WHERE rowid = (SELECT rowid FROM "sync_evicted_categories"
      WHERE state = 0 AND (row_key = +NEW."id" OR ((typeof(NEW."local_id") = 'text' AND length(NEW."local_id") >= 32) AND identity = NEW."local_id")) ORDER BY row_key = +NEW."id" DESC LIMIT 1);
  UPDATE "sync_evicted_categories" SET state = 2 WHERE state = 0;
  INSERT INTO sync_outbox (table_name, op, row_key, captured_at_ms, outcome)
      SELECT 'categories', 'k', (SELECT row_key FROM "sync_evicted_categories" WHERE state = 1), CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER), 'local' WHERE (SELECT row_key FROM "sync_evicted_categories" WHERE state = 1) IS NOT NULL AND (SELECT row_key FROM "sync_evicted_categories" WHERE state = 1) IS NOT (+NEW."id");
  INSERT INTO "sync_change_categories" (seq, identity, central_id)
      SELECT last_insert_rowid(), (SELECT identity FROM "sync_evicted_categories" WHERE state = 1), (SELECT central_id FROM "sync_row_categories" WHERE row_key = (SELECT row_key FROM "sync_evicted_categories" WHERE state = 1) LIMIT 1)
      WHERE (SELECT row_key FROM "sync_evicted_categories" WHERE state = 1) IS NOT NULL AND (SELECT row_key FROM "sync_evicted_categories" WHERE state = 1) IS NOT (+NEW."id");
  DELETE FROM sync_identity WHERE table_name = 'categories' AND row_key = +NEW."id" AND (SELECT row_key FROM "sync_evicted_categories" WHERE state = 1) IS NOT NULL AND (SELECT row_key FROM "sync_evicted_categories" WHERE state = 1) IS NOT (+NEW."id");
  UPDATE sync_identity SET row_key = +NEW."id" WHERE table_name = 'categories' AND row_key = (SELECT row_key FROM "sync_evicted_categories" WHERE state = 1) AND (SELECT row_key FROM "sync_evicted_categories" WHERE state = 1) IS NOT NULL AND (SELECT row_key FROM "sync_evicted_categories" WHERE state = 1) IS NOT (+NEW."id");
  UPDATE "sync_row_categories" SET row_key = NULL WHERE row_key = +NEW."id" AND (SELECT row_key FROM "sync_evicted_categories" WHERE state = 1) IS NOT NULL AND (SELECT row_key FROM "sync_evicted_categories" WHERE state = 1) IS NOT (+NEW."id");
  UPDATE "sync_row_categories" SET row_key = +NEW."id" WHERE row_key = (SELECT row_key FROM "sync_evicted_categories" WHERE state = 1) AND (SELECT row_key FROM "sync_evicted_categories" WHERE state = 1) IS NOT NULL AND (SELECT row_key FROM "sync_evicted_categories" WHERE state = 1) IS NOT (+NEW."id");
  DELETE FROM sync_identity WHERE table_name = 'categories' AND row_key = +NEW."id";
  INSERT INTO sync_identity (table_name, row_key, identity)
      SELECT 'categories', +NEW."id", coalesce((SELECT identity FROM "sync_evicted_categories" WHERE state = 1), lower(hex(randomblob(16))))
      WHERE (+NEW."id") IS NOT NULL AND ((SELECT identity FROM "sync_evicted_categories" WHERE state = 1) IS NOT NULL OR NOT (typeof(NEW."local_id") = 'text' AND length(NEW."local_id") >= 32) OR EXISTS (SELECT 1 FROM sync_retired WHERE table_name = 'categories' AND identity = +NEW."local_id") OR (NOT EXISTS (SELECT 1 FROM "sync_row_categories" WHERE row_key = +NEW."id")
      AND (EXISTS (SELECT 1 FROM sync_identity
      WHERE table_name = 'categories' AND identity = +NEW."local_id" AND row_key IS NOT +NEW."id") OR EXISTS (SELECT 1 FROM "categories" AS twin
      WHERE twin."local_id" = NEW."local_id" AND (+twin."id") IS NOT (+NEW."id")
      AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE table_name = 'categories' AND row_key = +twin."id")))));
  UPDATE "sync_row_categories" SET row_key = NULL WHERE row_key = +NEW."id" AND (SELECT state FROM "sync_evicted_categories" WHERE state = 1) IS NULL;
  INSERT INTO sync_outbox (table_name, op, row_key, captured_at_ms)
      SELECT 'categories', CASE WHEN EXISTS (SELECT 1 FROM "sync_evicted_categories" AS e WHERE e.state = 1 AND (e.central_id IS NOT NULL
      OR EXISTS (SELECT 1 FROM sync_outbox WHERE table_name = 'categories' AND row_key = e.row_key AND outcome IS NULL)
      OR EXISTS (SELECT 1 FROM sync_outbox AS k
      CROSS JOIN sync_outbox AS o ON o.table_name = 'categories' AND o.row_key = k.row_key AND o.outcome IS NULL
      CROSS JOIN "sync_change_categories" AS c ON c.seq = o.seq
      WHERE k.table_name = 'categories' AND k.op = 'k' AND c.identity = e.identity))) THEN 'u' ELSE 'c' END, +NEW."id", CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER) WHERE NOT EXISTS (SELECT 1 FROM "sync_evicted_categories" AS e WHERE e.state = 1 AND NOT (e."old_name" IS NOT NEW."name" COLLATE BINARY OR e."old_parent_id" IS NOT NEW."parent_id" COLLATE BINARY))
      OR NOT EXISTS (SELECT 1 FROM "sync_evicted_categories" AS e WHERE e.state = 1 AND (e.central_id IS NOT NULL
      OR EXISTS (SELECT 1 FROM sync_outbox WHERE table_name = 'categories' AND row_key = e.row_key AND outcome IS NULL)
      OR EXISTS (SELECT 1 FROM sync_outbox AS k
      CROSS JOIN sync_outbox AS o ON o.table_name = 'categories' AND o.row_key = k.row_key AND o.outcome IS NULL
      CROSS JOIN "sync_change_categories" AS c ON c.seq = o.seq
      WHERE k.table_name = 'categories' AND k.op = 'k' AND c.identity = e.identity)));
  INSERT INTO "sync_change_categories" (seq, identity, central_id, "old_name", "old_parent_id", "new_name", "new_parent_id")
      SELECT last_insert_rowid(), coalesce(coalesce((SELECT identity FROM sync_identity WHERE table_name = 'categories'
    AND row_key = +NEW."id"), CASE WHEN (typeof(NEW."local_id") = 'text' AND length(NEW."local_id") >= 32) THEN NEW."local_id" END), lower(hex(randomblob(16)))), (SELECT central_id FROM "sync_row_categories" WHERE row_key = +NEW."id" LIMIT 1), e."old_name", e."old_parent_id", NEW."name", NEW."parent_id"
      FROM (SELECT 1) LEFT JOIN "sync_evicted_categories" AS e ON e.state = 1
      WHERE NOT EXISTS (SELECT 1 FROM "sync_change_categories" AS c WHERE c.seq = last_insert_rowid())
      AND EXISTS (SELECT 1 FROM sync_outbox AS o WHERE o.seq = last_insert_rowid() AND o.table_name = 'categories' AND o.op IN ('c', 'u'));
  UPDATE "categories" SET sync_status = 'pending' WHERE "id" = NEW."id" AND (sync_status IS NOT 'pending');
END;
CREATE TRIGGER "sync_delete_categories" AFTER DELETE ON "categories" FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM sync_silence)
BEGIN
  INSERT INTO sync_outbox (table_name, op, row_key, captured_at_ms) VALUES ('categories', 'd', +OLD."id", CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER));
  INSERT INTO "sync_change_categories" (seq, identity, central_id, "old_name", "old_parent_id")
      VALUES (last_insert_rowid(), coalesce(coalesce((SELECT identity FROM sync_identity WHERE table_name = 'categories'
    AND row_key = +OLD."id"), CASE WHEN (typeof(OLD."local_id") = 'text' AND length(OLD."local_id") >= 32) THEN OLD."local_id" END), lower(hex(randomblob(16)))), (SELECT central_id FROM "sync_row_categories" WHERE row_key = +OLD."id" LIMIT 1), OLD."name", OLD."parent_id");
  INSERT INTO sync_retired (table_name, identity) SELECT 'categories', i.identity
      FROM (SELECT coalesce((SELECT identity FROM sync_identity WHERE table_name = 'categories'
    AND row_key = +OLD."id"), CASE WHEN (typeof(OLD."local_id") = 'text' AND length(OLD."local_id") >= 32) THEN OLD."local_id" END) AS identity) AS i WHERE (typeof(OLD."local_id") = 'text' AND length(OLD."local_id") >= 32)
      AND NOT EXISTS (SELECT 1 FROM sync_retired WHERE table_name = 'categories' AND identity = i.identity);
  DELETE FROM sync_identity WHERE table_name = 'categories' AND row_key = +OLD."id";
  UPDATE "sync_row_categories" SET row_key = NULL WHERE row_key = +OLD."id";
  DELETE FROM "sync_evicted_categories" WHERE row_key = +OLD."id";
END;
CREATE TRIGGER "sync_update_categories" AFTER UPDATE ON "categories" FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM sync_silence) AND (OLD."name" IS NOT NEW."name" COLLATE BINARY OR OLD."parent_id" IS NOT NEW."parent_id" COLLATE BINARY) AND NOT (NEW."parent_id" = +NEW."id" AND OLD."parent_id" <> NEW."parent_id" AND (+OLD."id") IS (+NEW."id")
    AND EXISTS (SELECT 1 FROM sync_identity WHERE table_name = 'categories' AND row_key = +OLD."parent_id")
    AND NOT EXISTS (SELECT 1 FROM "categories" AS t WHERE t."id" = OLD."parent_id"))
BEGIN
  INSERT INTO sync_outbox (table_name, op, row_key, captured_at_ms, outcome)
      SELECT 'categories', 'k', +OLD."id", CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER), 'local' WHERE (+OLD."id") IS NOT (+NEW."id") COLLATE BINARY;
  INSERT INTO "sync_change_categories" (seq, identity, central_id)
      SELECT last_insert_rowid(), coalesce(coalesce((SELECT identity FROM sync_identity WHERE table_name = 'categories'
    AND row_key = +OLD."id"), CASE WHEN (typeof(OLD."local_id") = 'text' AND length(OLD."local_id") >= 32) THEN OLD."local_id" END), lower(hex(randomblob(16)))), (SELECT central_id FROM "sync_row_categories" WHERE row_key = +OLD."id" LIMIT 1)
      WHERE (+OLD."id") IS NOT (+NEW."id") COLLATE BINARY;
  DELETE FROM sync_identity WHERE table_name = 'categories' AND row_key = +NEW."id" AND (+OLD."id") IS NOT (+NEW."id") COLLATE BINARY;
  UPDATE sync_identity SET row_key = +NEW."id" WHERE table_name = 'categories' AND row_key = +OLD."id" AND (+OLD."id") IS NOT (+NEW."id") COLLATE BINARY;
  UPDATE "sync_row_categories" SET row_key = NULL WHERE row_key = +NEW."id" AND (+OLD."id") IS NOT (+NEW."id") COLLATE BINARY;
  UPDATE "sync_row_categories" SET row_key = +NEW."id" WHERE row_key = +OLD."id" AND (+OLD."id") IS NOT (+NEW."id") COLLATE BINARY;
  INSERT INTO sync_identity (table_name, row_key, identity) SELECT 'categories', +NEW."id", lower(hex(randomblob(16)))
      WHERE (+NEW."id") IS NOT NULL AND (NOT (typeof(NEW."local_id") = 'text' AND length(NEW."local_id") >= 32) OR EXISTS (SELECT 1 FROM sync_retired WHERE table_name = 'categories' AND identity = +NEW."local_id") OR (NOT EXISTS (SELECT 1 FROM "sync_row_categories" WHERE row_key = +NEW."id")
      AND (EXISTS (SELECT 1 FROM sync_identity
      WHERE table_name = 'categories' AND identity = +NEW."local_id" AND row_key IS NOT +NEW."id") OR EXISTS (SELECT 1 FROM "categories" AS twin
      WHERE twin."local_id" = NEW."local_id" AND (+twin."id") IS NOT (+NEW."id")
      AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE table_name = 'categories' AND row_key = +twin."id")))))
      AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE table_name = 'categories' AND row_key = +NEW."id");
  INSERT INTO sync_outbox (table_name, op, row_key, captured_at_ms) VALUES ('categories', 'u', +NEW."id", CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER));
  INSERT INTO "sync_change_categories" (seq, identity, central_id, "old_name", "old_parent_id", "new_name", "new_parent_id")
      VALUES (last_insert_rowid(), coalesce(coalesce((SELECT identity FROM sync_identity WHERE table_name = 'categories'
    AND row_key = +NEW."id"), CASE WHEN (typeof(NEW."local_id") = 'text' AND length(NEW."local_id") >= 32) THEN NEW."local_id" END), lower(hex(randomblob(16)))), (SELECT central_id FROM "sync_row_categories" WHERE row_key = +NEW."id" LIMIT 1), OLD."name", OLD."parent_id", NEW."name", NEW."parent_id");
  UPDATE "categories" SET sync_status = 'pending' WHERE "id" = NEW."id" AND (sync_status IS NOT 'pending');
END;
CREATE TRIGGER "sync_rekey_categories" AFTER UPDATE OF "id" ON "categories" FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM sync_silence) AND (+OLD."id") IS NOT (+NEW."id") COLLATE BINARY AND NOT (OLD."name" IS NOT NEW."name" COLLATE BINARY OR OLD."parent_id" IS NOT NEW."parent_id" COLLATE BINARY)
BEGIN
  INSERT INTO sync_outbox (table_name, op, row_key, captured_at_ms, outcome)
      SELECT 'categories', 'k', +OLD."id", CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER), 'local' WHERE 1;
  INSERT INTO "sync_change_categories" (seq, identity, central_id)
      SELECT last_insert_rowid(), coalesce(coalesce((SELECT identity FROM sync_identity WHERE table_name = 'categories'
    AND row_key = +OLD."id"), CASE WHEN (typeof(OLD."local_id") = 'text' AND length(OLD."local_id") >= 32) THEN OLD."local_id" END), lower(hex(randomblob(16)))), (SELECT central_id FROM "sync_row_categories" WHERE row_key = +OLD."id" LIMIT 1)
      WHERE 1;
  DELETE FROM sync_identity WHERE table_name = 'categories' AND row_key = +NEW."id" AND 1;
  UPDATE sync_identity SET row_key = +NEW."id" WHERE table_name = 'categories' AND row_key = +OLD."id" AND 1;
  UPDATE "sync_row_categories" SET row_key = NULL WHERE row_key = +NEW."id" AND 1;
  UPDATE "sync_row_categories" SET row_key = +NEW."id" WHERE row_key = +OLD."id" AND 1;
END;
CREATE TRIGGER "sync_displaced_categories" AFTER UPDATE OF "id" ON "categories" FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM sync_silence) AND EXISTS (SELECT 1 FROM "sync_evicted_categories" WHERE state = 0)
BEGIN
  UPDATE "sync_evicted_categories" SET state = 3 WHERE state = 0 AND NOT ("sync_evicted_categories".key_0 IS NEW."id") AND EXISTS (SELECT 1 FROM "categories" AS t WHERE t."id" = "sync_evicted_categories".key_0);
  UPDATE "sync_evicted_categories" SET state = 2 WHERE state = 0;
END;
CREATE TRIGGER "sync_insert_categories" AFTER INSERT ON "categories" FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM sync_silence) AND NOT EXISTS (SELECT 1 FROM "sync_evicted_categories")
BEGIN
  UPDATE "sync_row_categories" SET row_key = NULL WHERE row_key = +NEW."id";
  DELETE FROM sync_identity WHERE table_name = 'categories' AND row_key = +NEW."id";
  INSERT INTO sync_identity (table_name, row_key, identity) SELECT 'categories', +NEW."id", lower(hex(randomblob(16)))
      WHERE (+NEW."id") IS NOT NULL AND (NOT (typeof(NEW."local_id") = 'text' AND length(NEW."local_id") >= 32) OR EXISTS (SELECT 1 FROM sync_retired WHERE table_name = 'categories' AND identity = +NEW."local_id") OR (NOT EXISTS (SELECT 1 FROM "sync_row_categories" WHERE row_key = +NEW."id")
      AND (EXISTS (SELECT 1 FROM sync_identity
      WHERE table_name = 'categories' AND identity = +NEW."local_id" AND row_key IS NOT +NEW."id") OR EXISTS (SELECT 1 FROM "categories" AS twin
      WHERE twin."local_id" = NEW."local_id" AND (+twin."id") IS NOT (+NEW."id")
      AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE table_name = 'categories' AND row_key = +twin."id")))))
      AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE table_name = 'categories' AND row_key = +NEW."id");
  INSERT INTO sync_outbox (table_name, op, row_key, captured_at_ms) VALUES ('categories', 'c', +NEW."id", CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER));
  INSERT INTO "sync_change_categories" (seq, identity, central_id, "new_name", "new_parent_id")
      VALUES (last_insert_rowid(), coalesce(coalesce((SELECT identity FROM sync_identity WHERE table_name = 'categories'
    AND row_key = +NEW."id"), CASE WHEN (typeof(NEW."local_id") = 'text' AND length(NEW."local_id") >= 32) THEN NEW."local_id" END), lower(hex(randomblob(16)))), NULL, NEW."name", NEW."parent_id");
  UPDATE "categories" SET sync_status = 'pending' WHERE "id" = NEW."id" AND (sync_status IS NOT 'pending');
END;
CREATE TRIGGER "sync_pin_products" BEFORE UPDATE OF "local_id" ON "products" FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM sync_silence) AND OLD."local_id" IS NOT NEW."local_id" COLLATE BINARY
BEGIN
  INSERT INTO sync_identity (table_name, row_key, identity) SELECT 'products', +OLD."id", lower(hex(randomblob(16)))
      WHERE (+OLD."id") IS NOT NULL AND (NOT (typeof(OLD."local_id") = 'text' AND length(OLD."local_id") >= 32) OR EXISTS (SELECT 1 FROM sync_retired WHERE table_name = 'products' AND identity = +OLD."local_id") OR (NOT EXISTS (SELECT 1 FROM "sync_row_products" WHERE row_key = +OLD."id")
      AND (EXISTS (SELECT 1 FROM sync_identity
      WHERE table_name = 'products' AND identity = +OLD."local_id" AND row_key IS NOT +OLD."id") OR EXISTS (SELECT 1 FROM "products" AS twin
      WHERE twin."local_id" = OLD."local_id" AND (+twin."id") IS NOT (+OLD."id")
      AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE table_name = 'products' AND row_key = +twin."id")))))
      AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE table_name = 'products' AND row_key = +OLD."id");
  INSERT INTO sync_identity (table_name, row_key, identity) SELECT 'products', +OLD."id", OLD."local_id"
      WHERE (+OLD."id") IS NOT NULL AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE table_name = 'products' AND row_key = +OLD."id");
END;
CREATE TRIGGER "sync_offer_products" BEFORE UPDATE ON "products" FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM sync_silence) AND (OLD."sku" IS NOT NEW."sku" COLLATE BINARY OR OLD."name" IS NOT NEW."name" COLLATE BINARY OR OLD."price" IS NOT NEW."price" COLLATE BINARY OR OLD."stock_quantity" IS NOT NEW."stock_quantity" COLLATE BINARY OR OLD."category_id" IS NOT NEW."category_id" COLLATE BINARY OR OLD."updated_at" IS NOT NEW."updated_at" COLLATE BINARY) AND NOT EXISTS (SELECT 1 FROM "sync_row_products" WHERE row_key = +OLD."id")
    AND NOT EXISTS (SELECT 1 FROM sync_outbox WHERE table_name = 'products' AND row_key = +OLD."id" AND outcome IS NULL)
BEGIN
  INSERT INTO sync_identity (table_name, row_key, identity) SELECT 'products', +OLD."id", lower(hex(randomblob(16)))
      WHERE (+OLD."id") IS NOT NULL AND (NOT (typeof(OLD."local_id") = 'text' AND length(OLD."local_id") >= 32) OR EXISTS (SELECT 1 FROM sync_retired WHERE table_name = 'products' AND identity = +OLD."local_id") OR (NOT EXISTS (SELECT 1 FROM "sync_row_products" WHERE row_key = +OLD."id")
      AND (EXISTS (SELECT 1 FROM sync_identity
      WHERE table_name = 'products' AND identity = +OLD."local_id" AND row_key IS NOT +OLD."id") OR EXISTS (SELECT 1 FROM "products" AS twin
      WHERE twin."local_id" = OLD."local_id" AND (+twin."id") IS NOT (+OLD."id")
      AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE table_name = 'products' AND row_key = +twin."id")))))
      AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE table_name = 'products' AND row_key = +OLD."id");
  INSERT INTO sync_outbox (table_name, op, row_key, captured_at_ms) VALUES ('products', 'r', +OLD."id", CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER));
  INSERT INTO "sync_change_products" (seq, identity, central_id, "new_sku", "new_name", "new_price", "new_stock_quantity", "new_category_id", "new_updated_at")
      VALUES (last_insert_rowid(), coalesce(coalesce((SELECT identity FROM sync_identity WHERE table_name = 'products'
    AND row_key = +OLD."id"), CASE WHEN (typeof(OLD."local_id") = 'text' AND length(OLD."local_id") >= 32) THEN OLD."local_id" END), lower(hex(randomblob(16)))), NULL, OLD."sku", OLD."name", OLD."price", OLD."stock_quantity", OLD."category_id", OLD."updated_at");
END;
CREATE TRIGGER "sync_gone_products" AFTER UPDATE OF state ON "sync_evicted_products" FOR EACH ROW
WHEN NEW.state = 2
BEGIN
  INSERT INTO sync_outbox (table_name, op, row_key, captured_at_ms) VALUES ('products', 'd', NEW.row_key, CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER));
  INSERT INTO "sync_change_products" (seq, identity, central_id, "old_sku", "old_name", "old_price", "old_stock_quantity", "old_category_id", "old_updated_at")
      VALUES (last_insert_rowid(), NEW.identity, NEW.central_id, NEW."old_sku", NEW."old_name", NEW."old_price", NEW."old_stock_quantity", NEW."old_category_id", NEW."old_updated_at");
  INSERT INTO sync_retired (table_name, identity) SELECT 'products', NEW.identity
      WHERE NOT EXISTS (SELECT 1 FROM sync_retired WHERE table_name = 'products' AND identity = NEW.identity);
  DELETE FROM sync_identity WHERE table_name = 'products' AND row_key = NEW.row_key;
  UPDATE "sync_row_products" SET row_key = NULL WHERE row_key = NEW.row_key;
END;
CREATE TRIGGER "sync_evict_products" BEFORE INSERT ON "products" FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM sync_silence) AND (EXISTS (SELECT 1 FROM "sync_evicted_products")
    OR EXISTS (SELECT 1 FROM "products" AS t WHERE 1 AND t."id" = NEW."id")
    OR EXISTS (SELECT 1 FROM "products" AS t WHERE 1 AND t."sku" = NEW."sku"))
BEGIN
  DELETE FROM "sync_evicted_products";
  INSERT INTO "sync_evicted_products" (state, row_key, identity, central_id, key_0, "old_sku", "old_name", "old_price", "old_stock_quantity", "old_category_id", "old_updated_at")
      SELECT 0, +t."id", coalesce(coalesce((SELECT identity FROM sync_identity WHERE table_name = 'products'
    AND row_key = +t."id"), CASE WHEN (typeof(t."local_id") = 'text' AND length(t."local_id") >= 32) THEN t."local_id" END), lower(hex(randomblob(16)))), (SELECT central_id FROM "sync_row_products" WHERE row_key = +t."id" LIMIT 1), t."id", t."sku", t."name", t."price", t."stock_quantity", t."category_id", t."updated_at"
      FROM "products" AS t WHERE 1 AND t."id" = NEW."id"
      AND NOT EXISTS (SELECT 1 FROM "sync_evicted_products" AS e WHERE e.key_0 IS t."id");
  INSERT INTO "sync_evicted_products" (state, row_key, identity, central_id, key_0, "old_sku", "old_name", "old_price", "old_stock_quantity", "old_category_id", "old_updated_at")
      SELECT 0, +t."id", coalesce(coalesce((SELECT identity FROM sync_identity WHERE table_name = 'products'
    AND row_key = +t."id"), CASE WHEN (typeof(t."local_id") = 'text' AND length(t."local_id") >= 32) THEN t."local_id" END), lower(hex(randomblob(16)))), (SELECT central_id FROM "sync_row_products" WHERE row_key = +t."id" LIMIT 1), t."id", t."sku", t."name", t."price", t."stock_quantity", t."category_id", t."updated_at"
      FROM "products" AS t WHERE 1 AND t."sku" = NEW."sku"
      AND NOT EXISTS (SELECT 1 FROM "sync_evicted_products" AS e WHERE e.key_0 IS t."id");
END;
CREATE TRIGGER "sync_displace_products" BEFORE UPDATE OF "id", "sku" ON "products" FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM sync_silence) AND (EXISTS (SELECT 1 FROM "sync_evicted_products")
    OR EXISTS (SELECT 1 FROM "products" AS t WHERE NOT (t."id" IS OLD."id") AND t."id" = NEW."id")
    OR EXISTS (SELECT 1 FROM "products" AS t WHERE NOT (t."id" IS OLD."id") AND t."sku" = NEW."sku"))
BEGIN
  DELETE FROM "sync_evicted_products";
  INSERT INTO "sync_evicted_products" (state, row_key, identity, central_id, key_0, "old_sku", "old_name", "old_price", "old_stock_quantity", "old_category_id", "old_updated_at")
      SELECT 0, +t."id", coalesce(coalesce((SELECT identity FROM sync_identity WHERE table_name = 'products'
    AND row_key = +t."id"), CASE WHEN (typeof(t."local_id") = 'text' AND length(t."local_id") >= 32) THEN t."local_id" END), lower(hex(randomblob(16)))), (SELECT central_id FROM "sync_row_products" WHERE row_key = +t."id" LIMIT 1), t."id", t."sku", t."name", t."price", t."stock_quantity", t."category_id", t."updated_at"
      FROM "products" AS t WHERE NOT (t."id" IS OLD."id") AND t."id" = NEW."id"
      AND NOT EXISTS (SELECT 1 FROM "sync_evicted_products" AS e WHERE e.key_0 IS t."id");
  INSERT INTO "sync_evicted_products" (state, row_key, identity, central_id, key_0, "old_sku", "old_name", "old_price", "old_stock_quantity", "old_category_id", "old_updated_at")
      SELECT 0, +t."id", coalesce(coalesce((SELECT identity FROM sync_identity WHERE table_name = 'products'
    AND row_key = +t."id"), CASE WHEN (typeof(t."local_id") = 'text' AND length(t."local_id") >= 32) THEN t."local_id" END), lower(hex(randomblob(16)))), (SELECT central_id FROM "sync_row_products" WHERE row_key = +t."id" LIMIT 1), t."id", t."sku", t."name", t."price", t."stock_quantity", t."category_id", t."updated_at"
      FROM "products" AS t WHERE NOT (t."id" IS OLD."id") AND t."sku" = NEW."sku"
      AND NOT EXISTS (SELECT 1 FROM "sync_evicted_products" AS e WHERE e.key_0 IS t."id");
END;
CREATE TRIGGER "sync_replace_products" AFTER INSERT ON "products" FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM sync_silence) AND EXISTS (SELECT 1 FROM "sync_evicted_products" WHERE state = 0)
BEGIN
  UPDATE "sync_evicted_products" SET state = 3 WHERE state = 0 AND NOT ("sync_evicted_products".key_0 IS NEW."id") AND EXISTS (SELECT 1 FROM "products" AS t WHERE t."id" = "sync_evicted_products".key_0);
  UPDATE "sync_evicted_products" SET state = 1 WHERE rowid = (SELECT rowid FROM "sync_evicted_products"
      WHERE state = 0 AND (row_key = +NEW."id" OR ((typeof(NEW."local_id") = 'text' AND length(NEW."local_id") >= 32) AND identity = NEW."local_id")) ORDER BY row_key = +NEW."id" DESC LIMIT 1);
  UPDATE "sync_evicted_products" SET state = 2 WHERE state = 0;
  INSERT INTO sync_outbox (table_name, op, row_key, captured_at_ms, outcome)
      SELECT 'products', 'k', (SELECT row_key FROM "sync_evicted_products" WHERE state = 1), CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER), 'local' WHERE (SELECT row_key FROM "sync_evicted_products" WHERE state = 1) IS NOT NULL AND (SELECT row_key FROM "sync_evicted_products" WHERE state = 1) IS NOT (+NEW."id");
  INSERT INTO "sync_change_products" (seq, identity, central_id)
      SELECT last_insert_rowid(), (SELECT identity FROM "sync_evicted_products" WHERE state = 1), (SELECT central_id FROM "sync_row_products" WHERE row_key = (SELECT row_key FROM "sync_evicted_products" WHERE state = 1) LIMIT 1)
      WHERE (SELECT row_key FROM "sync_evicted_products" WHERE state = 1) IS NOT NULL AND (SELECT row_key FROM "sync_evicted_products" WHERE state = 1) IS NOT (+NEW."id");
  DELETE FROM sync_identity WHERE table_name = 'products' AND row_key = +NEW."id" AND (SELECT row_key FROM "sync_evicted_products" WHERE state = 1) IS NOT NULL AND (SELECT row_key FROM "sync_evicted_products" WHERE state = 1) IS NOT (+NEW."id");
  UPDATE sync_identity SET row_key = +NEW."id" WHERE table_name = 'products' AND row_key = (SELECT row_key FROM "sync_evicted_products" WHERE state = 1) AND (SELECT row_key FROM "sync_evicted_products" WHERE state = 1) IS NOT NULL AND (SELECT row_key FROM "sync_evicted_products" WHERE state = 1) IS NOT (+NEW."id");
  UPDATE "sync_row_products" SET row_key = NULL WHERE row_key = +NEW."id" AND (SELECT row_key FROM "sync_evicted_products" WHERE state = 1) IS NOT NULL AND (SELECT row_key FROM "sync_evicted_products" WHERE state = 1) IS NOT (+NEW."id");
  UPDATE "sync_row_products" SET row_key = +NEW."id" WHERE row_key = (SELECT row_key FROM "sync_evicted_products" WHERE state = 1) AND (SELECT row_key FROM "sync_evicted_products" WHERE state = 1) IS NOT NULL AND (SELECT row_key FROM "sync_evicted_products" WHERE state = 1) IS NOT (+NEW."id");
  DELETE FROM sync_identity WHERE table_name = 'products' AND row_key = +NEW."id";
  INSERT INTO sync_identity (table_name, row_key, identity)
      SELECT 'products', +NEW."id", coalesce((SELECT identity FROM "sync_evicted_products" WHERE state = 1), lower(hex(randomblob(16))))
      WHERE (+NEW."id") IS NOT NULL AND ((SELECT identity FROM "sync_evicted_products" WHERE state = 1) IS NOT NULL OR NOT (typeof(NEW."local_id") = 'text' AND length(NEW."local_id") >= 32) OR EXISTS (SELECT 1 FROM sync_retired WHERE table_name = 'products' AND identity = +NEW."local_id") OR (NOT EXISTS (SELECT 1 FROM "sync_row_products" WHERE row_key = +NEW."id")
      AND (EXISTS (SELECT 1 FROM sync_identity
      WHERE table_name = 'products' AND identity = +NEW."local_id" AND row_key IS NOT +NEW."id") OR EXISTS (SELECT 1 FROM "products" AS twin
      WHERE twin."local_id" = NEW."local_id" AND (+twin."id") IS NOT (+NEW."id")
      AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE table_name = 'products' AND row_key = +twin."id")))));
  UPDATE "sync_row_products" SET row_key = NULL WHERE row_key = +NEW."id" AND (SELECT state FROM "sync_evicted_products" WHERE state = 1) IS NULL;
  INSERT INTO sync_outbox (table_name, op, row_key, captured_at_ms)
      SELECT 'products', CASE WHEN EXISTS (SELECT 1 FROM "sync_evicted_products" AS e WHERE e.state = 1 AND (e.central_id IS NOT NULL
      OR EXISTS (SELECT 1 FROM sync_outbox WHERE table_name = 'products' AND row_key = e.row_key AND outcome IS NULL)
      OR EXISTS (SELECT 1 FROM sync_outbox AS k
      CROSS JOIN sync_outbox AS o ON o.table_name = 'products' AND o.row_key = k.row_key AND o.outcome IS NULL
      CROSS JOIN "sync_change_products" AS c ON c.seq = o.seq
      WHERE k.table_name = 'products' AND k.op = 'k' AND c.identity = e.identity))) THEN 'u' ELSE 'c' END, +NEW."id", CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER) WHERE NOT EXISTS (SELECT 1 FROM "sync_evicted_products" AS e WHERE e.state = 1 AND NOT (e."old_sku" IS NOT NEW."sku" COLLATE BINARY OR e."old_name" IS NOT NEW."name" COLLATE BINARY OR e."old_price" IS NOT NEW."price" COLLATE BINARY OR e."old_stock_quantity" IS NOT NEW."stock_quantity" COLLATE BINARY OR e."old_category_id" IS NOT NEW."category_id" COLLATE BINARY OR e."old_updated_at" IS NOT NEW."updated_at" COLLATE BINARY))
      OR NOT EXISTS (SELECT 1 FROM "sync_evicted_products" AS e WHERE e.state = 1 AND (e.central_id IS NOT NULL
      OR EXISTS (SELECT 1 FROM sync_outbox WHERE table_name = 'products' AND row_key = e.row_key AND outcome IS NULL)
      OR EXISTS (SELECT 1 FROM sync_outbox AS k
      CROSS JOIN sync_outbox AS o ON o.table_name = 'products' AND o.row_key = k.row_key AND o.outcome IS NULL
      CROSS JOIN "sync_change_products" AS c ON c.seq = o.seq
      WHERE k.table_name = 'products' AND k.op = 'k' AND c.identity = e.identity)));
  INSERT INTO "sync_change_products" (seq, identity, central_id, "old_sku", "old_name", "old_price", "old_stock_quantity", "old_category_id", "old_updated_at", "new_sku", "new_name", "new_price", "new_stock_quantity", "new_category_id", "new_updated_at")
      SELECT last_insert_rowid(), coalesce(coalesce((SELECT identity FROM sync_identity WHERE table_name = 'products'
    AND row_key = +NEW."id"), CASE WHEN (typeof(NEW."local_id") = 'text' AND length(NEW."local_id") >= 32) THEN NEW."local_id" END), lower(hex(randomblob(16)))), (SELECT central_id FROM "sync_row_products" WHERE row_key = +NEW."id" LIMIT 1), e."old_sku", e."old_name", e."old_price", e."old_stock_quantity", e."old_category_id", e."old_updated_at", NEW."sku", NEW."name", NEW."price", NEW."stock_quantity", NEW."category_id", NEW."updated_at"
      FROM (SELECT 1) LEFT JOIN "sync_evicted_products" AS e ON e.state = 1
      WHERE NOT EXISTS (SELECT 1 FROM "sync_change_products" AS c WHERE c.seq = last_insert_rowid())
      AND EXISTS (SELECT 1 FROM sync_outbox AS o WHERE o.seq = last_insert_rowid() AND o.table_name = 'products' AND o.op IN ('c', 'u'));
  UPDATE "products" SET sync_status = 'pending', sync_operation = CASE WHEN sync_status = 'pending' AND sync_operation = 'insert' THEN 'insert' ELSE 'update' END WHERE "id" = NEW."id" AND (sync_status IS NOT 'pending' OR sync_operation IS NOT CASE WHEN sync_status = 'pending' AND sync_operation = 'insert' THEN 'insert' ELSE 'update' END);
END;
CREATE TRIGGER "sync_delete_products" AFTER DELETE ON "products" FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM sync_silence)
BEGIN
  INSERT INTO sync_outbox (table_name, op, row_key, captured_at_ms) VALUES ('products', 'd', +OLD."id", CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER));
  INSERT INTO "sync_change_products" (seq, identity, central_id, "old_sku", "old_name", "old_price", "old_stock_quantity", "old_category_id", "old_updated_at")
      VALUES (last_insert_rowid(), coalesce(coalesce((SELECT identity FROM sync_identity WHERE table_name = 'products'
    AND row_key = +OLD."id"), CASE WHEN (typeof(OLD."local_id") = 'text' AND length(OLD."local_id") >= 32) THEN OLD."local_id" END), lower(hex(randomblob(16)))), (SELECT central_id FROM "sync_row_products" WHERE row_key = +OLD."id" LIMIT 1), OLD."sku", OLD."name", OLD."price", OLD."stock_quantity", OLD."category_id", OLD."updated_at");
  INSERT INTO sync_retired (table_name, identity) SELECT 'products', i.identity
      FROM (SELECT coalesce((SELECT identity FROM sync_identity WHERE table_name = 'products'
    AND row_key = +OLD."id"), CASE WHEN (typeof(OLD."local_id") = 'text' AND length(OLD."local_id") >= 32) THEN OLD."local_id" END) AS identity) AS i WHERE (typeof(OLD."local_id") = 'text' AND length(OLD."local_id") >= 32)
      AND NOT EXISTS (SELECT 1 FROM sync_retired WHERE table_name = 'products' AND identity = i.identity);
  DELETE FROM sync_identity WHERE table_name = 'products' AND row_key = +OLD."id";
  UPDATE "sync_row_products" SET row_key = NULL WHERE row_key = +OLD."id";
  DELETE FROM "sync_evicted_products" WHERE row_key = +OLD."id";
END;
CREATE TRIGGER "sync_update_products" AFTER UPDATE ON "products" FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM sync_silence) AND (OLD."sku" IS NOT NEW."sku" COLLATE BINARY OR OLD."name" IS NOT NEW."name" COLLATE BINARY OR OLD."price" IS NOT NEW."price" COLLATE BINARY OR OLD."stock_quantity" IS NOT NEW."stock_quantity" COLLATE BINARY OR OLD."category_id" IS NOT NEW."category_id" COLLATE BINARY OR OLD."updated_at" IS NOT NEW."updated_at" COLLATE BINARY)
BEGIN
  INSERT INTO sync_outbox (table_name, op, row_key, captured_at_ms, outcome)
      SELECT 'products', 'k', +OLD."id", CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER), 'local' WHERE (+OLD."id") IS NOT (+NEW."id") COLLATE BINARY;
  INSERT INTO "sync_change_products" (seq, identity, central_id)
      SELECT last_insert_rowid(), coalesce(coalesce((SELECT identity FROM sync_identity WHERE table_name = 'products'
    AND row_key = +OLD."id"), CASE WHEN (typeof(OLD."local_id") = 'text' AND length(OLD."local_id") >= 32) THEN OLD."local_id" END), lower(hex(randomblob(16)))), (SELECT central_id FROM "sync_row_products" WHERE row_key = +OLD."id" LIMIT 1)
      WHERE (+OLD."id") IS NOT (+NEW."id") COLLATE BINARY;
  DELETE FROM sync_identity WHERE table_name = 'products' AND row_key = +NEW."id" AND (+OLD."id") IS NOT (+NEW."id") COLLATE BINARY;
  UPDATE sync_identity SET row_key = +NEW."id" WHERE table_name = 'products' AND row_key = +OLD."id" AND (+OLD."id") IS NOT (+NEW."id") COLLATE BINARY;
  UPDATE "sync_row_products" SET row_key = NULL WHERE row_key = +NEW."id" AND (+OLD."id") IS NOT (+NEW."id") COLLATE BINARY;
  UPDATE "sync_row_products" SET row_key = +NEW."id" WHERE row_key = +OLD."id" AND (+OLD."id") IS NOT (+NEW."id") COLLATE BINARY;
  INSERT INTO sync_identity (table_name, row_key, identity) SELECT 'products', +NEW."id", lower(hex(randomblob(16)))
      WHERE (+NEW."id") IS NOT NULL AND (NOT (typeof(NEW."local_id") = 'text' AND length(NEW."local_id") >= 32) OR EXISTS (SELECT 1 FROM sync_retired WHERE table_name = 'products' AND identity = +NEW."local_id") OR (NOT EXISTS (SELECT 1 FROM "sync_row_products" WHERE row_key = +NEW."id")
      AND (EXISTS (SELECT 1 FROM sync_identity
      WHERE table_name = 'products' AND identity = +NEW."local_id" AND row_key IS NOT +NEW."id") OR EXISTS (SELECT 1 FROM "products" AS twin
      WHERE twin."local_id" = NEW."local_id" AND (+twin."id") IS NOT (+NEW."id")
      AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE table_name = 'products' AND row_key = +twin."id")))))
      AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE table_name = 'products' AND row_key = +NEW."id");
  INSERT INTO sync_outbox (table_name, op, row_key, captured_at_ms) VALUES ('products', 'u', +NEW."id", CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER));
  INSERT INTO "sync_change_products" (seq, identity, central_id, "old_sku", "old_name", "old_price", "old_stock_quantity", "old_category_id", "old_updated_at", "new_sku", "new_name", "new_price", "new_stock_quantity", "new_category_id", "new_updated_at")
      VALUES (last_insert_rowid(), coalesce(coalesce((SELECT identity FROM sync_identity WHERE table_name = 'products'
    AND row_key = +NEW."id"), CASE WHEN (typeof(NEW."local_id") = 'text' AND length(NEW."local_id") >= 32) THEN NEW."local_id" END), lower(hex(randomblob(16)))), (SELECT central_id FROM "sync_row_products" WHERE row_key = +NEW."id" LIMIT 1), OLD."sku", OLD."name", OLD."price", OLD."stock_quantity", OLD."category_id", OLD."updated_at", NEW."sku", NEW."name", NEW."price", NEW."stock_quantity", NEW."category_id", NEW."updated_at");
  UPDATE "products" SET sync_status = 'pending', sync_operation = CASE WHEN sync_status = 'pending' AND sync_operation = 'insert' THEN 'insert' ELSE 'update' END WHERE "id" = NEW."id" AND (sync_status IS NOT 'pending' OR sync_operation IS NOT CASE WHEN sync_status = 'pending' AND sync_operation = 'insert' THEN 'insert' ELSE 'update' END);
END;
CREATE TRIGGER "sync_rekey_products" AFTER UPDATE OF "id" ON "products" FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM sync_silence) AND (+OLD."id") IS NOT (+NEW."id") COLLATE BINARY AND NOT (OLD."sku" IS NOT NEW."sku" COLLATE BINARY OR OLD."name" IS NOT NEW."name" COLLATE BINARY OR OLD."price" IS NOT NEW."price" COLLATE BINARY OR OLD."stock_quantity" IS NOT NEW."stock_quantity" COLLATE BINARY OR OLD."category_id" IS NOT NEW."category_id" COLLATE BINARY OR OLD."updated_at" IS NOT NEW."updated_at" COLLATE BINARY)
BEGIN
  INSERT INTO sync_outbox (table_name, op, row_key, captured_at_ms, outcome)
      SELECT 'products', 'k', +OLD."id", CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER), 'local' WHERE 1;
  INSERT INTO "sync_change_products" (seq, identity, central_id)
      SELECT last_insert_rowid(), coalesce(coalesce((SELECT identity FROM sync_identity WHERE table_name = 'products'
    AND row_key = +OLD."id"), CASE WHEN (typeof(OLD."local_id") = 'text' AND length(OLD."local_id") >= 32) THEN OLD."local_id" END), lower(hex(randomblob(16)))), (SELECT central_id FROM "sync_row_products" WHERE row_key = +OLD."id" LIMIT 1)
      WHERE 1;
  DELETE FROM sync_identity WHERE table_name = 'products' AND row_key = +NEW."id" AND 1;
  UPDATE sync_identity SET row_key = +NEW."id" WHERE table_name = 'products' AND row_key = +OLD."id" AND 1;
  UPDATE "sync_row_products" SET row_key = NULL WHERE row_key = +NEW."id" AND 1;
  UPDATE "sync_row_products" SET row_key = +NEW."id" WHERE row_key = +OLD."id" AND 1;
END;
CREATE TRIGGER "sync_displaced_products" AFTER UPDATE OF "id", "sku" ON "products" FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM sync_silence) AND EXISTS (SELECT 1 FROM "sync_evicted_products" WHERE state = 0)
BEGIN
  UPDATE "sync_evicted_products" SET state = 3 WHERE state = 0 AND NOT ("sync_evicted_products".key_0 IS NEW."id") AND EXISTS (SELECT 1 FROM "products" AS t WHERE t."id" = "sync_evicted_products".key_0);
  UPDATE "sync_evicted_products" SET state = 2 WHERE state = 0;
END;
CREATE TRIGGER "sync_insert_products" AFTER INSERT ON "products" FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM sync_silence) AND NOT EXISTS (SELECT 1 FROM "sync_evicted_products")
BEGIN
  UPDATE "sync_row_products" SET row_key = NULL WHERE row_key = +NEW."id";
  DELETE FROM sync_identity WHERE table_name = 'products' AND row_key = +NEW."id";
  INSERT INTO sync_identity (table_name, row_key, identity) SELECT 'products', +NEW."id", lower(hex(randomblob(16)))
      WHERE (+NEW."id") IS NOT NULL AND (NOT (typeof(NEW."local_id") = 'text' AND length(NEW."local_id") >= 32) OR EXISTS (SELECT 1 FROM sync_retired WHERE table_name = 'products' AND identity = +NEW."local_id") OR (NOT EXISTS (SELECT 1 FROM "sync_row_products" WHERE row_key = +NEW."id")
      AND (EXISTS (SELECT 1 FROM sync_identity
      WHERE table_name = 'products' AND identity = +NEW."local_id" AND row_key IS NOT +NEW."id") OR EXISTS (SELECT 1 FROM "products" AS twin
      WHERE twin."local_id" = NEW."local_id" AND (+twin."id") IS NOT (+NEW."id")
      AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE table_name = 'products' AND row_key = +twin."id")))))
      AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE table_name = 'products' AND row_key = +NEW."id");
  INSERT INTO sync_outbox (table_name, op, row_key, captured_at_ms) VALUES ('products', 'c', +NEW."id", CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER));
  INSERT INTO "sync_change_products" (seq, identity, central_id, "new_sku", "new_name", "new_price", "new_stock_quantity", "new_category_id", "new_updated_at")
      VALUES (last_insert_rowid(), coalesce(coalesce((SELECT identity FROM sync_identity WHERE table_name = 'products'
    AND row_key = +NEW."id"), CASE WHEN (typeof(NEW."local_id") = 'text' AND length(NEW."local_id") >= 32) THEN NEW."local_id" END), lower(hex(randomblob(16)))), NULL, NEW."sku", NEW."name", NEW."price", NEW."stock_quantity", NEW."category_id", NEW."updated_at");
  UPDATE "products" SET sync_status = 'pending', sync_operation = 'insert' WHERE "id" = NEW."id" AND (sync_status IS NOT 'pending' OR sync_operation IS NOT 'insert');
END;
CREATE TRIGGER "sync_pin_orders" BEFORE UPDATE OF "local_id" ON "orders" FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM sync_silence) AND OLD."local_id" IS NOT NEW."local_id" COLLATE BINARY
BEGIN
  INSERT INTO sync_identity (table_name, row_key, identity) SELECT 'orders', +OLD."id", lower(hex(randomblob(16)))
      WHERE (+OLD."id") IS NOT NULL AND (NOT (typeof(OLD."local_id") = 'text' AND length(OLD."local_id") >= 32) OR EXISTS (SELECT 1 FROM sync_retired WHERE table_name = 'orders' AND identity = +OLD."local_id") OR (NOT EXISTS (SELECT 1 FROM "sync_row_orders" WHERE row_key = +OLD."id")
      AND (EXISTS (SELECT 1 FROM sync_identity
      WHERE table_name = 'orders' AND identity = +OLD."local_id" AND row_key IS NOT +OLD."id") OR EXISTS (SELECT 1 FROM "orders" AS twin
      WHERE twin."local_id" = OLD."local_id" AND (+twin."id") IS NOT (+OLD."id")
      AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE table_name = 'orders' AND row_key = +twin."id")))))
      AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE table_name = 'orders' AND row_key = +OLD."id");
  INSERT INTO sync_identity (table_name, row_key, identity) SELECT 'orders', +OLD."id", OLD."local_id"
      WHERE (+OLD."id") IS NOT NULL AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE table_name = 'orders' AND row_key = +OLD."id");
END;
CREATE TRIGGER "sync_offer_orders" BEFORE UPDATE ON "orders" FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM sync_silence) AND (OLD."number" IS NOT NEW."number" COLLATE BINARY OR OLD."total" IS NOT NEW."total" COLLATE BINARY OR OLD."updated_at" IS NOT NEW."updated_at" COLLATE BINARY) AND NOT EXISTS (SELECT 1 FROM "sync_row_orders" WHERE row_key = +OLD."id")
    AND NOT EXISTS (SELECT 1 FROM sync_outbox WHERE table_name = 'orders' AND row_key = +OLD."id" AND outcome IS NULL)
BEGIN
  INSERT INTO sync_identity (table_name, row_key, identity) SELECT 'orders', +OLD."id", lower(hex(randomblob(16)))
      WHERE (+OLD."id") IS NOT NULL AND (NOT (typeof(OLD."local_id") = 'text' AND length(OLD."local_id") >= 32) OR EXISTS (SELECT 1 FROM sync_retired WHERE table_name = 'orders' AND identity = +OLD."local_id") OR (NOT EXISTS (SELECT 1 FROM "sync_row_orders" WHERE row_key = +OLD."id")
      AND (EXISTS (SELECT 1 FROM sync_identity
      WHERE table_name = 'orders' AND identity = +OLD."local_id" AND row_key IS NOT +OLD."id") OR EXISTS (SELECT 1 FROM "orders" AS twin
      WHERE twin."local_id" = OLD."local_id" AND (+twin."id") IS NOT (+OLD."id")
      AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE table_name = 'orders' AND row_key = +twin."id")))))
      AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE table_name = 'orders' AND row_key = +OLD."id");
  INSERT INTO sync_outbox (table_name, op, row_key, captured_at_ms) VALUES ('orders', 'r', +OLD."id", CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER));
  INSERT INTO "sync_change_orders" (seq, identity, central_id, "new_number", "new_total", "new_updated_at")
      VALUES (last_insert_rowid(), coalesce(coalesce((SELECT identity FROM sync_identity WHERE table_name = 'orders'
    AND row_key = +OLD."id"), CASE WHEN (typeof(OLD."local_id") = 'text' AND length(OLD."local_id") >= 32) THEN OLD."local_id" END), lower(hex(randomblob(16)))), NULL, OLD."number", OLD."total", OLD."updated_at");
END;
CREATE TRIGGER "sync_gone_orders" AFTER UPDATE OF state ON "sync_evicted_orders" FOR EACH ROW
WHEN NEW.state = 2
BEGIN
  INSERT INTO sync_outbox (table_name, op, row_key, captured_at_ms) VALUES ('orders', 'd', NEW.row_key, CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER));
  INSERT INTO "sync_change_orders" (seq, identity, central_id, "old_number", "old_total", "old_updated_at")
      VALUES (last_insert_rowid(), NEW.identity, NEW.central_id, NEW."old_number", NEW."old_total", NEW."old_updated_at");
  INSERT INTO sync_retired (table_name, identity) SELECT 'orders', NEW.identity
      WHERE NOT EXISTS (SELECT 1 FROM sync_retired WHERE table_name = 'orders' AND identity = NEW.identity);
  DELETE FROM sync_identity WHERE table_name = 'orders' AND row_key = NEW.row_key;
  UPDATE "sync_row_orders" SET row_key = NULL WHERE row_key = NEW.row_key;
END;
CREATE TRIGGER "sync_evict_orders" BEFORE INSERT ON "orders" FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM sync_silence) AND (EXISTS (SELECT 1 FROM "sync_evicted_orders")
    OR EXISTS (SELECT 1 FROM "orders" AS t WHERE 1 AND t."id" = NEW."id"))
BEGIN
  DELETE FROM "sync_evicted_orders";
  INSERT INTO "sync_evicted_orders" (state, row_key, identity, central_id, key_0, "old_number", "old_total", "old_updated_at")
      SELECT 0, +t."id", coalesce(coalesce((SELECT identity FROM sync_identity WHERE table_name = 'orders'
    AND row_key = +t."id"), CASE WHEN (typeof(t."local_id") = 'text' AND length(t."local_id") >= 32) THEN t."local_id" END), lower(hex(randomblob(16)))), (SELECT central_id FROM "sync_row_orders" WHERE row_key = +t."id" LIMIT 1), t."id", t."number", t."total", t."updated_at"
      FROM "orders" AS t WHERE 1 AND t."id" = NEW."id"
      AND NOT EXISTS (SELECT 1 FROM "sync_evicted_orders" AS e WHERE e.key_0 IS t."id");
END;
CREATE TRIGGER "sync_displace_orders" BEFORE UPDATE OF "id" ON "orders" FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM sync_silence) AND (EXISTS (SELECT 1 FROM "sync_evicted_orders")
    OR EXISTS (SELECT 1 FROM "orders" AS t WHERE NOT (t."id" IS OLD."id") AND t."id" = NEW."id"))
BEGIN
  DELETE FROM "sync_evicted_orders";
  INSERT INTO "sync_evicted_orders" (state, row_key, identity, central_id, key_0, "old_number", "old_total", "old_updated_at")
      SELECT 0, +t."id", coalesce(coalesce((SELECT identity FROM sync_identity WHERE table_name = 'orders'
    AND row_key = +t."id"), CASE WHEN (typeof(t."local_id") = 'text' AND length(t."local_id") >= 32) THEN t."local_id" END), lower(hex(randomblob(16)))), (SELECT central_id FROM "sync_row_orders" WHERE row_key = +t."id" LIMIT 1), t."id", t."number", t."total", t."updated_at"
      FROM "orders" AS t WHERE NOT (t."id" IS OLD."id") AND t."id" = NEW."id"
      AND NOT EXISTS (SELECT 1 FROM "sync_evicted_orders" AS e WHERE e.key_0 IS t."id");
END;
CREATE TRIGGER "sync_replace_orders" AFTER INSERT ON "orders" FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM sync_silence) AND EXISTS (SELECT 1 FROM "sync_evicted_orders" WHERE state = 0)
BEGIN
  UPDATE "sync_evicted_orders" SET state = 3 WHERE state = 0 AND NOT ("sync_evicted_orders".key_0 IS NEW."id") AND EXISTS (SELECT 1 FROM "orders" AS t WHERE t."id" = "sync_evicted_orders".key_0);
  UPDATE "sync_evicted_orders" SET state = 1 WHERE rowid = (SELECT rowid FROM "sync_evicted_orders"
      WHERE state = 0 AND (row_key = +NEW."id" OR ((typeof(NEW."local_id") = 'text' AND length(NEW."local_id") >= 32) AND identity = NEW."local_id")) ORDER BY row_key = +NEW."id" DESC LIMIT 1);
  UPDATE "sync_evicted_orders" SET state = 2 WHERE state = 0;
  INSERT INTO sync_outbox (table_name, op, row_key, captured_at_ms, outcome)
      SELECT 'orders', 'k', (SELECT row_key FROM "sync_evicted_orders" WHERE state = 1), CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER), 'local' WHERE (SELECT row_key FROM "sync_evicted_orders" WHERE state = 1) IS NOT NULL AND (SELECT row_key FROM "sync_evicted_orders" WHERE state = 1) IS NOT (+NEW."id");
  INSERT INTO "sync_change_orders" (seq, identity, central_id)
      SELECT last_insert_rowid(), (SELECT identity FROM "sync_evicted_orders" WHERE state = 1), (SELECT central_id FROM "sync_row_orders" WHERE row_key = (SELECT row_key FROM "sync_evicted_orders" WHERE state = 1) LIMIT 1)
      WHERE (SELECT row_key FROM "sync_evicted_orders" WHERE state = 1) IS NOT NULL AND (SELECT row_key FROM "sync_evicted_orders" WHERE state = 1) IS NOT (+NEW."id");
  DELETE FROM sync_identity WHERE table_name = 'orders' AND row_key = +NEW."id" AND (SELECT row_key FROM "sync_evicted_orders" WHERE state = 1) IS NOT NULL AND (SELECT row_key FROM "sync_evicted_orders" WHERE state = 1) IS NOT (+NEW."id");
  UPDATE sync_identity SET row_key = +NEW."id" WHERE table_name = 'orders' AND row_key = (SELECT row_key FROM "sync_evicted_orders" WHERE state = 1) AND (SELECT row_key FROM "sync_evicted_orders" WHERE state = 1) IS NOT NULL AND (SELECT row_key FROM "sync_evicted_orders" WHERE state = 1) IS NOT (+NEW."id");
  UPDATE "sync_row_orders" SET row_key = NULL WHERE row_key = +NEW."id" AND (SELECT row_key FROM "sync_evicted_orders" WHERE state = 1) IS NOT NULL AND (SELECT row_key FROM "sync_evicted_orders" WHERE state = 1) IS NOT (+NEW."id");
  UPDATE "sync_row_orders" SET row_key = +NEW."id" WHERE row_key = (SELECT row_key FROM "sync_evicted_orders" WHERE state = 1) AND (SELECT row_key FROM "sync_evicted_orders" WHERE state = 1) IS NOT NULL AND (SELECT row_key FROM "sync_evicted_orders" WHERE state = 1) IS NOT (+NEW."id");
  DELETE FROM sync_identity WHERE table_name = 'orders' AND row_key = +NEW."id";
  INSERT INTO sync_identity (table_name, row_key, identity)
      SELECT 'orders', +NEW."id", coalesce((SELECT identity FROM "sync_evicted_orders" WHERE state = 1), lower(hex(randomblob(16))))
      WHERE (+NEW."id") IS NOT NULL AND ((SELECT identity FROM "sync_evicted_orders" WHERE state = 1) IS NOT NULL OR NOT (typeof(NEW."local_id") = 'text' AND length(NEW."local_id") >= 32) OR EXISTS (SELECT 1 FROM sync_retired WHERE table_name = 'orders' AND identity = +NEW."local_id") OR (NOT EXISTS (SELECT 1 FROM "sync_row_orders" WHERE row_key = +NEW."id")
      AND (EXISTS (SELECT 1 FROM sync_identity
      WHERE table_name = 'orders' AND identity = +NEW."local_id" AND row_key IS NOT +NEW."id") OR EXISTS (SELECT 1 FROM "orders" AS twin
      WHERE twin."local_id" = NEW."local_id" AND (+twin."id") IS NOT (+NEW."id")
      AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE table_name = 'orders' AND row_key = +twin."id")))));
  UPDATE "sync_row_orders" SET row_key = NULL WHERE row_key = +NEW."id" AND (SELECT state FROM "sync_evicted_orders" WHERE state = 1) IS NULL;
  INSERT INTO sync_outbox (table_name, op, row_key, captured_at_ms)
      SELECT 'orders', CASE WHEN EXISTS (SELECT 1 FROM "sync_evicted_orders" AS e WHERE e.state = 1 AND (e.central_id IS NOT NULL
      OR EXISTS (SELECT 1 FROM sync_outbox WHERE table_name = 'orders' AND row_key = e.row_key AND outcome IS NULL)
      OR EXISTS (SELECT 1 FROM sync_outbox AS k
      CROSS JOIN sync_outbox AS o ON o.table_name = 'orders' AND o.row_key = k.row_key AND o.outcome IS NULL
      CROSS JOIN "sync_change_orders" AS c ON c.seq = o.seq
      WHERE k.table_name = 'orders' AND k.op = 'k' AND c.identity = e.identity))) THEN 'u' ELSE 'c' END, +NEW."id", CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER) WHERE NOT EXISTS (SELECT 1 FROM "sync_evicted_orders" AS e WHERE e.state = 1 AND NOT (e."old_number" IS NOT NEW."number" COLLATE BINARY OR e."old_total" IS NOT NEW."total" COLLATE BINARY OR e."old_updated_at" IS NOT NEW."updated_at" COLLATE BINARY))
      OR NOT EXISTS (SELECT 1 FROM "sync_evicted_orders" AS e WHERE e.state = 1 AND (e.central_id IS NOT NULL
      OR EXISTS (SELECT 1 FROM sync_outbox WHERE table_name = 'orders' AND row_key = e.row_key AND outcome IS NULL)
      OR EXISTS (SELECT 1 FROM sync_outbox AS k
      CROSS JOIN sync_outbox AS o ON o.table_name = 'orders' AND o.row_key = k.row_key AND o.outcome IS NULL
      CROSS JOIN "sync_change_orders" AS c ON c.seq = o.seq
      WHERE k.table_name = 'orders' AND k.op = 'k' AND c.identity = e.identity)));
  INSERT INTO "sync_change_orders" (seq, identity, central_id, "old_number", "old_total", "old_updated_at", "new_number", "new_total", "new_updated_at")
      SELECT last_insert_rowid(), coalesce(coalesce((SELECT identity FROM sync_identity WHERE table_name = 'orders'
    AND row_key = +NEW."id"), CASE WHEN (typeof(NEW."local_id") = 'text' AND length(NEW."local_id") >= 32) THEN NEW."local_id" END), lower(hex(randomblob(16)))), (SELECT central_id FROM "sync_row_orders" WHERE row_key = +NEW."id" LIMIT 1), e."old_number", e."old_total", e."old_updated_at", NEW."number", NEW."total", NEW."updated_at"
      FROM (SELECT 1) LEFT JOIN "sync_evicted_orders" AS e ON e.state = 1
      WHERE NOT EXISTS (SELECT 1 FROM "sync_change_orders" AS c WHERE c.seq = last_insert_rowid())
      AND EXISTS (SELECT 1 FROM sync_outbox AS o WHERE o.seq = last_insert_rowid() AND o.table_name = 'orders' AND o.op IN ('c', 'u'));
  UPDATE "orders" SET sync_status = 'pending', sync_operation = CASE WHEN sync_status = 'pending' AND sync_operation = 'insert' THEN 'insert' ELSE 'update' END WHERE "id" = NEW."id" AND (sync_status IS NOT 'pending' OR sync_operation IS NOT CASE WHEN sync_status = 'pending' AND sync_operation = 'insert' THEN 'insert' ELSE 'update' END);
END;
CREATE TRIGGER "sync_delete_orders" AFTER DELETE ON "orders" FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM sync_silence)
BEGIN
  INSERT INTO sync_outbox (table_name, op, row_key, captured_at_ms) VALUES ('orders', 'd', +OLD."id", CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER));
  INSERT INTO "sync_change_orders" (seq, identity, central_id, "old_number", "old_total", "old_updated_at")
      VALUES (last_insert_rowid(), coalesce(coalesce((SELECT identity FROM sync_identity WHERE table_name = 'orders'
    AND row_key = +OLD."id"), CASE WHEN (typeof(OLD."local_id") = 'text' AND length(OLD."local_id") >= 32) THEN OLD."local_id" END), lower(hex(randomblob(16)))), (SELECT central_id FROM "sync_row_orders" WHERE row_key = +OLD."id" LIMIT 1), OLD."number", OLD."total", OLD."updated_at");
  INSERT INTO sync_retired (table_name, identity) SELECT 'orders', i.identity
      FROM (SELECT coalesce((SELECT identity FROM sync_identity WHERE table_name = 'orders'
    AND row_key = +OLD."id"), CASE WHEN (typeof(OLD."local_id") = 'text' AND length(OLD."local_id") >= 32) THEN OLD."local_id" END) AS identity) AS i WHERE (typeof(OLD."local_id") = 'text' AND length(OLD."local_id") >= 32)
      AND NOT EXISTS (SELECT 1 FROM sync_retired WHERE table_name = 'orders' AND identity = i.identity);
  DELETE FROM sync_identity WHERE table_name = 'orders' AND row_key = +OLD."id";
  UPDATE "sync_row_orders" SET row_key = NULL WHERE row_key = +OLD."id";
  DELETE FROM "sync_evicted_orders" WHERE row_key = +OLD."id";
END;
CREATE TRIGGER "sync_update_orders" AFTER UPDATE ON "orders" FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM sync_silence) AND (OLD."number" IS NOT NEW."number" COLLATE BINARY OR OLD."total" IS NOT NEW."total" COLLATE BINARY OR OLD."updated_at" IS NOT NEW."updated_at" COLLATE BINARY)
BEGIN
  INSERT INTO sync_outbox (table_name, op, row_key, captured_at_ms, outcome)
      SELECT 'orders', 'k', +OLD."id", CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER), 'local' WHERE (+OLD."id") IS NOT (+NEW."id") COLLATE BINARY;
  INSERT INTO "sync_change_orders" (seq, identity, central_id)
      SELECT last_insert_rowid(), coalesce(coalesce((SELECT identity FROM sync_identity WHERE table_name = 'orders'
    AND row_key = +OLD."id"), CASE WHEN (typeof(OLD."local_id") = 'text' AND length(OLD."local_id") >= 32) THEN OLD."local_id" END), lower(hex(randomblob(16)))), (SELECT central_id FROM "sync_row_orders" WHERE row_key = +OLD."id" LIMIT 1)
      WHERE (+OLD."id") IS NOT (+NEW."id") COLLATE BINARY;
  DELETE FROM sync_identity WHERE table_name = 'orders' AND row_key = +NEW."id" AND (+OLD."id") IS NOT (+NEW."id") COLLATE BINARY;
  UPDATE sync_identity SET row_key = +NEW."id" WHERE table_name = 'orders' AND row_key = +OLD."id" AND (+OLD."id") IS NOT (+NEW."id") COLLATE BINARY;
  UPDATE "sync_row_orders" SET row_key = NULL WHERE row_key = +NEW."id" AND (+OLD."id") IS NOT (+NEW."id") COLLATE BINARY;
  UPDATE "sync_row_orders" SET row_key = +NEW."id" WHERE row_key = +OLD."id" AND (+OLD."id") IS NOT (+NEW."id") COLLATE BINARY;
  INSERT INTO sync_identity (table_name, row_key, identity) SELECT 'orders', +NEW."id", lower(hex(randomblob(16)))
      WHERE (+NEW."id") IS NOT NULL AND (NOT (typeof(NEW."local_id") = 'text' AND length(NEW."local_id") >= 32) OR EXISTS (SELECT 1 FROM sync_retired WHERE table_name = 'orders' AND identity = +NEW."local_id") OR (NOT EXISTS (SELECT 1 FROM "sync_row_orders" WHERE row_key = +NEW."id")
      AND (EXISTS (SELECT 1 FROM sync_identity
      WHERE table_name = 'orders' AND identity = +NEW."local_id" AND row_key IS NOT +NEW."id") OR EXISTS (SELECT 1 FROM "orders" AS twin
      WHERE twin."local_id" = NEW."local_id" AND (+twin."id") IS NOT (+NEW."id")
      AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE table_name = 'orders' AND row_key = +twin."id")))))
      AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE table_name = 'orders' AND row_key = +NEW."id");
  INSERT INTO sync_outbox (table_name, op, row_key, captured_at_ms) VALUES ('orders', 'u', +NEW."id", CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER));
  INSERT INTO "sync_change_orders" (seq, identity, central_id, "old_number", "old_total", "old_updated_at", "new_number", "new_total", "new_updated_at")
      VALUES (last_insert_rowid(), coalesce(coalesce((SELECT identity FROM sync_identity WHERE table_name = 'orders'
    AND row_key = +NEW."id"), CASE WHEN (typeof(NEW."local_id") = 'text' AND length(NEW."local_id") >= 32) THEN NEW."local_id" END), lower(hex(randomblob(16)))), (SELECT central_id FROM "sync_row_orders" WHERE row_key = +NEW."id" LIMIT 1), OLD."number", OLD."total", OLD."updated_at", NEW."number", NEW."total", NEW."updated_at");
  UPDATE "orders" SET sync_status = 'pending', sync_operation = CASE WHEN sync_status = 'pending' AND sync_operation = 'insert' THEN 'insert' ELSE 'update' END WHERE "id" = NEW."id" AND (sync_status IS NOT 'pending' OR sync_operation IS NOT CASE WHEN sync_status = 'pending' AND sync_operation = 'insert' THEN 'insert' ELSE 'update' END);
END;
CREATE TRIGGER "sync_rekey_orders" AFTER UPDATE OF "id" ON "orders" FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM sync_silence) AND (+OLD."id") IS NOT (+NEW."id") COLLATE BINARY AND NOT (OLD."number" IS NOT NEW."number" COLLATE BINARY OR OLD."total" IS NOT NEW."total" COLLATE BINARY OR OLD."updated_at" IS NOT NEW."updated_at" COLLATE BINARY)
BEGIN
  INSERT INTO sync_outbox (table_name, op, row_key, captured_at_ms, outcome)
      SELECT 'orders', 'k', +OLD."id", CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER), 'local' WHERE 1;
  INSERT INTO "sync_change_orders" (seq, identity, central_id)
      SELECT last_insert_rowid(), coalesce(coalesce((SELECT identity FROM sync_identity WHERE table_name = 'orders'
    AND row_key = +OLD."id"), CASE WHEN (typeof(OLD."local_id") = 'text' AND length(OLD."local_id") >= 32) THEN OLD."local_id" END), lower(hex(randomblob(16)))), (SELECT central_id FROM "sync_row_orders" WHERE row_key = +OLD."id" LIMIT 1)
      WHERE 1;
  DELETE FROM sync_identity WHERE table_name = 'orders' AND row_key = +NEW."id" AND 1;
  UPDATE sync_identity SET row_key = +NEW."id" WHERE table_name = 'orders' AND row_key = +OLD."id" AND 1;
  UPDATE "sync_row_orders" SET row_key = NULL WHERE row_key = +NEW."id" AND 1;
  UPDATE "sync_row_orders" SET row_key = +NEW."id" WHERE row_key = +OLD."id" AND 1;
END;
CREATE TRIGGER "sync_displaced_orders" AFTER UPDATE OF "id" ON "orders" FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM sync_silence) AND EXISTS (SELECT 1 FROM "sync_evicted_orders" WHERE state = 0)
BEGIN
  UPDATE "sync_evicted_orders" SET state = 3 WHERE state = 0 AND NOT ("sync_evicted_orders".key_0 IS NEW."id") AND EXISTS (SELECT 1 FROM "orders" AS t WHERE t."id" = "sync_evicted_orders".key_0);
  UPDATE "sync_evicted_orders" SET state = 2 WHERE state = 0;
END;
CREATE TRIGGER "sync_insert_orders" AFTER INSERT ON "orders" FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM sync_silence) AND NOT EXISTS (SELECT 1 FROM "sync_evicted_orders")
BEGIN
  UPDATE "sync_row_orders" SET row_key = NULL WHERE row_key = +NEW."id";
  DELETE FROM sync_identity WHERE table_name = 'orders' AND row_key = +NEW."id";
  INSERT INTO sync_identity (table_name, row_key, identity) SELECT 'orders', +NEW."id", lower(hex(randomblob(16)))
      WHERE (+NEW."id") IS NOT NULL AND (NOT (typeof(NEW."local_id") = 'text' AND length(NEW."local_id") >= 32) OR EXISTS (SELECT 1 FROM sync_retired WHERE table_name = 'orders' AND identity = +NEW."local_id") OR (NOT EXISTS (SELECT 1 FROM "sync_row_orders" WHERE row_key = +NEW."id")
      AND (EXISTS (SELECT 1 FROM sync_identity
      WHERE table_name = 'orders' AND identity = +NEW."local_id" AND row_key IS NOT +NEW."id") OR EXISTS (SELECT 1 FROM "orders" AS twin
      WHERE twin."local_id" = NEW."local_id" AND (+twin."id") IS NOT (+NEW."id")
      AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE table_name = 'orders' AND row_key = +twin."id")))))
      AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE table_name = 'orders' AND row_key = +NEW."id");
  INSERT INTO sync_outbox (table_name, op, row_key, captured_at_ms) VALUES ('orders', 'c', +NEW."id", CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER));
  INSERT INTO "sync_change_orders" (seq, identity, central_id, "new_number", "new_total", "new_updated_at")
      VALUES (last_insert_rowid(), coalesce(coalesce((SELECT identity FROM sync_identity WHERE table_name = 'orders'
    AND row_key = +NEW."id"), CASE WHEN (typeof(NEW."local_id") = 'text' AND length(NEW."local_id") >= 32) THEN NEW."local_id" END), lower(hex(randomblob(16)))), NULL, NEW."number", NEW."total", NEW."updated_at");
  UPDATE "orders" SET sync_status = 'pending', sync_operation = 'insert' WHERE "id" = NEW."id" AND (sync_status IS NOT 'pending' OR sync_operation IS NOT 'insert');
END;
CREATE TRIGGER "sync_pin_order_items" BEFORE UPDATE OF "local_id" ON "order_items" FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM sync_silence) AND OLD."local_id" IS NOT NEW."local_id" COLLATE BINARY
BEGIN
  INSERT INTO sync_identity (table_name, row_key, identity) SELECT 'order_items', +OLD."id", lower(hex(randomblob(16)))
      WHERE (+OLD."id") IS NOT NULL AND (NOT (typeof(OLD."local_id") = 'text' AND length(OLD."local_id") >= 32) OR EXISTS (SELECT 1 FROM sync_retired WHERE table_name = 'order_items' AND identity = +OLD."local_id") OR (NOT EXISTS (SELECT 1 FROM "sync_row_order_items" WHERE row_key = +OLD."id")
      AND (EXISTS (SELECT 1 FROM sync_identity
      WHERE table_name = 'order_items' AND identity = +OLD."local_id" AND row_key IS NOT +OLD."id") OR EXISTS (SELECT 1 FROM "order_items" AS twin
      WHERE twin."local_id" = OLD."local_id" AND (+twin."id") IS NOT (+OLD."id")
      AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE table_name = 'order_items' AND row_key = +twin."id")))))
      AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE table_name = 'order_items' AND row_key = +OLD."id");
  INSERT INTO sync_identity (table_name, row_key, identity) SELECT 'order_items', +OLD."id", OLD."local_id"
      WHERE (+OLD."id") IS NOT NULL AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE table_name = 'order_items' AND row_key = +OLD."id");
END;
CREATE TRIGGER "sync_offer_order_items" BEFORE UPDATE ON "order_items" FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM sync_silence) AND (OLD."order_id" IS NOT NEW."order_id" COLLATE BINARY OR OLD."product_id" IS NOT NEW."product_id" COLLATE BINARY OR OLD."quantity" IS NOT NEW."quantity" COLLATE BINARY) AND NOT EXISTS (SELECT 1 FROM "sync_row_order_items" WHERE row_key = +OLD."id")
    AND NOT EXISTS (SELECT 1 FROM sync_outbox WHERE table_name = 'order_items' AND row_key = +OLD."id" AND outcome IS NULL)
BEGIN
  INSERT INTO sync_identity (table_name, row_key, identity) SELECT 'order_items', +OLD."id", lower(hex(randomblob(16)))
      WHERE (+OLD."id") IS NOT NULL AND (NOT (typeof(OLD."local_id") = 'text' AND length(OLD."local_id") >= 32) OR EXISTS (SELECT 1 FROM sync_retired WHERE table_name = 'order_items' AND identity = +OLD."local_id") OR (NOT EXISTS (SELECT 1 FROM "sync_row_order_items" WHERE row_key = +OLD."id")
      AND (EXISTS (SELECT 1 FROM sync_identity
      WHERE table_name = 'order_items' AND identity = +OLD."local_id" AND row_key IS NOT +OLD."id") OR EXISTS (SELECT 1 FROM "order_items" AS twin
      WHERE twin."local_id" = OLD."local_id" AND (+twin."id") IS NOT (+OLD."id")
      AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE table_name = 'order_items' AND row_key = +twin."id")))))
      AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE table_name = 'order_items' AND row_key = +OLD."id");
  INSERT INTO sync_outbox (table_name, op, row_key, captured_at_ms) VALUES ('order_items', 'r', +OLD."id", CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER));
  INSERT INTO "sync_change_order_items" (seq, identity, central_id, "new_order_id", "new_product_id", "new_quantity")
      VALUES (last_insert_rowid(), coalesce(coalesce((SELECT identity FROM sync_identity WHERE table_name = 'order_items'
    AND row_key = +OLD."id"), CASE WHEN (typeof(OLD."local_id") = 'text' AND length(OLD."local_id") >= 32) THEN OLD."local_id" END), lower(hex(randomblob(16)))), NULL, OLD."order_id", OLD."product_id", OLD."quantity");
END;
CREATE TRIGGER "sync_gone_order_items" AFTER UPDATE OF state ON "sync_evicted_order_items" FOR EACH ROW
WHEN NEW.state = 2
BEGIN
  INSERT INTO sync_outbox (table_name, op, row_key, captured_at_ms) VALUES ('order_items', 'd', NEW.row_key, CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER));
  INSERT INTO "sync_change_order_items" (seq, identity, central_id, "old_order_id", "old_product_id", "old_quantity")
      VALUES (last_insert_rowid(), NEW.identity, NEW.central_id, NEW."old_order_id", NEW."old_product_id", NEW."old_quantity");
  INSERT INTO sync_retired (table_name, identity) SELECT 'order_items', NEW.identity
      WHERE NOT EXISTS (SELECT 1 FROM sync_retired WHERE table_name = 'order_items' AND identity = NEW.identity);
  DELETE FROM sync_identity WHERE table_name = 'order_items' AND row_key = NEW.row_key;
  UPDATE "sync_row_order_items" SET row_key = NULL WHERE row_key = NEW.row_key;
END;
CREATE TRIGGER "sync_evict_order_items" BEFORE INSERT ON "order_items" FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM sync_silence) AND (EXISTS (SELECT 1 FROM "sync_evicted_order_items")
    OR EXISTS (SELECT 1 FROM "order_items" AS t WHERE 1 AND t."id" = NEW."id"))
BEGIN
  DELETE FROM "sync_evicted_order_items";
  INSERT INTO "sync_evicted_order_items" (state, row_key, identity, central_id, key_0, "old_order_id", "old_product_id", "old_quantity")
      SELECT 0, +t."id", coalesce(coalesce((SELECT identity FROM sync_identity WHERE table_name = 'order_items'
    AND row_key = +t."id"), CASE WHEN (typeof(t."local_id") = 'text' AND length(t."local_id") >= 32) THEN t."local_id" END), lower(hex(randomblob(16)))), (SELECT central_id FROM "sync_row_order_items" WHERE row_key = +t."id" LIMIT 1), t."id", t."order_id", t."product_id", t."quantity"
      FROM "order_items" AS t WHERE 1 AND t."id" = NEW."id"
      AND NOT EXISTS (SELECT 1 FROM "sync_evicted_order_items" AS e WHERE e.key_0 IS t."id");
END;
CREATE TRIGGER "sync_displace_order_items" BEFORE UPDATE OF "id" ON "order_items" FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM sync_silence) AND (EXISTS (SELECT 1 FROM "sync_evicted_order_items")
    OR EXISTS (SELECT 1 FROM "order_items" AS t WHERE NOT (t."id" IS OLD."id") AND t."id" = NEW."id"))
BEGIN
  DELETE FROM "sync_evicted_order_items";
  INSERT INTO "sync_evicted_order_items" (state, row_key, identity, central_id, key_0, "old_order_id", "old_product_id", "old_quantity")
      SELECT 0, +t."id", coalesce(coalesce((SELECT identity FROM sync_identity WHERE table_name = 'order_items'
    AND row_key = +t."id"), CASE WHEN (typeof(t."local_id") = 'text' AND length(t."local_id") >= 32) THEN t."local_id" END), lower(hex(randomblob(16)))), (SELECT central_id FROM "sync_row_order_items" WHERE row_key = +t."id" LIMIT 1), t."id", t."order_id", t."product_id", t."quantity"
      FROM "order_items" AS t WHERE NOT (t."id" IS OLD."id") AND t."id" = NEW."id"
      AND NOT EXISTS (SELECT 1 FROM "sync_evicted_order_items" AS e WHERE e.key_0 IS t."id");
END;
CREATE TRIGGER "sync_replace_order_items" AFTER INSERT ON "order_items" FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM sync_silence) AND EXISTS (SELECT 1 FROM "sync_evicted_order_items" WHERE state = 0)
BEGIN
  UPDATE "sync_evicted_order_items" SET state = 3 WHERE state = 0 AND NOT ("sync_evicted_order_items".key_0 IS NEW."id") AND EXISTS (SELECT 1 FROM "order_items" AS t WHERE t."id" = "sync_evicted_order_items".key_0);
  UPDATE "sync_evicted_order_items" SET state = 1 WHERE rowid = (SELECT rowid FROM "sync_evicted_order_items"
      WHERE state = 0 AND (row_key = +NEW."id" OR ((typeof(NEW."local_id") = 'text' AND length(NEW."local_id") >= 32) AND identity = NEW."local_id")) ORDER BY row_key = +NEW."id" DESC LIMIT 1);
  UPDATE "sync_evicted_order_items" SET state = 2 WHERE state = 0;
  INSERT INTO sync_outbox (table_name, op, row_key, captured_at_ms, outcome)
      SELECT 'order_items', 'k', (SELECT row_key FROM "sync_evicted_order_items" WHERE state = 1), CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER), 'local' WHERE (SELECT row_key FROM "sync_evicted_order_items" WHERE state = 1) IS NOT NULL AND (SELECT row_key FROM "sync_evicted_order_items" WHERE state = 1) IS NOT (+NEW."id");
  INSERT INTO "sync_change_order_items" (seq, identity, central_id)
      SELECT last_insert_rowid(), (SELECT identity FROM "sync_evicted_order_items" WHERE state = 1), (SELECT central_id FROM "sync_row_order_items" WHERE row_key = (SELECT row_key FROM "sync_evicted_order_items" WHERE state = 1) LIMIT 1)
      WHERE (SELECT row_key FROM "sync_evicted_order_items" WHERE state = 1) IS NOT NULL AND (SELECT row_key FROM "sync_evicted_order_items" WHERE state = 1) IS NOT (+NEW."id");
  DELETE FROM sync_identity WHERE table_name = 'order_items' AND row_key = +NEW."id" AND (SELECT row_key FROM "sync_evicted_order_items" WHERE state = 1) IS NOT NULL AND (SELECT row_key FROM "sync_evicted_order_items" WHERE state = 1) IS NOT (+NEW."id");
  UPDATE sync_identity SET row_key = +NEW."id" WHERE table_name = 'order_items' AND row_key = (SELECT row_key FROM "sync_evicted_order_items" WHERE state = 1) AND (SELECT row_key FROM "sync_evicted_order_items" WHERE state = 1) IS NOT NULL AND (SELECT row_key FROM "sync_evicted_order_items" WHERE state = 1) IS NOT (+NEW."id");
  UPDATE "sync_row_order_items" SET row_key = NULL WHERE row_key = +NEW."id" AND (SELECT row_key FROM "sync_evicted_order_items" WHERE state = 1) IS NOT NULL AND (SELECT row_key FROM "sync_evicted_order_items" WHERE state = 1) IS NOT (+NEW."id");
  UPDATE "sync_row_order_items" SET row_key = +NEW."id" WHERE row_key = (SELECT row_key FROM "sync_evicted_order_items" WHERE state = 1) AND (SELECT row_key FROM "sync_evicted_order_items" WHERE state = 1) IS NOT NULL AND (SELECT row_key FROM "sync_evicted_order_items" WHERE state = 1) IS NOT (+NEW."id");
  DELETE FROM sync_identity WHERE table_name = 'order_items' AND row_key = +NEW."id";
  INSERT INTO sync_identity (table_name, row_key, identity)
      SELECT 'order_items', +NEW."id", coalesce((SELECT identity FROM "sync_evicted_order_items" WHERE state = 1), lower(hex(randomblob(16))))
      WHERE (+NEW."id") IS NOT NULL AND ((SELECT identity FROM "sync_evicted_order_items" WHERE state = 1) IS NOT NULL OR NOT (typeof(NEW."local_id") = 'text' AND length(NEW."local_id") >= 32) OR EXISTS (SELECT 1 FROM sync_retired WHERE table_name = 'order_items' AND identity = +NEW."local_id") OR (NOT EXISTS (SELECT 1 FROM "sync_row_order_items" WHERE row_key = +NEW."id")
      AND (EXISTS (SELECT 1 FROM sync_identity
      WHERE table_name = 'order_items' AND identity = +NEW."local_id" AND row_key IS NOT +NEW."id") OR EXISTS (SELECT 1 FROM "order_items" AS twin
      WHERE twin."local_id" = NEW."local_id" AND (+twin."id") IS NOT (+NEW."id")
      AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE table_name = 'order_items' AND row_key = +twin."id")))));
  UPDATE "sync_row_order_items" SET row_key = NULL WHERE row_key = +NEW."id" AND (SELECT state FROM "sync_evicted_order_items" WHERE state = 1) IS NULL;
  INSERT INTO sync_outbox (table_name, op, row_key, captured_at_ms)
      SELECT 'order_items', CASE WHEN EXISTS (SELECT 1 FROM "sync_evicted_order_items" AS e WHERE e.state = 1 AND (e.central_id IS NOT NULL
      OR EXISTS (SELECT 1 FROM sync_outbox WHERE table_name = 'order_items' AND row_key = e.row_key AND outcome IS NULL)
      OR EXISTS (SELECT 1 FROM sync_outbox AS k
      CROSS JOIN sync_outbox AS o ON o.table_name = 'order_items' AND o.row_key = k.row_key AND o.outcome IS NULL
      CROSS JOIN "sync_change_order_items" AS c ON c.seq = o.seq
      WHERE k.table_name = 'order_items' AND k.op = 'k' AND c.identity = e.identity))) THEN 'u' ELSE 'c' END, +NEW."id", CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER) WHERE NOT EXISTS (SELECT 1 FROM "sync_evicted_order_items" AS e WHERE e.state = 1 AND NOT (e."old_order_id" IS NOT NEW."order_id" COLLATE BINARY OR e."old_product_id" IS NOT NEW."product_id" COLLATE BINARY OR e."old_quantity" IS NOT NEW."quantity" COLLATE BINARY))
      OR NOT EXISTS (SELECT 1 FROM "sync_evicted_order_items" AS e WHERE e.state = 1 AND (e.central_id IS NOT NULL
      OR EXISTS (SELECT 1 FROM sync_outbox WHERE table_name = 'order_items' AND row_key = e.row_key AND outcome IS NULL)
      OR EXISTS (SELECT 1 FROM sync_outbox AS k
      CROSS JOIN sync_outbox AS o ON o.table_name = 'order_items' AND o.row_key = k.row_key AND o.outcome IS NULL
      CROSS JOIN "sync_change_order_items" AS c ON c.seq = o.seq
      WHERE k.table_name = 'order_items' AND k.op = 'k' AND c.identity = e.identity)));
  INSERT INTO "sync_change_order_items" (seq, identity, central_id, "old_order_id", "old_product_id", "old_quantity", "new_order_id", "new_product_id", "new_quantity")
      SELECT last_insert_rowid(), coalesce(coalesce((SELECT identity FROM sync_identity WHERE table_name = 'order_items'
    AND row_key = +NEW."id"), CASE WHEN (typeof(NEW."local_id") = 'text' AND length(NEW."local_id") >= 32) THEN NEW."local_id" END), lower(hex(randomblob(16)))), (SELECT central_id FROM "sync_row_order_items" WHERE row_key = +NEW."id" LIMIT 1), e."old_order_id", e."old_product_id", e."old_quantity", NEW."order_id", NEW."product_id", NEW."quantity"
      FROM (SELECT 1) LEFT JOIN "sync_evicted_order_items" AS e ON e.state = 1
      WHERE NOT EXISTS (SELECT 1 FROM "sync_change_order_items" AS c WHERE c.seq = last_insert_rowid())
      AND EXISTS (SELECT 1 FROM sync_outbox AS o WHERE o.seq = last_insert_rowid() AND o.table_name = 'order_items' AND o.op IN ('c', 'u'));
  UPDATE "order_items" SET sync_status = 'pending' WHERE "id" = NEW."id" AND (sync_status IS NOT 'pending');
END;
CREATE TRIGGER "sync_delete_order_items" AFTER DELETE ON "order_items" FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM sync_silence)
BEGIN
  INSERT INTO sync_outbox (table_name, op, row_key, captured_at_ms) VALUES ('order_items', 'd', +OLD."id", CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER));
  INSERT INTO "sync_change_order_items" (seq, identity, central_id, "old_order_id", "old_product_id", "old_quantity")
      VALUES (last_insert_rowid(), coalesce(coalesce((SELECT identity FROM sync_identity WHERE table_name = 'order_items'
    AND row_key = +OLD."id"), CASE WHEN (typeof(OLD."local_id") = 'text' AND length(OLD."local_id") >= 32) THEN OLD."local_id" END), lower(hex(randomblob(16)))), (SELECT central_id FROM "sync_row_order_items" WHERE row_key = +OLD."id" LIMIT 1), OLD."order_id", OLD."product_id", OLD."quantity");
  INSERT INTO sync_retired (table_name, identity) SELECT 'order_items', i.identity
      FROM (SELECT coalesce((SELECT identity FROM sync_identity WHERE table_name = 'order_items'
    AND row_key = +OLD."id"), CASE WHEN (typeof(OLD."local_id") = 'text' AND length(OLD."local_id") >= 32) THEN OLD."local_id" END) AS identity) AS i WHERE (typeof(OLD."local_id") = 'text' AND length(OLD."local_id") >= 32)
      AND NOT EXISTS (SELECT 1 FROM sync_retired WHERE table_name = 'order_items' AND identity = i.identity);
  DELETE FROM sync_identity WHERE table_name = 'order_items' AND row_key = +OLD."id";
  UPDATE "sync_row_order_items" SET row_key = NULL WHERE row_key = +OLD."id";
  DELETE FROM "sync_evicted_order_items" WHERE row_key = +OLD."id";
END;
CREATE TRIGGER "sync_update_order_items" AFTER UPDATE ON "order_items" FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM sync_silence) AND (OLD."order_id" IS NOT NEW."order_id" COLLATE BINARY OR OLD."product_id" IS NOT NEW."product_id" COLLATE BINARY OR OLD."quantity" IS NOT NEW."quantity" COLLATE BINARY)
BEGIN
  INSERT INTO sync_outbox (table_name, op, row_key, captured_at_ms, outcome)
      SELECT 'order_items', 'k', +OLD."id", CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER), 'local' WHERE (+OLD."id") IS NOT (+NEW."id") COLLATE BINARY;
  INSERT INTO "sync_change_order_items" (seq, identity, central_id)
      SELECT last_insert_rowid(), coalesce(coalesce((SELECT identity FROM sync_identity WHERE table_name = 'order_items'
    AND row_key = +OLD."id"), CASE WHEN (typeof(OLD."local_id") = 'text' AND length(OLD."local_id") >= 32) THEN OLD."local_id" END), lower(hex(randomblob(16)))), (SELECT central_id FROM "sync_row_order_items" WHERE row_key = +OLD."id" LIMIT 1)
      WHERE (+OLD."id") IS NOT (+NEW."id") COLLATE BINARY;
  DELETE FROM sync_identity WHERE table_name = 'order_items' AND row_key = +NEW."id" AND (+OLD."id") IS NOT (+NEW."id") COLLATE BINARY;
  UPDATE sync_identity SET row_key = +NEW."id" WHERE table_name = 'order_items' AND row_key = +OLD."id" AND (+OLD."id") IS NOT (+NEW."id") COLLATE BINARY;
  UPDATE "sync_row_order_items" SET row_key = NULL WHERE row_key = +NEW."id" AND (+OLD."id") IS NOT (+NEW."id") COLLATE BINARY;
  UPDATE "sync_row_order_items" SET row_key = +NEW."id" WHERE row_key = +OLD."id" AND (+OLD."id") IS NOT (+NEW."id") COLLATE BINARY;
  INSERT INTO sync_identity (table_name, row_key, identity) SELECT 'order_items', +NEW."id", lower(hex(randomblob(16)))
      WHERE (+NEW."id") IS NOT NULL AND (NOT (typeof(NEW."local_id") = 'text' AND length(NEW."local_id") >= 32) OR EXISTS (SELECT 1 FROM sync_retired WHERE table_name = 'order_items' AND identity = +NEW."local_id") OR (NOT EXISTS (SELECT 1 FROM "sync_row_order_items" WHERE row_key = +NEW."id")
      AND (EXISTS (SELECT 1 FROM sync_identity
      WHERE table_name = 'order_items' AND identity = +NEW."local_id" AND row_key IS NOT +NEW."id") OR EXISTS (SELECT 1 FROM "order_items" AS twin
      WHERE twin."local_id" = NEW."local_id" AND (+twin."id") IS NOT (+NEW."id")
      AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE table_name = 'order_items' AND row_key = +twin."id")))))
      AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE table_name = 'order_items' AND row_key = +NEW."id");
  INSERT INTO sync_outbox (table_name, op, row_key, captured_at_ms) VALUES ('order_items', 'u', +NEW."id", CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER));
  INSERT INTO "sync_change_order_items" (seq, identity, central_id, "old_order_id", "old_product_id", "old_quantity", "new_order_id", "new_product_id", "new_quantity")
      VALUES (last_insert_rowid(), coalesce(coalesce((SELECT identity FROM sync_identity WHERE table_name = 'order_items'
    AND row_key = +NEW."id"), CASE WHEN (typeof(NEW."local_id") = 'text' AND length(NEW."local_id") >= 32) THEN NEW."local_id" END), lower(hex(randomblob(16)))), (SELECT central_id FROM "sync_row_order_items" WHERE row_key = +NEW."id" LIMIT 1), OLD."order_id", OLD."product_id", OLD."quantity", NEW."order_id", NEW."product_id", NEW."quantity");
  UPDATE "order_items" SET sync_status = 'pending' WHERE "id" = NEW."id" AND (sync_status IS NOT 'pending');
END;
CREATE TRIGGER "sync_rekey_order_items" AFTER UPDATE OF "id" ON "order_items" FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM sync_silence) AND (+OLD."id") IS NOT (+NEW."id") COLLATE BINARY AND NOT (OLD."order_id" IS NOT NEW."order_id" COLLATE BINARY OR OLD."product_id" IS NOT NEW."product_id" COLLATE BINARY OR OLD."quantity" IS NOT NEW."quantity" COLLATE BINARY)
BEGIN
  INSERT INTO sync_outbox (table_name, op, row_key, captured_at_ms, outcome)
      SELECT 'order_items', 'k', +OLD."id", CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER), 'local' WHERE 1;
  INSERT INTO "sync_change_order_items" (seq, identity, central_id)
      SELECT last_insert_rowid(), coalesce(coalesce((SELECT identity FROM sync_identity WHERE table_name = 'order_items'
    AND row_key = +OLD."id"), CASE WHEN (typeof(OLD."local_id") = 'text' AND length(OLD."local_id") >= 32) THEN OLD."local_id" END), lower(hex(randomblob(16)))), (SELECT central_id FROM "sync_row_order_items" WHERE row_key = +OLD."id" LIMIT 1)
      WHERE 1;
  DELETE FROM sync_identity WHERE table_name = 'order_items' AND row_key = +NEW."id" AND 1;
  UPDATE sync_identity SET row_key = +NEW."id" WHERE table_name = 'order_items' AND row_key = +OLD."id" AND 1;
  UPDATE "sync_row_order_items" SET row_key = NULL WHERE row_key = +NEW."id" AND 1;
  UPDATE "sync_row_order_items" SET row_key = +NEW."id" WHERE row_key = +OLD."id" AND 1;
END;
CREATE TRIGGER "sync_displaced_order_items" AFTER UPDATE OF "id" ON "order_items" FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM sync_silence) AND EXISTS (SELECT 1 FROM "sync_evicted_order_items" WHERE state = 0)
BEGIN
  UPDATE "sync_evicted_order_items" SET state = 3 WHERE state = 0 AND NOT ("sync_evicted_order_items".key_0 IS NEW."id") AND EXISTS (SELECT 1 FROM "order_items" AS t WHERE t."id" = "sync_evicted_order_items".key_0);
  UPDATE "sync_evicted_order_items" SET state = 2 WHERE state = 0;
END;
CREATE TRIGGER "sync_insert_order_items" AFTER INSERT ON "order_items" FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM sync_silence) AND NOT EXISTS (SELECT 1 FROM "sync_evicted_order_items")
BEGIN
  UPDATE "sync_row_order_items" SET row_key = NULL WHERE row_key = +NEW."id";
  DELETE FROM sync_identity WHERE table_name = 'order_items' AND row_key = +NEW."id";
  INSERT INTO sync_identity (table_name, row_key, identity) SELECT 'order_items', +NEW."id", lower(hex(randomblob(16)))
      WHERE (+NEW."id") IS NOT NULL AND (NOT (typeof(NEW."local_id") = 'text' AND length(NEW."local_id") >= 32) OR EXISTS (SELECT 1 FROM sync_retired WHERE table_name = 'order_items' AND identity = +NEW."local_id") OR (NOT EXISTS (SELECT 1 FROM "sync_row_order_items" WHERE row_key = +NEW."id")
      AND (EXISTS (SELECT 1 FROM sync_identity
      WHERE table_name = 'order_items' AND identity = +NEW."local_id" AND row_key IS NOT +NEW."id") OR EXISTS (SELECT 1 FROM "order_items" AS twin
      WHERE twin."local_id" = NEW."local_id" AND (+twin."id") IS NOT (+NEW."id")
      AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE table_name = 'order_items' AND row_key = +twin."id")))))
      AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE table_name = 'order_items' AND row_key = +NEW."id");
  INSERT INTO sync_outbox (table_name, op, row_key, captured_at_ms) VALUES ('order_items', 'c', +NEW."id", CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER));
  INSERT INTO "sync_change_order_items" (seq, identity, central_id, "new_order_id", "new_product_id", "new_quantity")
      VALUES (last_insert_rowid(), coalesce(coalesce((SELECT identity FROM sync_identity WHERE table_name = 'order_items'
    AND row_key = +NEW."id"), CASE WHEN (typeof(NEW."local_id") = 'text' AND length(NEW."local_id") >= 32) THEN NEW."local_id" END), lower(hex(randomblob(16)))), NULL, NEW."order_id", NEW."product_id", NEW."quantity");
  UPDATE "order_items" SET sync_status = 'pending' WHERE "id" = NEW."id" AND (sync_status IS NOT 'pending');
END;
CREATE TRIGGER "sync_gone_settings" AFTER UPDATE OF state ON "sync_evicted_settings" FOR EACH ROW
WHEN NEW.state = 2
BEGIN
  INSERT INTO sync_outbox (table_name, op, row_key, captured_at_ms) VALUES ('settings', 'd', NEW.row_key, CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER));
  INSERT INTO "sync_change_settings" (seq, identity, central_id, "old_name", "old_value")
      VALUES (last_insert_rowid(), NEW.identity, NEW.central_id, NEW."old_name", NEW."old_value");
  DELETE FROM sync_identity WHERE table_name = 'settings' AND row_key = NEW.row_key;
  UPDATE "sync_row_settings" SET row_key = NULL WHERE row_key = NEW.row_key;
END;
CREATE TRIGGER "sync_evict_settings" BEFORE INSERT ON "settings" FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM sync_silence) AND (EXISTS (SELECT 1 FROM "sync_evicted_settings")
    OR EXISTS (SELECT 1 FROM "settings" AS t WHERE 1 AND t."name" = NEW."name"))
BEGIN
  DELETE FROM "sync_evicted_settings";
  INSERT INTO "sync_evicted_settings" (state, row_key, identity, central_id, key_0, "old_name", "old_value")
      SELECT 0, +t."name", coalesce((SELECT identity FROM sync_identity WHERE table_name = 'settings'
    AND row_key = +t."name"), lower(hex(randomblob(16)))), (SELECT central_id FROM "sync_row_settings" WHERE row_key = +t."name" LIMIT 1), t."name", t."name", t."value"
      FROM "settings" AS t WHERE 1 AND t."name" = NEW."name"
      AND NOT EXISTS (SELECT 1 FROM "sync_evicted_settings" AS e WHERE e.key_0 IS t."name");
END;
CREATE TRIGGER "sync_displace_settings" BEFORE UPDATE OF "name" ON "settings" FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM sync_silence) AND (EXISTS (SELECT 1 FROM "sync_evicted_settings")
    OR EXISTS (SELECT 1 FROM "settings" AS t WHERE NOT (t."name" IS OLD."name") AND t."name" = NEW."name"))
BEGIN
  DELETE FROM "sync_evicted_settings";
  INSERT INTO "sync_evicted_settings" (state, row_key, identity, central_id, key_0, "old_name", "old_value")
      SELECT 0, +t."name", coalesce((SELECT identity FROM sync_identity WHERE table_name = 'settings'
    AND row_key = +t."name"), lower(hex(randomblob(16)))), (SELECT central_id FROM "sync_row_settings" WHERE row_key = +t."name" LIMIT 1), t."name", t."name", t."value"
      FROM "settings" AS t WHERE NOT (t."name" IS OLD."name") AND t."name" = NEW."name"
      AND NOT EXISTS (SELECT 1 FROM "sync_evicted_settings" AS e WHERE e.key_0 IS t."name");
END;
CREATE TRIGGER "sync_replace_settings" AFTER INSERT ON "settings" FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM sync_silence) AND EXISTS (SELECT 1 FROM "sync_evicted_settings" WHERE state = 0)
BEGIN
  UPDATE "sync_evicted_settings" SET state = 3 WHERE state = 0 AND NOT ("sync_evicted_settings".key_0 IS NEW."name") AND EXISTS (SELECT 1 FROM "settings" AS t WHERE t."name" = "sync_evicted_settings".key_0);
  UPDATE "sync_evicted_settings" SET state = 1 WHERE rowid = (SELECT rowid FROM "sync_evicted_settings"
      WHERE state = 0 AND (row_key = +NEW."name" OR 0) ORDER BY row_key = +NEW."name" DESC LIMIT 1);
  UPDATE "sync_evicted_settings" SET state = 2 WHERE state = 0;
  INSERT INTO sync_outbox (table_name, op, row_key, captured_at_ms, outcome)
      SELECT 'settings', 'k', (SELECT row_key FROM "sync_evicted_settings" WHERE state = 1), CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER), 'local' WHERE (SELECT row_key FROM "sync_evicted_settings" WHERE state = 1) IS NOT NULL AND (SELECT row_key FROM "sync_evicted_settings" WHERE state = 1) IS NOT (+NEW."name");
  INSERT INTO "sync_change_settings" (seq, identity, central_id)
      SELECT last_insert_rowid(), (SELECT identity FROM "sync_evicted_settings" WHERE state = 1), (SELECT central_id FROM "sync_row_settings" WHERE row_key = (SELECT row_key FROM "sync_evicted_settings" WHERE state = 1) LIMIT 1)
      WHERE (SELECT row_key FROM "sync_evicted_settings" WHERE state = 1) IS NOT NULL AND (SELECT row_key FROM "sync_evicted_settings" WHERE state = 1) IS NOT (+NEW."name");
  DELETE FROM sync_identity WHERE table_name = 'settings' AND row_key = +NEW."name" AND (SELECT row_key FROM "sync_evicted_settings" WHERE state = 1) IS NOT NULL AND (SELECT row_key FROM "sync_evicted_settings" WHERE state = 1) IS NOT (+NEW."name");
  UPDATE sync_identity SET row_key = +NEW."name" WHERE table_name = 'settings' AND row_key = (SELECT row_key FROM "sync_evicted_settings" WHERE state = 1) AND (SELECT row_key FROM "sync_evicted_settings" WHERE state = 1) IS NOT NULL AND (SELECT row_key FROM "sync_evicted_settings" WHERE state = 1) IS NOT (+NEW."name");
  UPDATE "sync_row_settings" SET row_key = NULL WHERE row_key = +NEW."name" AND (SELECT row_key FROM "sync_evicted_settings" WHERE state = 1) IS NOT NULL AND (SELECT row_key FROM "sync_evicted_settings" WHERE state = 1) IS NOT (+NEW."name");
  UPDATE "sync_row_settings" SET row_key = +NEW."name" WHERE row_key = (SELECT row_key FROM "sync_evicted_settings" WHERE state = 1) AND (SELECT row_key FROM "sync_evicted_settings" WHERE state = 1) IS NOT NULL AND (SELECT row_key FROM "sync_evicted_settings" WHERE state = 1) IS NOT (+NEW."name");
  DELETE FROM sync_identity WHERE table_name = 'settings' AND row_key = +NEW."name";
  INSERT INTO sync_identity (table_name, row_key, identity)
      SELECT 'settings', +NEW."name", coalesce((SELECT identity FROM "sync_evicted_settings" WHERE state = 1), lower(hex(randomblob(16))))
      WHERE (+NEW."name") IS NOT NULL AND ((SELECT identity FROM "sync_evicted_settings" WHERE state = 1) IS NOT NULL OR NOT 0 OR 0 OR 0);
  UPDATE "sync_row_settings" SET row_key = NULL WHERE row_key = +NEW."name" AND (SELECT state FROM "sync_evicted_settings" WHERE state = 1) IS NULL;
  INSERT INTO sync_outbox (table_name, op, row_key, captured_at_ms)
      SELECT 'settings', CASE WHEN EXISTS (SELECT 1 FROM "sync_evicted_settings" AS e WHERE e.state = 1 AND (e.central_id IS NOT NULL
      OR EXISTS (SELECT 1 FROM sync_outbox WHERE table_name = 'settings' AND row_key = e.row_key AND outcome IS NULL)
      OR EXISTS (SELECT 1 FROM sync_outbox AS k
      CROSS JOIN sync_outbox AS o ON o.table_name = 'settings' AND o.row_key = k.row_key AND o.outcome IS NULL
      CROSS JOIN "sync_change_settings" AS c ON c.seq = o.seq
      WHERE k.table_name = 'settings' AND k.op = 'k' AND c.identity = e.identity))) THEN 'u' ELSE 'c' END, +NEW."name", CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER) WHERE NOT EXISTS (SELECT 1 FROM "sync_evicted_settings" AS e WHERE e.state = 1 AND NOT (e."old_name" IS NOT NEW."name" COLLATE BINARY OR e."old_value" IS NOT NEW."value" COLLATE BINARY))
      OR NOT EXISTS (SELECT 1 FROM "sync_evicted_settings" AS e WHERE e.state = 1 AND (e.central_id IS NOT NULL
      OR EXISTS (SELECT 1 FROM sync_outbox WHERE table_name = 'settings' AND row_key = e.row_key AND outcome IS NULL)
      OR EXISTS (SELECT 1 FROM sync_outbox AS k
      CROSS JOIN sync_outbox AS o ON o.table_name = 'settings' AND o.row_key = k.row_key AND o.outcome IS NULL
      CROSS JOIN "sync_change_settings" AS c ON c.seq = o.seq
      WHERE k.table_name = 'settings' AND k.op = 'k' AND c.identity = e.identity)));
  INSERT INTO "sync_change_settings" (seq, identity, central_id, "old_name", "old_value", "new_name", "new_value")
      SELECT last_insert_rowid(), coalesce((SELECT identity FROM sync_identity WHERE table_name = 'settings'
    AND row_key = +NEW."name"), lower(hex(randomblob(16)))), (SELECT central_id FROM "sync_row_settings" WHERE row_key = +NEW."name" LIMIT 1), e."old_name", e."old_value", NEW."name", NEW."value"
      FROM (SELECT 1) LEFT JOIN "sync_evicted_settings" AS e ON e.state = 1
      WHERE NOT EXISTS (SELECT 1 FROM "sync_change_settings" AS c WHERE c.seq = last_insert_rowid())
      AND EXISTS (SELECT 1 FROM sync_outbox AS o WHERE o.seq = last_insert_rowid() AND o.table_name = 'settings' AND o.op IN ('c', 'u'));
END;
CREATE TRIGGER "sync_delete_settings" AFTER DELETE ON "settings" FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM sync_silence)
BEGIN
  INSERT INTO sync_outbox (table_name, op, row_key, captured_at_ms) VALUES ('settings', 'd', +OLD."name", CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER));
  INSERT INTO "sync_change_settings" (seq, identity, central_id, "old_name", "old_value")
      VALUES (last_insert_rowid(), coalesce((SELECT identity FROM sync_identity WHERE table_name = 'settings'
    AND row_key = +OLD."name"), lower(hex(randomblob(16)))), (SELECT central_id FROM "sync_row_settings" WHERE row_key = +OLD."name" LIMIT 1), OLD."name", OLD."value");
  DELETE FROM sync_identity WHERE table_name = 'settings' AND row_key = +OLD."name";
  UPDATE "sync_row_settings" SET row_key = NULL WHERE row_key = +OLD."name";
  DELETE FROM "sync_evicted_settings" WHERE row_key = +OLD."name";
END;
CREATE TRIGGER "sync_update_settings" AFTER UPDATE ON "settings" FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM sync_silence) AND (OLD."name" IS NOT NEW."name" COLLATE BINARY OR OLD."value" IS NOT NEW."value" COLLATE BINARY)
BEGIN
  INSERT INTO sync_outbox (table_name, op, row_key, captured_at_ms, outcome)
      SELECT 'settings', 'k', +OLD."name", CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER), 'local' WHERE (+OLD."name") IS NOT (+NEW."name") COLLATE BINARY;
  INSERT INTO "sync_change_settings" (seq, identity, central_id)
      SELECT last_insert_rowid(), coalesce((SELECT identity FROM sync_identity WHERE table_name = 'settings'
    AND row_key = +OLD."name"), lower(hex(randomblob(16)))), (SELECT central_id FROM "sync_row_settings" WHERE row_key = +OLD."name" LIMIT 1)
      WHERE (+OLD."name") IS NOT (+NEW."name") COLLATE BINARY;
  DELETE FROM sync_identity WHERE table_name = 'settings' AND row_key = +NEW."name" AND (+OLD."name") IS NOT (+NEW."name") COLLATE BINARY;
  UPDATE sync_identity SET row_key = +NEW."name" WHERE table_name = 'settings' AND row_key = +OLD."name" AND (+OLD."name") IS NOT (+NEW."name") COLLATE BINARY;
  UPDATE "sync_row_settings" SET row_key = NULL WHERE row_key = +NEW."name" AND (+OLD."name") IS NOT (+NEW."name") COLLATE BINARY;
  UPDATE "sync_row_settings" SET row_key = +NEW."name" WHERE row_key = +OLD."name" AND (+OLD."name") IS NOT (+NEW."name") COLLATE BINARY;
  INSERT INTO sync_identity (table_name, row_key, identity) SELECT 'settings', +NEW."name", lower(hex(randomblob(16)))
      WHERE (+NEW."name") IS NOT NULL AND (NOT 0 OR 0 OR 0)
      AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE table_name = 'settings' AND row_key = +NEW."name");
  INSERT INTO sync_outbox (table_name, op, row_key, captured_at_ms) VALUES ('settings', 'u', +NEW."name", CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER));
  INSERT INTO "sync_change_settings" (seq, identity, central_id, "old_name", "old_value", "new_name", "new_value")
      VALUES (last_insert_rowid(), coalesce((SELECT identity FROM sync_identity WHERE table_name = 'settings'
    AND row_key = +NEW."name"), lower(hex(randomblob(16)))), (SELECT central_id FROM "sync_row_settings" WHERE row_key = +NEW."name" LIMIT 1), OLD."name", OLD."value", NEW."name", NEW."value");
END;
CREATE TRIGGER "sync_rekey_settings" AFTER UPDATE OF "name" ON "settings" FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM sync_silence) AND (+OLD."name") IS NOT (+NEW."name") COLLATE BINARY AND NOT (OLD."name" IS NOT NEW."name" COLLATE BINARY OR OLD."value" IS NOT NEW."value" COLLATE BINARY)
BEGIN
  INSERT INTO sync_outbox (table_name, op, row_key, captured_at_ms, outcome)
      SELECT 'settings', 'k', +OLD."name", CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER), 'local' WHERE 1;
  INSERT INTO "sync_change_settings" (seq, identity, central_id)
      SELECT last_insert_rowid(), coalesce((SELECT identity FROM sync_identity WHERE table_name = 'settings'
    AND row_key = +OLD."name"), lower(hex(randomblob(16)))), (SELECT central_id FROM "sync_row_settings" WHERE row_key = +OLD."name" LIMIT 1)
      WHERE 1;
  DELETE FROM sync_identity WHERE table_name = 'settings' AND row_key = +NEW."name" AND 1;
  UPDATE sync_identity SET row_key = +NEW."name" WHERE table_name = 'settings' AND row_key = +OLD."name" AND 1;
  UPDATE "sync_row_settings" SET row_key = NULL WHERE row_key = +NEW."name" AND 1;
  UPDATE "sync_row_settings" SET row_key = +NEW."name" WHERE row_key = +OLD."name" AND 1;
END;
CREATE TRIGGER "sync_displaced_settings" AFTER UPDATE OF "name" ON "settings" FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM sync_silence) AND EXISTS (SELECT 1 FROM "sync_evicted_settings" WHERE state = 0)
BEGIN
  UPDATE "sync_evicted_settings" SET state = 3 WHERE state = 0 AND NOT ("sync_evicted_settings".key_0 IS NEW."name") AND EXISTS (SELECT 1 FROM "settings" AS t WHERE t."name" = "sync_evicted_settings".key_0);
  UPDATE "sync_evicted_settings" SET state = 2 WHERE state = 0;
END;
CREATE TRIGGER "sync_insert_settings" AFTER INSERT ON "settings" FOR EACH ROW
WHEN NOT EXISTS (SELECT 1 FROM sync_silence) AND NOT EXISTS (SELECT 1 FROM "sync_evicted_settings")
BEGIN
  UPDATE "sync_row_settings" SET row_key = NULL WHERE row_key = +NEW."name";
  DELETE FROM sync_identity WHERE table_name = 'settings' AND row_key = +NEW."name";
  INSERT INTO sync_identity (table_name, row_key, identity) SELECT 'settings', +NEW."name", lower(hex(randomblob(16)))
      WHERE (+NEW."name") IS NOT NULL AND (NOT 0 OR 0 OR 0)
      AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE table_name = 'settings' AND row_key = +NEW."name");
  INSERT INTO sync_outbox (table_name, op, row_key, captured_at_ms) VALUES ('settings', 'c', +NEW."name", CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER));
  INSERT INTO "sync_change_settings" (seq, identity, central_id, "new_name", "new_value")
      VALUES (last_insert_rowid(), coalesce((SELECT identity FROM sync_identity WHERE table_name = 'settings'
    AND row_key = +NEW."name"), lower(hex(randomblob(16)))), NULL, NEW."name", NEW."value");
END;
