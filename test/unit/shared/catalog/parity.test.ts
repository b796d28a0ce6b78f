import { describe, expect, test } from 'vitest';
import { checkMapping } from '../../../../services/shared/mapping/mapping-check.ts';
import { parseMapping } from '../../../../services/shared/mapping/mapping-parser.ts';
import { parity } from '../../../../services/shared/catalog/parity.ts';
import { bindCentral, bindLocal } from '../../../../services/shared/catalog/table-binding.ts';
import { centralTable, found, localTable, type ColumnText, type Sides } from '../../../support/catalogs.ts';

test('two sides that fit have no finding', () => {
  expect(found({})).toEqual([]);
});

describe('what keeps rows from arriving is a mismatch', () => {
  const cases: [string, Sides, string][] = [
    ['a rename to nowhere', { options: ', rename: {sku: code}' }, 'mismatch rename_to_nowhere sku'],
    ['a mapped column the till lacks', { options: ', natural_key: [ean]', central: ['ean text'] }, 'mismatch local_column_missing ean'],
    ['no key at the centre', { centralKey: [] }, 'mismatch no_primary_key'],
    ['no key on the till', { localKey: [] }, 'mismatch no_primary_key'],
    ['a key of the till that nothing fills', { localKey: ['shelf'], local: ['shelf TEXT!'] }, 'mismatch key_not_mapped shelf'],
    ['digits that REAL can\'t hold', { central: ['n numeric(20,2)'], local: ['n REAL'] }, 'mismatch precision_lost n'],
    ['an int8 in a REAL', { central: ['n bigint'], local: ['n REAL'] }, 'mismatch precision_lost n'],
    ['too few minor units', { options: ', columns: {n: {minor_units: 2}}', central: ['n numeric(12,4)'], local: ['n INTEGER'] }, 'mismatch minor_units_too_few n'],
    ['decimals in an INTEGER', { central: ['n numeric(12,2)'], local: ['n INTEGER'] }, 'mismatch decimals_in_integer n'],
    ['any number in an INTEGER', { central: ['n numeric'], local: ['n INTEGER'] }, 'mismatch decimals_in_integer n'],
    ['a column generated at the centre', { central: ['n integer~'], local: ['n INTEGER'] }, 'mismatch generated_column n'],
    ['a column generated on the till', { central: ['n integer'], local: ['n INTEGER~'] }, 'mismatch generated_column n'],
    ['a reference generated on the till', { options: ', references: {n: products}', central: ['n bigint'], local: ['n INTEGER~'] }, 'mismatch generated_column n'],
    ['money', { central: ['n money'], local: ['n TEXT'] }, 'mismatch money_type n'],
    ['an array of money', { central: ['n money[]'], local: ['n TEXT'] }, 'mismatch money_type n'],
    ['a uuid in a BLOB', { central: ['n uuid'], local: ['n BLOB'] }, 'mismatch uuid_in_blob n'],
    ['an epoch taken for text', { central: ['at timestamp with time zone'], local: ['at INTEGER'] }, 'mismatch time_in_integer at'],
    ['a time format on a number', { options: ', columns: {n: {format: epoch_ms}}', central: ['n bigint'], local: ['n INTEGER'] }, 'mismatch format_without_time n'],
    ['NOT NULL at the centre and nothing to fill it', { central: ['n integer!'] }, 'mismatch not_null_without_default n'],
    ['NOT NULL on the till and nothing to fill it', { local: ['n INTEGER!'] }, 'mismatch not_null_without_default n'],
    ['NULL at the centre, NOT NULL on the till', { central: ['n integer'], local: ['n INTEGER!'] }, 'mismatch nullable_to_not_null n'],
    ['soft deletes without a column', { options: ', delete: soft' }, 'mismatch soft_delete_without_column'],
  ]; // prettier-ignore
  test.each(cases)('%s', (_name, sides, finding) => {
    expect(found(sides)).toContain(finding);
  });
});

