/**
 * The only place where a conflict is decided. Pure: rows have been read and locked before, and are written
 * after, so that a statement names every row once whatever many changes a group brings for it.
 *
 * Rules, per column by its policy:
 * - last-writer-wins: the later clock wins. A tie goes to the centre, between two tills to the higher terminal
 *   id. A till never loses against its own last write: it knew that when it made this one.
 * - delta: what the till added or took away is always applied, whoever wins the rest.
 * - central-wins: applied only where the till knew what stands there. terminal-wins: always applied.
 * - append-only: never changed after the insert.
 * - direction push: only head office changes it. Taken with a row that is new, since nothing of head office's stands
 *   there and the row may not be possible without it; else put back.
 * An update that only fills is decided in fill.ts, and leaves clock and writer as they are.
 * Delete against update: the later wins; an update that wins brings a softly deleted row back.
 */
import { addDecimals, isDecimal, subtractDecimals } from '../../shared/values/decimal.ts';
import type { CentralId } from '../../shared/records/change-record.ts';
import { unreachable } from '../../shared/errors.ts';
import type { Discarded, ResolvedChange, Verdict } from './change.ts';
import type { TableModel } from './model.ts';
import { fillingOf } from './fill.ts';
import { isWrittenAlready, sameValue } from './same-value.ts';
import type { Text } from './sql.ts';
import { CENTRE, type RowWrites, type Standing } from './standing.ts';

/** What became of one value. */
interface Decision {
  readonly written: boolean;
  readonly conflict: Discarded | null;
}

const SAME: Decision = { written: false, conflict: null };
const WRITTEN: Decision = { written: true, conflict: null };

const APPLIED: Verdict = { outcome: 'applied', discarded: null };
const GONE: Verdict = { outcome: 'gone', discarded: null };

const PUSH_ONLY: Discarded = { winner: 'central', rule: 'push-only' };

/** Tables that are only pushed take nothing from tills; what a till changed there is put back. */
function putBack(change: ResolvedChange): Verdict {
  if (change.kind === 'repeat') return { outcome: 'duplicate', discarded: null };
  return { outcome: 'lost', discarded: PUSH_ONLY };
}

/** One central row while the changes of a group are folded into it, in their order. */
export class FoldedRow {
  readonly table: TableModel;
  readonly id: CentralId;
  /** As it stood before the group; null: it did not exist. */
  readonly standing: Standing | null;
  #current: Map<string, Text> | null;
  #clockMs: number;
  #writer: string;
  #inserted = false;
  #deleted = false;
  readonly #set = new Map<string, Text>();
  readonly #added = new Map<string, Text>();
  /** The row as the till deleted it, should it come back in this group. */
  #ghost: Map<string, Text> | null = null;
  /** What stood in the delta columns when the till deleted the row: a REPLACE is a delete, then an insert. */
  #lastDeleted: { readonly terminal: string; readonly values: ReadonlyMap<string, Text> } | null = null;

  constructor(table: TableModel, id: CentralId, standing: Standing | null) {
    this.table = table;
    this.id = id;
    this.standing = standing;
    this.#current = standing === null ? null : new Map(standing.values);
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
    return this.#current !== null;
  }

  /** As it will be left, as far as known here; null when deleted. */
  get current(): ReadonlyMap<string, Text> | null {
    return this.#current;
  }

  /** Whether anything is to be written of it. */
  get isWritten(): boolean {
    return this.#inserted || this.#deleted || this.#set.size > 0 || this.#added.size > 0;
  }

