/** The tables in the head of authority.ts, cell by cell. */
import { describe, expect, test } from 'vitest';
import {
  rulingOnFixedColumn,
  rulingOnReference,
  rulingOnRow,
  shownAfterwards,
  storeOfInsert,
  type Place,
  type ReferenceKind,
  type Ruling,
} from '../../../../services/central-apply/rows/authority.ts';
import type { ResolvedKind } from '../../../../services/central-apply/rows/change.ts';

/** Columns of the tables: [place, linked]. Whether the till has a link matters where a row has no store, only. */
const PLACES: readonly (readonly [Place, boolean])[] = [
  ['own', false],
  ['own', true],
  ['none', true],
  ['none', false],
  ['foreign', false],
  ['foreign', true],
  ['absent', false],
  ['absent', true],
];

describe('the row that a change is about', () => {
  const table: Record<ResolvedKind, readonly Ruling[]> = {
    insert: ['allow', 'allow', 'allow', 'taken', 'taken', 'taken', 'allow', 'allow'],
    offer: ['allow', 'allow', 'allow', 'taken', 'taken', 'taken', 'allow', 'allow'],
    repeat: ['allow', 'allow', 'allow', 'allow', 'allow', 'allow', 'allow', 'allow'],
    update: ['allow', 'allow', 'allow', 'not-allowed', 'not-allowed', 'not-allowed', 'allow', 'allow'],
    fill: ['allow', 'allow', 'allow', 'not-allowed', 'not-allowed', 'not-allowed', 'allow', 'allow'],
    delete: ['allow', 'allow', 'allow', 'not-allowed', 'not-allowed', 'not-allowed', 'allow', 'allow'],
  };
  for (const [kind, rulings] of Object.entries(table)) {
    test(kind, () => {
      expect(PLACES.map(([place, linked]) => rulingOnRow(kind as ResolvedKind, { place, linked }))).toEqual(
        rulings,
      );
    });
  }
});

describe('a reference that a change sets', () => {
  const table: Record<ReferenceKind, readonly Ruling[]> = {
    'gives-store': [
      'allow',
      'allow',
      'allow',
      'not-allowed',
      'not-allowed',
      'not-allowed',
      'unknown',
      'unknown',
    ],
    'within-store': ['allow', 'allow', 'allow', 'allow', 'not-allowed', 'not-allowed', 'allow', 'allow'],
    other: ['allow', 'allow', 'allow', 'allow', 'list', 'list', 'allow', 'allow'],
  };
  for (const [kind, rulings] of Object.entries(table)) {
    test(kind, () => {
      expect(
        PLACES.map(([place, linked]) => rulingOnReference(kind as ReferenceKind, { place, linked })),
      ).toEqual(rulings);
    });
  }
});

test('an insert gets the own store, or brings it, and no other', () => {
  expect(storeOfInsert({ isEmpty: true, isOwn: false })).toBe('own');
  expect(storeOfInsert({ isEmpty: false, isOwn: true })).toBe('kept');
  expect(storeOfInsert({ isEmpty: false, isOwn: false })).toBe('refused');
});

describe('an update that names the store or a constant', () => {
  const named = (options: Partial<Parameters<typeof rulingOnFixedColumn>[0]>) =>
    rulingOnFixedColumn({ isStore: true, asItStands: false, wasEmpty: false, isOwn: false, ...options });

  test('says nothing where it says what stands there', () => {
    for (const isStore of [true, false]) expect(named({ isStore, asItStands: true })).toBe('allow');
  });

  test('gives the own store to a row that had none', () => {
    expect(named({ wasEmpty: true, isOwn: true })).toBe('allow');
    expect(named({ wasEmpty: true, isOwn: false })).toBe('not-allowed');
  });

  test('moves nothing, neither away nor here, and no constant', () => {
    expect(named({})).toBe('not-allowed');
    expect(named({ isOwn: true })).toBe('not-allowed');
    for (const wasEmpty of [true, false])
      expect(named({ isStore: false, wasEmpty, isOwn: true })).toBe('not-allowed');
  });
});

test('the till is shown its own rows and everyone’s, and of another store’s only that they are gone', () => {
  expect([null, 'own', 'none', 'foreign', 'absent'].map((place) => shownAfterwards(place as Place))).toEqual([
    'image',
    'image',
    'nothing',
    'gone',
    'nothing',
  ]);
});
