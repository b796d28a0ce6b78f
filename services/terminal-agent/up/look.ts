/**
 * One look at what the app wrote: in a snapshot the entries say which rows were touched, and what these hold now is
 * compared with what they should hold (row-state.ts). What differs is cut into changes.
 */
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import type { LocalBinding } from '../../shared/catalog/table-binding.ts';
import type { SqliteValue, UnitOp } from '../../shared/records/unit-record.ts';
import { isPublished } from '../file/captured-tables.ts';
import type { Flight } from '../settle/flight.ts';
import { keyFromText } from '../file/entry-reader.ts';
import { decodeImage } from '../rows/image.ts';
import { isUnlinked, unlinkedHandle } from '../rows/sync-rows.ts';
import type { TillTable, TillTables } from '../rows/till-tables.ts';
import { sumsOf, type Entry } from './entries.ts';
import { entryName, foldTables, usableName, type FoldedRow, type FoldedTable, type FoldParts } from './folded-tables.ts';
import { Parents } from './parents.ts';
import { columnRules, imageValues, rowValues } from './row-values.ts';
import { decideCut, expected, type Cut, type RowState, type Values } from './row-state.ts';
import { inOrder } from './change-order.ts';

/** A change before it has its number. */
export interface CutRow {
  readonly table: TillTable;
  readonly op: UnitOp;
  readonly handle: string;
  readonly identity: string;
  readonly rowEntry: string | null;
  readonly rowKey: SqliteValue;
  readonly entries: readonly number[];
  /** Of the first and the last of them; of a row that was taken along, where it is needed. */
  readonly span: { readonly first: number; readonly last: number };
  readonly atMs: number;
  readonly cut: Cut;
  /** E: what the row should have been. */
  readonly before: Values | null;
  /** What its columns hold; null: it is gone. */
  readonly raw: readonly SqliteValue[] | null;
  readonly values: Values;
}

export interface LookResult {
  readonly rows: readonly CutRow[];
  readonly parents: Parents;
}

export interface LookParts extends FoldParts {
  readonly db: SqliteDatabase;
  readonly binding: LocalBinding;
  readonly tables: TillTables;
  readonly flight: Flight;
  readonly now: () => number;
}

/** Which entries are looked at: keys are kept up to one, and all is cut up to another. */
export interface LookRange {
  readonly keptUpTo: number;
  readonly cutUpTo: number;
  readonly upTo: number;
}

export function look(parts: LookParts, range: LookRange): LookResult {
  return new Look(parts, range).result();
}

class Look {
  readonly #parts: LookParts;
  readonly #range: LookRange;
  readonly #folded: ReadonlyMap<string, FoldedTable>;
  readonly #parents: Parents;
  readonly #cut: CutRow[] = [];
  readonly #along = new Map<string, string | null>();
  #at = 0;

