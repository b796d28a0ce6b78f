/** A real SQLite file with our triggers, and what its tables hold by key. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { EntryReader, keyText } from '../../../../services/terminal-agent/file/entry-reader.ts';
import { OUTBOX_SCHEMA } from '../../../../services/terminal-agent/file/outbox-schema.ts';
import { NO_KEY } from '../../../../services/terminal-agent/up/entries.ts';
import { keyTriggers, type CapturedTable } from '../../../../services/terminal-agent/file/key-triggers.ts';
import type { SqliteDatabase } from '../../../../services/shared/database/sqlite.ts';
import type { SqliteValue } from '../../../../services/shared/records/unit-record.ts';
import type { Random } from '../up/model/random.ts';

export type TableName = 'items' | 'places' | 'marks' | 'odd' | 'tree' | 'slots';

const STOCK = [{ number: 1, name: 'stock' }];
const PLAIN = { uniques: [], deltas: STOCK };
export const TABLES: Readonly<Record<TableName, CapturedTable>> = {
  items: {
    number: 1,
    name: 'items',
    key: ['id'],
    uniques: [
      { columns: ['sku'] },
      { columns: ['shelf', 'place'] },
      { columns: ['tag'], terms: ['lower("tag")'], condition: `tag <> 't0'` },
      { columns: ['name', 'place'], terms: ['"name" COLLATE NOCASE'], condition: 'place > 1' },
      // A generated column changes with what it is made of.
      { columns: ['code', 'base'], terms: ['"code"'] },
    ],
    deltas: STOCK,
  },
  places: {
    number: 2,
    name: 'places',
    key: ['shop', 'name'],
    uniques: [{ columns: ['code'] }],
    deltas: STOCK,
  },
  marks: { number: 3, name: 'marks', key: ['name'], ...PLAIN },
  odd: { number: 4, name: 'odd', key: ['k'], ...PLAIN },
  tree: { number: 5, name: 'tree', key: ['id'], ...PLAIN },
  slots: { number: 6, name: 'slots', key: ['n'], ...PLAIN },
};

/** `born` is another for each insert, and no statement changes it. */
const schema = (onDelete: string) => `
CREATE TABLE items (id INTEGER PRIMARY KEY, sku TEXT UNIQUE, shelf TEXT, place INTEGER, stock NUMERIC, name TEXT, tag TEXT,
  base INTEGER, born TEXT, code INTEGER AS (base / 2), UNIQUE (shelf, place));
CREATE UNIQUE INDEX items_tag ON items (lower(tag)) WHERE tag <> 't0';
CREATE UNIQUE INDEX items_name ON items (name COLLATE NOCASE) WHERE place > 1;
CREATE UNIQUE INDEX items_code ON items (code);
CREATE TABLE places (shop TEXT, name TEXT, code TEXT COLLATE NOCASE UNIQUE, stock INTEGER, born TEXT,
  PRIMARY KEY (shop, name)) WITHOUT ROWID;
CREATE TABLE marks (name TEXT COLLATE NOCASE PRIMARY KEY, stock REAL, born TEXT);
CREATE TABLE odd (k PRIMARY KEY, stock INTEGER, born TEXT);
CREATE TABLE tree (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES tree (id) ON DELETE ${onDelete} ON UPDATE CASCADE,
  stock INTEGER, born TEXT);
CREATE TABLE slots (n INTEGER PRIMARY KEY, stock INTEGER, born TEXT) WITHOUT ROWID;
CREATE TABLE lines (id INTEGER PRIMARY KEY, item INTEGER REFERENCES items (id) ON DELETE CASCADE ON UPDATE CASCADE);
`;

/** What apps do in triggers of their own: the row itself, another row, the row that is about to come. */
const APP_TRIGGERS = [
  `CREATE TRIGGER named AFTER INSERT ON items BEGIN UPDATE items SET shelf = 'b' WHERE id = NEW.id AND place = 3; END`,
  `CREATE TRIGGER counted AFTER INSERT ON items BEGIN UPDATE items SET stock = stock - 1 WHERE id IN (NEW.id, 3); END`,
  `CREATE TRIGGER made BEFORE INSERT ON items BEGIN UPDATE items SET stock = stock + 1 WHERE id = 2; END`,
  `CREATE TRIGGER sold AFTER UPDATE OF name ON items BEGIN UPDATE slots SET stock = stock - 1 WHERE n = NEW.id; END`,
  `CREATE TRIGGER grown AFTER INSERT ON slots BEGIN INSERT OR REPLACE INTO tree VALUES (NEW.n, NULL, 1, NEW.born || ' t'); END`,
];