describe('what is worth knowing is a warning', () => {
  const cases: [string, Sides, string][] = [
    ['money in REAL', { central: ['n numeric(12,2)'], local: ['n REAL'] }, 'warning real_money n'],
    ['a column only the till has', { local: ['shelf TEXT'] }, 'warning extra_local_column shelf'],
    ['a column only the centre has', { central: ['margin integer'] }, 'warning extra_central_column margin'],
    ['no reliable timestamp', { options: ', timestamp: changed_at' }, 'warning no_timestamp changed_at'],
    ['local time', { options: ', columns: {at: {format: local, zone: Europe/Berlin}}', central: ['at timestamp with time zone'], local: ['at TEXT'] }, 'warning local_time at'],
    ['a time cut to seconds', { options: ', columns: {at: {format: epoch_s}}', central: ['at timestamp with time zone'], local: ['at INTEGER'] }, 'warning time_precision at'],
    ['codes in a number column', { central: ['ean text'], local: ['ean NUMERIC'] }, 'warning text_in_number ean'],
    ['columns generated on both sides', { central: ['n integer~'], local: ['n INTEGER~'] }, 'warning generated_twice n'],
    ['uuids in an INTEGER server_id', { options: ', exclude: [id]', central: ['key uuid!='], centralKey: ['key'] }, 'warning link_type server_id'],
  ]; // prettier-ignore
  test.each(cases)('%s', (_name, sides, finding) => {
    expect(found(sides)).toEqual([finding]);
  });
});

test.each<[string, Sides]>([
  ['excluded columns', { options: ', exclude: [shelf]', local: ['shelf TEXT!'] }],
  ['a constant for what the till lacks', { options: ', set: {store_id: $store}', central: ['store_id bigint!'] }],
  ['minor units that keep every digit', { options: ', columns: {n: {minor_units: 2}}', central: ['n numeric(12,2)'], local: ['n INTEGER'] }],
  ['a precise epoch', { options: ', columns: {at: {format: epoch_ms}}', central: ['at timestamp(3) with time zone'], local: ['at INTEGER'] }],
  ['NOT NULL columns with defaults', { central: ['n integer!='], local: ['m INTEGER!='], options: ', exclude: [m, n]' }],
  ['what a pull-only table could not get down', { options: ', direction: pull', central: ['n integer'], local: ['n INTEGER!'] }],
])('%s are no finding', (_name, sides) => {
  expect(found(sides).filter((line) => !line.includes(' m'))).toEqual([]);
}); // prettier-ignore

describe('across tables', () => {
  const mapping = parseMapping(
    [
      'version: 1',
      'defaults: {scope: global}',
      'tables:',
      '  a: {references: {b_id: b}}',
      '  b: {references: {a_id: a}}',
      '  c: {references: {a_code: {table: a, holds: local_id}}}',
    ].join('\n'),
  );
  const catalogs = (aNull: string, bNull: string) => ({
    central: new Map(
      [
        centralTable('a', ['id bigint!=', `b_id bigint${aNull}`]),
        centralTable('b', ['id bigint!=', `a_id bigint${bNull}`]),
        centralTable('c', ['id bigint!=', 'a_code bigint']),
      ].map((table) => [table.name, table]),
    ),
    local: new Map(
      [
        localTable('a', ['id INTEGER', `b_id INTEGER${aNull}`, 'local_id TEXT']),
        localTable('b', ['id INTEGER', `a_id INTEGER${bNull}`]),
        localTable('c', ['id INTEGER', 'a_code TEXT']),
      ].map((table) => [table.name, table]),
    ),
  });

  test('a cycle is refused only where no side may be NULL', () => {
    const codes = (aNull: string, bNull: string) =>
      checkMapping(mapping, catalogs(aNull, bNull)).map(({ code, message }) => [code, message]);
    expect(codes('!', '!')).toEqual([
      ['cycle', 'a → b → a is a cycle of which no column may be NULL, so no row could come first'],
    ]);
    expect(codes('', '!')).toEqual([]);
  });

  test('the side that may be NULL comes first, whatever the order in the file', () => {
    const order = (aNull: string, bNull: string) => [
      [...bindLocal(mapping, catalogs(aNull, bNull).local).tables.keys()],
      [...bindCentral(mapping, catalogs(aNull, bNull).central).tables.keys()],
    ];
    expect(order('', '!')).toEqual([['a', 'b', 'c'], ['a', 'b', 'c']]); // prettier-ignore
    expect(order('!', '')).toEqual([['b', 'a', 'c'], ['b', 'a', 'c']]); // prettier-ignore
  });

  test('a reference by local_id needs that column in the parent', () => {
    const { local, central } = catalogs('', '');
    local.set('a', localTable('a', ['id INTEGER', 'b_id INTEGER']));
    expect(checkMapping(mapping, { local, central }).map(({ code }) => code)).toEqual([
      'reference_to_nowhere',
    ]);
  });

  test('a table that this till does not have is a warning, one that the centre lacks a mismatch', () => {
    const { local, central } = catalogs('', '');
    local.delete('c');
    central.delete('b');
    const lines = parity(mapping, central, local).map(({ kind, code, table }) => `${kind} ${code} ${table}`);
    expect(lines).toContain('mismatch central_table_missing b');
    expect(lines).toContain('warning local_table_missing c');
    expect(bindLocal(mapping, local).missing.map((table) => table.local)).toEqual(['c']);
    expect(bindCentral(mapping, central).missing.map((table) => table.local)).toEqual(['b']);
    const none = parity(mapping, central, new Map()).filter(({ kind }) => kind === 'mismatch');
    expect(none.map(({ code }) => code)).toContain('no_local_table');
  });
});

