/** Rows that refer to each other in a circle: in whatever order they come, all of them are written. */
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { CentralValue } from '../../../services/shared/records/change-record.ts';
import { seededRandom } from '../../support/random.ts';
import { openShopTill, type ShopTill } from '../../support/shop-till.ts';

describe('a circle', () => {
  it('of rows of one table is written with the reference filled in later', async () => {
    const shop = openShopTill();
    onTestFinished(() => {
      shop.close();
    });
    const { catalog } = shop;
    await shop.toCatalog(
      catalog.commit(
        100,
        catalog.row('categories', 1, { name: 'a', parent_id: 2n }),
        catalog.row('categories', 2, { name: 'b', parent_id: 1n }),
      ),
    );
    expect(shop.apply.parked.all()).toEqual([]);
    expect(
      shop.rows(
        'SELECT c.name, p.name AS parent FROM categories c JOIN categories p ON p.id = c.parent_id ORDER BY 1',
      ),
    ).toEqual([
      { name: 'a', parent: 'b' },
      { name: 'b', parent: 'a' },
    ]);
  });

  /** Of three tables, each of which refers to the next, only the first may leave it out. */
  describe.each([
    ['a', 'b', 'c'],
    ['b', 'c', 'a'],
    ['c', 'a', 'b'],
    ['c', 'b', 'a'],
    ['a', 'c', 'b'],
    ['b', 'a', 'c'],
  ])('in a circle of which one column may be NULL, come as %s, %s, %s', (...order) => {
    const NEXT: Readonly<Record<string, string>> = { a: 'b', b: 'c', c: 'a' };
    let circle: ShopTill;
    beforeEach(() => {
      const table = (name: string, rule: string) =>
        `CREATE TABLE ${name} (id INTEGER PRIMARY KEY, server_id INTEGER, next INTEGER ${rule}, name TEXT UNIQUE)`;
      const exclude = 'exclude: [server_id]';
      circle = openShopTill({
        schema: [table('a', ''), table('b', 'NOT NULL'), table('c', 'NOT NULL')].join(';'),
        mapping: `version: 1\ndefaults: {scope: global, ${exclude}}\ntables:\n${Object.entries(NEXT)
          .map(([name, to]) => `  ${name}: {references: {next: ${to}}}\n`)
          .join('')}`,
        central: Object.fromEntries(
          Object.keys(NEXT).map((name) => [
            name,
            { id: ['bigint', 'bigint'], next: ['bigint', 'bigint'], name: ['text', 'text'] },
          ]),
        ),
      });
    });
    afterEach(() => circle.close());

    it.each(['in one transaction', 'one by one'])('%s, and are all there', async (how) => {
      const row = (table: string) => circle.catalog.row(table, 1, { next: 1n, name: table });
      const batches = how === 'one by one' ? order.map((table) => [row(table)]) : [order.map(row)];
      for (const [at, rows] of batches.entries()) {
        await circle.toCatalog(circle.catalog.commit(100 + at, ...rows));
      }
      expect(circle.apply.parked.all()).toEqual([]);
      for (const [name, to] of Object.entries(NEXT)) {
        expect(
          circle.rows(`SELECT x.name, n.name AS next FROM ${name} x JOIN ${to} n ON n.id = x.next`),
        ).toEqual([{ name, next: to }]);
      }
    });

    it('wait while the till refuses the one that could be first, and come when there is room', async () => {
      const taken = (name: string) => circle.catalog.row('a', 2, { next: null, name });
      await circle.toCatalog(circle.catalog.commit(99, taken('a')));
      for (const [at, table] of order.entries()) {
        const row = circle.catalog.row(table, 1, { next: 1n, name: table });
        await circle.toCatalog(circle.catalog.commit(100 + at, row));
      }
      expect(circle.apply.parked.all()).toHaveLength(3);
      await circle.toCatalog(circle.catalog.commit(110, taken('another')));
      expect(circle.apply.parked.all()).toEqual([]);
    });
  });
});

