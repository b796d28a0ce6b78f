/** Random statements of an app, and which row each insert may have put itself in the place of. */
import Database from 'better-sqlite3';
import type { Random } from '../up/model/random.ts';
import type { CapturedShop, TableName } from './captured-shop.ts';

const NAMES: readonly TableName[] = ['items', 'places', 'marks', 'odd', 'tree', 'slots'];

/** always: a REPLACE of one row by its key. perhaps: the statement may have done it. */
type Way = 'never' | 'perhaps' | 'always';

interface Statement {
  readonly sql: string;
  readonly way: Way;
  /** May name rows without touching them. */
  readonly isIgnoring?: boolean;
}

export class ShopStatements {
  /** Which row another goes on as, by `born`. */
  readonly must = new Map<string, string>();
  readonly may = new Map<string, Set<string>>();
  /** Rows that had no key for a while. */
  readonly nameless = new Set<string>();
  readonly #shop: CapturedShop;
  readonly #random: Random;
  /** Rows that an insert named and left alone: their delete and a new insert read as one REPLACE. */
  readonly #named = new Map<string, Set<string>>();
  #born = 0;

  constructor(shop: CapturedShop, random: Random) {
    this.#shop = shop;
    this.#random = random;
  }

  /** Some statements in one transaction, some of them undone. */
  transaction(): void {
    const { db } = this.#shop;
    this.#named.clear();
    db.exec('BEGIN');
    const count = 1 + this.#random.below(5);
    for (let n = 0; n < count; n += 1) {
      const isUndone = this.#random.happens(0.15);
      db.exec('SAVEPOINT one');
      this.#run(this.#random.pick([...NAMES, 'items', 'items']));
      if (isUndone) db.exec('ROLLBACK TO one');
      db.exec('RELEASE one');
    }
    db.exec(this.#random.happens(0.9) ? 'COMMIT' : 'ROLLBACK');
  }

  #run(table: TableName): void {
    const before = new Map(NAMES.map((name) => [name, this.#bornAt(name)]));
    const statement = this.#statement(table);
    try {
      this.#shop.db.exec(statement.sql);
    } catch (error) {
      // A value is in the way: the statement has done nothing, or (OR FAIL) a part.
      if (!(error instanceof Database.SqliteError) || !error.code.startsWith('SQLITE_CONSTRAINT'))
        throw error;
    }
    for (const born of this.#shop.nameless()) this.nameless.add(born);
    for (const name of NAMES) {
      // Triggers of the app put rows in the place of others as they like.
      const way = name === table && !this.#shop.isSplit ? statement.way : 'perhaps';
      for (const [key, born] of this.#bornAt(name)) {
        const old = before.get(name)?.get(key);
        if (old !== undefined && old !== born) this.#note(`${name} ${key}`, { born, old, way });
        else if (old === undefined) this.#noteNamed(`${name} ${key}`, born);
        if (statement.isIgnoring === true && name === table) this.#ignore(`${name} ${key}`, born);
      }
      if (statement.isIgnoring === true && name === table)
        for (const [key, born] of before.get(name) ?? []) this.#ignore(`${name} ${key}`, born);
    }
  }

  /** By key, as SQLite compares keys. */
  #bornAt(table: TableName): Map<string, string> {
    const rows = [...this.#shop.rows(table)];
    return new Map(rows.map(([key, { born }]) => [table === 'marks' ? key.toLowerCase() : key, born]));
  }

  #note(key: string, { born, old, way }: { born: string; old: string; way: Way }): void {
    if (way === 'always') this.must.set(born, old);
    if (way !== 'never') this.#allow(born, old);
    this.#noteNamed(key, born);
  }

  #noteNamed(key: string, born: string): void {
    for (const old of this.#named.get(key) ?? []) this.#allow(born, old);
  }

  #allow(born: string, old: string): void {
    const known = this.may.get(born) ?? new Set();
    this.may.set(born, known.add(old));
  }

  #ignore(key: string, born: string): void {
    const known = this.#named.get(key) ?? new Set();
    this.#named.set(key, known.add(born));
  }

  #newBorn(): string {
    this.#born += 1;
    return `'b${this.#born}'`;
  }

