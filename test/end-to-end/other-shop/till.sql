-- The same shop as its tills know it: an app of many years, written by several people.
CREATE TABLE "Filiale" (
  code TEXT PRIMARY KEY NOT NULL,
  tag TEXT NOT NULL UNIQUE,
  opened TEXT,
  geo TEXT,
  colours TEXT,
  logo BLOB,
  latitude REAL
) WITHOUT ROWID;

CREATE TABLE "group" (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  tag TEXT NOT NULL UNIQUE,
  slug TEXT NOT NULL UNIQUE COLLATE NOCASE,
  "Name" TEXT NOT NULL,
  "parent" INTEGER REFERENCES "group" (id),
  changed INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE "select" (
  "Item No" INTEGER PRIMARY KEY AUTOINCREMENT,
  tag TEXT NOT NULL UNIQUE,
  local_id TEXT,
  server_id TEXT,
  "Label" TEXT NOT NULL CHECK (length("Label") > 0),
  "order" INTEGER NOT NULL DEFAULT 0 CHECK ("order" IN (0, 1)),
  "state" TEXT NOT NULL DEFAULT 'new',
  price_cents INTEGER NOT NULL,
  "weight in g" TEXT,
  exact TEXT,
  ratio DOUBLE,
  single REAL,
  stock NUMERIC NOT NULL DEFAULT 0,
  big BIGINT,
  small INT,
  made TEXT,
  opens TEXT,
  lasts TEXT,
  seen TEXT,
  tags TEXT,
  sizes TEXT,
  amounts TEXT,
  picture BLOB,
  attrs TEXT,
  raw TEXT,
  code TEXT,
  place TEXT,
  span TEXT,
  address TEXT,
  other TEXT,
  "group" INTEGER REFERENCES "group" (id),
  main_variant TEXT,
  cents_twice INTEGER GENERATED ALWAYS AS (price_cents * 2) VIRTUAL,
  is_deleted INTEGER NOT NULL DEFAULT 0,
  "updatedAt" TEXT,
  sync_status TEXT,
  "only here" TEXT
);
CREATE UNIQUE INDEX "one label" ON "select" ("Label", tag);

CREATE TABLE variants (
  id TEXT PRIMARY KEY NOT NULL,
  tag TEXT NOT NULL UNIQUE,
  item_server_id TEXT NOT NULL,
  names TEXT NOT NULL DEFAULT '[]',
  extra,
  updated_at TEXT
) WITHOUT ROWID;

CREATE TABLE "price list" (
  item INTEGER NOT NULL,
  valid_from TEXT NOT NULL,
  price TEXT NOT NULL,
  PRIMARY KEY (item, valid_from)
) WITHOUT ROWID;

CREATE TABLE "Sales" (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  tag TEXT NOT NULL UNIQUE,
  "When" INTEGER NOT NULL,
  wall TEXT,
  day TEXT,
  total INTEGER NOT NULL,
  updated_at TEXT
);

CREATE TABLE "Sale's ""lines""" (
  local_id TEXT PRIMARY KEY NOT NULL,
  server_id TEXT,
  tag TEXT NOT NULL UNIQUE,
  sale INTEGER NOT NULL REFERENCES "Sales" (id) ON DELETE CASCADE,
  item INTEGER NOT NULL REFERENCES "select" ("Item No"),
  variant TEXT,
  qty NUMERIC NOT NULL CHECK (qty <> 0),
  deleted_at TEXT,
  updated_at TEXT
);

CREATE TABLE line_notes (
  nr INTEGER PRIMARY KEY,
  tag TEXT NOT NULL UNIQUE,
  line_uuid TEXT NOT NULL,
  note TEXT
);

CREATE TABLE movement (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  happened_on TEXT NOT NULL,
  tag TEXT NOT NULL UNIQUE,
  item INTEGER NOT NULL REFERENCES "select" ("Item No"),
  amount TEXT NOT NULL
);

CREATE TABLE counters (
  branch TEXT NOT NULL,
  "No" INTEGER NOT NULL,
  "Value" INTEGER,
  who TEXT,
  updated_at TEXT,
  PRIMARY KEY (branch, "No")
) WITHOUT ROWID;

CREATE TABLE "Journal" (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  tag TEXT NOT NULL UNIQUE,
  said TEXT NOT NULL,
  terminal_id TEXT
);

CREATE TABLE flags (
  "say ""hi""" TEXT PRIMARY KEY NOT NULL,
  "On" BOOLEAN NOT NULL,
  settings TEXT NOT NULL
);

CREATE TABLE members (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  local_id TEXT UNIQUE,
  server_id INTEGER,
  tag TEXT UNIQUE,
  card TEXT NOT NULL UNIQUE,
  email TEXT,
  points INTEGER NOT NULL DEFAULT 0,
  is_deleted INTEGER NOT NULL DEFAULT 0,
  updated_at TEXT,
  sync_status TEXT, sync_operation TEXT, last_sync_at TEXT
);

CREATE TRIGGER "take stock" AFTER INSERT ON "Sale's ""lines""" BEGIN
  UPDATE "select" SET stock = stock - NEW.qty WHERE "Item No" = NEW.item;
END;
CREATE TRIGGER give_back AFTER UPDATE OF qty, deleted_at, item ON "Sale's ""lines""" BEGIN
  UPDATE "select" SET stock = stock + OLD.qty WHERE "Item No" = OLD.item AND OLD.deleted_at IS NULL;
  UPDATE "select" SET stock = stock - NEW.qty WHERE "Item No" = NEW.item AND NEW.deleted_at IS NULL;
END;
CREATE TRIGGER touch AFTER UPDATE ON "select" WHEN NEW."updatedAt" IS OLD."updatedAt" BEGIN
  UPDATE "select" SET "updatedAt" = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE "Item No" = NEW."Item No";
END;
