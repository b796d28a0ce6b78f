/** What a till knew of a row, and what a row of `granularity: row` makes of it. */
import { describe, expect, test } from 'vitest';
import type { ResolvedChange } from '../../../../services/central-apply/rows/change.ts';
import { FoldedRow } from '../../../../services/central-apply/rows/folded-row.ts';
import type { TableModel } from '../../../../services/central-apply/rows/model.ts';
import {
  LONG_AGO,
  type RowVersion,
  type ValueVersion,
} from '../../../../services/central-apply/rows/row-version.ts';
import { CENTRE } from '../../../../services/central-apply/rows/standing.ts';
import { knownOfColumn, knownOfRow } from '../../../../services/central-apply/rows/till-knowledge.ts';
import type { CentralId } from '../../../../services/shared/records/change-record.ts';

const COLUMNS = ['id', 'name', 'note', 'stock', 'updated_at'];
const ID = '1' as CentralId;

function table(granularity: TableModel['granularity']): TableModel {
  const model = {
    name: 'things',
    local: 'things',
    scope: { kind: 'global' },
    direction: 'both',
    delete: 'hard',
    policy: 'last-writer-wins',
    granularity,
    key: ['id'],
    columns: COLUMNS,
    central: new Map(
      COLUMNS.map((name) => [
        name,
        { name, kind: 'text', type: name === 'stock' ? 'numeric' : 'text', isArray: false },
      ]),
    ),
    byCentral: new Map(
      COLUMNS.map((name) => [name, { policy: name === 'stock' ? 'delta' : 'last-writer-wins', options: {} }]),
    ),
    set: new Map(),
    timestampColumn: 'updated_at',
    soft: null,
  };
  return model as unknown as TableModel;
}

const VALUES = new Map<string, string | null>([
  ['id', '1'],
  ['name', 'a'],
  ['note', null],
  ['stock', '10'],
  ['updated_at', 'then'],
]);

const by = (writer: string, clockMs: number, lsn = 0n): ValueVersion => ({
  clockMs,
  writer,
  seq: 1,
  at: { epoch: 1, lsn },
});
const versionBy = (rest: ValueVersion, columns: Readonly<Record<string, ValueVersion>> = {}): RowVersion => ({
  rest,
  columns: new Map(Object.entries(columns)),
});
const HEAD_OFFICE = versionBy({ clockMs: 100, writer: CENTRE, seq: 0, at: LONG_AGO });

type Given = Readonly<Record<string, string | null>>;

function change(
  options: { next?: Given; before?: Given } & Partial<Omit<ResolvedChange, 'next' | 'before'>>,
): ResolvedChange {
  const { next = {}, before = {}, ...rest } = options;
  return {
    incoming: {} as ResolvedChange['incoming'],
    table: table('row'),
    kind: 'update',
    terminal: 'T1',
    id: ID,
    idFrom: 'link',
    linked: true,
    clockMs: 50,
    seq: 1,
    image: 'unknown',
    next: new Map(Object.entries(next)),
    before: new Map(Object.entries(before)),
    references: [],
    ...rest,
  };
}

const knownBy = (of: ResolvedChange, version = HEAD_OFFICE) =>
  knownOfRow(of, of.next, of.before, {
    table: of.table,
    version,
    valueIn: (column) => VALUES.get(column) ?? null,
  });

