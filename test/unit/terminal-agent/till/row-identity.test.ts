/** Each row of a till has an identity of its own, whatever the app does with its UUIDs. */
import { describe, expect, it } from 'vitest';
import { HEX, UUID_A, UUID_B, useTill } from '../../../support/recording-till.ts';
import { recorded, type TestTill } from '../../../support/till.ts';

const { items, till } = useTill();

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
