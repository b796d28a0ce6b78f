/** The rows that parity looks at: the newest, to the byte, of tables of any kind. */
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { sampleRows } from '../../../../services/cli/till/sample-rows.ts';
import { bindLocal, MAX_COLUMNS } from '../../../../services/shared/catalog/table-binding.ts';
import { parseMapping } from '../../../../services/shared/mapping/mapping-parser.ts';
import { readLocalCatalog } from '../../../../services/shared/catalog/local-catalog.ts';

const mapped = (...tables: string[]) =>
  parseMapping(
    `version: 1\ntables:\n${tables.map((name) => `  ${name}: {scope: global, exclude: [secret]}\n`).join('')}`,
  );

let db: Database.Database;
beforeEach(() => {
  db = new Database(':memory:');
});
afterEach(() => db.close());

test('come with bytes where a text is no UTF-8, and of ordinary tables only', () => {
  db.exec(`
    CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT, more);
    INSERT INTO notes VALUES (1, 'a', 1), (2, CAST(X'43E9' AS TEXT), X'00');
    CREATE TABLE pairs (b TEXT, a INT, PRIMARY KEY (a, b)) WITHOUT ROWID;
    INSERT INTO pairs VALUES ('x', 1);
    CREATE TABLE counted (id TEXT PRIMARY KEY);
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300) INSERT INTO counted SELECT printf('%03d', i) FROM n;
    CREATE VIEW shown AS SELECT * FROM notes;
    CREATE VIRTUAL TABLE search USING fts5(text);
  `);
  const samples = sampleRows(
    db,
    bindLocal(mapped('notes', 'pairs', 'counted', 'shown', 'search'), readLocalCatalog(db)),
  );
  expect([...samples.keys()].sort()).toEqual(['counted', 'notes', 'pairs']);
  expect(samples.get('notes')).toEqual([
    { text: Buffer.from([0x43, 0xe9]), more: Buffer.from([0]) },
    { text: 'a', more: 1n },
  ]);
  expect(samples.get('pairs')).toEqual([{ b: 'x', a: 1n }]);
  expect(samples.get('counted')?.map(({ id }) => id)).toEqual(
    Array.from({ length: 200 }, (_, at) => String(300 - at).padStart(3, '0')),
  );
});

test('are of what goes up: mapped tables that are not too wide, their carried columns, no value of any size', () => {
  const columns = (count: number) => Array.from({ length: count }, (_, at) => `c${at}`).join(', ');
  db.exec(`
    CREATE TABLE visits (id TEXT PRIMARY KEY, secret TEXT, picture BLOB, story TEXT, label TEXT);
    INSERT INTO visits VALUES ('a', 'x', zeroblob(100000), printf('%.*c', 100000, 'x'), 'short');
    CREATE TABLE private (id TEXT PRIMARY KEY);
    INSERT INTO private VALUES ('p');
    CREATE TABLE widest (${columns(MAX_COLUMNS)});
    INSERT INTO widest (c0) VALUES (1);
    CREATE TABLE wider (${columns(MAX_COLUMNS + 1)});
    INSERT INTO wider (c0) VALUES (1);
  `);
  const samples = sampleRows(db, bindLocal(mapped('visits', 'widest', 'wider'), readLocalCatalog(db)));
  expect([...samples.keys()].sort()).toEqual(['visits', 'widest']);
  expect(samples.get('visits')).toEqual([{ id: 'a', picture: null, story: null, label: 'short' }]);
});