test('the scope column must exist at the centre', () => {
  const mapping = parseMapping('version: 1\ntables:\n  orders: {scope: {store: shop_id}}\n');
  const centre = centralTable('orders', ['id bigint!=', 'store_id bigint!=', 'updated_at timestamptz']);
  expect(checkMapping(mapping, { central: new Map([['orders', centre]]) })).toMatchObject([
    { code: 'scope_not_resolvable', path: ['tables', 'orders', 'scope'] },
  ]);
});

describe('how tables hang together', () => {
  const lines = (options: string, child: readonly ColumnText[] = []) => {
    const mapping = parseMapping(
      ['version: 1', 'tables:', '  a: {scope: {store: store_id}}', `  b: {${options}}`].join('\n'),
    );
    const at = 'updated_at timestamptz';
    const central = [
      centralTable('a', ['id bigint!=', 'store_id text', at]),
      centralTable('b', ['id bigint!=', 'store_id text', 'a_id bigint', at]),
    ];
    const local = [
      localTable('a', ['id INTEGER', 'store_id TEXT', 'updated_at TEXT']),
      localTable('b', ['id INTEGER', 'a_id INTEGER', 'updated_at TEXT', ...child]),
    ];
    const byName = <T extends { name: string }>(tables: T[]) =>
      new Map(tables.map((table) => [table.name, table]));
    return parity(mapping, byName(central), byName(local)).map(({ kind, code }) => `${kind} ${code}`);
  };

  test('a till row without a store is a mismatch; a constant or a column mends it', () => {
    expect(lines('scope: {store: store_id}')).toContain('mismatch store_not_filled');
    expect(lines('scope: {store: store_id}, set: {store_id: $store}')).toEqual([]);
    expect(lines('scope: {store: store_id}', ['store_id TEXT'])).toEqual([]);
    expect(lines('scope: {store: store_id}, direction: push')).not.toContain('mismatch store_not_filled');
  });

  test('a global row that points to one store is a warning', () => {
    expect(lines('scope: global, references: {a_id: a}, exclude: [store_id]')).toEqual([
      'warning parent_of_one_store',
    ]);
  });

  test('a natural key that nothing keeps unique is a warning', () => {
    expect(lines('scope: global, natural_key: [a_id], exclude: [store_id]')).toEqual([
      'warning natural_key_not_unique',
    ]);
  });
});

