/** Head office as the model of a till sees it: rows, links, and one down stream. */
import type { Cut, Update, Value, Values } from '../../../../../services/terminal-agent/up/row-state.ts';
import { isCovered, type DeadLetter, type Held, type Insert } from './dead-letters.ts';
import type { Random } from './random.ts';
import { DELTA, OTHERS, type Change, type Down, type Origin, type Unit, type Up } from './records.ts';

type WithoutPlace<T> = T extends unknown ? Omit<T, 'at'> : never;

interface CentralRow {
  readonly values: Map<string, Value>;
  readonly clocks: Map<string, number>;
  readonly writers: Map<string, string>;
}

interface Known {
  incarnation: string;
  unit: number;
  readonly units: Map<string, string>;
  readonly entries: Set<string>;
}

export class Centre {
  readonly rows = new Map<number, CentralRow>();
  stream: Down[] = [];
  readonly up = new Map<string, Up[]>();
  /** What each row's delta column should be, by what was done to it. */
  readonly ledger = new Map<number, number>();
  /** Rows that tills made, by thing. */
  readonly made = new Map<string, number[]>();
  readonly failures: string[] = [];
  /** What refused updates would have added to delta columns. */
  readonly refused = new Map<number, number>();
  /** By chance a change is not taken. */
  refuses = false;
  /** Things of which it can't be told what was counted. */
  readonly undecided = new Set<string>();
  readonly #dead = new Map<string, DeadLetter>();
  readonly #links = new Map<string, number>();
  readonly #known = new Map<string, Known>();
  readonly #random: Random;
  readonly #edits: Map<string, number>;
  #nextId = 1;
  #at = 0;

  /** @param edits when a till last wrote a column of a thing, by `till:thing:column` */
  constructor(random: Random, edits: Map<string, number>) {
    this.#random = random;
    this.#edits = edits;
  }

  register(till: string, incarnation: string): void {
    this.up.set(till, []);
    this.#known.set(till, { incarnation, unit: 0, units: new Map(), entries: new Set() });
  }

