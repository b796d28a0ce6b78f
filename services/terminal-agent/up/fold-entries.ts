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
 *   b c                       | INSERT OR REPLACE of this key         | this row changed; between them may lie what
 *                             |                                       |   triggers and cascades write
 *   b d c, only b, e and d    | the same with recursive_triggers      | this row changed
 *     between                 |                                       |
 *   b … d c, c, u or k       | DELETE and INSERT after an IGNORE; or  | a row gone, and a new one
 *     between                 |   the same, and a trigger that writes |
 *   b c of a key that SQLite  | the same in other letters             | this row changed, and its key
 *     holds equal             |                                       |
 *   b … c, an e taken between | REPLACE of another took this row, and | gone, as the look will find; c is a new row
 *                             | its key was free                      |
 *   b u                       | UPSERT                                | this row changed
 *   b alone                   | INSERT OR IGNORE                      | nothing
 *   e and c, u or k of        | OR REPLACE by a unique index          | gone, as the look will find, or by its d
 *     another                 |                                       |
 *   k                         | UPDATE of the key                     | this row, under another key
 *   k of no row, to where a   | in a rebuilt table: it gave the row   | this row is back, and changed
 *     row lives               | another key, and gives it back        |
 *   c where a row lives, in a | the copy back of a table that the app | this row changed
 *     rebuilt table           | has made anew                         |
 *   the same, and it says to  | a sale in a table that began anew     | that row is gone, and another is here
 *     be another              |                                       |
 *   c, k where a row lives    | its d is missing: triggers were away, | that row is gone, and another is here
 *                             | or OR REPLACE                         |
 *   u, d, k of no row         | it is older than our triggers         | a row that was there before (`isEarlier`)
 *   k from no key             | UPDATE of a NULL key                  | a new row
 *   k to no key               |                                       | this row is gone: nothing can name it
 *   c, u, d of no key         |                                       | nobody's
 */
import { NO_KEY, type Entry } from './entries.ts';

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

/** What a row that gets its key from SQLite is called before it has it. */
const NOT_YET = 'n-1';

/** Something stands where the row that comes will. */
interface Threat {
  readonly row: Row;
  readonly by: Entry;
}

export interface Rebuilt {
  /** The app may have made the table anew before the entries after this one. */
  readonly rebuiltAfter?: number | undefined;
  /** Whether what was inserted under a kept row's key says to be another row. */
  readonly isAnother?: ((identity: string, inserted: Entry) => boolean) | undefined;
}

/**
 * @param entries of one table, in seq order, all that came after the keys were kept
 * @param keptAt identity of the row that is kept under a key
 */
export function foldEntries(
  entries: readonly Entry[],
  keptAt: (key: string) => string | undefined,
  { rebuiltAfter = Infinity, isAnother = () => false }: Rebuilt = {},
): TouchedRow[] {
  const fold = new Fold(keptAt, { rebuiltAfter, isAnother });
  for (const entry of entries) fold.take(entry);
  return fold.rows;
}

export interface RowFacts {
  /** Of a row that is gone the name that it had; undefined: it has none. */
  readonly nameOf: (row: TouchedRow) => string | undefined;
  readonly isHere: (row: TouchedRow) => boolean;
  /** A row that ended by then has gone up as deleted. */
  readonly cutUpTo: number;
}

/**
 * A row that was deleted or replaced, and comes again under the same name of its own (`local_id`) before its end is cut,
 * is one row: at the centre an insert of a known name is taken for a repeat.
 */
export function joinReturned(
  rows: readonly TouchedRow[],
  { nameOf, isHere, cutUpTo }: RowFacts,
): TouchedRow[] {
  const gone = new Map<string, TouchedRow>();
  const joined: TouchedRow[] = [];
  for (const row of [...rows].sort((a, b) => startOf(a) - startOf(b))) {
    const name = nameOf(row);
    const former = name === undefined || !row.isNew || row.isEarlier ? undefined : gone.get(name);
    // Ousted by this row's own insert it was kept meanwhile: a till that could not cut has read its link.
    const isReturn = former !== undefined && endOf(former) <= startOf(row);
    const whole = isReturn ? asOne(former, row) : row;
    if (isReturn) joined[joined.indexOf(former)] = whole;
    else joined.push(whole);
    if (name === undefined) continue;
    if (endOf(whole) > cutUpTo && !isHere(whole)) gone.set(name, whole);
    else gone.delete(name);
  }
  return joined;
}

function startOf({ entries, ousted }: TouchedRow): number {
  return entries[0]?.seq ?? ousted?.seq ?? 0;
}

function endOf({ entries, ousted }: TouchedRow): number {
  return ousted?.seq ?? entries.at(-1)?.seq ?? 0;
}

function asOne(former: TouchedRow, back: TouchedRow): TouchedRow {
  return { ...former, key: back.key, entries: [...former.entries, ...back.entries], ousted: back.ousted };
}

class Fold {
  readonly rows: Row[] = [];
  readonly #keptAt: (key: string) => string | undefined;
  readonly #rebuiltAfter: number;
  readonly #isAnother: (identity: string, inserted: Entry) => boolean;
  /** Kept rows that were met. */
  readonly #met = new Set<string>();
  /** By key; a row that is gone stays until another takes its place. */
  readonly #at = new Map<string, Row>();
  /** Rows whose place an insert of a key would take. */
  readonly #threats = new Map<string, Threat>();
  /** Rows that go if a row of this key comes. */
  readonly #inTheWay = new Map<string, Row[]>();
  /** Newest c, u or k. */
  #writtenSeq = 0;

