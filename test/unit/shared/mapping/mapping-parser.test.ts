import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { PayflowError } from '../../../../services/shared/errors.ts';
import { parseMapping } from '../../../../services/shared/mapping/mapping-parser.ts';
import { mappingJsonSchema } from '../../../../services/shared/mapping/mapping-schema.ts';
import { editDistance, suggestion } from '../../../../services/shared/mapping/mapping-source.ts';
import { schemaFile } from '../../../../services/shared/paths.ts';

const reference = readFileSync(schemaFile('mapping.yaml'), 'utf8');

/** The lines of the error that this text gives. */
function mistakes(text: string): string[] {
  try {
    parseMapping(text);
  } catch (error) {
    if (error instanceof PayflowError && error.code === 'MAPPING_INVALID') return error.message.split('\n');
    throw error;
  }
  return [];
}

function table(options: string, more = ''): string {
  return `version: 1\ntables:\n  orders:\n    scope: {store: store_id}\n${options}${more}`;
}

describe('the reference mapping', () => {
  const mapping = parseMapping(reference, 7);

  test('covers its nineteen tables, parents before children', () => {
    const names = mapping.tables.map(({ local }) => local);
    expect(names).toHaveLength(19);
    for (const { local, references } of mapping.tables)
      for (const { table: parent } of references.values())
        if (parent !== local) expect(names.indexOf(parent)).toBeLessThan(names.indexOf(local));
  });

  test('keeps its version and its own text, which parses to the same again', () => {
    expect(mapping.version).toBe(7);
    expect(parseMapping(mapping.source, 7)).toEqual(mapping);
  });

  test('says what INTERFACES.md shows: scopes, renames, deltas, constants, references', () => {
    const of = (name: string) => {
      const found = mapping.tables.find(({ local }) => local === name);
      if (found === undefined) throw new Error(`no table ${name}`);
      return found;
    };
    expect(of('products').scope).toEqual({ kind: 'global' });
    expect(of('products').rename.get('stock_quantity')).toBe('master_stock_quantity');
    expect(of('products').columns.get('stock_quantity')).toEqual({ policy: 'delta' });
    expect(of('orders').set.get('store_id')).toEqual({ kind: 'store' });
    expect(of('order_items').scope).toEqual({ kind: 'via', column: 'order_id' });
    expect(of('payments').columns.get('amount_cents')).toEqual({ minorUnits: 2 });
    expect(of('receipts').references.get('order_local_id')).toEqual({
      table: 'orders',
      holds: 'local_id',
      withinStore: false,
    });
    expect(of('orders').references.get('cashier_id')).toEqual({
      table: 'users',
      holds: 'local_key',
      withinStore: false,
    });
    expect(of('products').columns.get('price')).toEqual({ direction: 'push' });
  });

  test('keeps book-keeping columns excluded where a table has an exclude list of its own', () => {
    const products = mapping.tables.find(({ local }) => local === 'products');
    expect([...(products?.exclude ?? [])]).toEqual(
      expect.arrayContaining(['shelf_label', 'local_id', 'server_id', 'sync_status']),
    );
    expect(products?.exclude.has('terminal_id')).toBe(false);
  });
});

test('the JSON Schema beside the mapping is the one the parser goes by', () => {
  expect(JSON.parse(readFileSync(schemaFile('mapping.schema.json'), 'utf8'))).toEqual(
    JSON.parse(JSON.stringify(mappingJsonSchema())),
  );
});

test('without any option but scope a table takes the documented defaults', () => {
  const [products] = parseMapping('version: 1\ntables:\n  products: {scope: global}\n').tables;
  expect(products).toMatchObject({
    central: 'products',
    direction: 'both',
    delete: 'auto',
    policy: 'last-writer-wins',
    identity: 'local_id',
    link: 'server_id',
    timestamp: 'updated_at',
  });
});

test('a table with nothing below it takes everything from defaults', () => {
  const mapping = parseMapping('version: 1\ndefaults: {scope: global, direction: push}\ntables:\n  taxes:\n');
  expect(mapping.tables[0]).toMatchObject({ local: 'taxes', direction: 'push', scope: { kind: 'global' } });
});

