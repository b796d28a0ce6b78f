/**
 * The rows of a till file of the version before, as row-state.ts has them: each with its name and its base.
 *
 *   the row                         | its base
 *   --------------------------------+------------------------------------------------------------------
 *   with changes, and an image      | that image
 *   with changes, without one       | what it holds, less these changes
 *   without changes                 | what it holds
 *   without link                    | none: its insert is in flight
 *
 * A base holds whatever the app does after it: what it writes is an entry, and so one change more that the row is more
 * than its base. So rows get theirs long before the old triggers go.
 */
import type { Statement } from 'better-sqlite3';
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import type { Reference } from '../../shared/mapping/mapping.ts';
import { subtractDecimals } from '../../shared/values/decimal.ts';
import { encodePosition, ZERO_POSITION } from '../../shared/records/position.ts';
import type { SqliteValue, UnitChange } from '../../shared/records/unit-record.ts';
import { encodeImage } from '../rows/image.ts';
import { isUnlinked, SyncRows, unlinkedHandle } from '../rows/sync-rows.ts';
import type { TillTable, TillTables } from '../rows/till-tables.ts';
import type { KeptChange } from '../up/change-store.ts';
import { baseOf, rowValues } from '../up/row-values.ts';
import type { Value, Values } from '../up/row-state.ts';
import { withoutAbsent } from './later-bases.ts';
import type { OldReferences } from './old-references.ts';
import type { TakenChange } from './taken-changes.ts';

const ZERO = encodePosition(ZERO_POSITION);
const GONE = encodeImage(null);

export class OldRows {
  readonly #db: SqliteDatabase;
  readonly #references: OldReferences;
  readonly #tables: TillTables;
  /** Parents of rows as they stand, in this transaction. */
  readonly #parents = new Map<string, string | null>();
  readonly #nameOf: Statement<[string, SqliteValue], string>;
  readonly #keyOf: Statement<[string, string], SqliteValue>;

  constructor(db: SqliteDatabase, references: OldReferences, tables: TillTables) {
    this.#db = db;
    this.#references = references;
    this.#tables = tables;
    this.#nameOf = db
      .prepare<[string, SqliteValue], string>(
        'SELECT identity FROM sync_identity WHERE table_name = ? AND row_key = ?',
      )
      .pluck();
    this.#keyOf = db
      .prepare<[string, string], SqliteValue>(
        'SELECT row_key FROM sync_identity WHERE table_name = ? AND identity = ?',
      )
      .pluck()
      .safeIntegers();
  }

  /** A transaction begins: the app may have written. */
  begin(): void {
    this.#parents.clear();
  }

  /** A linked row gets its name and its base. @param changes of it that are not settled, in order */
  take(table: TillTable, handle: string, changes: readonly TakenChange[]): void {
    const row = table.rows.get(handle);
    if (row === undefined || row.rowKey === null) return;
    const identity = row.identity ?? this.#nameOf.get(table.name, row.rowKey) ?? null;
    const base = this.#baseOf(table, row, changes);
    if (identity === row.identity && base === undefined) return;
    const deleted = row.deleted || row.base === GONE;
    const more = base === undefined ? {} : { deleted, base };
    table.rows.put(handle, { ...row, identity, ...more });
  }

