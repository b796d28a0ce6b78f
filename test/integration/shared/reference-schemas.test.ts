import { readFileSync } from 'node:fs';
import Database from 'better-sqlite3';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startPostgres, type RunningPostgres } from '../../../scripts/support/postgres.ts';
import { readCentralCatalog, type CentralTable } from '../../../services/shared/catalog/central-catalog.ts';
import { readLocalCatalog, type LocalTable } from '../../../services/shared/catalog/local-catalog.ts';
import { assertMappingFits, checkMapping } from '../../../services/shared/mapping/mapping-check.ts';
import { parseMapping } from '../../../services/shared/mapping/mapping-parser.ts';
import { parity } from '../../../services/shared/catalog/parity.ts';
import { schemaFile } from '../../../services/shared/paths.ts';
import { bindCentral, bindLocal } from '../../../services/shared/catalog/table-binding.ts';

let postgres: RunningPostgres;
let pool: pg.Pool;
const db = new Database(':memory:');
const mapping = parseMapping(readFileSync(schemaFile('mapping.yaml'), 'utf8'));
let central: Map<string, CentralTable>;
let local: Map<string, LocalTable>;

beforeAll(async () => {
  postgres = await startPostgres();
  pool = new pg.Pool({ connectionString: postgres.url });
  const sql = readFileSync(schemaFile('postgres/reference.sql'), 'utf8');
  await pool.query(sql);
  // Twice: setting up again must be harmless.
  await pool.query(sql);
  db.exec(readFileSync(schemaFile('sqlite/reference.sql'), 'utf8'));
  db.exec(readFileSync(schemaFile('sqlite/reference.sql'), 'utf8'));
  central = await readCentralCatalog(
    pool,
    mapping.tables.map((table) => table.central),
  );
  local = readLocalCatalog(db);
});

afterAll(async () => {
  db.close();
  await pool?.end();
  await postgres?.stop();
});

function table<T>(catalog: ReadonlyMap<string, T>, name: string): T {
  const found = catalog.get(name);
  if (found === undefined) throw new Error(`no table ${name}`);
  return found;
}

describe('the reference schemas and mapping fit each other', () => {
  test('all nineteen tables are on both sides', () => {
    expect([...central.keys()].sort()).toEqual([...local.keys()].sort());
    expect(central.size).toBe(19);
  });

  test('without a mismatch, and with no warning but REAL money', () => {
    const findings = parity(mapping, central, local);
    expect(findings.filter(({ kind }) => kind === 'mismatch')).toEqual([]);
    expect(new Set(findings.map(({ code }) => code))).toEqual(new Set(['real_money']));
    expect(() => assertMappingFits(mapping, { central, local })).not.toThrow();
  });

  test('what the till lacks and what it keeps for itself is bound accordingly', () => {
    const tills = bindLocal(mapping, local);
    const centre = bindCentral(mapping, central);
    expect([...tills.tables.keys()]).toEqual([...centre.byLocal.keys()]);
    const products = table(tills.tables, 'products');
    expect(products.surrogateKey).toBe(true);
    const names = products.columns.map((column) => column.local);
    for (const own of ['id', 'shelf_label', 'local_id', 'server_id', 'sync_status'])
      expect(names).not.toContain(own);
    expect(products.columns.find((column) => column.local === 'stock_quantity')).toMatchObject({
      central: 'master_stock_quantity',
      policy: 'delta',
      affinity: 'NUMERIC',
    });
    expect(products.softDeleteColumn).toBe('deleted_at');
    expect(table(tills.tables, 'audit_logs').columns.map((column) => column.local)).toContain('id');
    const settings = table(tills.tables, 'settings');
    expect(settings).toMatchObject({ surrogateKey: false, linkColumn: null, identityColumn: null });
    expect(settings.columns.map((column) => column.local)).toEqual(
      expect.arrayContaining(['store_id', 'name', 'value']),
    );
    expect(table(centre.tables, 'categories')).toMatchObject({
      delete: 'soft',
      softDeleteColumn: 'is_deleted',
    });
    expect(table(centre.tables, 'payments').delete).toBe('hard');
    expect(table(centre.tables, 'orders').columns).toContain('store_id');
  });
});