  create(nowMs: number): void {
    const id = this.#add({
      values: new Map([
        [DELTA, '100'],
        ['a', `${nowMs}`],
        ['b', `${nowMs}`],
      ]),
      nowMs,
      writer: '',
    });
    this.ledger.set(id, 100);
    this.#image(id, []);
  }

  /** Somebody at head office works. */
  work(nowMs: number, mayDelete: boolean): void {
    const random = this.#random;
    const kind = random.below(10);
    const [...ids] = this.rows.keys();
    if (kind < 2 || ids.length === 0) return this.create(nowMs);
    const id = random.pick(ids);
    const row = this.rows.get(id);
    if (row === undefined) return;
    if (kind < 6) this.#count(id, row, -1 - random.below(5));
    else if (kind < 9) this.#write(row, random.pick(OTHERS), `${nowMs}`, { clock: nowMs, writer: '' });
    else if (mayDelete) this.rows.delete(id);
    this.#image(id, []);
  }

  /** Applies the next record of a till. */
  apply(till: string): boolean {
    const record = this.up.get(till)?.shift();
    const known = this.#known.get(till);
    if (record === undefined || known === undefined) return false;
    if ('predecessor' in record) this.#announced(till, known, record);
    else if (record.incarnation === known.incarnation) this.#unit(till, known, record);
    return true;
  }

  /** Newest row records stay, each older one by chance. */
  compact(): void {
    const newest = new Map<number, Down>();
    for (const record of this.stream) if (record.kind === 'row') newest.set(record.id, record);
    this.stream = this.stream.filter(
      (record) => record.kind !== 'row' || newest.get(record.id) === record || this.#random.happens(0.5),
    );
  }

  #announced(till: string, known: Known, { incarnation, predecessor }: Up & { predecessor: string }): void {
    if (predecessor !== known.incarnation) return;
    known.incarnation = incarnation;
    known.unit = 0;
    this.#emit({ kind: 'accept', till, incarnation, known: new Set(known.entries) });
  }

  #unit(till: string, known: Known, unit: Unit): void {
    const bytes = JSON.stringify([unit.entries, unit.changes.map(({ cut }) => describe(cut))]);
    const name = `${unit.incarnation} ${unit.number}`;
    if (unit.number <= known.unit) {
      if (known.units.get(name) !== bytes) this.failures.push(`another unit ${name}`);
      return;
    }
    if (unit.number !== known.unit + 1) return;
    known.unit = unit.number;
    known.units.set(name, bytes);
    const touched = new Map<number, Origin[]>();
    for (const change of unit.changes) {
      const id = this.#change(till, unit.incarnation, change);
      if (id === undefined) continue;
      const origins = touched.get(id) ?? [];
      origins.push({ till, incarnation: unit.incarnation, change: change.number });
      touched.set(id, origins);
    }
    for (const [id, origins] of touched) this.#image(id, origins);
    const held = this.#heldOf(till, unit.incarnation);
    const isHeld = new Set(held.flatMap(({ entries }) => entries));
    for (const entry of unit.entries) if (!isHeld.has(entry)) known.entries.add(entry);
    this.#emit({
      kind: 'progress',
      till,
      incarnation: unit.incarnation,
      change: unit.changes.at(-1)?.number ?? 0,
      held: held.map(({ number }) => number),
    });
  }

  #heldOf(till: string, of: string): Change[] {
    const letters = [...this.#dead.values()].filter((letter) => letter.till === till);
    return letters.flatMap(({ held }) =>
      held.filter(({ incarnation }) => incarnation === of).map(({ change }) => change),
    );
  }

  #change(till: string, incarnation: string, change: Change): number | undefined {
    const { cut, identity } = change;
    const link = `${till} ${identity}`;
    const id = change.id ?? this.#links.get(link);
    if (cut.op === 'c') return this.#offered({ till, incarnation, link, id }, { ...change, cut });
    if (id === undefined) return this.#unlinked({ link, incarnation }, change);
    const row = this.rows.get(id);
    if (row === undefined) return id;
    if (this.refuses && this.#random.happens(0.1)) {
      if (cut.op === 'u') this.#refuse(id, cut);
      else this.#update(till, row, { change, update: { edits: new Map(), sums: cut.sums } });
      return id;
    }
    if (cut.op === 'd') this.rows.delete(id);
    else this.#update(till, row, { change, update: cut });
    return id;
  }

  #offered(
    {
      till,
      incarnation,
      link,
      id,
    }: { till: string; incarnation: string; link: string; id: number | undefined },
    insert: Insert,
  ): number | undefined {
    const { cut } = insert;
    if (id !== undefined) {
      const row = this.rows.get(id);
      // It was got through in the meantime.
      if (cut.latest !== undefined && row !== undefined)
        this.#update(till, row, { change: insert, update: cut.latest });
      return id;
    }
    const former = this.#dead.get(link);
    const held = former?.held ?? [];
    // A restored file offers what it has: what the refused one took off beyond that is for an operator to decide.
    if (
      former !== undefined &&
      isCovered({ incarnation: former.incarnation, change: former.insert }, { incarnation, insert }) !== 'all'
    )
      this.undecided.add(insert.thing);
    this.#dead.delete(link);
    const isIn = (one: Held) => isCovered(one, { incarnation, insert }) === 'all';
    const covered = [
      ...(former?.covered ?? []),
      ...held.filter(isIn).flatMap(({ change }) => change.entries),
    ];
    const letter = { till, incarnation, insert, held: held.filter((one) => !isIn(one)), covered };
    if (!this.refuses || !this.#random.happens(0.3)) return this.#getThrough(link, letter);
    this.#dead.set(link, letter);
    this.#emit({ kind: 'refused', till, incarnation, change: insert.number });
    return undefined;
  }

  /** What was held comes after it; what can be told from it only in part is for an operator to decide. */
  #getThrough(link: string, { till, incarnation, insert, held, covered }: DeadLetter): number {
    const id = this.#insert(till, link, insert, insert.cut.values);
    const row = this.rows.get(id);
    const counted = held.flatMap(({ change }) => change.entries);
    for (const entry of [...covered, ...counted]) this.#known.get(till)?.entries.add(entry);
    for (const one of held) {
      if (isCovered(one, { incarnation, insert }) === 'part') this.undecided.add(insert.thing);
      else if (row !== undefined && one.change.cut.op === 'u')
        this.#update(till, row, { change: one.change, update: one.change.cut });
    }
    return id;
  }

  /** Of a row that the centre has not taken. */
  #unlinked({ link, incarnation }: { link: string; incarnation: string }, change: Change): undefined {
    const letter = this.#dead.get(link);
    // A restored file may tell a second time that its row is gone.
    if (change.cut.op === 'd') this.#close(link, change.thing);
    else if (letter !== undefined) letter.held.push({ incarnation, change });
    else this.failures.push(`no row for ${change.cut.op} of ${change.thing}`);
    return undefined;
  }

  /** Should a restored file have the row again, what was taken off it before its end is gone with that end. */
  #close(link: string, thing: string): void {
    this.#dead.delete(link);
    this.undecided.add(thing);
  }

  /** An operator gets a refused insert through, with what was held for it: not while its till may offer it anew. */
  retry(random: Random): void {
    const letters = [...this.#dead].filter(
      ([, { till, incarnation }]) => this.#known.get(till)?.incarnation === incarnation,
    );
    if (letters.length > 0) this.#retry(random.pick(letters));
  }

  /** @param deleted things that nobody wants any more */
  retryAll(deleted: ReadonlySet<string>): void {
    for (const letter of this.#dead) if (!deleted.has(letter[1].insert.thing)) this.#retry(letter);
  }

  #retry([link, letter]: [string, DeadLetter]): void {
    this.#dead.delete(link);
    const { till, held } = letter;
    const origins = held.map(({ incarnation, change: { number } }) => ({
      till,
      incarnation,
      change: number,
    }));
    this.#image(this.#getThrough(link, letter), origins);
  }

  #refuse(id: number, { sums }: Update): void {
    this.refused.set(id, (this.refused.get(id) ?? 0) + Number(sums.get(DELTA) ?? 0));
  }

  #update(
    till: string,
    row: CentralRow,
    { change: { thing, atMs }, update }: { change: Change; update: Update },
  ): void {
    const amount = Number(update.sums.get(DELTA) ?? 0);
    row.values.set(DELTA, String(Number(row.values.get(DELTA)) + amount));
    for (const [column, { before, after }] of update.edits) {
      if (row.values.get(column) === after) continue;
      const isUnseen =
        row.writers.get(column) === '' && (row.clocks.get(column) ?? 0) > this.#editOf(till, thing, column);
      if (row.values.get(column) === before) {
        if (isUnseen)
          this.failures.push(`${column} of ${thing}: head office's newer value is lost without a conflict`);
        this.#write(row, column, after, { clock: atMs, writer: till });
      } else if (atMs > (row.clocks.get(column) ?? 0) || row.writers.get(column) === till) {
        this.#write(row, column, after, { clock: atMs, writer: till });
      }
    }
  }

  #editOf(till: string, thing: string, column: string): number {
    return this.#edits.get(`${till}:${thing}:${column}`) ?? 0;
  }

  #insert(till: string, link: string, { identity, thing, atMs }: Change, values: Values): number {
    const id = this.#add({ values, nowMs: atMs, writer: till });
    this.#links.set(link, id);
    this.made.set(thing, [...(this.made.get(thing) ?? []), id]);
    this.#emit({ kind: 'link', till, identity, id });
    return id;
  }

  #add({ values, nowMs, writer }: { values: Values; nowMs: number; writer: string }): number {
    const id = this.#nextId;
    this.#nextId += 1;
    this.rows.set(id, {
      values: new Map(values),
      clocks: new Map(OTHERS.map((column) => [column, nowMs])),
      writers: new Map(OTHERS.map((column) => [column, writer])),
    });
    return id;
  }

  #count(id: number, row: CentralRow, amount: number): void {
    row.values.set(DELTA, String(Number(row.values.get(DELTA)) + amount));
    this.ledger.set(id, (this.ledger.get(id) ?? 0) + amount);
  }

  #write(
    row: CentralRow,
    column: string,
    value: Value,
    { clock, writer }: { clock: number; writer: string },
  ): void {
    row.values.set(column, value);
    row.clocks.set(column, clock);
    row.writers.set(column, writer);
  }

  #image(id: number, origins: readonly Origin[]): void {
    const row = this.rows.get(id);
    this.#emit({ kind: 'row', id, image: row === undefined ? null : new Map(row.values), origins });
  }

  #emit(record: WithoutPlace<Down>): void {
    this.#at += 1;
    this.stream.push({ ...record, at: this.#at });
  }
}

function describe(cut: Cut): unknown {
  if (cut.op === 'c') return ['c', ...cut.values, ...(cut.latest?.edits ?? []), ...(cut.latest?.sums ?? [])];
  return cut.op === 'd' ? ['d', ...cut.sums] : ['u', ...cut.edits, ...cut.sums];
}
