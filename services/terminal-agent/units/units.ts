/** Where units end. Pure. */

/** What was written while the agent was down is one unit up to so many changes. */
export const MAX_UNIT_CHANGES = 10_000;
/** And up to so many bytes: the centre keeps the parts of a unit until it has all, and no more of a till than 256 MB. */
export const MAX_UNIT_BYTES = 64 * 1024 * 1024;
/** A unit that is larger than this is published in parts of about this size. */
export const PART_BYTES = 192 * 1024;
/** How far around a cut a reference is looked for: one business transaction is far smaller. */
export const REFERENCE_REACH = 2000;

/** In the agent file: up to there another one may have cut the entries too. RECUT_ALL: all that the next look finds. */
export const RECUT_UP_TO = 'recut_up_to';
export const RECUT_ALL = 'all';

/** A change as far as cutting is concerned: the rows it creates or names. */
export interface CutEntry {
  readonly seq: number;
  /** The row that it inserts; null for others. */
  readonly inserts: string | null;
  /** This row and the rows its references name. */
  readonly names: readonly string[];
}

/**
 * Where a backlog is cut: at the last place at or before `limit` entries that no reference to a row inserted
 * nearby crosses, so that a sale stays with its lines. When there is none the limit itself is taken.
 * @returns how many entries the unit gets
 */
export function cutPoint(entries: readonly CutEntry[], limit: number): number {
  if (entries.length <= limit) return entries.length;
  return freePlace(entries, limit) ?? limit;
}

/**
 * Where a piece of a backlog ends: as wanted, or larger where references leave no place before; rather that than a sale
 * without its lines.
 */
export function pieceEnd(
  entries: readonly CutEntry[],
  { wanted, limit }: { readonly wanted: number; readonly limit: number },
): number {
  for (let size = Math.min(wanted, limit); size < limit; size = Math.min(2 * size, limit)) {
    if (entries.length <= size) return entries.length;
    const place = freePlace(entries, size);
    if (place !== undefined) return place;
  }
  return cutPoint(entries, limit);
}

/** The last place at or before `limit` entries, fewer than there are, that no such reference crosses. */
export function freePlace(entries: readonly CutEntry[], limit: number): number | undefined {
  return freePlaces(entries, limit).at(-1);
}

/** All such places at or before `limit`, and within reach of it, ascending. */
export function freePlaces(entries: readonly CutEntry[], limit: number): number[] {
  const start = Math.max(0, limit - REFERENCE_REACH);
  const end = Math.min(entries.length, limit + REFERENCE_REACH);
  const insertedAt = new Map<string, number>();
  const lastUse = new Map<string, number>();
  for (let index = start; index < end; index += 1) {
    const entry = entries[index];
    if (entry === undefined) continue;
    if (entry.inserts !== null) insertedAt.set(entry.inserts, index);
    for (const name of entry.names) if (insertedAt.has(name)) lastUse.set(name, index);
  }
  // open[i]: spans that begin minus spans that end at i; a cut before entry i is free when none is open there.
  const change = new Map<number, number>();
  const add = (index: number, by: number) => change.set(index, (change.get(index) ?? 0) + by);
  for (const [name, first] of insertedAt) {
    add(first + 1, 1);
    add((lastUse.get(name) ?? first) + 1, -1);
  }
  let open = 0;
  const places: number[] = [];
  for (let index = start + 1; index <= Math.min(limit, entries.length - 1); index += 1) {
    open += change.get(index) ?? 0;
    if (open === 0) places.push(index);
  }
  return places;
}
