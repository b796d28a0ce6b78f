/** REPLACE on a till: what was removed in silence is recorded, what stayed the same row is an update. */
import { describe, expect, it } from 'vitest';
import { ITEMS, ITEMS_MAPPING, lastSeq, ops, UUID_A, useTill } from '../../../support/recording-till.ts';
import { triggerSql } from '../../../../services/terminal-agent/till/trigger-sql.ts';
import { recorded } from '../../../support/till.ts';

const { items, till } = useTill();

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

  it('of a row on its way to the centre whose key the app changed meanwhile is an update of that row', () => {
    const t = till(`${ITEMS}; CREATE UNIQUE INDEX by_uuid ON items (local_id)`, ITEMS_MAPPING);
    const insert = t.app.prepare(
      'INSERT OR REPLACE INTO items (id, sku, name, local_id) VALUES (?, ?, ?, ?)',
    );
    insert.run(1, 'a', 'one', UUID_A);
    insert.run(2, 'b', 'two', null);
    const [a, b] = recorded(t.app).map(({ identity }) => identity);
    t.app.exec(`UPDATE items SET id = id + 10; UPDATE items SET id = id + 10`);
    const from = lastSeq(t);
    insert.run(21, 'a', 'by its key', UUID_A);
    insert.run(22, 'b', 'by its key too', null);
    expect(recorded(t.app, from)).toMatchObject([
      { op: 'u', key: 21, identity: a, old_name: 'one', new_name: 'by its key' },
      { op: 'u', key: 22, identity: b, old_name: 'two', new_name: 'by its key too' },
    ]);
  });

  it('of a row that moved, and that the centre refused, offers it again', () => {
    const t = items();
    t.app.exec(`INSERT INTO items (id, sku) VALUES (1, 'a'); UPDATE sync_outbox SET outcome = 'rejected';
      UPDATE items SET id = 9; INSERT INTO items (id, sku) VALUES (1, 'another on its way')`);
    const from = lastSeq(t);
    t.app.exec(`REPLACE INTO items (id, sku) VALUES (9, 'b')`);
    expect(ops(t, from)).toEqual([['c', 9]]);
  });

  it('looks for former keys among the key changes, not through the outbox', () => {
    const t = items();
    const table = t.till.binding.tables.get('items');
    if (table === undefined) throw new Error('items is not bound');
    const sql = triggerSql(table, []).sentByFormerKey(`'x'`);
    const plan = t.till.db.prepare<[], { detail: string }>(`EXPLAIN QUERY PLAN SELECT ${sql}`).all();
    expect(plan.map(({ detail }) => detail).join('\n')).toMatch(
      /sync_outbox_moved[^]*sync_outbox_open[^]*SEARCH c USING INTEGER PRIMARY KEY/,
    );
  });
});
