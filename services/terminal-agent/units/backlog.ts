/**
 * What was written while the agent was down, or away longer than one unit holds, in pieces. Two looks have no
 * committed state between them to cut at, so a piece ends where no declared reference crosses. Pieces are kept
 * small: one that fits into a record needs no parts, which the centre would have to store until the last is there.
 */
import {
  type CutEntry,
  cutPoint,
  freePlace,
  freePlaces,
  MAX_UNIT_CHANGES,
  REFERENCE_REACH,
} from './units.ts';
import type { Outbox, OutboxEntry } from './outbox.ts';

/** Of ordinary rows these are less than PART_BYTES. */
export const PIECE_CHANGES = 500;
/** Places to cut are looked for over so many pieces at a time: each look also reads what follows them. */
const PIECES_AHEAD = 4;

export interface BacklogOptions {
  readonly outbox: Outbox;
  readonly cutEntry: (entry: OutboxEntry) => CutEntry;
  readonly maxUnitChanges?: number;
}

export class Backlog {
  readonly #outbox: Outbox;
  readonly #cutEntry: (entry: OutboxEntry) => CutEntry;
  readonly #limit: number;
  /** Where the till's history ended when the backlog was seen. */
  #end = 0;
  /** Entries read ahead of the next cut, with what each of them names. They never change. */
  #ahead: OutboxEntry[] = [];
  #named: CutEntry[] = [];
  /** Where `#ahead` may be cut, ascending, known up to `#placesEnd`. */
  #places: readonly number[] = [];
  #placesEnd = 0;
  /** Behind the last piece. */
  #nextSeq = 0;

  constructor({ outbox, cutEntry, maxUnitChanges = MAX_UNIT_CHANGES }: BacklogOptions) {
    this.#outbox = outbox;
    this.#cutEntry = cutEntry;
    this.#limit = maxUnitChanges;
  }

  /** Whether more of it is left behind `lastSeq`. */
  remains(lastSeq: number): boolean {
    return lastSeq < this.#end;
  }

  /** Forgets what was read ahead: tables were bound anew. */
  reset(): void {
    this.#ahead = [];
    this.#named = [];
    this.#places = [];
    this.#placesEnd = 0;
  }

  /** The entries of the next unit; none when nothing is there. */
  next(firstSeq: number, lastSeq: number): OutboxEntry[] {
    // After a hand-over, where all is cut anew, a registration may end before it.
    if (lastSeq < this.#end) this.reset();
    if (lastSeq < this.#end || lastSeq - firstSeq >= this.#limit) this.#end = lastSeq;
    if (firstSeq > this.#end) {
      this.reset();
      return this.#outbox.entries(firstSeq, lastSeq);
    }
    if (firstSeq !== this.#nextSeq) this.reset();
    const count = this.#pieceEnd(firstSeq);
    this.#named.splice(0, count);
    const piece = this.#ahead.splice(0, count);
    this.#places = this.#places.filter((place) => place > count).map((place) => place - count);
    this.#placesEnd -= count;
    this.#nextSeq = (piece.at(-1)?.seq ?? 0) + 1;
    return piece;
  }

  /** Larger than wanted where references leave no place before: rather that than a sale without its lines. */
  #pieceEnd(firstSeq: number): number {
    const wanted = Math.min(PIECE_CHANGES, this.#limit);
    if (this.#placesEnd < wanted) this.#findPlaces(firstSeq, PIECES_AHEAD * wanted);
    const place = this.#places.findLast((each) => each <= wanted);
    if (place !== undefined && this.#placesEnd >= wanted) return place;
    for (let size = wanted; ; size = Math.min(2 * size, this.#limit)) {
      this.#readAhead(firstSeq, size + REFERENCE_REACH);
      if (this.#ahead.length <= size) return this.#ahead.length;
      if (size === this.#limit) return cutPoint(this.#named, size);
      const place = freePlace(this.#named, size);
      if (place !== undefined) return place;
    }
  }

  #findPlaces(firstSeq: number, upTo: number): void {
    this.#readAhead(firstSeq, upTo + REFERENCE_REACH);
    this.#places = freePlaces(this.#named, upTo);
    this.#placesEnd = Math.min(upTo, this.#ahead.length - 1);
  }

  #readAhead(firstSeq: number, wanted: number): void {
    let from = (this.#ahead.at(-1)?.seq ?? firstSeq - 1) + 1;
    // A seq may have no entry (purged, rolled back): then the next ones are read.
    while (this.#ahead.length < wanted && from <= this.#end) {
      const to = Math.min(this.#end, from + wanted - this.#ahead.length - 1);
      for (const entry of this.#outbox.entries(from, to)) {
        this.#ahead.push(entry);
        this.#named.push(this.#cutEntry(entry));
      }
      from = to + 1;
    }
  }
}
