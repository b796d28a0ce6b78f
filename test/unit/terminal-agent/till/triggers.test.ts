import { afterEach, describe, expect, it } from 'vitest';
import { openTestTill, recorded, type TestTill } from '../../../support/till.ts';

const UUID_A = '11111111-1111-4111-8111-111111111111';
const UUID_B = '22222222-2222-4222-8222-222222222222';
const HEX = /^[0-9a-f]{32}$/;

let open: TestTill | undefined;
afterEach(() => {
  open?.close();
  open = undefined;
});

function till(schema: string, mapping: string): TestTill {
  open = openTestTill({ schema, mapping });
  return open;
}

const ITEMS = `CREATE TABLE items (id INTEGER PRIMARY KEY, sku TEXT UNIQUE, name TEXT, price NUMERIC, note,
  local_id TEXT, server_id INTEGER, sync_status TEXT, sync_operation TEXT, last_sync_at TEXT)`;
const ITEMS_MAPPING = `version: 1
tables:
  items: {scope: global}
`;
const items = () => till(ITEMS, ITEMS_MAPPING);

const ops = (t: TestTill, after = 0) => recorded(t.app, after).map(({ op, key }) => [op, key]);
const lastSeq = (t: TestTill) => t.app.prepare('SELECT max(seq) FROM sync_outbox').pluck().get() as number;

describe('what the app does is recorded', () => {
  it('an insert, an update and a delete, with identity, old and new values', () => {
    const t = items();
    t.app
      .prepare('INSERT INTO items (id, sku, name, local_id) VALUES (1, ?, ?, ?)')
      .run('a', 'Apple', UUID_A);
    t.app.exec(`UPDATE items SET name = 'Pear' WHERE id = 1; DELETE FROM items WHERE id = 1`);
    expect(recorded(t.app)).toMatchObject([
      {
        op: 'c',
        key: 1,
        identity: UUID_A,
        new_sku: 'a',
        new_name: 'Apple',
        old_name: null,
        central_id: null,
      },
      { op: 'u', key: 1, identity: UUID_A, old_name: 'Apple', new_name: 'Pear' },
      { op: 'd', key: 1, identity: UUID_A, old_name: 'Pear', new_name: null },
    ]);
  });

  it('a row without a UUID gets a minted identity that stays with it, and a reused key another', () => {
    const t = items();
    t.app.exec(`INSERT INTO items (id, sku) VALUES (1, 'a'); UPDATE items SET sku = 'b'; DELETE FROM items;
      INSERT INTO items (id, sku) VALUES (1, 'c')`);
    const [c, u, d, again] = recorded(t.app).map(({ identity }) => identity);
    expect(c).toMatch(HEX);
    expect([u, d]).toEqual([c, c]);
    expect(again).toMatch(HEX);
    expect(again).not.toBe(c);
  });

  it('a UUID that comes again after its row was deleted is a new row', () => {
    const t = items();
    const insert = t.app.prepare('INSERT INTO items (sku, local_id) VALUES (?, ?)');
    insert.run('a', UUID_A);
    t.app.exec('DELETE FROM items');
    insert.run('a', UUID_A);
    t.app.exec(`UPDATE items SET name = 'x'`);
    const [c, d, again, u] = recorded(t.app).map(({ identity }) => identity);
    expect([c, d]).toEqual([UUID_A, UUID_A]);
    expect(again).toMatch(HEX);
    expect(u).toBe(again);
  });

  it('a row stays the same row when the app changes its UUID', () => {
    const t = items();
    t.app.prepare('INSERT INTO items (id, sku, local_id) VALUES (1, ?, ?)').run('a', UUID_A);
    t.app.prepare('UPDATE items SET local_id = ?, name = ?').run(UUID_B, 'x');
    t.app.exec(`UPDATE items SET name = 'y'`);
    expect(recorded(t.app).map(({ identity }) => identity)).toEqual([UUID_A, UUID_A, UUID_A]);
  });

  it('an update that changes nothing mapped is not recorded', () => {
    const t = items();
    t.app.exec(`INSERT INTO items (id, sku, name) VALUES (1, 'a', 'x')`);
    t.app.exec(
      `UPDATE items SET name = 'x', sku = 'a'; UPDATE items SET server_id = 7, last_sync_at = 'now'`,
    );
    expect(ops(t)).toEqual([['c', 1]]);
  });

  it('an edit of letter case only is recorded in a case-insensitive column', () => {
    const t = till(`CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE)`, ITEMS_MAPPING);
    t.app.exec(`INSERT INTO items VALUES (1, 'apple'); UPDATE items SET name = 'APPLE'`);
    expect(recorded(t.app)).toMatchObject([{ op: 'c' }, { op: 'u', old_name: 'apple', new_name: 'APPLE' }]);
  });

  it('status columns say pending, and the operation', () => {
    const t = items();
    const status = () => t.app.prepare('SELECT sync_status, sync_operation FROM items').raw().get();
    t.app.exec(`INSERT INTO items (id, sku) VALUES (1, 'a')`);
    expect(status()).toEqual(['pending', 'insert']);
    t.app.exec(`UPDATE items SET sku = 'b'`);
    expect(status()).toEqual(['pending', 'insert']);
    t.app.exec(`UPDATE items SET sync_status = 'synced'; UPDATE items SET sku = 'c'`);
    expect(status()).toEqual(['pending', 'update']);
  });

  it('a row that was there before the agent is offered as it stood before its first edit', () => {
    const t = till(`${ITEMS}; INSERT INTO items (id, sku, name) VALUES (1, 'a', 'old')`, ITEMS_MAPPING);
    t.app.exec(`UPDATE items SET name = 'new'; UPDATE items SET name = 'newer'`);
    const changes = recorded(t.app);
    expect(changes).toMatchObject([
      { op: 'r', new_name: 'old', new_sku: 'a' },
      { op: 'u', old_name: 'old', new_name: 'new' },
      { op: 'u', old_name: 'new', new_name: 'newer' },
    ]);
    expect(new Set(changes.map(({ identity }) => identity)).size).toBe(1);
  });

  it('nothing is recorded in the silence of the agent', () => {
    const t = items();
    t.till.write(() => {
      t.till.db.exec(`INSERT INTO sync_silence VALUES (1); INSERT INTO items (id, sku) VALUES (1, 'a');
        UPDATE items SET sku = 'b'; INSERT OR REPLACE INTO items (id, sku) VALUES (1, 'c');
        DELETE FROM items; DELETE FROM sync_silence`);
    });
    expect(recorded(t.app)).toEqual([]);
  });

  it("the app's last_insert_rowid and changes stay its own", () => {
    const t = items();
    t.app.exec(`INSERT INTO items (sku) VALUES ('x')`);
    const info = t.app.prepare(`INSERT INTO items (sku) VALUES ('a'), ('b')`).run();
    expect(info).toEqual({ changes: 2, lastInsertRowid: 3 });
    expect(t.app.prepare('SELECT last_insert_rowid()').pluck().get()).toBe(3);
  });
});

