/** The table at the head of differences.ts, row by row. */
import { describe, expect, it } from 'vitest';
import {
  compareTable,
  wantedIdentity,
  type Comparison,
  type TableRules,
} from '../../../../services/central-capture/watch/differences.ts';
import { partitionOrders } from '../../../../services/central-capture/watch/partition-orders.ts';
import {
  isDescribedOtherwise,
  shapeOf,
  type ColumnFacts,
  type PartitionFacts,
  type TableFacts,
} from '../../../../services/central-capture/watch/table-shape.ts';
import type { Relation } from '../../../../services/central-capture/wal/pgoutput-decoder.ts';

const PUBLICATION = { oid: 1, mark: '100', isComplete: true, isOurs: true };
const column = (place: number, name: string, type = 'integer', mark = '50'): ColumnFacts => ({
  place,
  name,
  type,
  typeOid: type === 'integer' ? 23 : 1043,
  mark,
});
const GOODS: TableFacts = {
  name: 'goods',
  schema: 'public',
  table: 'goods',
  oid: 7,
  isPartitioned: false,
  isLogged: true,
  identity: 'full',
  identityKey: [],
  key: ['id'],
  isKeyDeferrable: false,
  columns: [column(1, 'id'), column(2, 'name', 'character varying(10)'), column(3, 'secret')],
  generated: [],
  virtual: [],
  hasToastable: true,
  labels: { 900: 'small' },
  file: 70,
  membership: { oid: 2, isWhole: true },
  heirs: [],
  isRowSecured: false,
  isReadable: true,
  isOurs: true,
};
const RULES: TableRules = {
  name: 'goods',
  isSent: (name) => name !== 'secret',
  needsFull: ({ hasToastable }) => hasToastable,
};
const LEAF: PartitionFacts = {
  oid: 8,
  schema: 'public',
  table: 'goods_1',
  path: '/5',
  file: 80,
  identity: 'full',
  isLogged: true,
};

function compare(now: Partial<TableFacts> | null, more: Partial<Comparison> = {}) {
  return compareTable({
    rules: RULES,
    publication: PUBLICATION,
    refusal: null,
    now: now === null ? null : { ...GOODS, ...now },
    partitions: undefined,
    seeded: shapeOf(GOODS, PUBLICATION, '0/10'),
    seededPartitions: new Map(),
    hadState: false,
    isTold: false,
    isMended: false,
    isLocked: false,
    ...more,
  });
}
const columns = (...changed: ColumnFacts[]) =>
  GOODS.columns.map((one) => changed.find(({ place }) => place === one.place) ?? one);

describe('a difference that leads to nothing', () => {
  it.each<[string, Partial<TableFacts>]>([
    ['none', {}],
    ['another file (VACUUM FULL, CLUSTER, a repack)', { file: 71 }],
    ['a new label', { labels: { ...GOODS.labels, 901: 'large' } }],
    ['a longer varchar', { columns: columns(column(2, 'name', 'character varying(20)', '51')) }],
    ['a default', { columns: columns(column(2, 'name', 'character varying(10)', '51')) }],
    [
      'another file, and a column that is not sent',
      { file: 71, columns: columns(column(3, 'secret', 'integer', '51')) },
    ],
    ['a column more that is not sent', { columns: GOODS.columns.slice(0, 2) }],
    ['a full identity that is not needed', { hasToastable: false }],
  ])('%s', (_, now) => {
    expect(compare(now)).toEqual({ mends: [], state: null, reasons: [], read: [], sweep: false });
  });
});

describe('a difference that seeds the table again', () => {
  it.each<[string, string, Partial<TableFacts>, Partial<Comparison>]>([
    ['another table', 'replaced', { oid: 9 }, {}],
    ['another membership', 'republished', { membership: { oid: 3, isWhole: true } }, {}],
    ['the publication was altered', 'republished', {}, { publication: { ...PUBLICATION, mark: '101' } }],
    [
      'a column dropped and added',
      'columns',
      { columns: [column(1, 'id'), column(4, 'name', 'character varying(10)')] },
      {},
    ],
    ['a column renamed', 'columns', { columns: columns(column(2, 'title', 'character varying(10)')) }, {}],
    ['another type', 'columns', { columns: columns(column(2, 'name', 'text')) }, {}],
    ['another key', 'columns', { key: ['name'] }, {}],
    [
      'USING',
      'rewritten',
      { file: 71, columns: columns(column(2, 'name', 'character varying(10)', '51')) },
      {},
    ],
    ['a label renamed', 'relabelled', { labels: { 900: 'tiny' } }, {}],
    ['the WAL told of it', 'told', {}, { isTold: true }],
    ['it was mended', 'mended', {}, { isMended: true }],
    ['a state ended', 'returned', {}, { hadState: true }],
    ['a state ended before it was seeded', 'returned', {}, { hadState: true, seeded: null }],
  ])('%s', (_, reason, now, more) => {
    expect(compare(now, more)).toEqual({ mends: [], state: null, reasons: [reason], read: [], sweep: false });
  });
});

