/**
 * Which row a local key means, in the snapshot of a look. Local keys never leave the till, so a reference goes up as the
 * row that it points to.
 *
 *   under that key                         | it means
 *   ---------------------------------------+-----------------------------------------------------
 *   a row that was touched lives, or lived | that row
 *   a row that is kept lives               | that row
 *   a row that nobody knows lives          | that row, which is taken along where it may be
 *   none                                   | nothing; but the column itself may hold its name
 */
import type { BoundColumn, LocalBinding } from '../../shared/catalog/table-binding.ts';
import { UNCAPTURED_ROW, type RowRef, type SqliteValue } from '../../shared/records/unit-record.ts';
import { ownTriggersOf } from '../till/sync-install.ts';
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import { sameStored } from '../../shared/values/same-meaning.ts';
import { isUnlinked, unlinkedHandle } from '../rows/sync-rows.ts';
import { isKeyedByUuid, type TillTable, type TillTables } from '../rows/till-tables.ts';
import { rowAt, usableName, type FoldedTable } from './folded-tables.ts';

export interface ParentParts {
  readonly db: SqliteDatabase;
  readonly binding: LocalBinding;
  readonly tables: TillTables;
  readonly folded: ReadonlyMap<string, FoldedTable>;
  /** A row that nobody knows. @returns its handle; null: it can't be taken along */
  readonly takeAlong: (table: TillTable, rowKey: SqliteValue) => string | null;
}

export class Parents {
  readonly #parts: ParentParts;
  readonly #known = new Map<string, string | null>();
  /** UUIDs that no row has, by table and handle: a row that is still to come may. */
  readonly #nobodys = new Set<string>();

  constructor(parts: ParentParts) {
    this.#parts = parts;
  }

  readonly handleOf = (column: BoundColumn, value: SqliteValue): string | null => {
    const { reference } = column;
    if (reference === null || value === null) return null;
    const table = this.#parts.tables.byLocal(reference.table);
    if (table === undefined) return null;
    const name = `${reference.holds}\u0000${table.name}\u0000${typeof value}${String(value)}`;
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const found = this.#find(table, reference.holds, value);
    this.#known.set(name, found);
    return found;
  };

  #find(table: TillTable, holds: 'local_key' | 'server_id' | 'local_id', value: SqliteValue): string | null {
    if (holds === 'local_key') return this.#at(table, value);
    if (holds === 'server_id' && table.rows.get(String(value)) !== undefined) return String(value);
    if (holds === 'local_id' && typeof value === 'string') {
      const named = table.rows.named(value);
      if (named !== undefined) return named;
      if (isKeyedByUuid(table)) return this.#at(table, value) ?? this.#nobody(table, value);
    }
    const { linkColumn, identityColumn } = table.bound;
    const column = holds === 'server_id' ? linkColumn : identityColumn;
    const rowKey = column === null ? undefined : table.writer.keyWith(column, value);
    // Without a key there is nothing that names it.
    if (rowKey === null) return unlinkedHandle('');
    if (rowKey !== undefined) return this.#at(table, rowKey);
    return holds === 'local_id' && typeof value === 'string' ? this.#nobody(table, value) : null;
  }

  #nobody({ name }: TillTable, uuid: string): string {
    const handle = unlinkedHandle(uuid);
    this.#nobodys.add(`${name}\u0000${handle}`);
    return handle;
  }

  /** Of a handle that was given here: no row has the UUID that it was made of. */
  isNobodys(table: string, handle: string): boolean {
    return this.#nobodys.has(`${table}\u0000${handle}`);
  }

  #at(table: TillTable, rowKey: SqliteValue): string | null {
    const touched = rowAt(this.#parts.folded.get(table.name), rowKey)?.handle;
    if (touched !== undefined) return touched;
    const kept = table.rows.handleAt(rowKey);
    if (kept !== undefined) return kept;
    const [column] = table.bound.local.key;
    const stored = column === undefined ? undefined : table.writer.keyWith(column, rowKey);
    if (stored === undefined || stored === null) return null;
    // The same row in other letters, where the parent's key says so.
    return sameStored(stored, rowKey) ? this.#parts.takeAlong(table, rowKey) : this.#at(table, stored);
  }

  /** What goes up for a reference. */
  target(column: BoundColumn, value: SqliteValue): RowRef | null {
    const { reference } = column;
    if (reference === null || value === null) return null;
    const handle = this.handleOf(column, value);
    const table = this.#parts.tables.byLocal(reference.table);
    if (handle !== null && table !== undefined) return this.refOf(table, handle);
    return this.#isUncaptured(reference.table) ? UNCAPTURED_ROW : null;
  }

  refOf(table: TillTable, handle: string): RowRef {
    if (isUnlinked(handle)) return { identity: handle.slice(1), centralId: null };
    const row = table.rows.get(handle);
    const identity = row?.identity ?? usableName(table, row?.rowKey ?? null) ?? '';
    return { identity, centralId: handle };
  }

  /** Its rows are there, and none of them has a lasting name. */
  #isUncaptured(table: string): boolean {
    const bound = this.#parts.binding.uninstallable?.get(table)?.bound;
    return bound !== undefined && ownTriggersOf(this.#parts.db, table).length === 0;
  }
}
