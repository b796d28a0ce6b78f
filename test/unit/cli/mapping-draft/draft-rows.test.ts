/** Rules of the draft that rows of both sides decide, and keys that are other tables' numbers. */
import { describe, expect, test } from 'vitest';
import type { CentralTable } from '../../../../services/shared/catalog/central-catalog.ts';
import { centralTable, localTable } from '../../../support/catalogs.ts';
import { draftOf, many, refersTo } from './drafted.ts';

describe('rows of both sides', () => {
  const local = localTable('sales', ['id INTEGER', 'number TEXT', 'amount NUMERIC']);
  const rows = many((n) => ({ id: BigInt(n), number: `R-${n}`, amount: BigInt(n * 300 + 150) }));
  const shared = centralTable('sales', [
    'id bigint!=',
    'branch integer!',
    'number text!',
    'paid numeric(10,2)',
  ]);
  const central = { ...shared, uniques: [['branch', 'number']] };
  const inBranch = (branch: number, of: (n: number) => boolean, paid: (n: number) => string) =>
    many((n) => n)
      .filter(of)
      .map((n) => ({ id: `${branch * 1000 + n}`, branch: `${branch}`, number: `R-${n}`, paid: paid(n) }));

  test('are known by a number that each store gives anew, in the store that has most of them', () => {
    const there = [
      ...inBranch(
        1,
        (n) => n % 4 === 0,
        () => '7.77',
      ),
      ...inBranch(
        2,
        () => true,
        (n) => `${n * 3 + 1}.50`,
      ),
    ];
    const draft = draftOf([{ table: local, rows }], [{ table: central, rows: there }]).get('sales');
    expect(draft?.rename.get('amount')?.value).toBe('paid');
    expect(draft?.columns.get('amount')?.value).toEqual({ minorUnits: 2 });
  });

  test('are not known by it where two stores have much the same numbers', () => {
    const there = [
      ...inBranch(
        1,
        () => true,
        () => '7.77',
      ),
      ...inBranch(
        2,
        () => true,
        (n) => `${n * 3 + 1}.50`,
      ),
    ];
    const draft = draftOf([{ table: local, rows }], [{ table: central, rows: there }]).get('sales');
    expect(draft?.naturalKey?.why ?? '').not.toContain('sampled rows are on both sides');
  });

  test('are known by their parents and what is left of a common key, whatever that is called', () => {
    const parent = localTable('articles', ['id INTEGER', 'code TEXT']);
    const above = centralTable('articles', ['id bigint!=', 'code text']);
    const lines = {
      ...localTable('parts', ['a INTEGER', 'b INTEGER', 'x NUMERIC', 'y NUMERIC']),
      key: ['a', 'b'],
      foreignKeys: [{ columns: ['a'], parent: 'articles', parentColumns: ['id'] }],
    };
    const linesThere = refersTo(
      {
        ...centralTable('parts', ['article bigint!', 'place integer!', 'height integer', 'width integer']),
        key: ['article', 'place'],
      },
      'article',
      'articles',
    );
    const draft = draftOf(
      [
        { table: parent, rows: many((n) => ({ id: BigInt(n), code: `K-${n}` })) },
        {
          table: lines,
          rows: many((n) => ({ a: BigInt(n), b: BigInt(n % 3), x: BigInt(n + 7), y: BigInt(n * 2) })),
        },
      ],
      [
        { table: above, rows: many((n) => ({ id: `${900 + n}`, code: `K-${n}` })) },
        {
          table: linesThere,
          rows: many((n) => ({
            article: `${900 + n}`,
            place: `${n % 3}`,
            height: `${n * 2}`,
            width: `${n + 7}`,
          })),
        },
      ],
    ).get('parts');
    const renamed = [...(draft?.rename ?? [])].map(([name, { value }]) => [name, value]);
    expect(Object.fromEntries(renamed)).toEqual({ a: 'article', b: 'place', x: 'width', y: 'height' });
  });
});

describe('a key of the till that is another table’s number', () => {
  const articles = localTable('articles', ['id INTEGER', 'code TEXT']);
  const articlesThere = centralTable('articles', ['id bigint!=', 'code text']);
  const stock = {
    ...localTable('stock', ['article_id INTEGER', 'quantity NUMERIC']),
    key: ['article_id'],
    foreignKeys: [{ columns: ['article_id'], parent: 'articles', parentColumns: ['id'] }],
  };
  const stockThere = {
    ...centralTable('stock', ['zone integer!', 'article bigint!', 'quantity numeric(12,3)!']),
    key: ['zone', 'article'],
    foreignKeys: [
      { columns: ['zone'], parent: 'zones', parentColumns: ['id'] },
      { columns: ['article'], parent: 'articles', parentColumns: ['id'] },
    ],
  };
  const zones = centralTable('zones', ['id integer!', 'label text']);
  const tills = refersTo(
    centralTable('tills', ['id bigint!=', 'zone integer!', 'label text']),
    'zone',
    'zones',
  );
  const draft = (more: CentralTable) =>
    draftOf(
      [{ table: articles }, { table: stock }, { table: localTable('tills', ['id INTEGER', 'label TEXT']) }],
      [articlesThere, stockThere, zones, more].map((table) => ({ table })),
    ).get('stock');

  test('travels as a reference; the store is what the till alone does not need to name', () => {
    const { references, rename, scope, set, naturalKey, columns } = draft(tills) ?? {};
    expect(references?.get('article_id')?.value).toEqual({ table: 'articles', holds: 'local_key' });
    expect(rename?.get('article_id')?.value).toBe('article');
    expect(scope?.value).toEqual({ kind: 'store', column: 'zone' });
    expect(set?.get('zone')?.value).toBe('$store');
    expect(naturalKey?.value).toEqual(['zone', 'article_id']);
    expect(columns?.get('quantity')?.value).toEqual({ policy: 'delta' });
  });

  test('has no store by one table alone', () => {
    expect(draft(centralTable('tills', ['id bigint!=', 'label text']))?.scope.value).toEqual({
      kind: 'global',
    });
  });
});

test('who bought is no name of the row, though it is called client_id', () => {
  const local = {
    ...localTable('sales', ['id INTEGER', 'client_id INTEGER', 'total NUMERIC']),
    foreignKeys: [{ columns: ['client_id'], parent: 'client', parentColumns: ['id'] }],
  };
  const there = refersTo(
    centralTable('sales', ['id bigint!=', 'client_id bigint', 'total numeric(10,2)']),
    'client_id',
    'client',
  );
  const draft = draftOf(
    [{ table: local }, { table: localTable('client', ['id INTEGER', 'name TEXT']) }],
    [{ table: there }, { table: centralTable('client', ['id bigint!=', 'name text']) }],
  ).get('sales');
  expect(draft?.references.get('client_id')?.value).toEqual({ table: 'client', holds: 'local_key' });
});
