/**
 * One central row while the changes of a group are folded into it, in their order: asks the verdicts, keeps clock and
 * writer, and has written down what is to be written. Pure: rows have been read and locked before.
 *
 * - A value: column-verdict.ts. A delete, and a mark of one: delete-verdict.ts. An update that only fills: fill.ts; it
 *   leaves clock and writer as they are.
 * - Clock and writer are kept column by column (row-version.ts). What is written keeps the later of both clocks: whoever
 *   saw a value and changed it came after it, whatever the till's clock says.
 * - A column that only head office changes is taken with a row that is new, since nothing of head office's stands there
 *   and the row may not be possible without it.
 */
import { subtractDecimals } from '../../shared/values/decimal.ts';
import type { CentralId } from '../../shared/records/change-record.ts';
import { unreachable } from '../../shared/errors.ts';
import type { Discarded, ResolvedChange, Verdict } from './change.ts';
import { columnVerdict, PUSH_ONLY, type ColumnVerdict, type Saw } from './column-verdict.ts';
import { BROUGHT_BACK, bringsBack, deleteVerdict } from './delete-verdict.ts';
import { fillingOf } from './fill.ts';
import type { TableModel } from './model.ts';
import { PendingRow } from './pending-row.ts';
import {
  isBehind,
  isLater,
  latestOf,
  LONG_AGO,
  NO_VERSION,
  versionOf,
  type RowVersion,
  type ValueVersion,
  type WrittenAt,
} from './row-version.ts';
import { isWrittenAlready, sameValue } from './same-value.ts';
import type { Text } from './sql.ts';
import { timestampMs } from '../../shared/values/values.ts';
import { CENTRE, type RowWrites, type Standing } from './standing.ts';

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

export class FoldedRow {
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
        wins: this.#wins(change, latestOf(this.version)),
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
      same: this.#comparison(column),
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
    const { timestampColumn } = this.table;
    let written = 0;
    let lost: Discarded | null = null;
    let won: Discarded | null = null;
    for (const [column, value] of next) {
      if (column === timestampColumn) continue;
      const decision = this.#column(change, column, value, before);
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
    before: ReadonlyMap<string, Text>,
  ): ColumnVerdict {
    const current = this.#row.valueOf(column);
    const policy = this.#policy(column);
    const isPushed = this.#isPushed(column);
    if (policy === 'delta' && !isPushed) return this.#add(column, value, before.get(column) ?? null);
    const model = this.table.central.get(column);
    const standing = versionOf(this.version, column);
    const wins = this.#wins(change, standing);
    const isThere = () => (model === undefined ? current === value : isWrittenAlready(model, current, value));
    const verdict = columnVerdict({
      // Of one that is pushed the policy is never asked.
      policy: policy === 'delta' ? 'append-only' : policy,
      isPushed,
      isThere: isPushed ? this.#comparison(column)(current, value) : isThere(),
      saw: this.#saw(change, column, before),
      isDoubtful: this.#isDoubtful(change, standing),
      isOwn: standing.writer === change.terminal,
      wins,
    });
    if (verdict.written) this.#write(change, column, value);
    // What was there already is confirmed later than whoever else wrote it.
    else if (verdict.conflict === null && wins) this.#note(change, column);
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

  /** What the till knew of the value that stands in a column. */
  #saw(change: ResolvedChange, column: string, before: ReadonlyMap<string, Text>): Saw {
    const current = this.#row.valueOf(column);
    const known = before.get(column);
    if (known !== undefined) return this.#comparison(column)(current, known) ? 'standing' : 'another';
    if (change.kind !== 'insert') return 'unknown';
    return current === null ? 'nothing' : 'another';
  }

  /** What stands may be what the till saw, and not the same writing of it. */
  #isDoubtful(change: ResolvedChange, standing: ValueVersion): boolean {
    if (change.image === 'beyond horizon') return true;
    const { writer } = standing;
    if (change.image === 'unknown' || writer === CENTRE || writer === change.terminal) return false;
    return isBehind(standing, change.image);
  }

  #comparison(column: string): (a: Text, b: Text) => boolean {
    const model = this.table.central.get(column);
    return (a, b) => (model === undefined ? a === b : sameValue(model, a, b));
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
    const latest = latestOf(this.version);
    const saw = this.#sawRow(change);
    const { done, conflict } = deleteVerdict({
      mode,
      policy,
      isMarked: this.#isMarked,
      wins: saw === 'standing' || this.#wins(change, latest),
      isForeign: saw === 'another' && latest.writer !== change.terminal,
    });
    if (done === 'nothing') return APPLIED;
    if (done === 'refused') return { outcome: 'lost', discarded: conflict };
    if (soft !== null) this.#write(change, soft.column, soft.mark(change.clockMs));
    else this.#row.remove();
    return { ...APPLIED, discarded: conflict };
  }

  /** Of a delete, which is about the whole row. A stock that others moved, or when they did, is no reason to keep it. */
  #sawRow(change: ResolvedChange): Saw {
    const columns = this.table.columns.filter(
      (column) => column !== this.table.timestampColumn && this.#policy(column) !== 'delta',
    );
    const seen = columns.filter((column) => change.before.has(column));
    if (seen.some((column) => this.#saw(change, column, change.before) === 'another')) return 'another';
    const isDoubtful = columns.some((column) => this.#isDoubtful(change, versionOf(this.version, column)));
    return isDoubtful || seen.length === 0 ? 'unknown' : 'standing';
  }

  #isPushed(column: string): boolean {
    return this.table.byCentral.get(column)?.options.direction === 'push';
  }

  #policy(column: string) {
    return this.table.byCentral.get(column)?.policy ?? this.table.policy;
  }

  /** A till never loses against its own last write: it knew that when it made this one. */
  #wins({ terminal, clockMs }: ResolvedChange, standing: ValueVersion): boolean {
    return standing.writer === terminal || isLater({ writer: terminal, clockMs }, standing);
  }

  #write(change: ResolvedChange, column: string, value: Text): void {
    this.#row.put(column, value);
    this.#note(change, column);
  }

  #note(change: ResolvedChange, column: string): void {
    this.#columns.set(column, this.#versionBy(change, versionOf(this.version, column)));
    this.#hasNewVersion = true;
  }

  #versionBy(change: ResolvedChange, before: ValueVersion | null): ValueVersion {
    const { terminal: writer, seq } = change;
    return { clockMs: Math.max(change.clockMs, before?.clockMs ?? 0), writer, seq, at: this.#now };
  }
}
