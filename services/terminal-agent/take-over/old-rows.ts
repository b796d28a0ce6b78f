/** The rows of a till file of the versions before, as row-state.ts has them: each with its name and its base. */
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import { subtractDecimals } from '../../shared/values/decimal.ts';
import { encodePosition, ZERO_POSITION } from '../../shared/records/position.ts';
import type { SqliteValue } from '../../shared/records/unit-record.ts';
import { encodeImage } from '../rows/image.ts';
import { isPublished } from '../file/captured-tables.ts';
import { isUnlinked, unlinkedHandle } from '../rows/sync-rows.ts';
import type { TillTable, TillTables } from '../rows/till-tables.ts';
import { quoteName } from '../till/local-schema.ts';
import { baseOf, rowValues } from '../up/row-values.ts';
import type { Value, Values } from '../up/row-state.ts';
import type { OldChange } from './old-changes.ts';
import type { OldReferences } from './old-references.ts';

export interface OldRowsParts {
  readonly db: SqliteDatabase;
  readonly tables: TillTables;
  readonly references: OldReferences;
}

const ZERO = encodePosition(ZERO_POSITION);
const GONE = encodeImage(null);

export class OldRows {
  readonly #parts: OldRowsParts;

  constructor(parts: OldRowsParts) {
    this.#parts = parts;
  }

  /** @param changes that are not settled, and refused inserts, in order */
  keep(changes: readonly OldChange[]): void {
    for (const table of this.#parts.tables.all()) {
      const own = changes.filter(({ kept }) => kept.table === table.name);
      this.#nameRows(table);
      this.#keepUnlinked(table, own);
      this.#giveBases(table, byHandle(own));
    }
  }

  #nameRows({ name }: TillTable): void {
    this.#parts.db
      .prepare(
        `UPDATE ${quoteName(`sync_row_${name}`)} AS r SET identity = (SELECT identity FROM sync_identity AS i
            WHERE i.table_name = ? AND i.row_key = r.row_key) WHERE row_key IS NOT NULL`,
      )
      .run(name);
  }

  #keepUnlinked(table: TillTable, changes: readonly OldChange[]): void {
    for (const { kept, entry } of changes) {
      const isInsert = kept.op === 'c' || kept.op === 'r';
      if (
        !isPublished(table.bound) ||
        !isInsert ||
        !isUnlinked(kept.handle) ||
        table.rows.get(kept.handle) !== undefined
      )
        continue;
      const isGone = changes.some((other) => other.kept.handle === kept.handle && other.kept.op === 'd');
      const rowKey = isGone ? null : this.#keyOf(table, kept.identity, kept.rowKey);
      const refused = entry.outcome === 'rejected';
      const values = refused && rowKey !== null ? this.#valuesAt(table, rowKey) : undefined;
      const base = values === undefined ? null : baseOf(table.bound, values);
      const { identity } = kept;
      table.rows.put(unlinkedHandle(identity), {
        rowKey,
        position: ZERO,
        deleted: false,
        base,
        identity,
        refused,
      });
    }
  }

  /** The app may have given it another key since. */
  #keyOf(table: TillTable, identity: string, entered: SqliteValue): SqliteValue {
    const kept = this.#parts.db
      .prepare<[string, string], SqliteValue>(
        'SELECT row_key FROM sync_identity WHERE table_name = ? AND identity = ?',
      )
      .pluck()
      .safeIntegers()
      .get(table.name, identity);
    if (kept !== undefined && table.writer.exists(kept)) return kept;
    const { identityColumn } = table.bound;
    const named = identityColumn === null ? undefined : table.writer.keyWith(identityColumn, identity);
    if (named !== undefined && named !== null) return named;
    return entered !== null && table.writer.exists(entered) ? entered : null;
  }

  #giveBases(table: TillTable, open: ReadonlyMap<string, readonly OldChange[]>): void {
    const rows = quoteName(`sync_row_${table.name}`);
    const handles = this.#parts.db
      .prepare<[], string>(
        `SELECT central_id FROM ${rows} WHERE row_key IS NOT NULL AND central_id NOT GLOB '~*'
            AND (base IS NULL OR base = '${GONE}')`,
      )
      .pluck()
      .all();
    for (const handle of handles) {
      const row = table.rows.get(handle);
      const changes = open.get(handle) ?? [];
      if (row === undefined || changes.some(({ kept }) => kept.op === 'c' || kept.op === 'r')) continue;
      const here = row.rowKey === null ? undefined : this.#valuesAt(table, row.rowKey);
      if (here === undefined && changes.length === 0) continue;
      const values: Values = here ?? new Map();
      const before = changes.reduceRight((after, change) => this.#without(table, after, change), values);
      const deleted = row.deleted || row.base === GONE;
      table.rows.put(handle, { ...row, deleted, base: baseOf(table.bound, before) });
    }
  }

  #without(table: TillTable, after: Values, { change, kept: { cut } }: OldChange): Values {
    if (cut.op === 'c') return after;
    const raw = new Map(change.columns.map(({ name, old }) => [name, old]));
    const parentOf = this.#parentOf(change.seq);
    const old = rowValues(
      table.bound,
      table.bound.columns.map(({ local }) => raw.get(local) ?? null),
      parentOf,
    );
    if (cut.op === 'd') return old;
    const before = new Map<string, Value>(after);
    for (const column of cut.edits.keys()) before.set(column, old.get(column) ?? null);
    for (const [column, sum] of cut.sums)
      before.set(column, subtractDecimals(before.get(column) ?? '0', sum));
    return before;
  }

  #valuesAt(table: TillTable, rowKey: SqliteValue): Values | undefined {
    const raw = table.writer.look(rowKey);
    return raw === undefined ? undefined : rowValues(table.bound, raw, this.#parentOf(Infinity));
  }

  #parentOf(seq: number): Parameters<typeof rowValues>[2] {
    return ({ reference }, value) => {
      const found = reference === null ? null : this.#parts.references.resolve(reference, value, seq);
      if (found === null || (found.centralId === null && found.identity === '')) return null;
      return found.centralId ?? unlinkedHandle(found.identity);
    };
  }
}

function byHandle(changes: readonly OldChange[]): Map<string, OldChange[]> {
  const rows = new Map<string, OldChange[]>();
  for (const change of changes) {
    const { handle } = change.kept;
    rows.set(handle, [...(rows.get(handle) ?? []), change]);
  }
  return rows;
}
