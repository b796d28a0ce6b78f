/**
 * One central row while the changes of a group are folded into it, in their order: asks the verdicts, keeps clock and
 * writer, and has written down what is to be written. Pure: rows have been read and locked before.
 *
 * - A value: column-verdict.ts. A delete, and a mark of one: delete-verdict.ts. An update that only fills: fill.ts; it
 *   leaves clock and writer as they are.
 * - A tie of clocks goes to the centre, between two tills to the higher terminal id. A till never loses against its
 *   own last write: it knew that when it made this one.
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
import { isWrittenAlready, sameValue } from './same-value.ts';
import type { Text } from './sql.ts';
import { CENTRE, type RowWrites, type Standing } from './standing.ts';

const SAME: ColumnVerdict = { written: false, conflict: null };
const WRITTEN: ColumnVerdict = { written: true, conflict: null };

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
  #clockMs: number;
  #writer: string;
  /** What stood in the delta columns when the till deleted the row: a REPLACE is a delete, then an insert. */
  #lastDeleted: { readonly terminal: string; readonly values: ReadonlyMap<string, Text> } | null = null;

  constructor(table: TableModel, id: CentralId, standing: Standing | null) {
    this.table = table;
    this.id = id;
    this.standing = standing;
    this.#row = new PendingRow(standing?.values ?? null);
    this.#clockMs = standing?.clockMs ?? 0;
    this.#writer = standing?.writer ?? CENTRE;
  }

  /** Clock and writer of the row as it will be left. */
  get version(): { clockMs: number; writer: string } {
    return { clockMs: this.#clockMs, writer: this.#writer };
  }

  /** A new version for a row of which nothing is written. */
  get confirmed(): boolean {
    const { standing } = this;
    if (standing === null || this.isWritten) return false;
    return standing.clockMs !== this.#clockMs || standing.writer !== this.#writer;
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
    this.#wrote(change);
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
    return this.#compete(change, next, before ?? change.before);
  }

  #update(change: ResolvedChange): Verdict {
    const { soft, policy } = this.table;
    const isBack =
      soft !== null &&
      bringsBack({
        policy,
        isMarked: this.#isMarked,
        namesMark: change.next.has(soft.column),
        isOwn: this.#writer === change.terminal,
        wins: this.#wins(change),
      });
    if (isBack) {
      this.#row.put(soft.column, soft.unmarked);
      this.#wrote(change);
    }
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
    const wins = this.#wins(change);
    const { timestampColumn } = this.table;
    let written = 0;
    let lost: Discarded | null = null;
    let won: Discarded | null = null;
    for (const [column, value] of next) {
      if (column === timestampColumn) continue;
      const decision = this.#column(change, column, value, { before, wins });
      if (decision.written) written += 1;
      if (decision.conflict?.winner === 'central') lost = decision.conflict;
      else won ??= decision.conflict;
    }
    // The timestamp goes with the values it belongs to; alone it is a change of its own.
    const alone = next.size === 1;
    const timestamp = timestampColumn === null ? undefined : next.get(timestampColumn);
    if (timestampColumn !== null && timestamp !== undefined && wins && (written > 0 || alone)) {
      if (this.#column(change, timestampColumn, timestamp, { before, wins }).written) written += 1;
    }
    // Also when all values were there already: they were confirmed later than whoever else wrote them.
    if (wins ? written > 0 || lost === null : written > 0 && this.table.policy === 'terminal-wins') {
      this.#wrote(change);
    }
    if (lost !== null) return { outcome: written > 0 ? 'merged' : 'lost', discarded: lost };
    return won === null ? APPLIED : { ...APPLIED, discarded: won };
  }

  #column(
    change: ResolvedChange,
    column: string,
    value: Text,
    { before, wins }: { before: ReadonlyMap<string, Text>; wins: boolean },
  ): ColumnVerdict {
    const current = this.#row.valueOf(column);
    const policy = this.#policy(column);
    const isPushed = this.#isPushed(column);
    if (policy === 'delta' && !isPushed) return this.#add(column, value, before.get(column) ?? null);
    const model = this.table.central.get(column);
    const same = this.#comparison(column);
    const isThere = () => (model === undefined ? current === value : isWrittenAlready(model, current, value));
    const verdict = columnVerdict({
      // Of one that is pushed the policy is never asked.
      policy: policy === 'delta' ? 'append-only' : policy,
      isPushed,
      isThere: isPushed ? same(current, value) : isThere(),
      wasKnown: same(current, before.get(column) ?? null),
      isForeign: this.#isForeign(change, column, before),
      wins,
    });
    if (verdict.written) this.#row.put(column, value);
    return verdict;
  }

  /**
   * Whether somebody else put there what stands in a column, and the till did not know it. An insert that met a
   * row knew nothing of it; a column whose old value cannot be compared says nothing.
   */
  #isForeign(change: ResolvedChange, column: string, before: ReadonlyMap<string, Text>): boolean {
    if (this.#writer === change.terminal) return false;
    const current = this.#row.valueOf(column);
    const known = before.get(column);
    if (known === undefined) return change.kind === 'insert' && current !== null;
    return !this.#comparison(column)(current, known);
  }

  /** A stock that others moved, or when they did, is no reason to keep a row. */
  #deletesUnknown(change: ResolvedChange, column: string): boolean {
    if (column === this.table.timestampColumn || this.#policy(column) === 'delta') return false;
    return this.#isForeign(change, column, change.before);
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
    const { done, conflict } = deleteVerdict({
      mode,
      policy,
      isMarked: this.#isMarked,
      wins: this.#wins(change),
      isForeign: [...change.before.keys()].some((column) => this.#deletesUnknown(change, column)),
    });
    if (done === 'nothing') return APPLIED;
    if (done === 'refused') return { outcome: 'lost', discarded: conflict };
    if (soft !== null) this.#row.put(soft.column, soft.mark(change.clockMs));
    else this.#row.remove();
    this.#wrote(change);
    return { ...APPLIED, discarded: conflict };
  }

  #isPushed(column: string): boolean {
    return this.table.byCentral.get(column)?.options.direction === 'push';
  }

  #policy(column: string) {
    return this.table.byCentral.get(column)?.policy ?? this.table.policy;
  }

  #wins(change: ResolvedChange): boolean {
    if (this.#writer === change.terminal) return true;
    if (change.clockMs !== this.#clockMs) return change.clockMs > this.#clockMs;
    return this.#writer !== CENTRE && change.terminal > this.#writer;
  }

  #wrote(change: ResolvedChange): void {
    this.#clockMs = Math.max(this.#clockMs, change.clockMs);
    this.#writer = change.terminal;
  }
}
