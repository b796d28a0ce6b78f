/** Head office as the model of a till sees it: rows with one delta column and two others, links, and one down stream. */
import type { Cut, Value, Values } from '../../../../../services/terminal-agent/up/row-state.ts';
import type { Random } from './random.ts';

export const DELTA = 'stock';
export const OTHERS = ['a', 'b'] as const;

export interface Origin {
  readonly till: string;
  readonly incarnation: string;
  readonly change: number;
}

export type Down = { readonly at: number } & (
  | {
      readonly kind: 'row';
      readonly id: number;
      readonly image: Values | null;
      readonly origins: readonly Origin[];
    }
  | { readonly kind: 'link'; readonly till: string; readonly identity: string; readonly id: number }
  | {
      readonly kind: 'progress';
      readonly till: string;
      readonly incarnation: string;
      readonly change: number;
    }
  | {
      readonly kind: 'accept';
      readonly till: string;
      readonly incarnation: string;
      readonly known: ReadonlySet<string>;
    }
);
type WithoutPlace<T> = T extends unknown ? Omit<T, 'at'> : never;

export interface Change {
  readonly number: number;
  readonly identity: string;
  readonly id: number | null;
  readonly cut: Cut;
  /** Which it covers. */
  readonly entries: readonly string[];
  readonly atMs: number;
  /** What the model calls the row: survives whatever the till takes it for. */
  readonly thing: string;
}

export interface Unit {
  readonly incarnation: string;
  readonly number: number;
  readonly entries: readonly string[];
  readonly changes: readonly Change[];
}

export type Up = Unit | { readonly incarnation: string; readonly predecessor: string };

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
    for (const entry of unit.entries) known.entries.add(entry);
    const touched = new Map<number, Origin[]>();
    for (const change of unit.changes) {
      const id = this.#change(till, change);
      if (id === undefined) continue;
      const origins = touched.get(id) ?? [];
      origins.push({ till, incarnation: unit.incarnation, change: change.number });
      touched.set(id, origins);
    }
    for (const [id, origins] of touched) this.#image(id, origins);
    const last = unit.changes.at(-1);
    this.#emit({ kind: 'progress', till, incarnation: unit.incarnation, change: last?.number ?? 0 });
  }

  #change(till: string, change: Change): number | undefined {
    const { cut, identity, atMs, thing } = change;
    const link = `${till} ${identity}`;
    const id = change.id ?? this.#links.get(link);
    if (cut.op === 'c') return id ?? this.#insert(till, link, change, cut.values);
    const row = id === undefined ? undefined : this.rows.get(id);
    if (id === undefined) this.failures.push(`no row for ${cut.op} of ${thing}`);
    if (id === undefined || row === undefined) return id;
    if (cut.op === 'd') {
      this.rows.delete(id);
      return id;
    }
    const amount = Number(cut.sums.get(DELTA) ?? 0);
    row.values.set(DELTA, String(Number(row.values.get(DELTA)) + amount));
    for (const [column, { before, after }] of cut.edits) {
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
    return id;
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
  if (cut.op === 'c') return ['c', ...cut.values];
  return cut.op === 'd' ? ['d'] : ['u', ...cut.edits, ...cut.sums];
}