  constructor(parts: LookParts, range: LookRange) {
    this.#parts = parts;
    this.#range = range;
    const folded = foldTables(parts, { after: range.keptUpTo, upTo: range.upTo }, { byChanges: false });
    this.#folded = new Map(folded.map((each) => [each.table.name, each]));
    this.#parents = new Parents({
      ...parts,
      folded: this.#folded,
      takeAlong: (table, rowKey) => this.#takeAlong(table, rowKey),
    });
  }

  result(): LookResult {
    for (const { table, rows } of this.#folded.values()) {
      if (isPublished(table.bound)) for (const row of rows) this.#row(table, row);
    }
    return { rows: inOrder(this.#cut), parents: this.#parents };
  }

  #row(table: TillTable, row: FoldedRow): void {
    const { entries, ousted, isEarlier } = row.touched;
    const mine = entries.filter(this.#isUncut);
    const last = mine.at(-1) ?? (ousted !== null && this.#isUncut(ousted) ? ousted : undefined);
    if (last === undefined || row.handle === undefined || row.identity === null) return;
    if (isEarlier && mine.every(({ op }) => op === 'b' || op === 'e')) return;
    const span = { first: mine[0]?.seq ?? last.seq, last: last.seq };
    this.#at = span.last;
    const { handle, identity, rowKey, rowEntry } = row;
    const facts = { table, handle, identity, rowKey, rowEntry, span, atMs: last.atMs, entries: mine };
    const sums = sumsOf(entries, this.#isUncut);
    this.#add(facts, { sums, isOffered: isEarlier, isBack: row.isBack });
  }

  readonly #isUncut = ({ seq }: Entry): boolean => seq > this.#range.cutUpTo;

  #add(
    {
      entries,
      ...facts
    }: Omit<CutRow, 'op' | 'entries' | 'cut' | 'before' | 'raw' | 'values'> & { readonly entries: readonly Entry[] },
    { sums, isOffered, isBack }: { sums: ReadonlyMap<string, string>; isOffered: boolean; isBack: boolean },
  ): void {
    const { table, handle, rowKey } = facts;
    const raw = rowKey === null ? null : (table.writer.look(rowKey) ?? null);
    const values = raw === null ? NO_VALUES : rowValues(table.bound, raw, this.#parents.handleOf);
    const { state, base } = this.#stateOf(table, handle);
    const rules = columnRules(table.bound, base, (column, parent) =>
      this.#handleNow(column.reference?.table ?? '', parent),
    );
    const decided = decideCut(state, { row: raw === null ? null : values, sums, isBlind: false }, rules);
    const cut = decided === null ? (isBack ? NOTHING : null) : withoutFills(decided);
    if (cut === null) return;
    const before = expected(state);
    const seqs = entries.map(({ seq }) => seq);
    const common = { ...facts, before, raw, values };
    // Should it come back, it gets the key that it had.
    const last = entries.at(-1)?.key;
    const gone = last === undefined ? (table.rows.get(handle)?.rowKey ?? null) : keyFromText(last);
    if (cut.op === 'd' && cut.sums.size > 0) {
      const taken: Cut = { op: 'u', edits: new Map(), sums: cut.sums };
      this.#cut.push({ ...common, op: 'u', cut: taken, entries: [] });
      this.#cut.push({ ...common, op: 'd', rowKey: gone, cut: { op: 'd', sums: new Map() }, entries: seqs });
      return;
    }
    const op = cut.op === 'c' && isOffered ? 'r' : cut.op;
    this.#cut.push({ ...common, rowKey: op === 'd' ? gone : rowKey, op, cut, entries: seqs });
  }

  #stateOf(table: TillTable, handle: string) {
    const kept = table.rows.get(handle);
    const base = kept?.base == null ? null : decodeImage(table.bound, kept.base);
    const state: RowState = {
      base: base === null ? null : imageValues(base),
      mark: kept?.refused === true ? 'refused' : kept?.deleted === true ? 'deleted' : null,
      isLinked: !isUnlinked(handle),
      flight: this.#parts.flight.ofRow(table.name, handle).map(({ cut }) => cut),
    };
    return { state, base };
  }

  #handleNow(table: string, handle: string): string {
    if (!isUnlinked(handle)) return handle;
    return this.#parts.tables.byLocal(table)?.rows.named(handle.slice(1)) ?? handle;
  }

  /** Offered before what refers to it, unless that could make a second row of one that the centre has. */
  #takeAlong(table: TillTable, rowKey: SqliteValue): string | null {
    const name = `${table.name}\u0000${typeof rowKey}${String(rowKey)}`;
    const known = this.#along.get(name);
    if (known !== undefined) return known;
    const offered = this.#parts.offered(table.name, rowKey);
    if (offered !== undefined) return offered;
    const uuid = usableName(table, rowKey);
    const isFree = uuid !== null && table.rows.named(uuid) === undefined;
    const identity = isFree && !this.#parts.isRetired(table.name, uuid) ? uuid : entryName(randomId());
    const handle = unlinkedHandle(identity);
    this.#along.set(name, handle);
    if (!isPublished(table.bound) || !isSafe(table, rowKey)) return handle;
    const span = { first: this.#at, last: this.#at };
    const facts = { table, handle, identity, rowKey, rowEntry: null, span, atMs: this.#parts.now(), entries: [] };
    this.#add(facts, { sums: new Map(), isOffered: true, isBack: false });
    return handle;
  }
}
const NO_VALUES: Values = new Map();
/** Says again what is known: so that a row that came back is found under its new key. */
const NOTHING: Cut = { op: 'u', edits: new Map(), sums: new Map() };

function randomId(): string {
  return String((BigInt(Math.floor(Math.random() * 2 ** 31)) << 32n) + BigInt(Math.floor(Math.random() * 2 ** 32)));
}

/** A column that is in no image is not told of: what the centre has in it is not known here. */
function withoutFills(cut: Cut): Cut | null {
  if (cut.op !== 'u') return cut;
  const edits = new Map([...cut.edits].filter(([, { fills }]) => fills !== true));
  return edits.size + cut.sums.size === 0 ? null : { ...cut, edits };
}

/** It claims no central row, or has a natural key by which the centre tells. */
function isSafe({ bound: { linkColumn, mapping }, writer }: TillTable, rowKey: SqliteValue): boolean {
  if (linkColumn === null || mapping.naturalKey.length > 0) return true;
  return (writer.read(rowKey)?.get(linkColumn) ?? null) === null;
}
