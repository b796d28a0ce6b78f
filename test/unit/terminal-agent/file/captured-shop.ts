/** A real SQLite file with our triggers, written by random statements; who each row is, is kept beside it. */
import Database from 'better-sqlite3';
import { EntryReader, keyText } from '../../../../services/terminal-agent/file/entry-reader.ts';
import {
  keyTriggers,
  OUTBOX_SCHEMA,
  type CapturedTable,
} from '../../../../services/terminal-agent/file/key-triggers.ts';
import type { SqliteDatabase } from '../../../../services/shared/database/sqlite.ts';
import { Random } from '../up/model/random.ts';

export const ITEMS: CapturedTable = {
  number: 1,
  name: 'items',
  key: ['id'],
  uniques: [['sku'], ['shelf', 'place']],
  deltas: [{ number: 1, name: 'stock' }],
};
export const PLACES: CapturedTable = {
  number: 2,
  name: 'places',
  key: ['shop', 'name'],
  uniques: [['code']],
  deltas: [{ number: 1, name: 'stock' }],
};

const SCHEMA = `
CREATE TABLE items (id INTEGER PRIMARY KEY, sku TEXT UNIQUE, shelf TEXT, place INTEGER, stock NUMERIC, name TEXT,
  UNIQUE (shelf, place));
CREATE TABLE places (shop TEXT, name TEXT, code TEXT COLLATE NOCASE UNIQUE, stock INTEGER, PRIMARY KEY (shop, name))
  WITHOUT ROWID;
CREATE TABLE lines (id INTEGER PRIMARY KEY, item INTEGER REFERENCES items (id) ON DELETE CASCADE ON UPDATE CASCADE);
`;

/** Names of rows by key; a name is given once. */
export type Names = Map<string, string>;

export class CapturedShop {
  readonly db: SqliteDatabase;
  readonly reader: EntryReader;
  /** Who lives where, as the statements mean it. */
  readonly names: Record<'items' | 'places', Names> = { items: new Map(), places: new Map() };
  readonly #random: Random;
  #named = 0;

  private constructor(random: Random, prepared: SqliteDatabase) {
    this.#random = random;
    this.db = prepared;
    this.reader = new EntryReader(prepared, (number) => (number === 1 ? 'stock' : undefined));
  }

  static open(seed: number): CapturedShop {
    const random = new Random(seed);
    const db = new Database(':memory:');
    db.pragma(`recursive_triggers = ${random.happens(0.5) ? 'ON' : 'OFF'}`);
    db.pragma(`foreign_keys = ${random.happens(0.5) ? 'ON' : 'OFF'}`);
    db.exec(SCHEMA + OUTBOX_SCHEMA);
    for (const table of [ITEMS, PLACES]) for (const { sql } of keyTriggers(table)) db.exec(sql);
    return new CapturedShop(random, db);
  }

  rows(table: 'items' | 'places'): Map<string, { readonly stock: string; readonly content: string }> {
    const key = table === 'items' ? 'id' : `quote(shop) || ',' || quote(name)`;
    const rows = this.db
      .prepare<[], Record<string, unknown> & { key: bigint | string; stock: bigint | number | null }>(
        `SELECT ${key} AS key, * FROM ${table}`,
      )
      .safeIntegers()
      .all();
    return new Map(
      rows.map((row) => [
        keyText(row.key),
        {
          stock: String(row.stock ?? 0),
          content: JSON.stringify(row, (_name, value: unknown) => String(value)),
        },
      ]),
    );
  }

  /** Some statements in one transaction, some of them undone. */
  transaction(): void {
    this.db.exec('BEGIN');
    const count = 1 + this.#random.below(5);
    for (let n = 0; n < count; n += 1) {
      const isUndone = this.#random.happens(0.15);
      const before = { items: new Map(this.names.items), places: new Map(this.names.places) };
      this.db.exec('SAVEPOINT one');
      this.#statement();
      if (isUndone) {
        this.db.exec('ROLLBACK TO one');
        Object.assign(this.names, before);
      }
      this.db.exec('RELEASE one');
    }
    this.db.exec('COMMIT');
  }

  #statement(): void {
    if (this.#random.happens(0.35)) this.#placeStatement();
    else this.#itemStatement();
  }

