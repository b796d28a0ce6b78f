import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readLocalCatalog } from '../../../../services/shared/catalog/local-catalog.ts';
import { bindLocal } from '../../../../services/shared/catalog/table-binding.ts';
import type { SqliteDatabase } from '../../../../services/shared/database/sqlite.ts';
import { parseMapping } from '../../../../services/shared/mapping/mapping-parser.ts';
import { columnSet } from '../../../../services/terminal-agent/rows/image.ts';
import { RowWriter } from '../../../../services/terminal-agent/rows/row-writer.ts';

const MAPPING = `
version: 1
tables:
  lines: { scope: global }
`;

describe('a table whose key is the UUID that is minted for its rows', () => {
  let db: SqliteDatabase;
  beforeEach(() => {
    db = new Database(':memory:');
  });
  afterEach(() => db.close());

  const writerOf = (schema: string) => {
    db.exec(schema);
    const table = bindLocal(parseMapping(MAPPING), readLocalCatalog(db)).tables.get('lines');
    if (table === undefined) throw new Error('not bound');
    const writer = new RowWriter(db, table);
    writer.stamp(1_767_225_600_000);
    return { writer, set: columnSet(table.columns) };
  };

  test('names the inserted row by it, so that the row is found again', () => {
    const { writer, set } = writerOf(
      'CREATE TABLE lines (local_id TEXT PRIMARY KEY NOT NULL, server_id TEXT, qty INTEGER, last_sync_at TEXT)',
    );
    const key = writer.insert(set, [3n], 'central-1');
    expect(key).toMatch(/^[0-9a-f-]{36}$/);
    expect(writer.update(key, { set, values: [4n] }, true)).toBe(key);
    expect(db.prepare('SELECT local_id, server_id, qty FROM lines').get()).toEqual({
      local_id: key,
      server_id: 'central-1',
      qty: 4,
    });
  });

  test('also where the UUID is one of several key columns', () => {
    const { writer, set } = writerOf(
      'CREATE TABLE lines (qty INTEGER NOT NULL, local_id TEXT NOT NULL, PRIMARY KEY (qty, local_id)) WITHOUT ROWID',
    );
    const key = writer.insert(set, [3n], 'central-1');
    expect(writer.exists(key)).toBe(true);
  });

  test('gives a row that comes back the UUID that it had', () => {
    const { writer, set } = writerOf('CREATE TABLE lines (local_id TEXT PRIMARY KEY NOT NULL, qty INTEGER)');
    const key = writer.insert(set, [3n], 'central-1');
    writer.delete(key);
    expect(writer.insert(set, [3n], 'central-1', key)).toBe(key);
    expect(writer.insert(set, [3n], 'central-2', key)).not.toBe(key);
  });
});

test('a row that is taken out and put back holds what it held, in every storage class', () => {
  const db = new Database(':memory:');
  db.exec(`CREATE TABLE lines (id TEXT PRIMARY KEY, a TEXT, b TEXT, c TEXT, d TEXT, e, f, g TEXT, h);
    INSERT INTO lines VALUES ('k', X'41', CAST(X'43E9' AS TEXT), 'Café', X'43E9',
      CAST(X'43E9' AS TEXT), X'43E9', X'E9', 5.0)`);
  const mapping = MAPPING.replace(
    'scope: global',
    'scope: global, columns: {c: {charset: latin1}, g: {charset: latin1}}',
  );
  const table = bindLocal(parseMapping(mapping), readLocalCatalog(db)).tables.get('lines');
  if (table === undefined) throw new Error('not bound');
  const writer = new RowWriter(db, table);
  const columns = [...'abcdefgh'];
  const stored = () =>
    db
      .prepare(
        `SELECT ${columns.map((name) => `typeof(${name}) || ' ' || hex(${name})`).join(', ')} FROM lines`,
      )
      .raw()
      .get();
  const before = stored();
  const row = writer.read('k');
  if (row === undefined) throw new Error('no row');
  writer.delete('k');
  writer.putBack(row);
  expect(stored()).toEqual(before);
  writer.set('k', row);
  expect(stored()).toEqual(before);
  expect(before).toContain('blob 43E9');
  expect(before).toContain('text 43E9');
  db.close();
});