describe('a row whose key changes', () => {
  it('keeps its identity and its link, and the outbox knows the old key', () => {
    const t = items();
    t.app.exec(`INSERT INTO items (id, sku) VALUES (1, 'a')`);
    t.till.db.exec(`INSERT INTO sync_row_items (central_id, row_key, position) VALUES ('77', 1, x'00')`);
    t.app.exec(`UPDATE items SET id = 9, sku = 'b' WHERE id = 1`);
    const [c, k, u] = recorded(t.app);
    expect([c, k, u]).toMatchObject([
      { op: 'c', key: 1 },
      { op: 'k', key: 1, identity: c?.identity, central_id: '77' },
      { op: 'u', key: 9, identity: c?.identity, central_id: '77' },
    ]);
    expect(t.app.prepare('SELECT row_key FROM sync_row_items').pluck().all()).toEqual([9]);
    expect(t.app.prepare('SELECT row_key FROM sync_identity').pluck().all()).toEqual([9]);
  });

  it('several rows moved by one statement keep theirs', () => {
    const t = items();
    t.app.exec(`INSERT INTO items (id, sku) VALUES (1, 'a'), (2, 'b'), (3, 'c')`);
    const before = recorded(t.app).map(({ identity }) => identity);
    t.app.exec(`UPDATE items SET id = -id; UPDATE items SET id = 4 + id, name = 'x'`);
    const identities = t.app
      .prepare('SELECT identity FROM sync_identity ORDER BY row_key DESC')
      .pluck()
      .all();
    expect(identities).toEqual(before);
  });
});