describe('what a till carries', () => {
  const bind = (options: string, columns: readonly ColumnText[], key = ['id']) => {
    const mapping = parseMapping(`version: 1\ntables:\n  t: {scope: global${options}}\n`);
    const bound = bindLocal(mapping, new Map([['t', localTable('t', columns, key)]])).tables.get('t');
    return bound?.columns.map(({ local, central }) => (local === central ? local : `${local}>${central}`));
  };

  test('an integer key is the till\'s own number, unless the mapping names it', () => {
    expect(bind('', ['id INTEGER', 'x TEXT'])).toEqual(['x']);
    expect(bind(', rename: {id: number}', ['id INTEGER', 'x TEXT'])).toEqual(['id>number', 'x']);
  }); // prettier-ignore

  test('any other key is data, also one of several integers', () => {
    expect(bind('', ['id TEXT', 'x TEXT'])).toEqual(['id', 'x']);
    expect(bind('', ['a INTEGER', 'b INTEGER'], ['a', 'b'])).toEqual(['a', 'b']);
  });

  test('book-keeping columns stay, an identity of the app\'s own travels', () => {
    const columns = ['id INTEGER', 'local_id TEXT', 'server_id TEXT', 'sync_status TEXT', 'last_sync_at TEXT', 'x'];
    expect(bind('', columns)).toEqual(['x']);
    expect(bind(', exclude: []', columns)).toEqual(['x']);
    expect(bind(', identity: uid', [...columns, 'uid TEXT'])).toEqual(['x', 'uid']);
  }); // prettier-ignore
});

describe('references and deltas that the centre could not take', () => {
  const mapping = parseMapping(`
version: 1
defaults: { scope: global }
tables:
  groups: {}
  items:
    columns: { name: { policy: delta }, stock: { policy: delta } }
    references: { price: groups, group_id: groups, shelf: shelves }
  shelves: {}
`);
  const central = new Map([
    ['groups', centralTable('groups', ['id uuid!'])],
    [
      'items',
      centralTable('items', [
        'id bigint!',
        'name text',
        'stock integer',
        'price numeric(12,2)',
        'group_id uuid',
        'shelf integer',
      ]),
    ],
    ['shelves', centralTable('shelves', ['aisle text!', 'no integer!'], ['aisle', 'no'])],
  ]);

  test('are told with what would be right', () => {
    expect(
      checkMapping(mapping, { central }).map(({ code, column, message }) => [code, column, message]),
    ).toEqual([
      [
        'reference_type',
        'price',
        'items.price references groups, whose key at the centre is id (uuid), but price is numeric(12,2)',
      ],
      [
        'reference_to_composite',
        'shelf',
        `items.shelf references shelves, whose key at the centre is aisle, no: one column can't hold it`,
      ],
      ['delta_without_number', 'name', `items.name is text, whose changes can't be added up`],
    ]);
  });

  test('a table or column in other letters is the one that is meant', () => {
    const columns = ['ID INTEGER', 'Name TEXT', 'STOCK INTEGER', 'Price REAL', 'Shelf TEXT'];
    const upper = new Map([['ITEMS', localTable('ITEMS', columns, ['ID'])]]);
    const lowered = columns.map((column) => column.toLowerCase());
    const lower = new Map([['items', localTable('items', lowered)]]);
    expect(parity(mapping, central, upper)).toEqual(parity(mapping, central, lower));
  });

  test('a table that the till spells otherwise is suggested', () => {
    const local = new Map([['group', localTable('group', ['id INTEGER'])]]);
    const missing = parity(mapping, central, local).filter(({ code }) => code === 'local_table_missing');
    expect(missing.map(({ table, remedy }) => [table, remedy])).toEqual([
      ['groups', 'did you mean "group"?'],
      ['shelves', 'nothing, if it does not need it: its rows are skipped here'],
      ['items', 'nothing, if it does not need it: its rows are skipped here'],
    ]);
  });
});

test('a key that can be NULL in SQLite is one that the app may leave empty; a rowid, or a key without one, is not', () => {
  const mapping = parseMapping(
    `version: 1\ntables:\n  stock: {scope: global, rename: {article: article_id}}\n`,
  );
  const centre = centralTable('stock', ['article_id bigint!'], ['article_id']);
  const keyed = localTable('stock', ['article INTEGER'], ['article']);
  const nullable = (till: typeof keyed) =>
    parity(mapping, new Map([['stock', centre]]), new Map([['stock', till]])).filter(
      ({ code }) => code === 'nullable_to_not_null',
    );
  expect(nullable(keyed)).toEqual([]);
  expect(nullable({ ...keyed, keyIsRowid: false, withoutRowid: true })).toEqual([]);
  expect(nullable({ ...keyed, keyIsRowid: false })).toMatchObject([{ kind: 'warning', column: 'article' }]);
});