  /** undefined: it stays as it is */
  #baseOf(
    table: TillTable,
    { base, rowKey }: { readonly base: string | null; readonly rowKey: SqliteValue },
    changes: readonly TakenChange[],
  ): string | undefined {
    if ((base !== null && base !== GONE) || changes.some(({ kept }) => isInsert(kept))) return undefined;
    const here = this.#valuesAt(table, rowKey);
    if (here === undefined && changes.length === 0) return undefined;
    const values: Values = here ?? new Map();
    const before = changes.reduceRight((after, change) => this.#without(table, after, change), values);
    return baseOf(table.bound, withoutAbsent(this.#tables, table.bound, before));
  }

  /** An insert without a link. @param isGone it was deleted since */
  takeUnlinked(
    table: TillTable,
    { identity, rowKey: entered }: Pick<KeptChange, 'identity' | 'rowKey'>,
    { isGone, isRefused }: { readonly isGone: boolean; readonly isRefused: boolean },
  ): void {
    const handle = unlinkedHandle(identity);
    if (table.rows.get(handle) !== undefined) return;
    const rowKey = isGone ? null : this.#placeOf(table, identity, entered);
    const values = isRefused && rowKey !== null ? this.#valuesAt(table, rowKey) : undefined;
    const known = values === undefined ? undefined : withoutAbsent(this.#tables, table.bound, values);
    const base = known === undefined ? null : baseOf(table.bound, known);
    table.rows.put(handle, { rowKey, position: ZERO, deleted: false, base, identity, refused: isRefused });
  }

  /** The same of a table that is not here now. */
  takeAbsent(
    table: string,
    { identity, rowKey: entered }: Pick<KeptChange, 'identity' | 'rowKey'>,
    { isGone, isRefused }: { readonly isGone: boolean; readonly isRefused: boolean },
  ): void {
    const rows = new SyncRows(this.#db, table);
    const handle = unlinkedHandle(identity);
    if (rows.get(handle) !== undefined || rows.named(identity) !== undefined) return;
    const rowKey = isGone ? null : (this.#keyOf.get(table, identity) ?? entered);
    const position = ZERO;
    rows.put(handle, { rowKey, position, deleted: false, base: null, identity, refused: isRefused });
  }

  /** As the row is called now: its link may have come after the change was recorded. */
  handleNow(table: TillTable, { handle, identity }: Pick<KeptChange, 'handle' | 'identity'>): string {
    if (!isUnlinked(handle)) return handle;
    const rowKey = this.#named(table, identity);
    return (rowKey === undefined ? undefined : table.rows.centralIdOf(rowKey)) ?? handle;
  }

  /** The app may have given it another key since. */
  #placeOf(table: TillTable, identity: string, entered: SqliteValue): SqliteValue {
    const named = this.#named(table, identity);
    if (named !== undefined) return named;
    return entered !== null && table.writer.exists(entered) ? entered : null;
  }

  #named(table: TillTable, identity: string): SqliteValue | undefined {
    const kept = this.#keyOf.get(table.name, identity);
    if (kept !== undefined && table.writer.exists(kept)) return kept;
    const { identityColumn } = table.bound;
    return (
      (identityColumn === null ? undefined : table.writer.keyWith(identityColumn, identity)) ?? undefined
    );
  }

  #without(table: TillTable, after: Values, { change, kept: { cut } }: TakenChange): Values {
    if (cut.op === 'c') return after;
    const old = this.#oldValues(table, change);
    if (cut.op === 'd') return old;
    const before = new Map<string, Value>(after);
    for (const column of cut.edits.keys()) before.set(column, old.get(column) ?? null);
    for (const [column, sum] of cut.sums)
      before.set(column, subtractDecimals(before.get(column) ?? '0', sum));
    return before;
  }

  #oldValues({ bound }: TillTable, { columns, seq }: UnitChange): Values {
    const raw = new Map(columns.map(({ name, old }) => [name, old]));
    return rowValues(
      bound,
      bound.columns.map(({ local }) => raw.get(local) ?? null),
      this.#parentOf(seq),
    );
  }

  #valuesAt(table: TillTable, rowKey: SqliteValue): Values | undefined {
    const raw = table.writer.look(rowKey);
    return raw === undefined ? undefined : rowValues(table.bound, raw, this.#parentOf(Infinity));
  }

  #parentOf(seq: number): Parameters<typeof rowValues>[2] {
    return ({ reference }, value) => {
      if (reference === null) return null;
      if (seq !== Infinity) return this.#handleOf(reference, value, seq);
      const name = `${reference.holds}\u0000${reference.table}\u0000${typeof value}${String(value)}`;
      let known = this.#parents.get(name);
      if (known === undefined) {
        known = this.#handleOf(reference, value, seq);
        this.#parents.set(name, known);
      }
      return known;
    };
  }

  #handleOf(reference: Reference, value: SqliteValue, seq: number): string | null {
    const found = this.#references.resolve(reference, value, seq);
    if (found === null || (found.centralId === null && found.identity === '')) return null;
    return found.centralId ?? unlinkedHandle(found.identity);
  }
}

function isInsert({ op }: KeptChange): boolean {
  return op === 'c' || op === 'r';
}