describe('every mistake is told with its line, what is wrong and what would be right', () => {
  const cases: [string, string, string][] = [
    ['an unknown option', table('    polcy: delta\n'), 'line 5: table orders has no option "polcy"; did you mean "policy"?'],
    ['an unknown value', table('    direction: pul\n'), 'line 5: direction of table orders can\'t be "pul"; did you mean "pull"?'],
    ['a wrong kind', table('    natural_key: sku\n'), 'line 5: natural_key of table orders is not of the right kind; it must be a list [a, b].'],
    ['an unknown policy of a column', table('    columns:\n      a: {policy: detla}\n'), 'line 6: columns.a.policy of table orders can\'t be "detla"; did you mean "delta"?'],
    ['a scope of no known form', 'version: 1\ntables:\n  a:\n    scope: {shop: x}\n', 'line 4: scope of table a is not understood; scope must be global, {store: column} or {store: {via: reference column}}.'],
    ['no scope', 'version: 1\ntables:\n  a:\n    direction: push\n', 'line 3: table a has no scope; say scope: global, {store: column} or {store: {via: column}}.'],
    ['a reference to an unmapped table', table('    references:\n      user_id: user\n', '  users: {scope: global}\n'), 'line 6: orders.user_id references "user", which is not mapped; did you mean "users"?'],
    ['a scope via no reference', 'version: 1\ntables:\n  items:\n    scope: {store: {via: ordr_id}}\n    references: {order_id: orders}\n  orders: {scope: {store: store_id}}\n', 'line 4: scope via ordr_id can\'t be resolved: it is no reference of items; did you mean "order_id"?'],
    ['a scope via a global table', 'version: 1\ntables:\n  a:\n    scope: {store: {via: b_id}}\n    references: {b_id: b}\n  b: {scope: global}\n', 'line 4: scope via b_id can\'t be resolved: b belongs to no store; use scope: global, or go via a table of a store.'],
    ['a scope that leads back to itself', 'version: 1\ntables:\n  a:\n    scope: {store: {via: a_id}}\n    references: {a_id: a}\n', 'line 4: the scope of a leads back to itself; end it at a table with {store: column}.'],
    ['a renamed column that is excluded', table('    rename: {terminal_id: till}\n'), 'line 5: orders.terminal_id is excluded (in the table or in defaults) and mapped; take it out, or give the table an exclude list without it.'],
    ['two columns for one', table('    rename:\n      a: x\n      b: x\n'), 'line 7: orders.b and orders.a both become x; rename one of them to another column.'],
    ['an unknown constant', table('    set: {x: $stroe}\n'), 'line 5: x is set to the unknown $stroe; did you mean "$store"?'],
    ['local time without a zone', table('    columns:\n      at: {format: local}\n'), 'line 6: orders.at has local time without a zone; add zone: Europe/Berlin, or the one it is in.'],
    ['an unknown zone', table('    columns:\n      at: {format: local, zone: Mars/Base}\n'), 'line 6: Mars/Base is no time zone; use an IANA name, as Europe/Berlin.'],
    ['another direction of a column', table('    columns:\n      a: {direction: pull}\n'), 'line 6: columns.a.direction of table orders can\'t be "pull"; it must be push.'],
    ['a column that only goes down in a table that only goes up', table('    direction: pull\n    columns:\n      a: {direction: push}\n'), 'line 7: orders.a has direction: push in a table that only goes up; take it out, or give the table direction: both.'],
    ['a policy for a column that tills never change', table('    columns:\n      a: {direction: push, policy: delta}\n'), 'line 6: orders.a has direction: push and a policy; take the policy out: tills never change it.'],
    ['a time of change that tills may not write', table('    columns:\n      updated_at: {direction: push}\n'), 'line 6: orders.updated_at says when a row was changed, which tills have to say too; take direction: push out.'],
    ['a reference within something unknown', table('    references: {u: {table: users, within: shop}}\n', '  users: {scope: {store: s}}\n'), 'line 5: references.u of table orders is not understood; a reference must be a table name or {table: name, holds: server_id|local_id, within: store}.'],
    ['a reference that is to stay within the store, to everyone\'s rows', table('    references:\n      u: {table: users, within: store}\n', '  users: {scope: global}\n'), 'line 6: orders.u is to stay within the store, but every store has the rows of users; take within out, or give users a scope of one store.'],
    ['two tables for one', 'version: 1\ntables:\n  a: {scope: global}\n  b:\n    scope: global\n    central: a\n', 'line 6: b and a are both mapped to a; map one of them, or name another central table.'],
    ['a table of our own', 'version: 1\ntables:\n  a: {scope: global, central: payflow_sync.link}\n', 'line 3: a is among the tables of payflow-sync itself; take it out.'],
    ['one key twice', 'version: 1\ntables:\n  a: {scope: global}\n  a: {scope: global}\n', 'line 4: "a…" stands here twice; keep one of them.'],
    ['no version', 'tables: {}\n', 'line 1: version is missing; it must be 1.'],
    ['an empty file', '', 'line 1: the mapping is missing; it must be a map (name: value).'],
  ]; // prettier-ignore
  test.each(cases)('%s', (_name, text, expected) => {
    expect(mistakes(text)).toEqual([expected]);
  });

  test('text that is no YAML', () => {
    expect(mistakes('version: 1\ntables: {a: [\n')[0]).toMatch(/^line \d+: not valid YAML: .*correct indent/);
  });

  test('all of them at once, in the order of the file', () => {
    const text = table('    drection: pull\n    columns:\n      a: {policy: none, zoen: x}\n');
    expect(mistakes(text).map((line) => line.slice(0, 7))).toEqual(['line 5:', 'line 7:', 'line 7:']);
  });
});

