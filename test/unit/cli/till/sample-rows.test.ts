/** The rows that parity looks at: the newest, to the byte, of tables of any kind. */
import Database from 'better-sqlite3';
import { afterEach, expect, test } from 'vitest';
import { sampleRows } from '../../../../services/cli/till/sample-rows.ts';
import { readLocalCatalog } from '../../../../services/shared/catalog/local-catalog.ts';

const db = new Database(':memory:');
afterEach(() => db.close());

test('come with bytes where a text is no UTF-8, and of ordinary tables only', () => {
  db.exec(`
    CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT, more);
    INSERT INTO notes VALUES (1, 'a', 1), (2, CAST(X'43E9' AS TEXT), X'00');
    CREATE TABLE pairs (b TEXT, a INT, PRIMARY KEY (a, b)) WITHOUT ROWID;
    INSERT INTO pairs VALUES ('x', 1);
    CREATE TABLE counted (id INTEGER PRIMARY KEY);
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300) INSERT INTO counted SELECT i FROM n;
    CREATE VIEW shown AS SELECT * FROM notes;
    CREATE VIRTUAL TABLE search USING fts5(text);
  `);
  const samples = sampleRows(db, readLocalCatalog(db).values());
  expect([...samples.keys()]).toEqual(['counted', 'notes', 'pairs']);
  expect(samples.get('notes')).toEqual([
    { id: 2n, text: Buffer.from([0x43, 0xe9]), more: Buffer.from([0]) },
    { id: 1n, text: 'a', more: 1n },
  ]);
  expect(samples.get('pairs')).toEqual([{ b: 'x', a: 1n }]);
  expect(samples.get('counted')?.map(({ id }) => id)).toEqual(
    Array.from({ length: 200 }, (_, at) => BigInt(300 - at)),
  );
});
