/**
 * When a row's store is its parent's: the rules, as two tables. Pure.
 *
 * The WAL is what counts; the database is asked where the WAL has not told of a parent yet, and may be ahead of
 * it or, for as long as a commit waits for its synchronous standby, behind. `looked at again`: the parent's children
 * are read anew between watermarks once all that was decoded can be seen, and are put where they belong.
 *
 * **A child whose parent has to be read** (`whole`: the reader sees all that was decoded, the open transaction too;
 * `waited for`: some child was found without it before, and was not sent)
 *
 *   parent   whole  waited for | the child goes to      kept  waited for  looked at again
 *   there    yes    no         | the parent's store     yes   no          no
 *   there    yes    yes        | the parent's store     yes   as before   yes: others wait, or it did before a crash
 *   there    no     any        | the store that is seen no    as before   yes: the store may be an old one
 *   missing  yes    any        | nowhere                no    yes         no: its insert comes, or never does
 *   missing  no     any        | nowhere                no    yes         yes: its insert may have come before
 *
 * **A parent in the WAL** (`before`: where its children may stand now)
 *
 *   event               before            waited for | children are looked at again, and leave
 *   inserted, read      nowhere, same     no         | no
 *   inserted, read      any               yes        | yes, `before`
 *   inserted, read      elsewhere         any        | yes, `before`: it was deleted, or read ahead of the WAL
 *   changed             same              any        | no
 *   changed             elsewhere         any        | yes, `before`
 *   deleted             any               any        | yes, `before`: those that stay have no store, and wait
 *
 * A parent that another one stands above is looked at when that one is, and then its children are. What waits is
 * kept in payflow_sync.awaited_parent before anything later of its transaction is durable in a stream, so a resend
 * cannot take it for sent.
 */
import type { StoreId } from './scope.ts';

/** Stores whose streams may hold a row. */
export type Places = readonly string[] | 'everywhere';
export const NOWHERE: Places = [];

export interface ReadFacts {
  readonly isThere: boolean;
  readonly isWhole: boolean;
  readonly isAwaited: boolean;
}

export interface ReadRule {
  readonly isKept: boolean;
  readonly waits: boolean;
  readonly isLookedAt: boolean;
}

export function ruleOfRead({ isThere, isWhole, isAwaited }: ReadFacts): ReadRule {
  return {
    isKept: isThere && isWhole,
    waits: !isThere,
    isLookedAt: isThere ? !isWhole || isAwaited : !isWhole,
  };
}

export interface ParentEvent {
  readonly kind: 'inserted' | 'changed' | 'deleted';
  /** Where its children may stand. */
  readonly before: Places;
  /** The store that it gives them from now on. */
  readonly now: StoreId;
  readonly isAwaited: boolean;
}

/** @returns the places that its children leave; undefined: they need not be looked at */
export function leftByChildren({ kind, before, now, isAwaited }: ParentEvent): Places | undefined {
  if (kind === 'deleted') return before;
  const left = without(before, now);
  if (left.length > 0) return left;
  return kind === 'inserted' && isAwaited ? left : undefined;
}

export function without(places: Places, store: StoreId): Places {
  return places === 'everywhere' ? places : places.filter((place) => place !== store);
}

export function union(a: Places, b: Places): Places {
  if (a === 'everywhere' || b === 'everywhere') return 'everywhere';
  if (b.length === 0) return a;
  return a.length === 0 ? b : [...new Set([...a, ...b])];
}

export function placeOf(store: StoreId): Places {
  return store === null ? NOWHERE : [store];
}