describe('a difference that is a state of the table', () => {
  it.each<[string, Partial<TableFacts> | null]>([
    ['TABLE_MISSING', null],
    ['TABLE_INHERITED', { heirs: ['special'] }],
    ['TABLE_NOT_LOGGED', { isLogged: false }],
    ['TABLE_NOT_READABLE', { isReadable: false }],
    ['TABLE_ROW_SECURITY', { isRowSecured: true }],
    ['TABLE_NO_KEY', { key: [] }],
    ['TABLE_VIRTUAL_COLUMN', { virtual: ['goods.twice'] }],
  ])('%s, whatever else is to be said', (code, now) => {
    const compared = compare(now === null ? null : { ...now, oid: 9 }, { isTold: true });
    expect(compared).toMatchObject({ mends: [], state: { code }, reasons: [], read: [], sweep: false });
  });
});

describe('what is ours to mend', () => {
  it.each<[string, Partial<TableFacts>, Partial<Comparison>, object, string]>([
    ['no membership', { membership: null }, {}, { kind: 'publish', rejoin: false }, 'TABLE_NOT_PUBLISHED'],
    [
      'a filter',
      { membership: { oid: 3, isWhole: false } },
      {},
      { kind: 'publish', rejoin: true },
      'TABLE_NOT_PUBLISHED',
    ],
    [
      'the identity',
      { identity: 'default' },
      {},
      { kind: 'identity', to: 'FULL', table: 'goods' },
      'TABLE_IDENTITY',
    ],
  ])('%s is mended, or is a state', (_, now, more, mend, code) => {
    expect(compare(now, more)).toMatchObject({ mends: [mend], state: { code }, reasons: [] });
  });

  it('the options of the publication are of all tables: of one they are a state, which says why', () => {
    const publication = { ...PUBLICATION, isComplete: false };
    const compared = compare({ oid: 9 }, { publication, refusal: 'our login does not own it' });
    expect(compared).toMatchObject({ mends: [], state: { code: 'TABLE_NOT_PUBLISHED' }, reasons: [] });
    expect(compared.state?.message).toContain('(our login does not own it)');
  });

  it.each<[string, Partial<TableFacts>, string | null]>([
    ['full', { hasToastable: false }, null],
    ['default with a key', { identity: 'default', hasToastable: false }, null],
    [
      'default with a deferrable key',
      { identity: 'default', hasToastable: false, isKeyDeferrable: true },
      'FULL',
    ],
    ['nothing', { identity: 'nothing', hasToastable: false }, 'DEFAULT'],
    [
      'nothing with a deferrable key',
      { identity: 'nothing', hasToastable: false, isKeyDeferrable: true },
      'FULL',
    ],
    ['an index over the key', { identity: 'index', identityKey: ['name', 'id'], hasToastable: false }, null],
    [
      'an index without the key',
      { identity: 'index', identityKey: ['name'], hasToastable: false },
      'DEFAULT',
    ],
    ['an index over the key, old rows needed', { identity: 'index', identityKey: ['id'] }, 'FULL'],
  ])('of the identity %s', (_, table, wanted) => {
    expect(wantedIdentity({ ...GOODS, ...table }, RULES)).toBe(wanted);
  });
});

