/** The app of a till, and the triggers that see it. */
import type { DeltaValues, Entry, EntryOp } from '../../../../../services/terminal-agent/up/entries.ts';
import { DELTA, OTHERS } from './records.ts';
import type { Random } from './random.ts';
import type { TillFile } from './till-file.ts';

export interface AppFaults {
  readonly replace?: boolean;
  readonly delete?: boolean;
  readonly reuse?: boolean;
  readonly rekey?: boolean;
  readonly evict?: boolean;
}

/** What the app did, for the end. */
export interface Deeds {
  readonly made: string[];
  readonly deleted: string[];
  sold: { readonly thing: string; readonly amount: number }[];
  /** How many of these are in the newest copy of the file. */
  soldAtCopy: number;
}

export class App {
  readonly deeds: Deeds = { made: [], deleted: [], sold: [], soldAtCopy: 0 };
  readonly #till: string;
  readonly #random: Random;
  readonly #edits: Map<string, number>;
  #things = 0;

  constructor(till: string, random: Random, edits: Map<string, number>) {
    this.#till = till;
    this.#random = random;
    this.#edits = edits;
  }

  work(file: TillFile, nowMs: number, faults: AppFaults): void {
    const random = this.#random;
    const [...keys] = file.rows.keys();
    const kind = random.below(20);
    if (kind < 4 || keys.length === 0) return this.#insert(file, String(file.nextKey++), nowMs);
    const key = random.pick(keys);
    if (kind < 11) this.#sell(file, key, nowMs);
    else if (kind < 15) this.edit(file, key, nowMs);
    else if (kind < 16) {
      if (faults.replace === true) this.#replace(file, key, nowMs);
    } else if (kind < 17) {
      if (faults.rekey === true) this.#rekey(file, key, nowMs);
    } else if (kind < 18) {
      if (faults.delete === true) this.#delete(file, key, nowMs);
    } else if (kind < 19 && faults.evict === true) {
      this.#evict(file, key, nowMs);
    } else if (faults.reuse === true) {
      this.#delete(file, key, nowMs);
      this.#insert(file, key, nowMs);
    }
  }

  #insert(file: TillFile, key: string, nowMs: number): void {
    this.#things += 1;
    const thing = `${this.#till} thing ${this.#things}`;
    file.rows.set(
      key,
      new Map([
        [DELTA, '50'],
        ['a', thing],
        ['b', thing],
      ]),
    );
    file.things.set(key, thing);
    this.deeds.made.push(thing);
    this.#enter(file, 'c', key, { old: null, new: '50' }, nowMs);
  }

  #sell(file: TillFile, key: string, nowMs: number): void {
    this.#enter(file, 'u', key, this.#take(file, key, 1 + this.#random.below(3)), nowMs);
  }

  edit(file: TillFile, key: string, nowMs: number): void {
    const column = this.#random.pick(OTHERS);
    file.rows.get(key)?.set(column, `${nowMs} ${this.#till}`);
    this.#edits.set(`${this.#till}:${file.things.get(key) ?? ''}:${column}`, nowMs);
    this.#enter(file, 'u', key, null, nowMs);
  }

  #replace(file: TillFile, key: string, nowMs: number): void {
    const taken = this.#take(file, key, this.#random.below(3));
    this.#enter(file, 'b', key, { old: taken.old, new: null }, nowMs, key);
    if (this.#random.happens(0.5)) this.#enter(file, 'd', key, { old: taken.old, new: null }, nowMs);
    this.#enter(file, 'c', key, { old: null, new: taken.new }, nowMs);
  }

  #rekey(file: TillFile, key: string, nowMs: number): void {
    const row = file.rows.get(key);
    const thing = file.things.get(key);
    if (row === undefined || thing === undefined) return;
    const next = String(file.nextKey++);
    file.rows.delete(key);
    file.things.delete(key);
    file.rows.set(next, row);
    file.things.set(next, thing);
    this.#enter(file, 'k', next, null, nowMs, key);
  }

  #delete(file: TillFile, key: string, nowMs: number): void {
    const old = file.rows.get(key)?.get(DELTA) ?? null;
    const thing = file.things.get(key);
    file.rows.delete(key);
    file.things.delete(key);
    if (thing !== undefined) this.deeds.deleted.push(thing);
    this.#enter(file, 'd', key, { old, new: null }, nowMs);
  }

  /** OR REPLACE by another unique value: a new row, and one gone without a word, whose key may be taken at once. */
  #evict(file: TillFile, key: string, nowMs: number): void {
    const next = String(file.nextKey++);
    const old = file.rows.get(key)?.get(DELTA) ?? null;
    this.#enter(file, 'e', key, { old, new: null }, nowMs, next);
    const thing = file.things.get(key);
    file.rows.delete(key);
    file.things.delete(key);
    if (thing !== undefined) this.deeds.deleted.push(thing);
    this.#insert(file, next, nowMs);
    if (this.#random.happens(0.5)) this.#insert(file, key, nowMs);
  }

  #take(file: TillFile, key: string, count: number): DeltaValues {
    const row = file.rows.get(key);
    const old = row?.get(DELTA) ?? '0';
    const next = String(Number(old) - count);
    row?.set(DELTA, next);
    this.deeds.sold.push({ thing: file.things.get(key) ?? '', amount: -count });
    return { old, new: next };
  }

  #enter(
    file: TillFile,
    op: EntryOp,
    key: string,
    delta: DeltaValues | null,
    atMs: number,
    keyBefore: string | null = null,
  ): void {
    if (!file.areTriggersOn) return;
    enter(file, this.#random, {
      op,
      key,
      keyBefore,
      atMs,
      deltas: new Map(delta === null ? [] : [[DELTA, delta]]),
    });
  }
}

export function enter(file: TillFile, random: Random, entry: Omit<Entry, 'seq' | 'id'>): void {
  file.lastSeq += 1;
  const id = `e${Math.floor(random.next() * 1e15).toString(36)}`;
  file.entries.push({ ...entry, seq: file.lastSeq, id });
  const thing = file.things.get(entry.key);
  if (thing !== undefined) file.thingOf.set(id, thing);
}
