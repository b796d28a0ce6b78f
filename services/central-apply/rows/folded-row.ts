/**
 * One central row while the changes of a group are folded into it, in their order: asks the verdicts, keeps clock and
 * writer, and has written down what is to be written. Pure: rows have been read and locked before.
 *
 * - A value: column-verdict.ts. A delete, and a mark of one: delete-verdict.ts. An update that only fills: fill.ts; it
 *   leaves clock and writer as they are.
 * - Clock and writer are kept column by column (row-version.ts). What is written keeps the later of both clocks: whoever
 *   saw a value and changed it came after it, whatever the till's clock says.
 * - With `granularity: row` the row has one clock and writer, and what a till sends for a column is judged by whether the
 *   row stands as it saw it.
 * - A column that only head office changes is taken with a row that is new, since nothing of head office's stands there
 *   and the row may not be possible without it.
 */
import { subtractDecimals } from '../../shared/values/decimal.ts';
import type { CentralId } from '../../shared/records/change-record.ts';
import { unreachable } from '../../shared/errors.ts';
import type { Discarded, ResolvedChange, Verdict } from './change.ts';
import { columnVerdict, PUSH_ONLY, type ColumnVerdict } from './column-verdict.ts';
import { BROUGHT_BACK, bringsBack, deleteVerdict } from './delete-verdict.ts';
import { fillingOf } from './fill.ts';
import type { TableModel } from './model.ts';
import { PendingRow } from './pending-row.ts';
import {
  latestOf,
  LONG_AGO,
  NO_VERSION,
  versionOf,
  type RowVersion,
  type ValueVersion,
  type WrittenAt,
} from './row-version.ts';
import type { Text } from './sql.ts';
import { timestampMs } from '../../shared/values/values.ts';
import type { RowWrites, Standing } from './standing.ts';
import {
  isSame,
  isThere,
  isWinner,
  knownOfColumn,
  knownOfRow,
  type Knowledge,
  type MetRow,
} from './till-knowledge.ts';

const SAME: ColumnVerdict = { written: false, conflict: null };
const WRITTEN: ColumnVerdict = { written: true, conflict: null };

const NOTHING_SEEN: ReadonlyMap<string, Text> = new Map();

const APPLIED: Verdict = { outcome: 'applied', discarded: null };
const GONE: Verdict = { outcome: 'gone', discarded: null };

/** Tables that are only pushed take nothing from tills; what a till changed there is put back. */
function putBack(change: ResolvedChange): Verdict {
  if (change.kind === 'repeat') return { outcome: 'duplicate', discarded: null };
  return { outcome: 'lost', discarded: PUSH_ONLY };
}

export class FoldedRow implements MetRow {
  readonly table: TableModel;
  readonly id: CentralId;
  /** As it stood before the group; null: it did not exist. */
  readonly standing: Standing | null;
  readonly #row: PendingRow;
  readonly #now: WrittenAt;
  #rest: ValueVersion;
  readonly #columns: Map<string, ValueVersion>;
  #hasNewVersion = false;
  /** What stood in the delta columns when the till deleted the row: a REPLACE is a delete, then an insert. */
  #lastDeleted: { readonly terminal: string; readonly values: ReadonlyMap<string, Text> } | null = null;

  /** @param now a place in the WAL behind the commits of all that stands there */
  constructor(table: TableModel, id: CentralId, standing: Standing | null, now: WrittenAt = LONG_AGO) {
    this.table = table;
    this.id = id;
    this.standing = standing;
    this.#now = now;
    this.#row = new PendingRow(standing?.values ?? null);
    const { rest, columns } = standing?.version ?? NO_VERSION;
    this.#rest = rest;
    this.#columns = new Map(columns);
  }

