/**
 * One look at what the app wrote: in a snapshot the entries say which rows were touched, and what these hold now is
 * compared with what they should hold (row-state.ts). What differs is cut into changes.
 */
import { subtractDecimals } from '../../shared/values/decimal.ts';
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import type { BoundTable, LocalBinding } from '../../shared/catalog/table-binding.ts';
import { encodePosition, ZERO_POSITION } from '../../shared/records/position.ts';
import type { SqliteValue } from '../../shared/records/unit-record.ts';
import { isPublished } from '../file/captured-tables.ts';
import type { Flight } from '../settle/flight.ts';
import type { UnknownRow } from '../file/offered-rows.ts';
import { keyFromText } from '../file/entry-reader.ts';
import { decodeImage } from '../rows/image.ts';
import { stateWith } from '../rows/row-base.ts';
import { ParentNames } from '../rows/parent-names.ts';
import { isUnlinked, unlinkedHandle } from '../rows/sync-rows.ts';
import type { TillTable, TillTables } from '../rows/till-tables.ts';
import { addSums, amountsOf, NO_KEY, NO_SUMS, type Amounts, type Entry, type Sums } from './entries.ts';
import { foldTables, usableName, type FoldedRow, type FoldedTable, type FoldParts } from './folded-tables.ts';
import { Parents } from './parents.ts';
import { cutChange, type CutChange, type CutRow } from './unit-changes.ts';
import { columnRules, isDeltaColumn, rowValues, storedIn } from './row-values.ts';
import { decideCut, expected, type Cut, type RowState, type Update, type Values } from './row-state.ts';

export interface LookParts extends FoldParts {
  readonly db: SqliteDatabase;
  readonly binding: LocalBinding;
  readonly tables: TillTables;
  readonly flight: Flight;
  /** Whether the centre has, and takes, a column that is in no image of a row. */
  readonly isFillable: (table: BoundTable, column: string) => boolean;
}

/** Which entries are looked at: keys are kept up to one, and all is cut up to another. */
export interface LookRange {
  readonly keptUpTo: number;
  readonly cutUpTo: number;
  readonly upTo: number;
  /** Up to there an agent file that is lost may have cut them, too. */
  readonly recutUpTo: number;
}

/** Of a backlog so many are decided between two sortings. */
const ROWS_AT_ONCE = 1_000;

export class Look {
  /** They need an entry first, and then another look. Complete once all changes are read. */
  readonly unknown: UnknownRow[] = [];
  readonly #parts: LookParts;
  readonly #range: LookRange;
  readonly #folded: ReadonlyMap<string, FoldedTable>;
  readonly #parents: Parents;
  readonly #names: ParentNames;
  /** Decided, and not handed out yet. */
  #cut: CutChange[] = [];

