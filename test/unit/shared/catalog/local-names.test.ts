import { describe, expect, it } from 'vitest';
import Database from 'better-sqlite3';
import { readLocalCatalog } from '../../../../services/shared/catalog/local-catalog.ts';
import { inOneCase } from '../../../../services/shared/catalog/local-names.ts';
import { ByLocalName, isSameName } from '../../../../services/shared/catalog/same-name.ts';
import { parseMapping } from '../../../../services/shared/mapping/mapping-parser.ts';

function catalogOf(sql: string) {
  const db = new Database(':memory:');
  try {
    db.exec(sql);
    return readLocalCatalog(db);
  } finally {
    db.close();
  }
}

describe('names as SQLite compares them', () => {
  it('differ in A to Z only', () => {
    const db = new Database(':memory:');
    const pairs = [
      ['orders', 'ORDERS'],
      ['größe', 'GRÖßE'],
      ['größe', 'GRößE'],
      ['İd', 'id'],
      ['a_1', 'A_1'],
      ['K', 'k'],
    ] as const;
    for (const [a, b] of pairs) {
      const isOne = db.prepare('SELECT ? = ? COLLATE NOCASE').pluck().get(a, b) === 1;
      expect([a, b, isSameName(a, b)]).toEqual([a, b, isOne]);
    }
    db.close();
  });

  it('are found as they are written before they are found in another case', () => {
    const map = new ByLocalName([
      ['Name', 1],
      ['name', 2],
    ]);
    expect([map.get('name'), map.get('Name'), map.get('NAME'), map.get('other')]).toEqual([
      2,
      1,
      1,
      undefined,
    ]);
  });
});

describe('mapping and file in one case', () => {
  const mapping = parseMapping(`version: 1
tables:
  shops: {scope: global}
  sales:
    scope: {store: Shop}
    references: {shop: Shops}
    natural_key: [NUMBER]
    columns: {Number: {charset: latin1}}
    sensitive: [number]
`);

  it('have keys, indexes and references by the names of the mapping', () => {
    const file = catalogOf(`CREATE TABLE SHOPS (ID INTEGER PRIMARY KEY);
      CREATE TABLE Sales (KEY TEXT PRIMARY KEY, SHOP INTEGER REFERENCES shops (id), number TEXT, UNIQUE (NUMBER, SHOP))`);
    const { catalog } = inOneCase(mapping, file);
    const sales = catalog.get('sales');
    expect(sales?.columns.map(({ name }) => name)).toEqual(['KEY', 'shop', 'Number']);
    expect([sales?.key, sales?.uniques]).toEqual([['KEY'], [['Number', 'shop']]]);
    expect(sales?.uniqueIndexes?.map(({ columns }) => columns)).toEqual([['Number', 'shop']]);
    expect(sales?.foreignKeys).toEqual([{ columns: ['shop'], parent: 'shops', parentColumns: ['id'] }]);
  });

  it('are called as the file recorded them, whatever the mapping and the app write by now', () => {
    const file = catalogOf('CREATE TABLE SALES (KEY TEXT PRIMARY KEY, SHOP INTEGER, number TEXT)');
    const recorded = {
      tables: ['Sales', 'sales'],
      columns: (table: string) => (table === 'sales' ? ['Key', 'NUMBER', 'Sync_Status'] : []),
    };
    const { catalog, mapping: named } = inOneCase(mapping, file, recorded);
    expect(catalog.get('sales')?.columns.map(({ name }) => name)).toEqual(['Key', 'shop', 'NUMBER']);
    const sales = named.tables.find(({ local }) => local === 'sales');
    expect([sales?.naturalKey, [...(sales?.columns.keys() ?? [])]]).toEqual([['NUMBER'], ['NUMBER']]);
  });

  it('that name one thing twice are refused with its line', () => {
    const text = `version: 1
tables:
  sales:
    scope: global
    rename: {no: number, No: other}
  Sales: {scope: global}
`;
    expect(() => parseMapping(text)).toThrow(/line 5: rename of sales names no twice.*\n?.*line 6|line 6/s);
  });
});