test('tables that reference each other are put in some order, not refused, while no catalog is known', () => {
  const mapping = parseMapping(
    'version: 1\ntables:\n  a: {scope: global, references: {b_id: b}}\n  b: {scope: global, references: {a_id: a}}\n',
  );
  expect(mapping.tables.map(({ local }) => local)).toEqual(['a', 'b']);
});

test('a suggestion is made only for a near name', () => {
  expect(editDistance('prodcuts', 'products')).toBe(1);
  expect(suggestion('prodcuts', ['orders', 'products'], '-')).toBe('did you mean "products"?');
  expect(suggestion('Products', ['products'], '-')).toBe('did you mean "products"?');
  expect(suggestion('xyz', ['orders'], '-')).toBe('-');
});

describe('how the app writes its values', () => {
  const columns = (of: string) => table(`    columns: {${of}}\n`);

  test('is said per column', () => {
    const mapping = parseMapping(
      columns('a: {empty: null}, b: {charset: windows-1252}, c: {format: julian}, d: {format: sqlite}'),
    );
    expect([...(mapping.tables[0]?.columns.values() ?? [])]).toEqual([
      { emptyIsNull: true },
      { charset: 'windows-1252' },
      { format: 'julian' },
      { format: 'sqlite' },
    ]);
  });

  test.each([
    ['a: {empty: yes}', /empty of a.* can't be|columns.a.empty of table orders is not of the right kind/],
    [
      'a: {charset: windows-1525}',
      /charset of table orders can't be "windows-1525".*did you mean.*windows-125|windows-1252/,
    ],
    ['a: {format: sqlit}', /can't be "sqlit".*sqlite/],
  ])('%s is a mistake', (of, says) => {
    expect(mistakes(columns(of)).join('\n')).toMatch(says);
  });

  test('the key of another row has no character set', () => {
    const options = '    references: {a: orders}\n    columns: {a: {charset: latin1}}\n';
    expect(mistakes(table(options)).join('\n')).toMatch(/orders\.a is a reference: what it holds is a key/);
  });

  test('and a table says whose triggers run', () => {
    const mode = (options: string) => parseMapping(table(options)).tables[0]?.appTriggers;
    expect([mode(''), mode('    app_triggers: keep\n'), mode('    app_triggers: suspend\n')]).toEqual([
      'auto',
      'keep',
      'suspend',
    ]);
    expect(mistakes(table('    app_triggers: never\n')).join('\n')).toMatch(
      /app_triggers of table orders can't be "never"/,
    );
  });
});
