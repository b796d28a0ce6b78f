/** Whatever the app's statements are, entries say which rows they touched, who these are, and what they took off. */
import { describe, expect, it } from 'vitest';
import { addDecimals, subtractDecimals } from '../../../../services/shared/values/decimal.ts';
import { isNothing, sumsOf } from '../../../../services/terminal-agent/up/entries.ts';
import { foldEntries, type TouchedRow } from '../../../../services/terminal-agent/up/fold-entries.ts';
import { Random } from '../up/model/random.ts';
import {
  CapturedShop,
  PLAIN_SHOP,
  someShop,
  TABLES,
  type ShopRow,
  type ShopSettings,
  type TableName,
} from './captured-shop.ts';
import { ShopStatements } from './shop-statements.ts';

const RUNS = Number(process.env['TRIGGER_RUNS'] ?? 20);
const SEED = Number(process.env['TRIGGER_SEED'] ?? 1);
const TRANSACTIONS = 25;
const NAMES = Object.keys(TABLES) as TableName[];

interface Kept extends ShopRow {
  readonly identity: string;
}

/** What a look keeps of a table: rows by key. */
class Look {
  readonly failures: string[] = [];
  #rows = new Map<string, Kept>();
  readonly #shop: CapturedShop;
  readonly #statements: ShopStatements;
  readonly #table: TableName;
  /** Identity of each row by when it was born. */
  readonly #identities = new Map<string, string>();
  #lastSeq = 0;

  constructor(shop: CapturedShop, statements: ShopStatements, table: TableName) {
    this.#shop = shop;
    this.#statements = statements;
    this.#table = table;
  }