  /** Clocks and writers of the row as it will be left. */
  get version(): RowVersion {
    return { rest: this.#rest, columns: this.#columns };
  }

  /** Whether they are others than before. */
  get hasNewVersion(): boolean {
    return this.#hasNewVersion;
  }

  /** Whether the row is there after the changes so far. */
  get exists(): boolean {
    return this.#row.exists;
  }

  /** As it will be left, as far as known here; null when deleted. */
  get current(): ReadonlyMap<string, Text> | null {
    return this.#row.current;
  }

  valueIn(column: string): Text {
    return this.#row.valueOf(column);
  }

  /** Whether anything is to be written of it. */
  get isWritten(): boolean {
    return this.#row.isWritten;
  }

  get writes(): RowWrites | null {
    return this.#row.writes;
  }

  /** Folds one change in and says what became of it. */
  fold(change: ResolvedChange): Verdict {
    if (this.exists && this.table.direction === 'push') return putBack(change);
    switch (change.kind) {
      case 'repeat':
        return this.exists ? { outcome: 'duplicate', discarded: null } : GONE;
      case 'offer':
        return this.exists ? { outcome: 'merged', discarded: null } : this.#insert(change);
      case 'insert':
        return this.exists ? { ...this.#merge(change), outcome: 'merged' } : this.#insert(change);
      case 'update':
        return this.exists ? this.#update(change) : GONE;
      case 'fill':
        return this.exists ? this.#fill(change.next) : GONE;
      case 'delete':
        return this.exists ? this.#delete(change) : GONE;
      default:
        return unreachable(change.kind);
    }
  }

  #insert(change: ResolvedChange): Verdict {
    if (!this.#row.insert(change.next)) return this.#merge(change);
    this.#rest = { ...this.#versionBy(change, null), at: LONG_AGO };
    this.#hasNewVersion = true;
    return APPLIED;
  }

  /** An insert that meets a row which is there: its values compete like those of an update. */
  #merge(change: ResolvedChange): Verdict {
    const deleted = this.#lastDeleted;
    const before = deleted?.terminal === change.terminal ? deleted.values : null;
    const next = new Map(change.next);
    // Constants say where a till creates rows, not where a row that exists belongs.
    const { key, set, scope } = this.table;
    for (const column of [...key, ...set.keys()]) next.delete(column);
    if (scope.kind === 'column') next.delete(scope.column);
    for (const column of next.keys()) {
      // Both sides started with a stock of their own; adding them up would double it.
      if (this.#policy(column) === 'delta' && before?.has(column) !== true) next.delete(column);
    }
    const { soft } = this.table;
    if (soft !== null && !next.has(soft.column)) next.set(soft.column, soft.unmarked);
    return this.#compete(change, next, before ?? NOTHING_SEEN);
  }

  #update(change: ResolvedChange): Verdict {
    const { soft, policy } = this.table;
    const isBack =
      soft !== null &&
      bringsBack({
        policy,
        isMarked: this.#isMarked,
        namesMark: change.next.has(soft.column),
        isOwn: latestOf(this.version).writer === change.terminal,
        wins: isWinner(change, latestOf(this.version)),
      });
    if (isBack) this.#write(change, soft.column, soft.unmarked);
    const verdict = this.#compete(change, change.next, change.before);
    return isBack ? { ...verdict, discarded: verdict.discarded ?? BROUGHT_BACK } : verdict;
  }

  #fill(next: ReadonlyMap<string, Text>): Verdict {
    const { set, verdict } = fillingOf(next, (column) => ({
      current: this.#row.valueOf(column),
      policy: this.#policy(column),
      isPushed: this.#isPushed(column),
      same: (a, b) => isSame(this.table, column, a, b),
    }));
    for (const [column, value] of set) this.#row.put(column, value);
    return verdict;
  }

  /** It bears the mark of a soft delete. */
  get #isMarked(): boolean {
    const { soft } = this.table;
    return soft?.isMarked(this.#row.valueOf(soft.column)) === true;
  }

