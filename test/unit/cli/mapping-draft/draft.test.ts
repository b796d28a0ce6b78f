/** Rules of the draft, each with the facts that show it and, where it matters, the facts that don't. */
import { describe, expect, test } from 'vitest';
import type { CentralRow } from '../../../../services/cli/mapping-draft/facts.ts';
import type { CentralTable } from '../../../../services/shared/catalog/central-catalog.ts';
import type { LocalTable } from '../../../../services/shared/catalog/local-catalog.ts';
import { centralTable, localTable } from '../../../support/catalogs.ts';
import { draftOf, many, refersTo, STORES } from './drafted.ts';

describe('columns', () => {
  test('of other names are found by what rows of both sides hold, not by the names', () => {
    const local = localTable('articles', ['id INTEGER', 'code TEXT', 'aa TEXT', 'bb TEXT']);
    const central = centralTable('articles', ['id bigint!=', 'code text', 'colour text', 'maker text']);
    const rows = many((n) => ({ id: BigInt(n), code: `K-${n}`, aa: `maker ${n}`, bb: `colour ${n}` }));
    const there = many((n) => ({
      id: `${900 + n}`,
      code: `K-${n}`,
      colour: `colour ${n}`,
      maker: `maker ${n}`,
    }));
    const draft = draftOf([{ table: local, rows }], [{ table: central, rows: there }]).get('articles');
    expect(draft?.rename.get('aa')).toEqual({ value: 'maker', why: '40 of 40 sampled values agree' });
    expect(draft?.rename.get('bb')?.value).toBe('colour');
  });

  test('of one name stay each other where most values differ, and the comment says how many', () => {
    const local = localTable('articles', ['id INTEGER', 'code TEXT', 'stock NUMERIC']);
    const central = centralTable('articles', ['id bigint!=', 'code text', 'stock numeric(12,3)']);
    const rows = many((n) => ({ id: BigInt(n), code: `K-${n}`, stock: BigInt(n) }));
    const there = many((n) => ({ id: `${n}`, code: `K-${n}`, stock: n < 3 ? `${n}.000` : '-1.000' }));
    const draft = draftOf([{ table: local, rows }], [{ table: central, rows: there }]).get('articles');
    expect(draft?.rename.size).toBe(0);
    expect(draft?.columns.get('stock')?.value).toEqual({ policy: 'delta' });
  });

  test('that only the centre fills stay there', () => {
    const local = localTable('guests', ['id INTEGER', 'email TEXT', 'credit NUMERIC']);
    const central = centralTable('guests', ['id bigint!=', 'email text', 'credit numeric(12,2)']);
    const rows = (credit: number | null) =>
      many((n) => ({ id: BigInt(n), email: `g${n}@example.org`, credit }));
    const there = many((n) => ({ id: `${n}`, email: `g${n}@example.org`, credit: '10.00' }));
    const excluded = (credit: number | null) =>
      draftOf([{ table: local, rows: rows(credit) }], [{ table: central, rows: there }])
        .get('guests')
        ?.exclude.map(({ value }) => value);
    expect(excluded(null)).toEqual(['credit']);
    expect(excluded(10)).toEqual([]);
  });

  test('are money in whole cents by their name, and never a quantity', () => {
    const local = localTable('lines', [
      'id INTEGER',
      'price INTEGER',
      'quantity INTEGER',
      'tax_cents INTEGER',
    ]);
    const central = centralTable('lines', [
      'id bigint!=',
      'price numeric(12,2)',
      'quantity numeric(12,3)',
      'tax numeric(12,2)',
    ]);
    const draft = draftOf([{ table: local }], [{ table: central }]).get('lines');
    expect(draft?.columns.get('price')?.value).toEqual({ minorUnits: 2 });
    expect(draft?.columns.get('tax_cents')?.value).toEqual({ minorUnits: 2 });
    expect(draft?.columns.has('quantity')).toBe(false);
  });

  test('are cents where the values are a hundred times those of the centre, also in a column for decimals', () => {
    const local = localTable('lines', ['id INTEGER', 'value NUMERIC']);
    const central = centralTable('lines', ['id bigint!=', 'value numeric(12,2)']);
    const standing = many((n) => ({ id: `${n}`, value: `${10 + n}.50` }));
    const form = (factor: number) =>
      draftOf(
        [{ table: local, rows: many((n) => ({ id: BigInt(n), value: (10 + n) * factor })) }],
        [{ table: central, rows: standing }],
      )
        .get('lines')
        ?.columns.get('value')?.value;
    expect(form(100)).toEqual({ minorUnits: 2 });
    expect(form(1)).toBeUndefined();
  });
});

describe('tables', () => {
  test('that nothing else tells are found by what refers to them', () => {
    const refers = (table: LocalTable, column: string, parent: string): LocalTable => ({
      ...table,
      foreignKeys: [{ columns: [column], parent, parentColumns: [] }],
    });
    const lines = refers(
      localTable('lines', ['id INTEGER', 'item INTEGER', 'count INTEGER']),
      'item',
      'select',
    );
    const office = refersTo(
      centralTable('lines', ['id bigint!=', 'item_id bigint', 'count integer']),
      'item_id',
      'goods',
    );
    const select = { table: localTable('select', ['id INTEGER', 'xx TEXT']) };
    const goods = { table: centralTable('goods', ['id bigint!=', 'yy text']) };
    const draft = draftOf([{ table: lines }, select], [{ table: office }, goods]);
    expect(draft.get('select')?.central.value).toBe('goods');
    expect(draft.get('lines')?.references.get('item')?.value).toEqual({
      table: 'select',
      holds: 'local_key',
    });
    expect(
      draftOf([{ table: { ...lines, foreignKeys: [] } }, select], [{ table: office }, goods]).has('select'),
    ).toBe(false);
  });

  test('keep the column that names their rows for sync at home, also where it is the key', () => {
    const named = localTable('lines', ['local_id TEXT', 'count INTEGER'], ['local_id']);
    const other = localTable('bills', ['id INTEGER', 'local_id TEXT', 'total NUMERIC']);
    const draft = draftOf(
      [{ table: named }, { table: other }],
      [
        { table: centralTable('lines', ['id uuid!=', 'count integer']) },
        { table: centralTable('bills', ['id bigint!=', 'total numeric(12,2)']) },
      ],
    );
    expect(draft.get('lines')?.rename.size).toBe(0);
  });
});