const MAPPED = 'version: 1\ndefaults: {scope: global, exclude: [server_id]}\ntables:\n';

interface Reference {
  readonly column: string;
  readonly to: string;
  readonly notNull: boolean;
}

interface Row {
  readonly table: string;
  readonly id: number;
  readonly parents: ReadonlyMap<string, number | null>;
}

/** Tables that refer to one another at random; columns that may not be NULL lead nowhere in a circle. */
class Web {
  readonly tables: ReadonlyMap<string, readonly Reference[]>;
  readonly rows: readonly Row[];
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    const names = ['a', 'b', 'c', 'd', 'e'].slice(0, 2 + this.below(4));
    this.tables = new Map(
      names.map((name, rank) => [
        name,
        Array.from({ length: 1 + this.below(3) }, (_, at) => {
          const to = this.below(names.length);
          return { column: `p${at}`, to: names[to] ?? 'a', notNull: to < rank && this.below(3) > 0 };
        }),
      ]),
    );
    const copies = 1 + this.below(3);
    this.rows = names.flatMap((table) =>
      Array.from({ length: copies }, (_, at) => ({
        table,
        id: at + 1,
        parents: new Map(
          (this.tables.get(table) ?? []).map(({ column, notNull }) => [
            column,
            !notNull && this.below(5) === 0 ? null : 1 + this.below(copies),
          ]),
        ),
      })),
    );
  }

  below(end: number): number {
    return Math.floor(this.#random() * end);
  }

  /** In random order, in random batches. */
  batches(without?: Row): Row[][] {
    const left = this.rows.filter((row) => row !== without);
    const batches: Row[][] = [];
    while (left.length > 0) {
      const size = 1 + this.below(this.below(2) === 0 ? 1 : 4);
      batches.push(Array.from({ length: Math.min(size, left.length) }, () => this.#take(left)));
    }
    return batches;
  }

  #take(left: Row[]): Row {
    const [row] = left.splice(this.below(left.length), 1);
    if (row === undefined) throw new Error('nothing is left');
    return row;
  }
}

function openWeb({ tables }: Web): ShopTill {
  const parents = (references: readonly Reference[]) =>
    references.map(({ column, notNull }) => `, ${column} INTEGER${notNull ? ' NOT NULL' : ''}`).join('');
  return openShopTill({
    schema: [...tables]
      .map(
        ([name, references]) =>
          `CREATE TABLE ${name} (id INTEGER PRIMARY KEY, server_id INTEGER, name TEXT UNIQUE${parents(references)})`,
      )
      .join(';'),
    mapping: `${MAPPED}${[...tables]
      .map(([name, references]) => {
        const named = references.map(({ column, to }) => `${column}: ${to}`).join(', ');
        return `  ${name}: {natural_key: [name], references: {${named}}}\n`;
      })
      .join('')}`,
    central: Object.fromEntries(
      [...tables].map(([name, references]) => [
        name,
        {
          id: ['bigint', 'bigint'],
          name: ['text', 'text'],
          ...Object.fromEntries(references.map(({ column }) => [column, ['bigint', 'bigint']])),
        },
      ]),
    ),
  });
}

const nameOf = (table: string, id: number | null) => (id === null ? null : `${table}${id}`);

/** The till's rows, each with its parents by name. */
function shown(shop: ShopTill, { tables, rows }: Web) {
  const expected = rows.map(({ table, id, parents }) => ({
    name: nameOf(table, id),
    server_id: id,
    ...Object.fromEntries(
      (tables.get(table) ?? []).map(({ column, to }) => [column, nameOf(to, parents.get(column) ?? null)]),
    ),
  }));
  const found = [...tables].flatMap(([name, references]) => {
    const named = references.map(
      ({ column, to }) =>
        `, (SELECT name FROM ${to} AS parent WHERE parent.id = child.${column}) AS ${column}`,
    );
    return shop.rows(`SELECT name, server_id${named.join('')} FROM ${name} AS child ORDER BY server_id`);
  });
  return { expected, found };
}

describe.each([{ withUnlinked: false }, { withUnlinked: true }])(
  'webs of references, unlinked rows of the same name on the till: $withUnlinked',
  ({ withUnlinked }) => {
    it.each(Array.from({ length: 60 }, (_, seed) => seed))('come as they may (seed %i)', async (seed) => {
      const web = new Web(seed);
      const shop = openWeb(web);
      onTestFinished(() => {
        shop.close();
      });
      if (withUnlinked) haveEarlierRows(shop, web);
      await deliver(shop, web.batches());
      expect(shop.apply.parked.all()).toEqual([]);
      const { found, expected } = shown(shop, web);
      expect(found).toEqual(expected);
    });
  },
);

/** Rows of the same names, without any reference, that were there before the agent: in tables that allow it. */
function haveEarlierRows(shop: ShopTill, { tables, rows }: Web): void {
  shop.test.till.close();
  shop.test.app.exec('INSERT INTO sync_silence VALUES (1)');
  for (const { table, id } of rows) {
    if (tables.get(table)?.some(({ notNull }) => notNull) === true) continue;
    shop.test.app.prepare(`INSERT INTO ${table} (id, name) VALUES (?, ?)`).run(100 + id, nameOf(table, id));
  }
  shop.test.app.exec('DELETE FROM sync_silence');
  shop.restart();
}

async function deliver(shop: ShopTill, batches: readonly Row[][]): Promise<void> {
  for (const [at, batch] of batches.entries()) {
    const rows = batch.map(({ table, id, parents }) => {
      const values: Record<string, CentralValue> = { name: nameOf(table, id) };
      for (const [column, parent] of parents) values[column] = parent === null ? null : BigInt(parent);
      return shop.catalog.row(table, id, values);
    });
    await shop.toCatalog(shop.catalog.commit(100 + at, ...rows));
  }
}

it.each(Array.from({ length: 40 }, (_, seed) => seed))(
  'a row that never comes keeps the same rows away, in whatever order the others come (seed %i)',
  async (seed) => {
    const web = new Web(1000 + seed);
    const never = web.rows[web.below(web.rows.length)];
    const states = [];
    for (let order = 0; order < 3; order += 1) {
      const shop = openWeb(web);
      onTestFinished(() => {
        shop.close();
      });
      await deliver(shop, web.batches(never));
      states.push(shown(shop, web).found);
    }
    expect(states[1]).toEqual(states[0]);
    expect(states[2]).toEqual(states[0]);
  },
);

it('a row whose key names its parent is not first, whatever the column allows', async () => {
  const shop = openShopTill({
    schema: `CREATE TABLE a (id INTEGER PRIMARY KEY, server_id INTEGER, main INTEGER, name TEXT);
      CREATE TABLE b (a_id INTEGER, line INTEGER, server_id INTEGER, name TEXT, PRIMARY KEY (a_id, line))`,
    mapping: `${MAPPED}  a: {references: {main: {table: b, holds: server_id}}}\n  b: {references: {a_id: a}}\n`,
    central: {
      a: { id: ['bigint', 'bigint'], main: ['bigint', 'bigint'], name: ['text', 'text'] },
      b: {
        id: ['bigint', 'bigint'],
        a_id: ['bigint', 'bigint'],
        line: ['bigint', 'bigint'],
        name: ['text', 'text'],
      },
    },
  });
  onTestFinished(() => {
    shop.close();
  });
  const b = () => shop.catalog.row('b', 7, { a_id: 1n, line: 1n, name: 'b' });
  await shop.toCatalog(shop.catalog.commit(100, shop.catalog.row('a', 1, { main: 7n, name: 'a' })));
  await shop.toCatalog(shop.catalog.commit(101, b()));
  await shop.toCatalog(shop.catalog.commit(102, b()));
  expect(shop.rows('SELECT a_id, line, server_id FROM b')).toEqual([{ a_id: 1, line: 1, server_id: 7 }]);
  expect(shop.rows('SELECT main FROM a')).toEqual([{ main: 7 }]);
  expect(shop.apply.parked.all()).toEqual([]);
});
