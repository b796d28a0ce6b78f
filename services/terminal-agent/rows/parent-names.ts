/** Which rows the handles in images and in rows mean now, for the comparison of reference columns. */
import type { BoundColumn } from '../../shared/catalog/table-binding.ts';
import { isUnlinked } from './sync-rows.ts';
import { isKeyedByUuid, type TillTables } from './till-tables.ts';

export class ParentNames {
  readonly #tables: TillTables;

  constructor(tables: TillTables) {
    this.#tables = tables;
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

  /** Nothing that is known here has this name, nor had it. */
  isUnknown(column: BoundColumn, handle: string): boolean {
    return isUnlinked(handle) && this.#rowOf(column, handle) === undefined;
  }

  /** The name by which the row's own column calls it, where that is kept. */
  hasName(column: BoundColumn, handle: string): boolean {
    const [row, parent] = [this.#rowOf(column, handle), this.#parentOf(column)];
    if (row === undefined || parent === undefined) return false;
    return row.identity !== null || (row.rowKey !== null && isKeyedByUuid(parent));
  }

  #rowOf(column: BoundColumn, handle: string) {
    return this.#parentOf(column)?.rows.get(this.now(column, handle));
  }

  #parentOf({ reference }: BoundColumn) {
    return reference === null ? undefined : this.#tables.byLocal(reference.table);
  }
}