export interface ShopRow {
  readonly stock: string;
  readonly born: string;
  readonly content: string;
}

export interface ShopSettings {
  readonly recursive: 'ON' | 'OFF';
  readonly foreignKeys: 'ON' | 'OFF';
  readonly journal: string;
  readonly onDelete: string;
  /** Triggers of the app that were there before ours, and that came after; which of two fires first goes by that. */
  readonly before: readonly string[];
  readonly after: readonly string[];
}

export const PLAIN_SHOP: ShopSettings = {
  recursive: 'OFF',
  foreignKeys: 'OFF',
  journal: 'MEMORY',
  onDelete: 'CASCADE',
  before: [],
  after: [],
};

export function someShop(random: Random): ShopSettings {
  const theirs = APP_TRIGGERS.filter(() => random.happens(0.25));
  const isBefore = random.happens(0.5);
  return {
    recursive: random.pick(['ON', 'OFF']),
    foreignKeys: random.pick(['ON', 'OFF']),
    journal: random.pick(['WAL', 'DELETE', 'TRUNCATE', 'PERSIST', 'MEMORY']),
    onDelete: random.pick(['CASCADE', 'SET NULL']),
    before: isBefore ? theirs : [],
    after: isBefore ? [] : theirs,
  };
}

export class CapturedShop {
  readonly db: SqliteDatabase;
  readonly reader: EntryReader;
  /** A REPLACE reads as a delete and an insert: with recursive_triggers, what writes between. */
  readonly isSplit: boolean;
  /** With triggers of the app's, OR FAIL may leave a row of which ours were not called: the sweep finds it. */
  readonly mayFail: boolean;
  readonly #folder: string;

  constructor({ recursive, foreignKeys, journal, onDelete, before, after }: ShopSettings) {
    this.#folder = mkdtempSync(join(tmpdir(), 'captured-shop-'));
    this.db = new Database(join(this.#folder, 'shop.db'));
    this.db.pragma('synchronous = OFF');
    this.db.pragma(`journal_mode = ${journal}`);
    this.db.pragma(`recursive_triggers = ${recursive}`);
    this.db.pragma(`foreign_keys = ${foreignKeys}`);
    this.db.exec(schema(onDelete) + OUTBOX_SCHEMA);
    const ours = Object.values(TABLES).flatMap((table) => keyTriggers(table).map(({ sql }) => sql));
    for (const sql of [...before, ...ours, ...after]) this.db.exec(sql);
    this.mayFail = before.length + after.length === 0;
    const isWriting = [...before, ...after].some((sql) => sql.includes('BEFORE INSERT'));
    this.isSplit = recursive === 'ON' && (isWriting || foreignKeys === 'ON');
    this.reader = new EntryReader(this.db, () => ({
      name: 'stock',
      central: (value) => (value === null ? null : String(value)),
    }));
  }

  close(): void {
    this.db.close();
    rmSync(this.#folder, { recursive: true });
  }

  /** Those without a key, which no entry can tell apart. */
  nameless(): string[] {
    return this.db.prepare<[], string>('SELECT born FROM odd WHERE k IS NULL').pluck().all();
  }

  /** Rows by key, but those without one. */
  rows(table: TableName): Map<string, ShopRow> {
    const { key } = TABLES[table];
    const columns =
      key.length === 1 ? `"${key.join()}"` : key.map((name) => `quote("${name}")`).join(` || ',' || `);
    const rows = this.db
      .prepare<
        [],
        Record<string, unknown> & { key_: SqliteValue; stock: bigint | number | null; born: string }
      >(`SELECT ${columns} AS key_, * FROM ${table}`)
      .safeIntegers()
      .all();
    const named = rows.map((row): [string, ShopRow] => {
      const content = JSON.stringify(row, (_name, value: unknown) =>
        typeof value === 'bigint' ? String(value) : value,
      );
      return [keyText(row.key_), { stock: String(row.stock ?? 0), born: row.born, content }];
    });
    return new Map(named.filter(([name]) => name !== NO_KEY));
  }
}