describe('REPLACE', () => {
  it('of a row by its key is an update of that row', () => {
    const t = till(
      `CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT, local_id TEXT DEFAULT (lower(hex(randomblob(16)))))`,
      `version: 1\ntables:\n  settings: {scope: global, identity: local_id}\n`,
    );
    const put = t.app.prepare('INSERT OR REPLACE INTO settings (key, value) VALUES (?, ?)');
    put.run('tax', '7');
    put.run('tax', '19');
    put.run('tax', '19');
    const changes = recorded(t.app);
    expect(changes).toMatchObject([
      { op: 'c', key: 'tax', new_value: '7' },
      { op: 'u', key: 'tax', old_value: '7', new_value: '19', identity: changes[0]?.identity },
    ]);
    expect(changes).toHaveLength(2);
  });

  it('of another row by a unique value deletes that row', () => {
    const t = items();
    t.app.exec(`INSERT INTO items (id, sku, name) VALUES (1, 'a', 'one'), (2, 'b', 'two')`);
    const from = lastSeq(t);
    t.app.exec(`INSERT OR REPLACE INTO items (sku, name) VALUES ('a', 'new')`);
    expect(recorded(t.app, from)).toMatchObject([
      { op: 'd', key: 1, old_name: 'one' },
      { op: 'c', key: 3, new_name: 'new' },
    ]);
  });

  it('that evicts two rows keeps the one with its key and deletes the other', () => {
    const t = items();
    t.app.exec(`INSERT INTO items (id, sku, name) VALUES (1, 'a', 'one'), (2, 'b', 'two')`);
    const from = lastSeq(t);
    t.app.exec(`REPLACE INTO items (id, sku, name) VALUES (2, 'a', 'both')`);
    expect(recorded(t.app, from)).toMatchObject([
      { op: 'd', key: 1, old_name: 'one' },
      { op: 'u', key: 2, old_name: 'two', new_name: 'both', new_sku: 'a' },
    ]);
  });

  it('with the UUID of the replaced row is an update that moves its key', () => {
    const t = till(`${ITEMS}; CREATE UNIQUE INDEX by_uuid ON items (local_id)`, ITEMS_MAPPING);
    const put = t.app.prepare('INSERT OR REPLACE INTO items (sku, local_id) VALUES (?, ?)');
    put.run('a', UUID_A);
    put.run('b', UUID_A);
    expect(recorded(t.app)).toMatchObject([
      { op: 'c', key: 1, identity: UUID_A },
      { op: 'k', key: 1 },
      { op: 'u', key: 2, identity: UUID_A, old_sku: 'a', new_sku: 'b' },
    ]);
  });

  it('by an update deletes the row in its way, before the update', () => {
    const t = items();
    t.app.exec(`INSERT INTO items (id, sku) VALUES (1, 'a'), (2, 'b')`);
    const from = lastSeq(t);
    t.app.exec(`UPDATE OR REPLACE items SET sku = 'a' WHERE id = 2`);
    expect(recorded(t.app, from)).toMatchObject([
      { op: 'd', key: 1 },
      { op: 'u', key: 2, new_sku: 'a' },
    ]);
  });

  it('by an update of the key deletes the row that had it, and keeps the identity of the other', () => {
    const t = items();
    t.app.exec(`INSERT INTO items (id, sku) VALUES (1, 'a'), (2, 'b')`);
    const [one, two] = recorded(t.app).map(({ identity }) => identity);
    const from = lastSeq(t);
    t.app.exec(`UPDATE OR REPLACE items SET id = 1, name = 'x' WHERE id = 2; DELETE FROM items`);
    expect(recorded(t.app, from)).toMatchObject([
      { op: 'd', key: 1, identity: one, old_sku: 'a' },
      { op: 'k', key: 2, identity: two },
      { op: 'u', key: 1, identity: two },
      { op: 'd', key: 1, identity: two },
    ]);
  });

  it('with recursive_triggers on records each deletion once', () => {
    const t = items();
    t.app.pragma('recursive_triggers = ON');
    t.app.exec(`INSERT INTO items (id, sku) VALUES (1, 'a'); REPLACE INTO items (sku) VALUES ('a')`);
    expect(ops(t)).toEqual([
      ['c', 1],
      ['d', 1],
      ['c', 2],
    ]);
  });

  it('is told apart from OR IGNORE and from an upsert, which remove nothing', () => {
    const t = items();
    t.app.exec(`INSERT INTO items (id, sku, name) VALUES (1, 'a', 'one');
      INSERT OR IGNORE INTO items (sku, name) VALUES ('a', 'ignored');
      INSERT INTO items (sku, name) VALUES ('a', 'two') ON CONFLICT (sku) DO UPDATE SET name = excluded.name;
      INSERT INTO items (sku) VALUES ('a') ON CONFLICT DO NOTHING;
      DELETE FROM items;
      INSERT INTO items (sku, name) VALUES ('z', 'next')`);
    expect(ops(t)).toEqual([
      ['c', 1],
      ['u', 1],
      ['d', 1],
      ['c', 1],
    ]);
  });

  it('through a partial unique index deletes the row in its way, and only that', () => {
    const t = till(
      `CREATE TABLE items (id INTEGER PRIMARY KEY, sku TEXT, live INTEGER);
       CREATE UNIQUE INDEX live_sku ON items (sku) WHERE live = 1`,
      ITEMS_MAPPING,
    );
    t.app.exec(`INSERT INTO items VALUES (1, 'a', 0), (2, 'a', 1)`);
    const from = lastSeq(t);
    t.app.exec(`REPLACE INTO items VALUES (3, 'a', 1)`);
    expect(ops(t, from)).toEqual([
      ['d', 2],
      ['c', 3],
    ]);
  });

  it('of many rows in one statement records each', () => {
    const t = items();
    t.app.exec(`INSERT INTO items (id, sku) VALUES (1, 'a'), (2, 'b'), (3, 'c')`);
    const from = lastSeq(t);
    t.app.exec(`REPLACE INTO items (id, sku) VALUES (1, 'x'), (4, 'b'), (3, 'c'), (5, 'y')`);
    expect(ops(t, from)).toEqual([
      ['u', 1],
      ['d', 2],
      ['c', 4],
      ['c', 5],
    ]);
  });
});