describe('of a whole row', () => {
  /** What the till says it saw, what it sends → what it knew of the row. */
  const CASES: readonly [string, Given, Given, ResolvedChange['kind'], string][] = [
    ['all that it names stands', { name: 'a', note: null }, { name: 'b' }, 'update', 'standing'],
    ['a column that it left alone is another', { name: 'a', note: 'n' }, { name: 'b' }, 'update', 'another'],
    ['the column that it changed is another', { name: 'z', note: null }, { name: 'b' }, 'update', 'another'],
    [
      'only an amount and the timestamp are others',
      { name: 'a', stock: '3', updated_at: 'x' },
      {},
      'update',
      'standing',
    ],
    ['it names nothing', {}, { name: 'b' }, 'update', 'unknown'],
    ['only amounts', { stock: '10' }, { stock: '9' }, 'update', 'unknown'],
    ['an insert that met a row brings what stands there', {}, { name: 'a', stock: '5' }, 'insert', 'unknown'],
    ['an insert that met a row brings another value', {}, { name: 'b', note: 'n' }, 'insert', 'another'],
    ['an insert that met a row brings what is NULL there', {}, { name: 'a', note: 'n' }, 'insert', 'nothing'],
  ];

  test.each(CASES)('%s', (_what, before, next, kind, saw) => {
    expect(knownBy(change({ before, next, kind })).saw).toBe(saw);
  });

  test('it is in doubt where another till wrote any of it behind the image, but for amounts', () => {
    const image = { epoch: 1, lsn: 50n };
    const doubt = (column: string, writer: string, lsn: bigint) =>
      knownBy(change({ image }), versionBy(by(CENTRE, 0), { [column]: by(writer, 10, lsn) })).isDoubtful;
    expect(doubt('note', 'T2', 60n)).toBe(true);
    expect(doubt('note', 'T2', 40n)).toBe(false);
    expect(doubt('note', 'T1', 60n)).toBe(false);
    expect(doubt('stock', 'T2', 60n)).toBe(false);
    expect(knownBy(change({ image: 'beyond horizon' })).isDoubtful).toBe(true);
  });

  test('its clock and writer are those of what was written last, of one column its own', () => {
    const version = versionBy(by('T2', 10), { note: by('T3', 70) });
    const row = { table: table('row'), version, valueIn: (column: string) => VALUES.get(column) ?? null };
    const of = change({ before: { name: 'a' }, next: { name: 'b' }, clockMs: 50 });
    expect(knownOfRow(of, of.next, of.before, row)).toMatchObject({ wins: false, isOwn: false });
    expect(knownOfColumn(of, 'name', of.before, row)).toMatchObject({ wins: true, saw: 'standing' });
    expect(knownOfRow({ ...of, terminal: 'T3' }, of.next, of.before, row)).toMatchObject({
      wins: true,
      isOwn: true,
    });
  });
});

describe('two edits of different columns of one row', () => {
  const ofOne = { next: { name: 'b' }, before: { name: 'a', note: null }, terminal: 'T1', clockMs: 190 };
  const ofOther = { next: { note: 'm' }, before: { name: 'a', note: null }, terminal: 'T2', clockMs: 200 };
  const folded = (
    granularity: TableModel['granularity'],
    order: readonly (typeof ofOne | typeof ofOther)[],
  ) => {
    const of = table(granularity);
    const row = new FoldedRow(of, ID, { values: VALUES, hash: '', version: HEAD_OFFICE, isOurs: false });
    const outcomes = order.map((each) => row.fold(change({ ...each, table: of })));
    return { outcomes, set: Object.fromEntries(row.writes?.update?.set ?? []), version: row.version };
  };

  test('are no conflict column by column', () => {
    for (const order of [
      [ofOne, ofOther],
      [ofOther, ofOne],
    ]) {
      const { outcomes, set } = folded('column', order);
      expect(outcomes).toEqual([
        { outcome: 'applied', discarded: null },
        { outcome: 'applied', discarded: null },
      ]);
      expect(set).toEqual({ name: 'b', note: 'm' });
    }
  });

  test('conflict with granularity row: the earlier comes to nothing, or is kept as beaten', () => {
    const rule = 'last-writer-wins';
    const late = folded('row', [ofOther, ofOne]);
    expect(late.outcomes).toEqual([
      { outcome: 'applied', discarded: null },
      { outcome: 'lost', discarded: { winner: 'central', rule } },
    ]);
    expect(late.set).toEqual({ note: 'm' });
    const early = folded('row', [ofOne, ofOther]);
    expect(early.outcomes).toEqual([
      { outcome: 'applied', discarded: null },
      { outcome: 'applied', discarded: { winner: 'terminal', rule } },
    ]);
  });

  test('with granularity row the row has one clock and writer', () => {
    const { version } = folded('row', [ofOne, ofOther]);
    expect(version).toEqual({
      rest: { clockMs: 200, writer: 'T2', seq: 1, at: LONG_AGO },
      columns: new Map(),
    });
  });

  test('one of a row that stands as its till saw it is applied, however slow the clock, and amounts are no part of it', () => {
    const slow = {
      ...ofOne,
      clockMs: 1,
      next: { name: 'b', stock: '9' },
      before: { ...ofOne.before, stock: '30' },
    };
    const { outcomes, set } = folded('row', [slow]);
    expect(outcomes).toEqual([{ outcome: 'applied', discarded: null }]);
    expect(set).toEqual({ name: 'b' });
  });
});
