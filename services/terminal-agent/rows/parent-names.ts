/** Which rows the handles in images and in rows mean now, for the comparison of reference columns. */
import type { BoundColumn } from '../../shared/catalog/table-binding.ts';
import type { SqliteValue } from '../../shared/records/unit-record.ts';
import { sameStored } from '../../shared/values/same-meaning.ts';
import { isUnlinked } from './sync-rows.ts';
import { isKeyedByUuid, type TillTables } from './till-tables.ts';

/** Told of each handle whether it stands for a UUID that no row has. */
export interface Nobodys {
  isNobodys(table: string, handle: string): boolean;
}

export class ParentNames {
  readonly #tables: TillTables;
  readonly #nobodys: Nobodys;

  constructor(tables: TillTables, nobodys: Nobodys) {
    this.#tables = tables;
    this.#nobodys = nobodys;
  }

  /** Of a handle that was given before the link came, the central id. */
  now(column: BoundColumn, handle: string): string {
    if (!isUnlinked(handle)) return handle;
    return this.#parentOf(column)?.rows.named(handle.slice(1)) ?? handle;
  }

  /** The till had the row, and has it no more. */
  isGone(column: BoundColumn, handle: string): boolean {
    const row = this.#rowOf(column, handle);
    if (row === undefined) return false;
    return row.rowKey === null || this.#parentOf(column)?.writer.exists(row.rowKey) === false;
  }

  /** A key under which no row lives was that of a row that is gone, or nobody knows which that had. */
  wasKeyOf(column: BoundColumn, handle: string, value: SqliteValue): boolean {
    const former =
      this.#rowOf(column, handle)?.rowKey ?? this.#parentOf(column)?.rows.formerKey(this.now(column, handle));
    // A column of texts may name a whole number: nobody converts it any more by the key that is gone.
    return former == null || sameStored(former, value) || String(former) === String(value);
  }

  /** A UUID that no row has may be that of a row that is gone, where nobody knows which that had. */
  mayBeUuidOf(column: BoundColumn, handle: string, shown: string): boolean {
    const [row, parent] = [this.#rowOf(column, handle), this.#parentOf(column)];
    if (row === undefined || parent === undefined) return false;
    if (!this.#nobodys.isNobodys(parent.name, shown)) return false;
    return row.identity === null && (row.rowKey === null || !isKeyedByUuid(parent));
  }

  #rowOf(column: BoundColumn, handle: string) {
    return this.#parentOf(column)?.rows.get(this.now(column, handle));
  }

  #parentOf({ reference }: BoundColumn) {
    return reference === null ? undefined : this.#tables.byLocal(reference.table);
  }
}
