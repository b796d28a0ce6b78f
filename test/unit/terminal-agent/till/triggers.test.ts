/** What the triggers on a till record of the app's work, and in which order. */
import { describe, expect, it } from 'vitest';
import { HEX, ITEMS, ITEMS_MAPPING, ops, UUID_A, UUID_B, useTill } from '../../../support/recording-till.ts';
import { recorded } from '../../../support/till.ts';

const { items, till } = useTill();

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
