/** Whatever tables, names and values an app has: its statements work as they did without us. */
import { describe, expect, it } from 'vitest';
import { ops, useTill } from '../../../support/recording-till.ts';
import { recorded } from '../../../support/till.ts';

const { items, till } = useTill();

describe("the app's statement never fails because of us", () => {
  it('whatever values it writes', () => {
    const t = till(
      `CREATE TABLE odd (k PRIMARY KEY, a INTEGER, b REAL, c TEXT, d BLOB, e NUMERIC, f)`,
      `version: 1\ntables:\n  odd: {scope: global}\n`,
    );
    const values = [
      null,
      0n,
      -1n,
      9223372036854775807n,
      1.5,
      -0.5,
      Infinity,
      -Infinity,
      '',
      "o'clock",
      'a\0b',
      Buffer.from([0, 255]),
      Buffer.alloc(0),
    ];
    const insert = t.app.prepare('INSERT OR REPLACE INTO odd VALUES (?, ?, ?, ?, ?, ?, ?)');
    for (const value of values) insert.run(value, value, value, value, value, value, value);
    for (const value of values)
      t.app.prepare('UPDATE OR REPLACE odd SET f = ?, a = ?, k = k').run(value, value);
    t.app.prepare('UPDATE OR IGNORE odd SET k = ?').run('same');
    t.app.exec('DELETE FROM odd');
    const ops = new Set(recorded(t.app).map(({ op }) => op));
    expect([...ops].sort()).toEqual(['c', 'd', 'e', 'k', 'u']);
  });

  it.each([
    ['WITHOUT ROWID', 'CREATE TABLE t (k TEXT PRIMARY KEY, v) WITHOUT ROWID'],
    ['a composite key', 'CREATE TABLE t (k TEXT, l INTEGER, v, PRIMARY KEY (k, l))'],
    ['a composite key WITHOUT ROWID', 'CREATE TABLE t (k, l DEFAULT 1, v, PRIMARY KEY (k, l)) WITHOUT ROWID'],
    [
      'generated columns',
      'CREATE TABLE t (k TEXT PRIMARY KEY, v, g AS (v + 1), s AS (v || k) STORED UNIQUE)',
    ],
    ['a strict table', 'CREATE TABLE t (k TEXT PRIMARY KEY, v ANY, sync_status TEXT) STRICT'],
    [
      'status columns with rules of their own',
      `CREATE TABLE t (k TEXT PRIMARY KEY, v, sync_status TEXT CHECK (sync_status = 'new') DEFAULT 'new', sync_operation INT UNIQUE)`,
    ],
    [
      'columns named like ours',
      'CREATE TABLE t (k TEXT PRIMARY KEY, v, row_key, key_0, state, seq, identity)',
    ],
  ])('in a table with %s', (_, schema) => {
    const t = till(schema, `version: 1\ntables:\n  t: {scope: global}\n`);
    t.app.exec(`INSERT INTO t (k, v) VALUES ('a', 1), ('b', 2);
      INSERT OR IGNORE INTO t (k, v) VALUES ('a', 3);
      INSERT OR REPLACE INTO t (k, v) VALUES ('a', 4);
      UPDATE t SET v = 5 WHERE k = 'b';
      UPDATE OR REPLACE t SET k = 'a' WHERE k = 'b';
      DELETE FROM t`);
    const seen = recorded(t.app).map(({ op }) => op);
    expect(seen.slice(0, 2)).toEqual(['c', 'c']);
    expect(seen.at(-1)).toBe('d');
  });

  it('in tables and columns with any name', () => {
    const t = till(
      `CREATE TABLE "order's ""x""" ("sel ect" INTEGER PRIMARY KEY, "a""b" TEXT UNIQUE, "NEW" TEXT)`,
      `version: 1\ntables:\n  'order''s "x"': {scope: global}\n`,
    );
    t.app.exec(`INSERT INTO "order's ""x""" VALUES (1, 'p', 'q');
      REPLACE INTO "order's ""x""" VALUES (2, 'p', 'r');
      UPDATE "order's ""x""" SET "NEW" = 's'; DELETE FROM "order's ""x"""`);
    expect(ops(t)).toEqual([
      ['c', 1],
      ['e', 1],
      ['c', 2],
      ['u', 2],
      ['d', 2],
    ]);
  });

  it('also when its outbox numbering was reset', () => {
    const t = items();
    t.app.exec(
      `INSERT INTO items (sku) VALUES ('a'); DELETE FROM sqlite_sequence; INSERT INTO items (sku) VALUES ('b')`,
    );
    expect(ops(t)).toEqual([
      ['c', 1],
      ['c', 2],
    ]);
  });

  it('and a statement that fails by itself leaves nothing behind', () => {
    const t = items();
    t.app.exec(`INSERT INTO items (sku) VALUES ('a')`);
    expect(() => t.app.exec(`INSERT INTO items (sku) VALUES ('b'), ('a')`)).toThrow(/UNIQUE/);
    expect(ops(t)).toEqual([['c', 1]]);
  });
});
