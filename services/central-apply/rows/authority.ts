/**
 * Which rows a till may change. Pure; the facts were read under the locks under which the rows are written.
 *
 * A signature says who speaks, not what it may say, and central ids are numbers that anybody can guess. A till
 * speaks for its own store: that of the registration under which the unit was cut. Tables without a store are
 * everyone's. Where a row is, seen from the till:
 *
 *   own      in its store, by the row's column or through its parents
 *   none     in no store: the column is empty, or the parents lead nowhere
 *   foreign  in another store
 *   absent   there is no such row
 *
 * A row without a store belongs to the till that has a link to it (`linked`). Without one it may be a row that
 * head office has yet to place, or another store's whose parent is still to come: to touch it or to merge with
 * it would make it belong to whoever names it first.
 *
 * 1. The row that a change is about
 *
 *                    own     none, linked   none          foreign       absent
 *    insert, offer   merge   merge          taken         taken         made anew
 *    repeat          allow   allow          allow         allow         allow (gone)
 *    update, delete  allow   allow          not allowed   not allowed   allow (gone)
 *
 *    A repeat writes nothing. What the till is told of a row that is not its own is `Shown`, below.
 *
 * 2. The store column and the constants of `set:`
 *
 *                    empty       own store   another   constant
 *    insert, offer   gets own    allow       refused   always the mapping's
 *
 *                    as it stands   own store, where none stood   anything else
 *    update          allow          allow                         not allowed
 *    merge           left as they stand: every insert says them, whatever row it meets
 *
 * 3. A reference that a change sets to another row than stands there; what it does not set is not looked at
 *
 *                             own     none, linked   none          foreign       absent
 *    through it comes store   allow   allow          not allowed   not allowed   unknown
 *    within: store            allow   allow          allow         not allowed   allow
 *    any other                allow   allow          allow         listed        allow
 *
 *    A parent that gives the store has to be there, or a child could wait under a number that another store's
 *    next row will get. Any other reference may point at a row that has moved: a cashier whom head office sent
 *    elsewhere yesterday is no reason to refuse today's sale.
 *
 * 4. What the till is shown of the row afterwards
 *
 *    everyone's, own   its image, where no write of it follows
 *    none              nothing: it is sent to no store
 *    foreign           only that it is gone from this till
 *
 * An operator who retries a refused part may lend it his authority: then 1 to 3 allow everything.
 */
import type { ResolvedKind } from './change.ts';

export type Place = 'own' | 'none' | 'foreign' | 'absent';

export interface PlaceFacts {
  readonly place: Place;
  /** The till has a link to it. */
  readonly linked: boolean;
}

/** not-allowed: CHANGE_NOT_ALLOWED; taken: NATURAL_KEY_TAKEN; unknown: REFERENCE_UNKNOWN. */
export type Ruling = 'allow' | 'list' | 'not-allowed' | 'taken' | 'unknown';

/** Table 1. */
export function rulingOnRow(kind: ResolvedKind, { place, linked }: PlaceFacts): Ruling {
  const isStrange = place === 'foreign' || (place === 'none' && !linked);
  if (!isStrange || kind === 'repeat') return 'allow';
  return kind === 'insert' || kind === 'offer' ? 'taken' : 'not-allowed';
}

export type InsertedStore = 'kept' | 'own' | 'refused';

/** Table 2, of an insert. @param given what the till wrote; null also where it has no such column */
export function storeOfInsert(given: { readonly isEmpty: boolean; readonly isOwn: boolean }): InsertedStore {
  if (given.isEmpty) return 'own';
  return given.isOwn ? 'kept' : 'refused';
}

export interface FixedColumn {
  /** Of the row's store, not a constant. */
  readonly isStore: boolean;
  readonly asItStands: boolean;
  readonly wasEmpty: boolean;
  readonly isOwn: boolean;
}

/** Table 2, of an update that names such a column. */
export function rulingOnFixedColumn({ isStore, asItStands, wasEmpty, isOwn }: FixedColumn): Ruling {
  if (asItStands) return 'allow';
  return isStore && wasEmpty && isOwn ? 'allow' : 'not-allowed';
}

/** What a reference into a table of a store's rows is for. */
export type ReferenceKind = 'gives-store' | 'within-store' | 'other';

/** Table 3. */
export function rulingOnReference(kind: ReferenceKind, { place, linked }: PlaceFacts): Ruling {
  switch (kind) {
    case 'gives-store':
      if (place === 'absent') return 'unknown';
      return place === 'own' || (place === 'none' && linked) ? 'allow' : 'not-allowed';
    case 'within-store':
      return place === 'foreign' ? 'not-allowed' : 'allow';
    case 'other':
      return place === 'foreign' ? 'list' : 'allow';
  }
}

export type Shown = 'image' | 'nothing' | 'gone';

/** Table 4. @param place null: a table that everyone has */
export function shownAfterwards(place: Place | null): Shown {
  if (place === 'foreign') return 'gone';
  return place === null || place === 'own' ? 'image' : 'nothing';
}
