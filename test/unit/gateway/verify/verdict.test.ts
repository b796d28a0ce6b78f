import { describe, expect, it } from 'vitest';
import type { RowFacts } from '../../../../services/shared/verify/questions.ts';
import { verdictOf, type RowSeen } from '../../../../services/gateway/verify/verdict.ts';

const PRICE = { column: 'price', tillLeft: true, centreLeft: false };
const FACTS: RowFacts = {
  id: '7',
  key: '3',
  isKept: true,
  isRefused: false,
  outlivesDelete: false,
  isPutAway: false,
  unsettled: 'nothing',
  parked: null,
  isUnswept: false,
  signature: 's1',
  columns: [PRICE],
  tillMs: null,
  centreMs: null,
};
const SEEN: RowSeen = {
  table: { direction: 'both' },
  centre: { isHere: true, place: 'own' },
  till: FACTS,
  before: 's1',
  settled: true,
  isStuck: false,
};

interface Given extends Partial<Omit<RowSeen, 'till' | 'table' | 'centre'>> {
  readonly till?: Partial<RowFacts>;
  readonly table?: Partial<RowSeen['table']>;
  readonly centre?: Partial<RowSeen['centre']>;
}

function verdict({ till, table, centre, ...rest }: Given) {
  return verdictOf({
    ...SEEN,
    ...rest,
    till: { ...FACTS, ...till },
    table: { ...SEEN.table, ...table },
    centre: { ...SEEN.centre, ...centre },
  });
}

const GONE = { isHere: false, place: 'none' } as const;
const ABSENT = { key: null, columns: [] };
const NEW = { id: null, columns: [], isKept: false };

describe('a row that may differ', () => {
  it.each<[string, Given]>([
    ['on both sides with one meaning', { till: { columns: [] } }],
    ['the same, while a change of it is under way', { till: { columns: [], unsettled: 'on its way' } }],
    ['on neither side', { till: ABSENT, centre: GONE }],
    ['of another store, and not on this till', { till: ABSENT, centre: { place: 'other' } }],
    ['without a store, and not on this till', { till: ABSENT, centre: { place: 'none' } }],
    [
      'of the centre, where rows only go up',
      { table: { direction: 'pull' }, till: { ...ABSENT, isKept: false } },
    ],
  ])('%s is equal', (_, given) => {
    expect(verdict(given)).toEqual({ kind: 'equal' });
  });

  it.each<[string, Given]>([
    ['changes that are not settled', { till: { unsettled: 'on its way' } }],
    [
      'changes that are not settled in the end, and were others before',
      { till: { unsettled: 'on its way' }, before: 's0', isStuck: true },
    ],
    ['nothing said of it before', { before: undefined }],
    ['another state than at the look before', { before: 's0' }],
    ['a transaction at the centre that the till may be ahead of', { settled: false }],
    ['a parked image that has only just come', { till: { parked: 'parent' }, before: 's0' }],
  ])('with %s is moving', (_, given) => {
    expect(verdict(given)).toEqual({ kind: 'moving' });
  });

  it.each<[string, string, Given]>([
    ['its changes are held', 'held', { till: { unsettled: 'held' }, before: undefined }],
    [
      'its changes are not settled in the end',
      'not settled',
      { till: { unsettled: 'on its way' }, isStuck: true },
    ],
    ['its image waits on the till', 'parked', { till: { parked: 'refused' } }],
    ['its insert was refused', 'dead letter', { till: { ...NEW, isRefused: true }, centre: GONE }],
    ['its table was written without our triggers', 'not looked through', { till: { isUnswept: true } }],
    ['it belongs to no store', 'no store', { centre: { place: 'none' } }],
  ])('is known where %s', (_, why, given) => {
    expect(verdict(given)).toEqual({ kind: 'known', why });
  });

  it.each<[string, string, Given]>([
    [
      'made on the till, where rows only come down',
      'till only',
      { table: { direction: 'push' }, till: NEW, centre: GONE },
    ],
    [
      'deleted on the till, which the mapping ignores',
      'deleted on the till only',
      { till: { ...ABSENT, isKept: false, isPutAway: true } },
    ],
    [
      'deleted at the centre, which it outlives here',
      'deleted at the centre only',
      { till: { outlivesDelete: true }, centre: GONE },
    ],
    [
      'edited at the centre, where rows only go up',
      'goes up only',
      {
        table: { direction: 'pull' },
        till: { columns: [{ column: 'a', tillLeft: false, centreLeft: true }] },
      },
    ],
  ])('differs by design: %s', (_, why, given) => {
    expect(verdict(given)).toEqual({ kind: 'by design', why });
  });
});

describe('a row that differs', () => {
  const left = (tillLeft: boolean | null, centreLeft: boolean | null) => ({
    columns: [{ column: 'price', tillLeft, centreLeft }],
  });
  it.each<[string, Given, object]>([
    ['the till wrote it', {}, { how: 'different', newer: 'till', columns: ['price'] }],
    [
      'the centre wrote it',
      { till: left(false, true) },
      { how: 'different', newer: 'centre', columns: ['price'] },
    ],
    [
      'both wrote it, the centre later',
      { till: { ...left(true, true), tillMs: 1, centreMs: 2 } },
      { how: 'different', newer: 'centre' },
    ],
    [
      'nobody knows who, and the till’s time is later',
      { till: { ...left(null, null), tillMs: 2, centreMs: 1 } },
      { how: 'different', newer: 'till' },
    ],
    ['both wrote it, without a time', { till: left(true, true) }, { how: 'different', newer: 'unknown' }],
    ['the till lost it', { till: ABSENT }, { how: 'missing on till', newer: 'unknown', columns: [] }],
    [
      'the till never had it',
      { till: { ...ABSENT, isKept: false } },
      { how: 'missing on till', newer: 'centre' },
    ],
    [
      'the centre lost it',
      { till: { columns: [] }, centre: GONE },
      { how: 'missing at centre', newer: 'centre' },
    ],
    [
      'the centre never had it, and deletes are outlived',
      { till: { ...NEW, outlivesDelete: true }, centre: GONE },
      { how: 'missing at centre', newer: 'till' },
    ],
    ['the centre never had it', { till: NEW, centre: GONE }, { how: 'missing at centre', newer: 'till' }],
    ['it left the store', { centre: { place: 'other' } }, { how: 'not of this store', newer: 'centre' }],
    [
      'the till wrote it, where rows only go up',
      { table: { direction: 'pull' } },
      { how: 'different', newer: 'till' },
    ],
    [
      'the till lost it, where rows only go up',
      { table: { direction: 'pull' }, till: ABSENT },
      { how: 'missing on till', newer: 'unknown' },
    ],
  ])('is named, with the newer side: %s', (_, given, expected) => {
    expect(verdict(given)).toMatchObject({ kind: 'differs', ...expected });
  });
});