describe('a reference', () => {
  const parent = {
    ...localTable('makers', ['id INTEGER', 'code TEXT', 'server_id INTEGER']),
    uniques: [['code']],
  };
  const central = centralTable('makers', ['id bigint!=', 'code text']);
  const child = localTable('articles', ['id INTEGER', 'sku TEXT', 'maker INTEGER']);
  const there = refersTo(
    centralTable('articles', ['id bigint!=', 'sku text', 'maker_id bigint']),
    'maker_id',
    'makers',
  );
  // Keys and server ids are the same numbers the other way round: only rows of both sides tell which are meant.
  const makers = many((n) => ({ id: BigInt(n), code: `M-${n}`, server_id: BigInt(39 - n) }));
  const known = many((n) => ({ id: `${39 - n}`, code: `M-${n}` }));

  test.each<['local_key' | 'server_id', (n: number) => bigint]>([
    ['local_key', (n) => BigInt(39 - n)],
    ['server_id', (n) => BigInt(n)],
  ])('holds the %s where the centre says that this parent is meant', (holds, held) => {
    const rows = many((n) => ({ id: BigInt(n), sku: `S-${n}`, maker: held(n) }));
    const office = many((n) => ({ id: `${n}`, sku: `S-${n}`, maker_id: `${n}` }));
    const draft = draftOf(
      [
        { table: parent, rows: makers },
        { table: child, rows },
      ],
      [
        { table: central, rows: known },
        { table: there, rows: office },
      ],
    ).get('articles');
    expect(draft?.references.get('maker')?.value).toEqual({ table: 'makers', holds });
    expect(draft?.references.get('maker')?.why).toContain('40 of 40 sampled rows mean the same row');
  });

  test('to a table that is not mapped stays on the till', () => {
    const stray = {
      ...localTable('articles', ['id INTEGER', 'sku TEXT', 'shelf_id INTEGER']),
      foreignKeys: [{ columns: ['shelf_id'], parent: 'shelves', parentColumns: [] }],
    };
    const office = centralTable('articles', ['id bigint!=', 'sku text', 'shelf_id bigint']);
    const draft = draftOf(
      [{ table: stray }, { table: localTable('shelves', ['id INTEGER', 'x TEXT']) }],
      [{ table: office }],
    );
    expect(draft.get('articles')?.exclude).toEqual([
      { value: 'shelf_id', why: 'it refers to shelves, which is not mapped' },
    ]);
  });
});

describe('scope', () => {
  const local = localTable('tills_cash', ['id INTEGER', 'amount NUMERIC']);
  const central = (store: string) =>
    refersTo(
      centralTable('tills_cash', ['id bigint!=', `store_id bigint${store}`, 'amount numeric(12,2)']),
      'store_id',
      'stores',
    );
  const rows = (store: string | null) => many((n) => ({ id: `${n}`, store_id: store, amount: '1.00' }));
  const scopeOf = (table: CentralTable, there: readonly CentralRow[] = []) => {
    const draft = draftOf([{ table: local }], [{ table: STORES }, { table, rows: there }]).get('tills_cash');
    return [draft?.scope.value, draft?.set.get('store_id')?.value];
  };

  test('is the store that the column refers to, filled with the till’s own', () => {
    expect(scopeOf(central('!'))).toEqual([{ kind: 'store', column: 'store_id' }, '$store']);
  });

  test('is everybody’s where rows have no store: such a row would reach nobody', () => {
    expect(scopeOf(central(''), rows(null))).toEqual([{ kind: 'global' }, undefined]);
    expect(scopeOf(central(''), rows('1'))).toEqual([{ kind: 'store', column: 'store_id' }, '$store']);
  });
});

describe('a natural key', () => {
  const local = (uniques: string[][]) => ({
    ...localTable('bills', ['id INTEGER', 'number TEXT', 'total NUMERIC']),
    uniques,
  });
  const central = {
    ...refersTo(
      centralTable('bills', ['id bigint!=', 'store_id bigint!', 'number text!', 'total numeric(12,2)']),
      'store_id',
      'stores',
    ),
    uniques: [['store_id', 'number']],
  };
  const here = many((n) => ({ id: BigInt(n), number: `B/${n}`, total: 1 }));
  const keyOf = (there: readonly CentralRow[]) =>
    draftOf(
      [{ table: local([['number']]), rows: here }],
      [{ table: STORES }, { table: central, rows: there }],
    ).get('bills')?.naturalKey;

  test('of a number that only the store makes unique is said where rows are on both sides', () => {
    const there = many((n) => ({ id: `${n}`, store_id: '1', number: `B/${n}`, total: '1.00' }));
    expect(keyOf(there)?.value).toEqual(['store_id', 'number']);
  });

  test('is not where none is: two sales of one number would become one', () => {
    expect(keyOf([])?.value).toEqual([]);
    expect(keyOf([])?.why).toContain('no natural_key, though store_id, number are unique at the centre');
  });
});