describe("the app's own triggers", () => {
  it('are recorded after the change that caused them', () => {
    const t = till(
      `${ITEMS}; CREATE TRIGGER touch AFTER INSERT ON items BEGIN UPDATE items SET note = 'touched' WHERE id = NEW.id; END;`,
      ITEMS_MAPPING,
    );
    t.app.exec(`INSERT INTO items (id, sku) VALUES (1, 'a')`);
    expect(recorded(t.app)).toMatchObject([
      { op: 'c', new_note: null },
      { op: 'u', old_note: null, new_note: 'touched' },
    ]);
  });

  it('that come later are put behind ours as soon as the agent looks', () => {
    const t = items();
    t.app.exec(
      `CREATE TRIGGER touch AFTER INSERT ON items BEGIN UPDATE items SET note = 'touched' WHERE id = NEW.id; END`,
    );
    expect(t.till.appCommitted()).toBe(true);
    t.app.exec(`INSERT INTO items (id, sku) VALUES (1, 'a')`);
    expect(ops(t)).toEqual([
      ['c', 1],
      ['u', 1],
    ]);
  });

  it('are never set off by the status columns', () => {
    const t = till(
      `${ITEMS}; CREATE TABLE log (n); CREATE TRIGGER audit AFTER UPDATE ON items BEGIN INSERT INTO log VALUES (1); END;`,
      ITEMS_MAPPING,
    );
    t.app.exec(`INSERT INTO items (id, sku) VALUES (1, 'a'); UPDATE items SET sku = 'b'`);
    expect(t.app.prepare('SELECT count(*) FROM log').pluck().get()).toBe(1);
  });
});

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
    const stored = t.app
      .prepare(
        `SELECT typeof(new_f), new_f FROM sync_change_odd c JOIN sync_outbox o USING (seq) WHERE op = 'c' ORDER BY seq`,
      )
      .safeIntegers()
      .raw()
      .all()
      .map((row) => (row as unknown[])[1]);
    expect(stored).toEqual(values);
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
      ['d', 1],
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