  constructor(parts: LookParts, range: LookRange) {
    this.#parts = parts;
    this.#range = range;
    const folded = foldTables(parts, { ...range, after: range.keptUpTo });
    this.#folded = new Map(folded.map((each) => [each.table.name, each]));
    this.#parents = new Parents({
      ...parts,
      folded: this.#folded,
      takeAlong: (table, rowKey) => this.#takeAlong(table, rowKey),
    });
    this.#names = new ParentNames(parts.tables, this.#parents);
  }

  /** In order; once, within the snapshot. Rows are decided as they are asked for: what goes up of a backlog is never held whole. */
  *changes(): Generator<CutChange> {
    const rows = [...this.#folded.values()]
      .filter(({ table }) => isPublished(table.bound))
      .flatMap(({ table, rows: each }) => each.map((row) => ({ table, row, first: this.#firstUncut(row) })))
      .sort((one, other) => one.first - other.first);
    for (let from = 0; from < rows.length; from += ROWS_AT_ONCE) {
      for (const { table, row } of rows.slice(from, from + ROWS_AT_ONCE)) this.#row(table, row);
      yield* this.#decidedBefore(rows[from + ROWS_AT_ONCE]?.first ?? Infinity);
    }
  }

  /** A change has the number of an entry of its row: none that is still to come is lower. */
  #firstUncut({ touched: { entries } }: FoldedRow): number {
    return entries.find(this.#isUncut)?.seq ?? 0;
  }

  #decidedBefore(seq: number): CutChange[] {
    this.#cut.sort((one, other) => one.change.seq - other.change.seq);
    const later = this.#cut.findIndex(({ change }) => change.seq >= seq);
    return this.#cut.splice(0, later < 0 ? this.#cut.length : later);
  }

  #row(table: TillTable, row: FoldedRow): void {
    const { entries, ousted, isEarlier } = row.touched;
    const { handle, identity } = row;
    const uncut = entries.filter(this.#isUncut);
    const [mine, filling] = [uncut.filter(({ op }) => op !== 'f'), uncut.filter(({ op }) => op === 'f')];
    const last = mine.at(-1) ?? filling.at(-1);
    if (handle === undefined || identity === null) return;
    if (last === undefined) {
      // Nothing of its own tells that it is gone.
      if (ousted !== null && this.#isUncut(ousted))
        this.unknown.push({ table, rowKey: null, handle, op: 'd' });
      return;
    }
    if (isEarlier && uncut.every(({ op }) => op === 'b' || op === 'e')) return;
    this.#decide({ ...row, handle, identity, table, entries, mine, filling, last });
  }

  readonly #isUncut = ({ seq }: Entry): boolean => seq > this.#range.cutUpTo;

  #decide(row: NamedRow): void {
    const { table, handle, rowKey, entries, mine, last, isBack } = row;
    const raw = rowKey === null ? null : (table.writer.look(rowKey) ?? null);
    const values = raw === null ? NO_VALUES : rowValues(table.bound, raw, this.#parents.handleOf);
    const { state, base } = this.#stateOf(table, handle, mine);
    const rules = columnRules(table.bound, base, this.#names);
    const amounts = amountsOf(entries, this.#isUncut).filter(({ sums }) =>
      [...sums.keys()].some(rules.isDelta),
    );
    const sums = amounts.reduce((sum, each) => addSums(sum, each.sums), NO_SUMS);
    const decided = decideCut(state, { row: raw === null ? null : values, sums, isBlind: false }, rules);
    const { fills, rest: told } = partedBy(decided, (column) => this.#parts.isFillable(table.bound, column));
    const cut = told ?? (isBack ? NOTHING : null);
    if (raw !== null && row.touched.isEarlier && amounts.length > 0 && !mine.some(({ op }) => op === 'r')) {
      this.unknown.push({ table, rowKey, sums, op: 'r' });
      return;
    }
    const image = (table.rows.get(handle)?.position ?? NO_POSITION).toString('hex');
    const whole = { row, before: expected(state), base, image, raw, values };
    if (fills !== null) this.#fill(whole, fills);
    if (cut === null) return;
    if (cut.op === 'd' && this.#isAway(row)) return this.#amountsOf(whole, amounts);
    // It differs, or is gone, and nothing but this look tells so.
    if (last.op === 'f' || (cut.op === 'd' && isAmount(amounts, last))) {
      this.unknown.push({ table, rowKey, handle, op: cut.op === 'd' ? 'd' : 'u' });
      return;
    }
    if (cut.op === 'c' && cut.latest !== undefined) return this.#push(whole, last, { cut, entries: mine });
    if (cut.op === 'c') return this.#inserted(whole, cut, { amounts, sums });
    const edits: Update['edits'] = cut.op === 'u' ? cut.edits : new Map();
    const isOwn =
      cut.op === 'd' || (edits.size === 0 && amounts.length > 0) || amounts.at(-1)?.entry !== last;
    for (const { entry, sums: added } of amounts) {
      const isLast = !isOwn && entry === last;
      const update: Cut = { op: 'u', edits: isLast ? edits : new Map(), sums: added };
      this.#push(whole, entry, { cut: update, entries: this.#covered(mine, amounts, entry) });
    }
    if (amounts.length > 0 && (!isOwn || (cut.op === 'u' && edits.size === 0))) return;
    const rest: Cut = cut.op === 'd' ? { op: 'd', sums: NO_SUMS } : { op: 'u', edits, sums: NO_SUMS };
    this.#push(whole, last, { cut: rest, entries: mine.filter((entry) => !isAmount(amounts, entry)) });
  }

  /** Its table is made anew just now, and nothing told that the row is gone: that is for the sweep to judge. */
  #isAway({ table, rowKey, mine, touched: { ousted } }: NamedRow): boolean {
    const isTold = rowKey === null || ousted !== null || mine.some(({ op }) => op === 'd');
    return !isTold && this.#parts.rebuiltAfter().has(table.name);
  }

  /** What it took off sums is told now: nothing else will be known of that. */
  #amountsOf(whole: WholeRow, amounts: readonly Amounts[]): void {
    for (const { entry, sums } of amounts) {
      const cut: Cut = { op: 'u', edits: NO_EDITS, sums };
      this.#push(whole, entry, { cut, entries: this.#covered(whole.row.mine, amounts, entry) });
    }
  }

  /** By an entry of their own: what is told of these columns has no clock. */
  #fill(whole: WholeRow, fills: Cut): void {
    const { table, handle, rowKey, filling } = whole.row;
    const entry = filling.at(-1);
    if (entry === undefined) this.unknown.push({ table, rowKey, handle, op: 'f' });
    else this.#push(whole, entry, { cut: fills, entries: filling });
  }

  /** With the last amount goes whatever no change has of its own. */
  #covered(mine: readonly Entry[], amounts: readonly Amounts[], entry: Entry): readonly Entry[] {
    if (entry !== amounts.at(-1)?.entry) return [entry];
    return mine.filter((each) => each === entry || !isAmount(amounts, each));
  }

  /** With what it held before any amount was taken off it. */
  #inserted(
    whole: WholeRow,
    cut: Cut & { readonly op: 'c' },
    { amounts, sums }: { readonly amounts: readonly Amounts[]; readonly sums: Sums },
  ): void {
    const { table, mine, last, rowKey, handle } = whole.row;
    const made = mine.findLast(({ op }) => op === 'r') ?? mine.find(({ op }) => op === 'c') ?? last;
    if (isAmount(amounts, made)) {
      this.unknown.push({ table, rowKey, handle, op: 'r' });
      return;
    }
    const values = new Map(cut.values);
    for (const [column, sum] of sums) {
      const now = values.get(column);
      if (now != null) values.set(column, subtractDecimals(now, sum));
    }
    const raw = whole.raw?.map((value, at) => {
      const column = table.bound.columns[at];
      const before =
        column === undefined || !sums.has(column.local) ? null : (values.get(column.local) ?? null);
      return column === undefined || before === null ? value : storedIn(column, before);
    });
    const again = this.#toldAgain(whole, made);
    const own = again.size > 0 && !isAmount(amounts, last) ? last : undefined;
    const rest = mine.filter((entry) => !isAmount(amounts, entry) && entry !== own);
    const inserted = { ...whole, raw: raw ?? null, values };
    this.#push(inserted, made, { cut: { op: 'c', values }, entries: rest });
    for (const { entry, sums: added } of amounts) {
      const edits = entry === last ? again : NO_EDITS;
      this.#push(whole, entry, { cut: { op: 'u', edits, sums: added }, entries: [entry] });
    }
    if (own !== undefined)
      this.#push(whole, own, { cut: { op: 'u', edits: again, sums: NO_SUMS }, entries: [own] });
  }

  /**
   * The centre knows an insert by its entry, and does not look into it again: what the app has written behind it is told
   * under the last entry, although nobody knows what of it the first telling held. NULL says nothing then.
   */
  #toldAgain({ row, values }: WholeRow, made: Entry): Update['edits'] {
    if (made.seq > this.#range.recutUpTo || row.last.seq <= made.seq) return NO_EDITS;
    const deltas = new Set(row.table.bound.columns.filter(isDeltaColumn).map(({ local }) => local));
    return new Map(
      [...values].flatMap(([column, after]) =>
        after === null || deltas.has(column) ? [] : [[column, { before: undefined, after }] as const],
      ),
    );
  }

  #push(
    { row, before, base, image, raw, values }: WholeRow,
    entry: Entry,
    { cut, entries }: { readonly cut: Cut; readonly entries: readonly Entry[] },
  ): void {
    const { table, handle, identity, rowEntry, touched, mine } = row;
    const op = cut.op === 'c' && touched.isEarlier ? 'r' : cut.op;
    // Should it come back, it gets the key that it had.
    const gone = mine.findLast(({ key, op: each }) => each !== 'b' && each !== 'e' && key !== NO_KEY)?.key;
    const keyBefore = gone === undefined ? (table.rows.get(handle)?.rowKey ?? null) : keyFromText(gone);
    const cutRow: CutRow = {
      table,
      op,
      number: entry.seq,
      entry: entry.id,
      handle,
      identity,
      rowEntry,
      rowKey: op === 'd' ? keyBefore : row.rowKey,
      entries: entries.map(({ seq }) => seq),
      atMs: entry.atMs,
      cut,
      before,
      base,
      image,
      raw,
      values,
    };
    this.#cut.push(cutChange(cutRow, this.#parents));
  }

  #stateOf(table: TillTable, handle: string, mine: readonly Entry[]) {
    const kept = table.rows.get(handle);
    const base = kept?.base == null ? null : decodeImage(table.bound, kept.base);
    const state: RowState = {
      ...stateWith(handle, kept, base),
      // Of one that the centre has, and that is cut again, the insert is told again: it is known by its name.
      isLinked: !isUnlinked(handle) && (base !== null || !mine.some(({ op }) => op === 'c')),
      flight: this.#parts.flight.ofRow(table.name, handle).map(({ cut }) => cut),
    };
    return { state, base };
  }

  /** It is offered, and then referred to, unless that could make a second row of one that the centre has. */
  #takeAlong(table: TillTable, rowKey: SqliteValue): string | null {
    if (isPublished(table.bound) && isSafe(table, rowKey)) this.unknown.push({ table, rowKey, op: 'r' });
    return unlinkedHandle(usableName(table, rowKey) ?? '');
  }
}
const NO_VALUES: Values = new Map();
const NO_POSITION = encodePosition(ZERO_POSITION);
const NO_EDITS: Update['edits'] = new Map();
/** Says again what is known: so that a row that came back is found under its new key. */
const NOTHING: Cut = { op: 'u', edits: new Map(), sums: new Map() };