  #compete(
    change: ResolvedChange,
    next: ReadonlyMap<string, Text>,
    before: ReadonlyMap<string, Text>,
  ): Verdict {
    const { timestampColumn, granularity } = this.table;
    // Of the row before any of this is written.
    const known = granularity === 'row' ? knownOfRow(change, next, before, this) : null;
    let written = 0;
    let lost: Discarded | null = null;
    let won: Discarded | null = null;
    for (const [column, value] of next) {
      if (column === timestampColumn) continue;
      const decision = this.#column(change, column, value, { before, known });
      if (decision.written) written += 1;
      if (decision.conflict?.winner === 'central') lost = decision.conflict;
      else won ??= decision.conflict;
    }
    // The timestamp goes with the values it belongs to; alone it is a change of its own.
    const timestamp = timestampColumn === null ? undefined : next.get(timestampColumn);
    if (timestampColumn !== null && timestamp !== undefined && (written > 0 || next.size === 1)) {
      if (this.#timestamp(timestampColumn, timestamp)) written += 1;
    }
    if (lost !== null) return { outcome: written > 0 ? 'merged' : 'lost', discarded: lost };
    return won === null ? APPLIED : { ...APPLIED, discarded: won };
  }

  #column(
    change: ResolvedChange,
    column: string,
    value: Text,
    { before, known }: { readonly before: ReadonlyMap<string, Text>; readonly known: Knowledge | null },
  ): ColumnVerdict {
    const current = this.#row.valueOf(column);
    const policy = this.#policy(column);
    const isPushed = this.#isPushed(column);
    if (policy === 'delta' && !isPushed) return this.#add(column, value, before.get(column) ?? null);
    const knowledge = known ?? knownOfColumn(change, column, before, this);
    const verdict = columnVerdict({
      // Of one that is pushed the policy is never asked.
      policy: policy === 'delta' ? 'append-only' : policy,
      isPushed,
      isThere: isPushed ? isSame(this.table, column, current, value) : isThere(this, column, value),
      ...knowledge,
    });
    if (verdict.written) this.#write(change, column, value);
    // What was there already is confirmed later than whoever else wrote it.
    else if (verdict.conflict === null && knowledge.wins) this.#note(change, column);
    return verdict;
  }

  /** Nobody decides by it who wins: the later stays. @returns whether it was written */
  #timestamp(column: string, value: Text): boolean {
    const [standing, next] = [this.#row.valueOf(column), value].map((text) => timestampMs(text ?? null, {}));
    if (value === null || this.#isPushed(column) || this.#policy(column) === 'append-only') return false;
    if (standing != null && (next == null || next <= standing)) return false;
    this.#row.put(column, value);
    return true;
  }

  #add(column: string, value: Text, before: Text): ColumnVerdict {
    const delta = subtractDecimals(value ?? '0', before ?? '0');
    if (/^-?0*(\.0*)?$/.test(delta)) return SAME;
    this.#row.add(column, delta);
    return WRITTEN;
  }

  #delete(change: ResolvedChange): Verdict {
    const { soft, delete: mode, policy } = this.table;
    this.#lastDeleted = { terminal: change.terminal, values: change.before };
    const { saw, isDoubtful, isOwn, wins } = knownOfRow(change, change.next, change.before, this);
    const { done, conflict } = deleteVerdict({
      mode,
      policy,
      isMarked: this.#isMarked,
      wins: (saw === 'standing' && !isDoubtful) || wins,
      isForeign: saw === 'another' && !isOwn,
    });
    if (done === 'nothing') return APPLIED;
    if (done === 'refused') return { outcome: 'lost', discarded: conflict };
    if (soft !== null) this.#write(change, soft.column, soft.mark(change.clockMs));
    else this.#row.remove();
    return { ...APPLIED, discarded: conflict };
  }

  #isPushed(column: string): boolean {
    return this.table.byCentral.get(column)?.options.direction === 'push';
  }

  #policy(column: string) {
    return this.table.byCentral.get(column)?.policy ?? this.table.policy;
  }

  #write(change: ResolvedChange, column: string, value: Text): void {
    this.#row.put(column, value);
    this.#note(change, column);
  }

  #note(change: ResolvedChange, column: string): void {
    if (this.table.granularity === 'row') {
      this.#rest = this.#versionBy(change, latestOf(this.version));
      this.#columns.clear();
    } else this.#columns.set(column, this.#versionBy(change, versionOf(this.version, column)));
    this.#hasNewVersion = true;
  }

  #versionBy(change: ResolvedChange, before: ValueVersion | null): ValueVersion {
    const { terminal: writer, seq } = change;
    return { clockMs: Math.max(change.clockMs, before?.clockMs ?? 0), writer, seq, at: this.#now };
  }
}
