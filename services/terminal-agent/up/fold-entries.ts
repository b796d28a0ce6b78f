/**
 * Which row each entry is of. A key is no name of a row: it is given up and taken again, and REPLACE puts a row in the
 * place of others without a word. Pure.
 *
 *   sequence on one key       | seen of                               | means
 *   --------------------------+---------------------------------------+-------------------------------------------
 *   c                         | INSERT                                | a new row
 *   u                         | UPDATE                                | this row changed
 *   d                         | DELETE, a cascade                     | this row is gone
 *   d c                       | DELETE and INSERT                     | a row gone, and a new one (`follows` names it)
 *   b c, b d c                | INSERT OR REPLACE of this key         | this row changed
 *   b c on another key        | REPLACE by a unique index             | gone, as the look will find; c is a new row
 *   b u                       | UPSERT                                | this row changed
 *   b u, b d u on another key | UPDATE OR REPLACE                     | gone, as the look will find, or by the d
 *   b alone                   | INSERT OR IGNORE                      | nothing
 *   k                         | UPDATE of the key                     | this row, under another key
 *   c, k where a row lives    | its d is missing: triggers were away, | that row is gone, and another is here
 *                             | or UPDATE OR REPLACE                  |
 *   u, d, k of no row         | it is older than our triggers         | a row that was there before (`isEarlier`)
 */
import type { Entry } from './entries.ts';

/** A row from its insert to its end, as far as entries tell. */
export interface TouchedRow {
  /** As it is kept, or the id of the entry that is its first. */
  readonly identity: string;
  /** Not kept yet. */
  readonly isNew: boolean;
  /** Not kept, and not inserted by any of these entries. */
  readonly isEarlier: boolean;
  /** Where it lives; null: it is gone. */
  readonly key: string | null;
  /** In seq order. */
  readonly entries: readonly Entry[];
  /** The entry of another row that took its place without a word of its own. */
  readonly ousted: Entry | null;
  /** The row that gave up this key just before it, with nothing between. */
  readonly follows: string | null;
}

interface Row extends TouchedRow {
  key: string | null;
  readonly entries: Entry[];
  ousted: Entry | null;
}

/**
 * @param entries of one table, in seq order, all that came after the keys were kept
 * @param keptAt identity of the row that is kept under a key
 */
export function foldEntries(
  entries: readonly Entry[],
  keptAt: (key: string) => string | undefined,
): TouchedRow[] {
  const fold = new Fold(keptAt);
  for (const entry of entries) fold.take(entry);
  return fold.rows;
}

class Fold {
  readonly rows: Row[] = [];
  readonly #keptAt: (key: string) => string | undefined;
  /** Kept rows that were met. */
  readonly #met = new Set<string>();
  /** By key; a row that is gone stays until another takes its place. */
  readonly #at = new Map<string, Row>();
  /** What may put a row in the place of one with its key, by that key. */
  readonly #threats = new Map<string, Entry>();

  constructor(keptAt: (key: string) => string | undefined) {
    this.#keptAt = keptAt;
  }

  take(entry: Entry): void {
    switch (entry.op) {
      case 'b':
        if (entry.keyBefore === entry.key) this.#threats.set(entry.key, entry);
        this.#living(entry.key, entry).entries.push(entry);
        return;
      case 'd': {
        const row = this.#living(entry.key, entry);
        row.key = null;
        row.entries.push(entry);
        return;
      }
      case 'c':
        this.#insert(entry);
        break;
      case 'u':
      case 'r':
        this.#living(entry.key, entry).entries.push(entry);
        break;
      case 'k':
        this.#move(entry);
    }
    this.#threats.clear();
  }

  #insert(entry: Entry): void {
    const there = this.#rowAt(entry.key);
    const threat = this.#threats.get(entry.key);
    if (there !== undefined && threat !== undefined && (there.key !== null || isGoneSince(there, threat))) {
      there.key = entry.key;
      there.entries.push(entry);
      return;
    }
    const follows = there?.key === null ? there.identity : null;
    if (there?.key === entry.key) oust(there, entry);
    this.#add(entry, entry.key, { isEarlier: false, follows }).entries.push(entry);
  }

  #move(entry: Entry): void {
    const from = entry.keyBefore ?? entry.key;
    const row = this.#living(from, entry);
    const there = this.#rowAt(entry.key);
    if (there?.key === entry.key && there !== row) oust(there, entry);
    this.#at.delete(from);
    row.key = entry.key;
    this.#at.set(entry.key, row);
    row.entries.push(entry);
  }

  #living(key: string, entry: Entry): Row {
    const row = this.#rowAt(key);
    return row?.key === key ? row : this.#add(entry, key, { isEarlier: true, follows: null });
  }

  #rowAt(key: string): Row | undefined {
    const known = this.#at.get(key);
    if (known !== undefined) return known;
    const identity = this.#keptAt(key);
    // One that is kept under this key may have left it by one of these entries.
    if (identity === undefined || this.#met.has(identity)) return undefined;
    this.#met.add(identity);
    return this.#put({ identity, isNew: false, isEarlier: false, follows: null }, key);
  }

  #add({ id }: Entry, key: string, more: Pick<Row, 'isEarlier' | 'follows'>): Row {
    return this.#put({ identity: id, isNew: true, ...more }, key);
  }

  #put(names: Pick<Row, 'identity' | 'isNew' | 'isEarlier' | 'follows'>, key: string): Row {
    const row: Row = { ...names, key, entries: [], ousted: null };
    this.rows.push(row);
    this.#at.set(key, row);
    return row;
  }
}

function oust(row: Row, by: Entry): void {
  row.key = null;
  row.ousted = by;
}

function isGoneSince({ entries }: Row, threat: Entry): boolean {
  const last = entries.at(-1);
  return last?.op === 'd' && last.seq > threat.seq;
}