interface NamedRow extends FoldedRow {
  readonly table: TillTable;
  readonly handle: string;
  readonly identity: string;
  readonly entries: readonly Entry[];
  /** Those of them that are not cut, and tell of what both sides know. */
  readonly mine: readonly Entry[];
  /** Those that tell of columns in no image. */
  readonly filling: readonly Entry[];
  readonly last: Entry;
}

interface WholeRow extends Pick<CutRow, 'before' | 'base' | 'image' | 'raw' | 'values'> {
  readonly row: NamedRow;
}

function isAmount(amounts: readonly Amounts[], entry: Entry): boolean {
  return amounts.some((amount) => amount.entry === entry);
}

/** What only fills goes apart; what the centre has no column for, and NULL, is not told. */
function partedBy(
  cut: Cut | null,
  isFillable: (column: string) => boolean,
): { readonly fills: Cut | null; readonly rest: Cut | null } {
  if (cut?.op !== 'u') return { fills: null, rest: cut };
  const edits = [...cut.edits];
  const fills = edits.filter(([column, edit]) => edit.fills && edit.after !== null && isFillable(column));
  const rest = edits.filter(([, edit]) => edit.fills !== true);
  return {
    fills: fills.length === 0 ? null : { op: 'u', edits: new Map(fills), sums: NO_SUMS },
    rest: rest.length + cut.sums.size === 0 ? null : { ...cut, edits: new Map(rest) },
  };
}

/** It claims no central row, or has a natural key by which the centre tells. */
function isSafe({ bound: { linkColumn, mapping }, writer }: TillTable, rowKey: SqliteValue): boolean {
  if (linkColumn === null || mapping.naturalKey.length > 0) return true;
  return (writer.read(rowKey)?.get(linkColumn) ?? null) === null;
}