describe('the trigger SQL', () => {
  it('holds no syntax newer than SQLite 3.8, no JSON and no conflict clause', () => {
    const t = items();
    const sql = t.app
      .prepare(`SELECT sql FROM sqlite_master WHERE name LIKE 'sync%' AND sql IS NOT NULL`)
      .pluck()
      .all()
      .join('\n');
    expect(sql).not.toMatch(
      /json|\bOR (REPLACE|IGNORE|ABORT|FAIL|ROLLBACK)\b|ON CONFLICT|RETURNING|\bOVER\b|\bFILTER\b|STRICT|GENERATED|->|\bWITH\s+\w+\s+AS\b|unixepoch|iif\(/i,
    );
  });
});

describe('two rows never go up under one name', () => {
  const insert = (t: TestTill, id: number | null, sku: string, uuid: string | null) =>
    t.app.prepare('INSERT INTO items (id, sku, local_id) VALUES (?, ?, ?)').run(id, sku, uuid);
  const identities = (t: TestTill) => recorded(t.app).map(({ identity }) => identity);

  it('a row that the app copied with its UUID gets one of its own, and the first keeps its', () => {
    const t = items();
    insert(t, 1, 'a', UUID_A);
    t.app.exec(`INSERT INTO items (sku, name, local_id) SELECT 'b', name, local_id FROM items WHERE id = 1;
      UPDATE items SET name = 'x' WHERE id = 2; UPDATE items SET name = 'y' WHERE id = 1;
      DELETE FROM items WHERE id = 2; UPDATE items SET name = 'z' WHERE id = 1`);
    const [first, copy, ...later] = identities(t);
    expect(first).toBe(UUID_A);
    expect(copy).toMatch(HEX);
    expect(later).toEqual([copy, UUID_A, copy, UUID_A]);
  });

  it('also where REPLACE puts the copy in the place of another row', () => {
    const t = items();
    insert(t, 1, 'a', UUID_A);
    insert(t, 2, 'b', null);
    t.app.prepare('INSERT OR REPLACE INTO items (id, sku, local_id) VALUES (3, ?, ?)').run('b', UUID_A);
    expect(recorded(t.app).filter(({ identity }) => identity === UUID_A)).toHaveLength(1);
  });

  it('a row that takes over a UUID which another row gave up, living or deleted', () => {
    const t = items();
    insert(t, 1, 'a', UUID_A);
    t.app.prepare('UPDATE items SET local_id = ? WHERE id = 1').run(UUID_B);
    insert(t, 2, 'b', UUID_A);
    t.app.exec('DELETE FROM items WHERE id = 1');
    insert(t, 3, 'c', UUID_A);
    const created = recorded(t.app).filter(({ op }) => op === 'c');
    expect(new Set(created.map(({ identity }) => identity)).size).toBe(3);
  });

  it('a row from the centre that is given the UUID of another row', () => {
    const t = items();
    insert(t, 1, 'a', UUID_A);
    t.app.exec(`INSERT INTO sync_silence VALUES (1); INSERT INTO items (id, sku) VALUES (2, 'b');
      INSERT INTO sync_row_items (central_id, row_key, position) VALUES ('77', 2, x''); DELETE FROM sync_silence`);
    t.app.prepare(`UPDATE items SET local_id = ?, name = 'x' WHERE id = 2`).run(UUID_A);
    expect(recorded(t.app, 1)).toMatchObject([{ op: 'u', key: 2, central_id: '77' }]);
    expect(identities(t)[1]).not.toBe(UUID_A);
  });

  it('a key that only changes its case is a moved key', () => {
    const t = till(
      'CREATE TABLE codes (code TEXT COLLATE NOCASE PRIMARY KEY, name TEXT)',
      'version: 1\ntables: {codes: {scope: global}}\n',
    );
    t.app.exec(
      `INSERT INTO codes VALUES ('ab', 'x'); UPDATE codes SET code = 'AB'; UPDATE codes SET name = 'y'`,
    );
    expect(new Set(identities(t)).size).toBe(1);
  });

  it('asks an index, not the table', () => {
    const t = items();
    const plan = t.till.db
      .prepare('EXPLAIN QUERY PLAN SELECT 1 FROM items AS twin WHERE twin.local_id = ?')
      .all('x');
    expect(JSON.stringify(plan)).toContain('sync_uuid_items');
  });
});