  constructor(
    keptAt: (key: string) => string | undefined,
    {
      rebuiltAfter,
      isAnother,
    }: { rebuiltAfter: number; isAnother: (identity: string, inserted: Entry) => boolean },
  ) {
    this.#keptAt = keptAt;
    this.#rebuiltAfter = rebuiltAfter;
    this.#isAnother = isAnother;
  }

  take(entry: Entry): void {
    if (entry.key === NO_KEY) {
      if (entry.op === 'k' && entry.keyBefore !== NO_KEY)
        this.#end(this.#living(entry.keyBefore ?? NO_KEY, entry), entry);
      return;
    }
    switch (entry.op) {
      case 'b':
      case 'e':
        return this.#stand(entry);
      case 'd':
        return this.#end(this.#living(entry.key, entry), entry);
      case 'c':
        this.#insert(entry);
        break;
      case 'u':
      case 'r':
      case 'f':
        this.#living(entry.key, entry).entries.push(entry);
        break;
      case 'k':
        if (entry.keyBefore === NO_KEY) this.#insert(entry);
        else this.#move(entry);
    }
    this.#came(entry);
  }

  #stand(entry: Entry): void {
    const row = this.#living(entry.key, entry);
    const comer = entry.keyBefore ?? entry.key;
    row.entries.push(entry);
    if (entry.op === 'b') this.#threats.set(comer, { row, by: entry });
    else this.#inTheWay.set(comer, [...(this.#inTheWay.get(comer) ?? []), row]);
  }

  #end(row: Row, entry: Entry): void {
    row.key = null;
    row.entries.push(entry);
  }

  /** Whoever stood in its way may be gone, and then what takes that one's key is no REPLACE of it. */
  #came({ key, seq }: Entry): void {
    this.#writtenSeq = seq;
    const gone = [key, NOT_YET].flatMap((comer) => this.#inTheWay.get(comer) ?? []);
    this.#inTheWay.delete(key);
    this.#inTheWay.delete(NOT_YET);
    for (const [comer, { row }] of this.#threats) if (gone.includes(row)) this.#threats.delete(comer);
  }

  #insert(entry: Entry): void {
    const replaced = this.#replacedBy(entry);
    if (replaced !== undefined) {
      this.#put(replaced, entry.key);
      replaced.entries.push(entry);
      return;
    }
    const there = this.#rowAt(entry.key);
    const isRefill = there?.key === entry.key && entry.seq > this.#rebuiltAfter;
    if (isRefill && (there.isNew || !this.#isAnother(there.identity, entry))) {
      there.entries.push(entry);
      return;
    }
    const follows = there?.key === null ? there.identity : null;
    if (there?.key === entry.key) oust(there, entry);
    this.#add(entry, entry.key, { isEarlier: false, follows }).entries.push(entry);
  }

  #replacedBy({ op, key }: Entry): Row | undefined {
    const threat = this.#threats.get(key);
    this.#threats.delete(key);
    if (threat === undefined || op !== 'c') return undefined;
    return this.#isInPlace(threat) ? threat.row : undefined;
  }

  #isInPlace({ row, by }: Threat): boolean {
    if (row.key !== null) return row.key === by.key;
    // A DELETE at any later time ends it: only REPLACE deletes with nothing between.
    return by.seq > this.#writtenSeq;
  }

  #move(entry: Entry): void {
    const from = entry.keyBefore ?? entry.key;
    const row = this.#living(from, entry);
    const there = this.#rowAt(entry.key);
    if (there?.key === entry.key && there !== row) {
      if (row.isEarlier && entry.seq > this.#rebuiltAfter) return this.#bringBack(there, row, entry);
      oust(there, entry);
    }
    this.#put(row, entry.key);
    row.entries.push(entry);
  }

  #bringBack(kept: Row, row: Row, entry: Entry): void {
    kept.entries.push(...row.entries, entry);
    kept.entries.sort((a, b) => a.seq - b.seq);
    this.rows.splice(this.rows.indexOf(row), 1);
    if (row.key !== null) this.#at.delete(row.key);
  }

  #living(key: string, entry: Entry): Row {
    const row = this.#rowAt(key);
    if (row?.key === key) return row;
    const threat = this.#threats.get(key);
    if (threat === undefined || !this.#isInPlace(threat))
      return this.#add(entry, key, { isEarlier: true, follows: null });
    // A trigger of the app's writes the row that came in its place, before ours says that it came.
    this.#put(threat.row, key);
    return threat.row;
  }

  #rowAt(key: string): Row | undefined {
    const known = this.#at.get(key);
    if (known !== undefined) return known;
    const identity = this.#keptAt(key);
    // One that is kept under this key may have left it by one of these entries.
    if (identity === undefined || this.#met.has(identity)) return undefined;
    this.#met.add(identity);
    return this.#new({ identity, isNew: false, isEarlier: false, follows: null }, key);
  }

  #add({ id }: Entry, key: string, more: Pick<Row, 'isEarlier' | 'follows'>): Row {
    return this.#new({ identity: id, isNew: true, ...more }, key);
  }

  #new(names: Pick<Row, 'identity' | 'isNew' | 'isEarlier' | 'follows'>, key: string): Row {
    const row: Row = { ...names, key, entries: [], ousted: null };
    this.rows.push(row);
    this.#put(row, key);
    return row;
  }

  #put(row: Row, key: string): void {
    if (row.key !== null && row.key !== key) this.#at.delete(row.key);
    row.key = key;
    this.#at.set(key, row);
  }
}

function oust(row: Row, by: Entry): void {
  row.key = null;
  row.ousted = by;
}