  take(): void {
    const now = this.#shop.rows(this.#table);
    const entries = this.#shop.reader.read(this.#lastSeq + 1, Number.MAX_SAFE_INTEGER);
    this.#lastSeq = entries.at(-1)?.seq ?? this.#lastSeq;
    const touched = foldEntries(
      entries.filter(({ table }) => table === TABLES[this.#table].number),
      (key) => this.#rows.get(key)?.identity,
    );
    const identities = new Set(touched.map(({ identity }) => identity));
    const before = new Map([...this.#rows.values()].map((row) => [row.identity, row]));
    const next = new Map<string, Kept>();
    for (const [key, row] of this.#rows)
      if (!identities.has(row.identity)) this.#untouched(key, row, now, next);
    for (const row of touched) this.#touched(row, before.get(row.identity), now, next);
    for (const key of now.keys()) if (!next.has(key)) this.#fail(`nobody says that ${key} is here`);
    this.#rows = next;
    for (const [key, row] of next) this.#compareNames(key, row, before.get(row.identity));
  }

  #untouched(key: string, row: Kept, now: ReadonlyMap<string, ShopRow>, next: Map<string, Kept>): void {
    if (now.get(key)?.content !== row.content) this.#fail(`nobody says that ${key} changed`);
    next.set(key, row);
  }

  #touched(
    { identity, key, entries, isNew }: TouchedRow,
    before: Kept | undefined,
    now: ReadonlyMap<string, ShopRow>,
    next: Map<string, Kept>,
  ): void {
    const row = key === null ? undefined : now.get(key);
    if (key === null || row === undefined) return;
    if (next.has(key)) this.#fail(`two rows are said to be at ${key}`);
    next.set(key, { identity, ...row });
    if (isNew) return;
    const sum = sumsOf(entries).get('stock') ?? '0';
    const should = addDecimals(before?.stock ?? '0', sum);
    if (!isNothing(subtractDecimals(should, row.stock)))
      this.#fail(`stock of ${key} is ${row.stock}, entries say ${should}`);
  }

  /** A row keeps its identity, and no other gets it but one that was put in its place. */
  #compareNames(key: string, { identity, born }: Kept, before: Kept | undefined): void {
    const known = this.#identities.get(born);
    const isNamed = !this.#statements.nameless.has(born);
    if (known !== undefined && known !== identity && isNamed)
      this.#fail(`${key} (${born}) is said to be another`);
    if (before !== undefined && !this.#goesOn(born, before.born))
      this.#fail(`${key} (${born}) is said to be ${before.born}`);
    const replaced = this.#statements.must.get(born);
    const had = replaced === undefined ? undefined : this.#identities.get(replaced);
    if (had !== undefined && had !== identity && isNamed)
      this.#fail(`${key} (${born}) is not said to be ${replaced}`);
    this.#identities.set(born, identity);
  }

  #goesOn(born: string, as: string): boolean {
    const seen = new Set([born]);
    for (const one of seen) for (const old of this.#statements.may.get(one) ?? []) seen.add(old);
    return seen.has(as);
  }

  #fail(failure: string): void {
    this.failures.push(`${this.#table}: ${failure}`);
  }
}

function failuresOf(seed: number): string[] {
  const random = new Random(seed);
  const shop = new CapturedShop(someShop(random));
  try {
    const statements = new ShopStatements(shop, random);
    const looks = NAMES.map((name) => new Look(shop, statements, name));
    for (let n = 0; n < TRANSACTIONS; n += 1) {
      statements.transaction();
      for (const look of looks) look.take();
    }
    return looks.flatMap(({ failures }) => failures);
  } finally {
    shop.close();
  }
}

interface Case {
  readonly of: string;
  readonly there: string;
  readonly sql: string;
  /** As `op key`, `op key<key before`. */
  readonly entries: readonly string[];
  readonly shop?: Partial<ShopSettings>;
}

const item = (values: string) =>
  `INTO items (id, sku, shelf, place, stock, name, tag, base, born) VALUES (${values})`;
const FIRST = `INSERT ${item(`1, 's1', 'a', 1, 5, 'One', 'Tag', 10, 'b1'`)};`;
const MARK = `INSERT INTO marks VALUES ('ab', 5, 'b1');`;
const ODD = `INSERT INTO odd VALUES (1, 5, 'b1'), (NULL, 6, 'b2');`;
const TREE = `INSERT INTO tree VALUES (1, NULL, 5, 'b1'), (2, 1, 6, 'b2');`;
const recursive = { recursive: 'ON' } as const;
const cascade = { foreignKeys: 'ON' } as const;

const CASES: readonly Case[] = [
  { of: 'INSERT', there: '', sql: FIRST, entries: ['c n1'] },
  { of: 'DELETE and INSERT', there: FIRST, sql: `DELETE FROM items; ${FIRST}`, entries: ['d n1', 'c n1'] },
  {
    of: 'REPLACE',
    there: FIRST,
    sql: `REPLACE ${item(`1, 's2', 'a', 2, 5, 'x', 't', 1, 'b2'`)}`,
    entries: ['b n1<n1', 'c n1'],
  },
  {
    of: 'REPLACE with recursive_triggers',
    there: FIRST,
    sql: `REPLACE ${item(`1, 's2', 'a', 2, 5, 'x', 't', 1, 'b2'`)}`,
    entries: ['b n1<n1', 'd n1', 'c n1'],
    shop: recursive,
  },
  {
    of: 'OR IGNORE',
    there: FIRST,
    sql: `INSERT OR IGNORE ${item(`1, 's2', 'a', 2, 5, 'x', 't', 1, 'b2'`)}`,
    entries: ['b n1<n1'],
  },
  {
    of: 'UPSERT',
    there: FIRST,
    sql: `INSERT ${item(`1, 's2', 'a', 2, 5, 'x', 't', 1, 'b2'`)} ON CONFLICT (id) DO UPDATE SET stock = 1`,
    entries: ['b n1<n1', 'u n1'],
  },
  {
    of: 'REPLACE by a column',
    there: FIRST,
    sql: `REPLACE ${item(`2, 's1', 'a', 2, 5, 'x', 't', 1, 'b2'`)}`,
    entries: ['e n1<n2', 'c n2'],
  },
  {
    of: 'REPLACE by two columns',
    there: FIRST,
    sql: `REPLACE ${item(`2, 's2', 'a', 1, 5, 'x', 't', 1, 'b2'`)}`,
    entries: ['e n1<n2', 'c n2'],
  },
  {
    of: 'REPLACE by an expression of a partial index',
    there: FIRST,
    sql: `REPLACE ${item(`2, 's2', 'a', 2, 5, 'x', 'TAG', 1, 'b2'`)}`,
    entries: ['e n1<n2', 'c n2'],
  },
  {
    of: 'a row outside of a partial index',
    there: FIRST,
    sql: `REPLACE ${item(`2, 's2', 'a', 0, 5, 'one', 'x', 1, 'b2'`)}`,
    entries: ['c n2'],
  },
  {
    of: 'a row that comes into a partial index',
    there: `INSERT ${item(`1, 's1', 'a', 3, 5, 'One', 'Tag', 10, 'b1'`)}; INSERT ${item(`2, 's2', 'a', 0, 5, 'one', 'x', 1, 'b2'`)}`,
    sql: `UPDATE OR REPLACE items SET place = 2 WHERE id = 2`,
    entries: ['e n1<n2', 'u n2'],
  },
  {
    of: 'REPLACE by a collation of the index alone',
    there: `INSERT ${item(`1, 's1', 'a', 2, 5, 'One', 'Tag', 10, 'b1'`)}`,
    sql: `REPLACE ${item(`2, 's2', 'a', 3, 5, 'ONE', 'x', 1, 'b2'`)}`,
    entries: ['e n1<n2', 'c n2'],
  },
  {
    of: 'REPLACE by a generated column',
    there: FIRST,
    sql: `REPLACE ${item(`2, 's2', 'a', 2, 5, 'x', 'x', 11, 'b2'`)}`,
    entries: ['e n1<n2', 'c n2'],
  },
  {
    of: 'UPDATE OR REPLACE by a generated column',
    there: FIRST + `INSERT ${item(`2, 's2', 'a', 2, 5, 'x', 'x', 1, 'b2'`)}`,
    sql: `UPDATE OR REPLACE items SET base = 11 WHERE id = 2`,
    entries: ['e n1<n2', 'u n2'],
  },
  {
    of: 'UPDATE OR REPLACE of the key',
    there: FIRST + `INSERT ${item(`2, 's2', 'a', 2, 5, 'x', 'x', 1, 'b2'`)}`,
    sql: `UPDATE OR REPLACE items SET id = 1 WHERE id = 2`,
    entries: ['e n1<n1', 'k n1<n2'],
  },
  {
    of: 'UPDATE of the rowid',
    there: FIRST,
    sql: `UPDATE items SET rowid = 7`,
    entries: ['k n7<n1'],
  },
  {
    of: 'UPDATE that changes nothing',
    there: FIRST,
    sql: `UPDATE items SET stock = stock`,
    entries: ['u n1'],
  },
  {
    of: 'UPDATE of a key in other letters',
    there: MARK,
    sql: `UPDATE marks SET name = 'AB'`,
    entries: ['k tAB<tab'],
  },
  {
    of: 'REPLACE of a key in other letters',
    there: MARK,
    sql: `REPLACE INTO marks VALUES ('AB', 6, 'b2')`,
    entries: ['b tab<tAB', 'c tAB'],
  },
  {
    of: 'UPDATE of NULL keys',
    there: ODD,
    sql: `UPDATE odd SET k = 7 WHERE k IS NULL; UPDATE odd SET k = NULL WHERE k = 1`,
    entries: ['k n7<null', 'k null<n1'],
  },
  {
    of: 'a number in another form',
    there: ODD,
    sql: `UPDATE odd SET k = 1.0 WHERE k = 1`,
    entries: ['k n1<n1'],
  },
  {
    of: 'a text that looks like it',
    there: ODD,
    sql: `UPDATE odd SET k = '1' WHERE k = 1`,
    entries: ['k t1<n1'],
  },
  { of: 'bytes', there: '', sql: `INSERT INTO odd VALUES (x'00ff', 1, 'b')`, entries: ['c b00ff'] },
  {
    of: 'cascades',
    there: TREE,
    sql: `DELETE FROM tree WHERE id = 1`,
    entries: ['d n2', 'd n1'],
    shop: cascade,
  },
  {
    of: 'cascades of a REPLACE',
    there: TREE,
    sql: `REPLACE INTO tree VALUES (1, NULL, 5, 'b3')`,
    entries: ['b n1<n1', 'd n2', 'c n1'],
    shop: cascade,
  },
  {
    of: 'a REPLACE that sets references NULL',
    there: TREE,
    sql: `REPLACE INTO tree VALUES (1, NULL, 5, 'b3')`,
    entries: ['b n1<n1', 'u n2', 'c n1'],
    shop: { ...cascade, onDelete: 'SET NULL' },
  },
  {
    of: 'a key that others refer to',
    there: TREE,
    sql: `UPDATE tree SET id = 9 WHERE id = 1`,
    entries: ['u n2', 'k n9<n1'],
    shop: cascade,
  },
  {
    of: `a trigger of the app's that fires first`,
    there: '',
    sql: FIRST,
    entries: ['u n1', 'c n1'],
    shop: { after: [`CREATE TRIGGER mine AFTER INSERT ON items BEGIN UPDATE items SET stock = 4; END`] },
  },
  { of: 'ROLLBACK', there: '', sql: `BEGIN; ${FIRST} ROLLBACK`, entries: [] },
];

describe('triggers that write keys', () => {
  it.each(CASES)('record of $of what it does', ({ there, sql, entries, shop: settings }) => {
    const shop = new CapturedShop({ ...PLAIN_SHOP, ...settings });
    try {
      shop.db.exec(there);
      const before = shop.reader.read(1, Number.MAX_SAFE_INTEGER).at(-1)?.seq ?? 0;
      shop.db.exec(sql);
      const now = shop.reader.read(before + 1, Number.MAX_SAFE_INTEGER);
      expect(
        now.map(({ op, key, keyBefore }) => `${op} ${key}${keyBefore === null ? '' : `<${keyBefore}`}`),
      ).toEqual(entries);
    } finally {
      shop.close();
    }
  });

  it(`tell rows apart under ${RUNS} seeds of random statements`, () => {
    const failed: string[] = [];
    for (let seed = SEED; seed < SEED + RUNS; seed += 1) {
      const [first] = failuresOf(seed);
      if (first !== undefined) failed.push(`seed ${seed}: ${first}`);
    }
    expect(failed).toEqual([]);
  });
});