describe('the central catalog tells what PostgreSQL knows', () => {
  beforeAll(async () => {
    await pool.query(`
      CREATE SCHEMA other;
      CREATE DOMAIN cents AS integer CHECK (VALUE >= 0);
      CREATE DOMAIN small_cents AS cents;
      CREATE TABLE other.parent (a int, b text, PRIMARY KEY (b, a));
      CREATE TABLE odd (
        id bigint GENERATED ALWAYS AS IDENTITY,
        day date NOT NULL,
        money small_cents DEFAULT 7,
        twice integer GENERATED ALWAYS AS (money * 2) STORED,
        a int, b text, gone text, tags numeric(5,1)[],
        UNIQUE (day, money),
        PRIMARY KEY (id, day),
        FOREIGN KEY (b, a) REFERENCES other.parent
      ) PARTITION BY RANGE (day);
      CREATE UNIQUE INDEX odd_partial ON odd (day, b) WHERE b IS NOT NULL;
      ALTER TABLE odd DROP COLUMN gone;
      ALTER TABLE odd REPLICA IDENTITY FULL;
    `);
  });

  test('partitions, domains, identities, generated columns, keys in their order', async () => {
    const odd = table(await readCentralCatalog(pool, ['odd', 'other.parent', 'none']), 'odd');
    expect(odd).toMatchObject({ partitioned: true, replicaIdentity: 'full', key: ['id', 'day'] });
    expect(odd.uniques).toEqual([['day', 'money']]);
    expect(odd.foreignKeys).toEqual([
      { columns: ['b', 'a'], parent: 'other.parent', parentColumns: ['b', 'a'] },
    ]);
    const column = (name: string) => odd.columns.find((candidate) => candidate.name === name);
    expect(odd.columns.map(({ name }) => name)).toEqual(['id', 'day', 'money', 'twice', 'a', 'b', 'tags']);
    expect(column('id')).toMatchObject({ kind: 'bigint', identity: 'always', notNull: true });
    expect(column('money')).toMatchObject({ kind: 'int', type: 'integer', defaultSql: '7' });
    expect(column('twice')).toMatchObject({ generated: true, defaultSql: null });
    expect(column('tags')).toMatchObject({
      isArray: true,
      type: 'numeric(5,1)[]',
      kind: 'text',
      toastable: true,
    });
    expect(column('day')).toMatchObject({ toastable: false, kind: 'text' });
  });

  test('a table that does not exist is left out, one of another schema keeps its full name', async () => {
    const catalog = await readCentralCatalog(pool, ['other.parent', 'none', 'nowhere.none']);
    expect([...catalog.keys()]).toEqual(['other.parent']);
    expect(table(catalog, 'other.parent').key).toEqual(['b', 'a']);
  });
});

describe('the local catalog tells what SQLite knows', () => {
  test('kinds of keys, generated columns, triggers of the app but not ours', () => {
    const file = new Database(':memory:').defaultSafeIntegers(true);
    file.exec(`
      CREATE TABLE plain (id INTEGER PRIMARY KEY, n, total AS (n * 2), kept AS (n) STORED);
      CREATE TABLE odd (id INTEGER PRIMARY KEY DESC, x TEXT);
      CREATE TABLE pair (b TEXT, a INT, PRIMARY KEY (a, b)) WITHOUT ROWID;
      CREATE TABLE child (id INTEGER PRIMARY KEY, a INT, b TEXT, p INT REFERENCES plain, u TEXT UNIQUE,
        FOREIGN KEY (a, b) REFERENCES pair (a, b));
      CREATE UNIQUE INDEX partial ON child (u) WHERE u <> '';
      CREATE VIRTUAL TABLE search USING fts5 (text);
      CREATE VIEW shown AS SELECT * FROM plain;
      CREATE TABLE sync_outbox (seq INTEGER);
      CREATE TRIGGER app AFTER INSERT ON Plain BEGIN DELETE FROM odd; END;
      CREATE TRIGGER sync_plain AFTER INSERT ON plain BEGIN DELETE FROM odd; END;
    `);
    const catalog = readLocalCatalog(file);
    file.close();
    expect([...catalog.keys()]).toEqual(['child', 'odd', 'pair', 'plain', 'search', 'shown']);
    expect(table(catalog, 'search')).toMatchObject({ notATable: 'virtual table', columns: [] });
    expect(table(catalog, 'shown')).toMatchObject({ notATable: 'view', columns: [] });
    expect(table(catalog, 'plain').notATable).toBeUndefined();
    expect(table(catalog, 'plain')).toMatchObject({ keyIsRowid: true, withoutRowid: false });
    expect(table(catalog, 'plain').columns.map(({ generated }) => generated)).toEqual([
      false,
      false,
      true,
      true,
    ]);
    expect(table(catalog, 'plain').appTriggers).toMatchObject([{ name: 'app', fillsIndex: false }]);
    expect(table(catalog, 'odd')).toMatchObject({ keyIsRowid: false, key: ['id'] });
    expect(table(catalog, 'pair')).toMatchObject({ key: ['a', 'b'], withoutRowid: true, keyIsRowid: false });
    expect(table(catalog, 'child').uniques).toEqual([['u']]);
    expect(table(catalog, 'child').foreignKeys).toEqual([
      { columns: ['p'], parent: 'plain', parentColumns: [] },
      { columns: ['a', 'b'], parent: 'pair', parentColumns: ['a', 'b'] },
    ]);
  });
});

test('a mapping that does not fit the databases is told by line', () => {
  const wrong = parseMapping(
    [
      'version: 1',
      'tables:',
      '  products:',
      '    scope: global',
      '    rename: {stock_quantity: master_stock}',
      '    natural_key: [skuu]',
      '  order_lines: {scope: global}',
    ].join('\n'),
  );
  expect(checkMapping(wrong, { central, local }).map(({ code }) => code)).toEqual([
    'local_column_missing',
    'central_column_missing',
    'rename_to_nowhere',
    'central_table_missing',
  ]);
  expect(() => assertMappingFits(wrong, { central, local })).toThrow(
    /line 5: products\.stock_quantity is renamed to master_stock, which.*\n.*line 6: .*did you mean "sku"/,
  );
});