describe('partitions', () => {
  const root = { isPartitioned: true, identity: 'default' as const, file: 0 };
  const seeded = shapeOf({ ...GOODS, ...root }, PUBLICATION, '0/10');
  const known = new Map([[8, { path: '/5', file: 80 }]]);
  const orders = (leaves: PartitionFacts[], more: Partial<TableFacts> = {}) => {
    const compared = compare({ ...root, ...more }, { partitions: leaves, seeded, seededPartitions: known });
    return { ...compared, read: compared.read.map(({ oid }) => oid) };
  };

  it('as they were lead to nothing', () => {
    expect(orders([LEAF])).toMatchObject({ reasons: [], read: [], sweep: false });
  });
  it('a new one is read', () => {
    expect(orders([LEAF, { ...LEAF, oid: 9, path: '/6' }])).toMatchObject({ read: [9], sweep: false });
  });
  it('one that is gone, or empty, is swept', () => {
    expect(orders([])).toMatchObject({ read: [], sweep: true });
    expect(orders([{ ...LEAF, file: 81 }])).toMatchObject({ read: [], sweep: true, reasons: [] });
  });
  it('one that was attached anew is swept and read', () => {
    expect(orders([{ ...LEAF, path: '/6' }])).toMatchObject({ read: [8], sweep: true });
  });
  it('rewritten by USING at the root seed the table', () => {
    const touched = columns(column(2, 'name', 'character varying(10)', '51'));
    expect(orders([{ ...LEAF, file: 81 }], { columns: touched })).toMatchObject({
      reasons: ['rewritten'],
      sweep: false,
    });
  });
  it('without the identity get it, and nothing is seeded for it', () => {
    expect(orders([{ ...LEAF, identity: 'default' }])).toMatchObject({
      mends: [{ kind: 'identity', table: 'goods_1', to: 'FULL' }],
      state: { code: 'TABLE_IDENTITY' },
    });
  });

  it.each<[string, Partial<Comparison>, string | undefined]>([
    ['do not have it yet, and all goes on', {}, undefined],
    ['and of which the WAL told, are a state', { isTold: true }, 'TABLE_IDENTITY'],
    ['and of a table with a state, leave it one', { hadState: true }, 'TABLE_IDENTITY'],
    [
      'leave what else is to be mended a state',
      { now: { ...GOODS, ...root, membership: null } },
      'TABLE_NOT_PUBLISHED',
    ],
  ])('that others lock just now %s', (_, more, code) => {
    const locked = [LEAF, { ...LEAF, oid: 9, path: '/6', identity: 'default' as const }];
    const compared = compare(null, {
      now: { ...GOODS, ...root },
      partitions: locked,
      seeded,
      seededPartitions: known,
      isLocked: true,
      ...more,
    });
    expect([compared.state?.code, compared.read.length]).toEqual([code, code === undefined ? 1 : 0]);
  });
  it('a table that others lock is a state all the same', () => {
    expect(compare({ identity: 'default' }, { isLocked: true }).state?.code).toBe('TABLE_IDENTITY');
  });

  it('are kept as they are once it is done: what is still to be read is still to be read', () => {
    const leaves = [{ ...LEAF, path: '/6', file: 81 }];
    const [sweep, read] = partitionOrders('goods', leaves, { sweep: true, read: leaves });
    const gone = new Map([...known, [10, { path: '/7', file: 1 }]]);
    const swept = sweep?.settle(gone) ?? new Map();
    expect([...swept]).toEqual([[8, { path: '/5', file: 81 }]]);
    expect(read?.settle(swept).get(8)).toMatchObject({ path: '/6', file: 81 });
  });
});

describe('the WAL', () => {
  const shape = shapeOf({ ...GOODS, generated: ['total'] }, PUBLICATION, '0/10');
  const relation = (more: Partial<Relation> = {}): Relation => ({
    oid: 7,
    name: 'goods',
    replicaIdentity: 'full',
    columns: GOODS.columns.map(({ name, typeOid }) => ({ name, typeOid, isKey: true })),
    ...more,
  });
  const total = { name: 'total', typeOid: 23, isKey: true };

  it.each<[string, Partial<Relation>, boolean]>([
    ['as it was seeded', {}, false],
    ['with a generated column', { columns: [...relation().columns, total] }, false],
    ['under another name', { name: 'goods_away' }, true],
    ['as another table', { oid: 9 }, true],
    ['with columns in another order', { columns: relation().columns.toReversed() }, true],
    ['with a column less', { columns: relation().columns.slice(1) }, true],
  ])('describes it %s', (_, more, isOther) => {
    expect(isDescribedOtherwise('goods', shape, relation(more))).toBe(isOther);
  });
});