  #itemStatement(): void {
    const { names } = this;
    const random = this.#random;
    const id = random.below(8);
    const [sku, place, stock] = [`s${random.below(8)}`, random.below(4), random.below(50)];
    const values = `${id}, '${sku}', 'a', ${place}, ${stock}, 'n${random.below(9)}'`;
    switch (random.below(9)) {
      case 0:
        return this.#insert('items', `INSERT OR IGNORE INTO items VALUES (${values})`, `i${id}`);
      case 1:
        return this.#replace('items', `INSERT OR REPLACE INTO items VALUES (${values})`, `i${id}`);
      case 2:
        return this.#upsert(
          `INSERT INTO items VALUES (${values}) ON CONFLICT (id) DO UPDATE SET stock = stock - 1`,
          `i${id}`,
        );
      case 3:
        return this.#run(
          'items',
          `UPDATE items SET stock = stock - ${1 + random.below(3)} WHERE id % 2 = ${id % 2}`,
        );
      case 4:
        return this.#run('items', `UPDATE items SET name = 'x${stock}' WHERE id = ${id}`);
      case 5:
        return this.#run('items', `DELETE FROM items WHERE id = ${id}`);
      case 6:
        return this.#run(
          'items',
          `UPDATE OR REPLACE items SET sku = '${sku}', stock = stock + 2 WHERE id = ${id}`,
        );
      case 7: {
        const to = random.below(8);
        const name = names.items.get(`i${id}`);
        this.#run('items', `UPDATE OR REPLACE items SET id = ${to}, stock = stock - 1 WHERE id = ${id}`);
        if (name !== undefined && to !== id) this.#moved('items', { from: `i${id}`, to: `i${to}`, name });
        return;
      }
      default:
        this.#run('items', `DELETE FROM items WHERE id = ${id}`);
        return this.#insert('items', `INSERT OR IGNORE INTO items VALUES (${values})`, `i${id}`);
    }
  }

  #placeStatement(): void {
    const random = this.#random;
    const [shop, name] = [`p${random.below(2)}`, `n${random.below(4)}`];
    const code = `${random.pick(['c', 'C'])}${random.below(5)}`;
    const values = `'${shop}', '${name}', '${code}', ${random.below(30)}`;
    const key = `t'${shop}','${name}'`;
    switch (random.below(4)) {
      case 0:
        return this.#insert('places', `INSERT OR IGNORE INTO places VALUES (${values})`, key);
      case 1:
        return this.#replace('places', `REPLACE INTO places VALUES (${values})`, key);
      case 2:
        return this.#run('places', `UPDATE places SET stock = stock + 1 WHERE shop = '${shop}'`);
      default:
        return this.#run('places', `DELETE FROM places WHERE shop = '${shop}' AND name = '${name}'`);
    }
  }

  /** Rows keep their names; those that are gone lose them. */
  #run(table: 'items' | 'places', sql: string): void {
    this.db.exec(sql);
    const rows = this.rows(table);
    for (const key of [...this.names[table].keys()]) if (!rows.has(key)) this.names[table].delete(key);
  }

  #insert(table: 'items' | 'places', sql: string, key: string): void {
    const before = this.rows(table);
    this.#run(table, sql);
    if (!before.has(key) && this.rows(table).has(key)) this.#name(table, key);
    // A DELETE of an ignored row's key and an INSERT of it, one after the other, would be read as one REPLACE.
    if (before.has(key)) this.db.exec(`UPDATE ${table} SET stock = stock`);
  }

  /** The row under its key lives on. */
  #replace(table: 'items' | 'places', sql: string, key: string): void {
    this.#run(table, sql);
    if (!this.names[table].has(key)) this.#name(table, key);
  }

  #upsert(sql: string, key: string): void {
    try {
      this.#replace('items', sql, key);
    } catch (error) {
      // Another unique value is in the way: the statement has done nothing.
      if (!(error instanceof Database.SqliteError) || !error.code.startsWith('SQLITE_CONSTRAINT'))
        throw error;
    }
  }

  #moved(table: 'items' | 'places', { from, to, name }: { from: string; to: string; name: string }): void {
    this.names[table].delete(from);
    this.names[table].set(to, name);
  }

  #name(table: 'items' | 'places', key: string): void {
    this.#named += 1;
    this.names[table].set(key, `row ${this.#named}`);
  }
}