  get writes(): RowWrites | null {
    if (this.#inserted) {
      return { insert: this.#current ?? this.#ghost, update: null, delete: this.#deleted };
    }
    if (this.#deleted) return { insert: null, update: null, delete: true };
    if (!this.isWritten) return null;
    return { insert: null, update: { set: this.#set, add: this.#added }, delete: false };
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
    if (this.standing === null && !this.#deleted) {
      this.#inserted = true;
      this.#current = change.next;
      this.#wrote(change);
      return APPLIED;
    }
    // The till deleted the row earlier in this group and brings it back: one update, not two statements.
    this.#deleted = false;
    this.#current = this.#ghost ?? new Map();
    return this.#merge(change);
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
    const revived = this.#reviveFor(change);
    const verdict = this.#compete(change, change.next, change.before);
    if (!revived || verdict.discarded !== null) return verdict;
    return { ...verdict, discarded: { winner: 'terminal', rule: 'delete-against-update' } };
  }

  #fill(next: ReadonlyMap<string, Text>): Verdict {
    const { set, verdict } = fillingOf(next, (column) => ({
      current: this.#current?.get(column) ?? null,
      policy: this.#policy(column),
      isPushed: this.#isPushed(column),
      same: this.#comparison(column),
    }));
    for (const [column, value] of set) this.#put(column, value);
    return verdict;
  }

  /** A later update of a row that somebody else had marked as deleted takes the mark away. */
  #reviveFor(change: ResolvedChange): boolean {
    const { soft, policy } = this.table;
    if (soft === null || policy === 'append-only' || change.next.has(soft.column)) return false;
    if (!soft.isMarked(this.#current?.get(soft.column) ?? null)) return false;
    if (this.#writer === change.terminal || !this.#wins(change)) return false;
    this.#put(soft.column, soft.unmarked);
    this.#wrote(change);
    return true;
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
  ): Decision {
    const current = this.#current?.get(column) ?? null;
    const same = this.#comparison(column);
    if (this.#isPushed(column)) {
      return same(current, value) ? SAME : { written: false, conflict: PUSH_ONLY };
    }
    const policy = this.#policy(column);
    if (policy === 'delta') return this.#add(column, value, before.get(column) ?? null);
    const model = this.table.central.get(column);
    if (model === undefined ? current === value : isWrittenAlready(model, current, value)) return SAME;
    const givenUp: Decision = { written: false, conflict: { winner: 'central', rule: policy } };
    switch (policy) {
      case 'last-writer-wins':
        if (!wins) return givenUp;
        break;
      case 'central-wins':
        if (!same(current, before.get(column) ?? null)) return givenUp;
        break;
      case 'append-only':
        return givenUp;
      case 'terminal-wins':
        break;
      default:
        return unreachable(policy);
    }
    const conflict = this.#isForeign(change, column, before)
      ? ({ winner: 'terminal', rule: policy } as const)
      : null;
    this.#put(column, value);
    return { written: true, conflict };
  }

  /**
   * Whether somebody else put there what stands in a column, and the till did not know it. An insert that met a
   * row knew nothing of it; a column whose old value cannot be compared says nothing.
   */
  #isForeign(change: ResolvedChange, column: string, before: ReadonlyMap<string, Text>): boolean {
    if (this.#writer === change.terminal) return false;
    const current = this.#current?.get(column) ?? null;
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

  #add(column: string, value: Text, before: Text): Decision {
    const delta = subtractDecimals(value ?? '0', before ?? '0');
    if (/^-?0*(\.0*)?$/.test(delta)) return SAME;
    const current = this.#current?.get(column) ?? '0';
    // Left alone where it is no plain decimal (NaN); the statement adds on the row itself.
    const sum = isDecimal(current) ? addDecimals(current, delta) : current;
    this.#current?.set(column, sum);
    if (this.#inserted) return WRITTEN;
    if (this.#set.has(column)) this.#set.set(column, sum);
    else this.#added.set(column, addDecimals(this.#added.get(column) ?? '0', delta));
    return WRITTEN;
  }

  #delete(change: ResolvedChange): Verdict {
    const { soft, delete: mode, policy } = this.table;
    this.#lastDeleted = { terminal: change.terminal, values: change.before };
    if (mode === 'ignore') return APPLIED;
    if (soft !== null && soft.isMarked(this.#current?.get(soft.column) ?? null)) return APPLIED;
    if (policy === 'append-only') {
      return { outcome: 'lost', discarded: { winner: 'central', rule: policy } };
    }
    if (policy !== 'terminal-wins' && !this.#wins(change)) {
      return { outcome: 'lost', discarded: { winner: 'central', rule: 'delete-against-update' } };
    }
    const foreign = [...change.before.keys()].some((column) => this.#deletesUnknown(change, column));
    if (soft !== null) this.#put(soft.column, soft.mark(change.clockMs));
    else {
      this.#ghost = this.#current;
      this.#current = null;
      this.#deleted = true;
    }
    this.#wrote(change);
    if (!foreign) return APPLIED;
    return { ...APPLIED, discarded: { winner: 'terminal', rule: 'delete-against-update' } };
  }

  #isPushed(column: string): boolean {
    return this.table.byCentral.get(column)?.options.direction === 'push';
  }

  #policy(column: string) {
    return this.table.byCentral.get(column)?.policy ?? this.table.policy;
  }

  #put(column: string, value: Text): void {
    this.#current?.set(column, value);
    if (this.#inserted) return;
    this.#set.set(column, value);
    this.#added.delete(column);
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
