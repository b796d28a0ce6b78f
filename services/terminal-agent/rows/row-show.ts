/** Lets a local row show what it should: the image, with what is not settled on top. */
import type { Logger } from 'pino';
import type { SqliteValue } from '../../shared/records/unit-record.ts';
import type { Flight } from '../settle/flight.ts';
import { handleIn, imageValues, storedIn } from '../up/row-values.ts';
import type { Value, Values } from '../up/row-state.ts';
import type { BoundColumn } from '../../shared/catalog/table-binding.ts';
import type { WriteKind } from './app-triggers.ts';
import type { Image } from './image.ts';
import { isRefusal } from './refusal.ts';
import { sameValue } from './row-key.ts';
import { shownRow } from './row-writer.ts';
import type { TillTable, TillTables } from './till-tables.ts';

export interface ShowParts {
  readonly tables: TillTables;
  readonly flight: Flight;
  readonly log: Logger;
}

export interface Shown {
  readonly table: TillTable;
  readonly rowKey: SqliteValue;
  readonly image: Image;
  /** Of the image's columns, and what was cut since. */
  readonly values: Values;
  /** Nothing of it is in flight. */
  readonly isWhole: boolean;
}

export class RowShow {
  readonly #parts: ShowParts;
  #touch: (table: TillTable, kind: WriteKind) => void = () => undefined;

  constructor(parts: ShowParts) {
    this.#parts = parts;
  }

  begin(touch: (table: TillTable, kind: WriteKind) => void): void {
    this.#touch = touch;
  }

  /**
   * @param resolved the image's values, parents as local keys
   * @returns the row's key; undefined: there is no such row
   */
  write(
    { table, rowKey, image, values, isWhole }: Shown,
    resolved: readonly SqliteValue[],
  ): SqliteValue | undefined {
    if (isWhole) return table.writer.update(rowKey, { ...image, values: resolved }, true);
    const answered = imageValues(image);
    const wanted = image.set.columns.map((column, at) => {
      const value = values.get(column.local) ?? null;
      const standing = resolved[at] ?? null;
      return value === answered.get(column.local) ? standing : this.#held(column, value, standing);
    });
    return table.writer.update(rowKey, shownRow(image, resolved, wanted), false);
  }

  /** Where that can't be written now, settling brings the row up again; until then it shows what it shows. */
  update(shown: Shown): SqliteValue | undefined {
    const { table, image } = shown;
    const { values: resolved, missing } = this.#parts.tables.resolve(image);
    if (missing.length > 0) return undefined;
    this.#touch(table, 'update');
    try {
      return this.write(shown, resolved);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      this.#parts.log.debug({ table: table.name, err: error }, 'not shown until it is settled');
      return undefined;
    }
  }

  #held(column: BoundColumn, value: Value, standing: SqliteValue): SqliteValue {
    const handle = handleIn(value);
    if (column.reference === null || handle === undefined) return storedIn(column, value);
    return this.#parts.tables.held(column, handle) ?? standing;
  }

  /** @returns a local table with unsettled rows that point to this parent, which must stay for their sake */
  unsettledChild(parent: TillTable, centralId: string, rowKey: SqliteValue): string | undefined {
    const { tables, flight } = this.#parts;
    return parent.children.find(({ table, column, reference }) => {
      const child = tables.byLocal(table);
      if (child === undefined || !flight.hasAny(table)) return false;
      const held = tables.heldFor(reference, parent, centralId, rowKey);
      const at = child.bound.columns.findIndex(({ local }) => local === column);
      return [...flight.rowsOf(table)].some(([handle, changes]) => {
        if (changes.every(({ answer }) => answer !== null)) return false;
        const key = child.rows.get(handle)?.rowKey ?? null;
        const row = key === null ? undefined : child.writer.look(key);
        return row !== undefined && sameValue(row[at] ?? null, held);
      });
    })?.table;
  }
}