  #statement(table: TableName): Statement {
    switch (table) {
      case 'items':
        return this.#items();
      case 'places':
        return this.#places();
      case 'marks':
        return this.#keyed('marks', 'name', () =>
          this.#random.pick([`'ab'`, `'AB'`, `'Ab'`, `'cd'`, `'CD'`, `''`]),
        );
      case 'odd':
        return this.#keyed('odd', 'k', () =>
          this.#random.pick(['1', '1.0', '2.5', '2.25', `x'00ff'`, `'1'`, 'NULL']),
        );
      case 'tree':
        return this.#tree();
      case 'slots':
        return this.#keyed('slots', 'n', () => String(this.#random.below(5)));
    }
  }

  #itemValues(id: number | 'NULL'): string {
    const random = this.#random;
    const name = random.pick(['nx', 'NX', 'ny', 'Ny', 'nz', 'nw']);
    const tag = random.pick(['t0', 't0', 't0', 'T1', 't1', 't2', 'T2']);
    const sku = random.happens(0.2) ? 'NULL' : `'s${random.below(9)}'`;
    return `${id}, ${sku}, 'a', ${random.below(4)}, ${random.below(50)}, '${name}', '${tag}', ${random.below(20)}, ${this.#newBorn()}`;
  }

  #items(): Statement {
    const random = this.#random;
    const id = random.below(8);
    const into = 'items (id, sku, shelf, place, stock, name, tag, base, born)';
    const or = random.pick(['OR REPLACE', 'OR REPLACE', 'OR IGNORE', '']);
    switch (random.below(14)) {
      case 0:
        return insert('IGNORE', into, this.#itemValues(id));
      case 1:
      case 2:
        return insert('REPLACE', into, this.#itemValues(id));
      case 3:
        return upsert(into, this.#itemValues(id), 'id');
      case 4:
        return never(`UPDATE items SET stock = stock - ${1 + random.below(3)} WHERE id % 2 = ${id % 2}`);
      case 5:
        return never(`UPDATE ${or} items SET name = '${random.pick(['nx', 'NY', 'q'])}' WHERE id = ${id}`);
      case 6:
        return never(`DELETE FROM items WHERE id = ${id}`);
      case 7:
        return never(
          `UPDATE ${or} items SET sku = 's${random.below(9)}', stock = stock + 2 WHERE id % 3 = ${id % 3}`,
        );
      case 8:
        return never(
          `UPDATE ${or} items SET ${random.pick(['id', 'rowid'])} = ${random.below(8)}, stock = stock - 1 WHERE id = ${id}`,
        );
      case 9:
        return never(`UPDATE ${or} items SET base = ${random.below(20)} WHERE id = ${id}`);
      case 10:
        return never(`UPDATE ${or} items SET tag = '${random.pick(['T1', 't2', 't0'])}' WHERE id < ${id}`);
      case 11:
        return {
          sql: `INSERT OR REPLACE INTO ${into} SELECT (id + ${random.below(3)}) % 8, sku, shelf, place, stock + 5, name, tag,
            base, ${this.#newBorn()} || '-' || id FROM items WHERE id < ${id}`,
          way: 'perhaps',
        };
      case 12:
        return {
          sql: `${random.pick(['REPLACE', this.#shop.mayFail ? 'INSERT OR FAIL' : 'INSERT'])} INTO ${into} VALUES (${this.#itemValues('NULL')}), (${this.#itemValues(id)})`,
          way: 'perhaps',
        };
      default:
        return never(
          `UPDATE ${or} items SET stock = items.stock + s.stock, name = name || s.n FROM slots AS s WHERE s.n = items.id`,
        );
    }
  }

  #places(): Statement {
    const random = this.#random;
    const [shop, name] = [`p${random.below(2)}`, `n${random.below(4)}`];
    const code = `${random.pick(['c', 'C'])}${random.below(5)}`;
    const values = `'${shop}', '${name}', '${code}', ${random.below(30)}, ${this.#newBorn()}`;
    const or = random.pick(['OR REPLACE', 'OR IGNORE']);
    switch (random.below(7)) {
      case 0:
        return insert('IGNORE', 'places', values);
      case 1:
        return insert('REPLACE', 'places', values);
      case 2:
        return never(`UPDATE places SET stock = stock + 1 WHERE shop = '${shop}'`);
      case 3:
        return never(
          `UPDATE ${or} places SET shop = 'p${random.below(2)}', stock = stock - 1 WHERE name = '${name}'`,
        );
      case 4:
        return never(`UPDATE ${or} places SET code = '${code}' WHERE name = '${name}'`);
      case 5:
        return upsert('places', values, 'shop, name');
      default:
        return never(`DELETE FROM places WHERE shop = '${shop}' AND name = '${name}'`);
    }
  }

  #tree(): Statement {
    const random = this.#random;
    const [id, parent] = [random.below(6), random.happens(0.4) ? 'NULL' : String(random.below(6))];
    if (random.happens(0.3)) return never(`UPDATE tree SET parent = ${parent} WHERE id = ${id}`);
    return this.#keyed('tree (parent, id, stock, born)', 'id', () => `${id}`, `${parent}, `);
  }

  /** Statements on a table of which only the key is of interest. */
  #keyed(into: string, key: string, some: () => string, more = ''): Statement {
    const random = this.#random;
    const table = into.split(' ')[0] ?? into;
    const values = `${more}${some()}, ${random.below(30)}, ${this.#newBorn()}`;
    const other = table === 'tree' ? String(random.below(6)) : some();
    const or = random.pick(['OR REPLACE', 'OR IGNORE', '']);
    switch (random.below(7)) {
      case 0:
        return insert('IGNORE', into, values);
      case 1:
        return insert('REPLACE', into, values);
      case 2:
        return upsert(into, values, key);
      case 3:
        return never(`UPDATE ${table} SET stock = stock - 0.1 WHERE ${key} >= ${some()}`);
      case 4:
        return never(
          `UPDATE ${or} ${table} SET ${key} = ${other}, stock = stock + 1 WHERE ${key} IS ${some()}`,
        );
      case 5:
        return never(`DELETE FROM ${table} WHERE ${key} IS ${some()}`);
      default:
        return never(`UPDATE ${or} ${table} SET ${key} = ${other} WHERE ${key} IS ${some()}`);
    }
  }
}

function insert(or: 'IGNORE' | 'REPLACE', into: string, values: string): Statement {
  const sql = `INSERT OR ${or} INTO ${into} VALUES (${values})`;
  return or === 'REPLACE' ? { sql, way: 'always' } : { sql, way: 'never', isIgnoring: true };
}

function upsert(into: string, values: string, key: string): Statement {
  const sql = `INSERT INTO ${into} VALUES (${values}) ON CONFLICT (${key}) DO UPDATE SET stock = stock - 1`;
  return { sql, way: 'never', isIgnoring: true };
}

function never(sql: string): Statement {
  return { sql, way: 'never' };
}
