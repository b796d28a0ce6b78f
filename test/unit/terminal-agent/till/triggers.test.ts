/** What the triggers on a till record of the app's work, and in which order. */
import { describe, expect, it } from 'vitest';
import { ITEMS, ITEMS_MAPPING, ops, useTill } from '../../../support/recording-till.ts';
import { recorded } from '../../../support/till.ts';

const { items, till } = useTill();

describe('what the app does is recorded', () => {
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

describe("the app's own triggers", () => {
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
