/**
 * Where rows are while the changes of a group are folded in, in their order: what was read under lock, what
 * earlier changes of the group made of it, and for rows that are not there yet the insert that will make them.
 */
import type { CentralId } from '../../shared/records/change-record.ts';
import type { Place } from './authority.ts';
import { centralRow, type ResolvedChange } from './change.ts';
import type { FoldedRow } from './folded-row.ts';
import type { Standing } from './standing.ts';
import { canonicalKeyText, fitsKey } from './key-form.ts';
import type { CentralModel, TableModel } from './model.ts';
import { sameValue } from './same-value.ts';
import type { Text } from './sql.ts';

export interface PlacesParts {
  readonly model: CentralModel;
  /** As far as the changes have been folded in. */
  readonly folded: ReadonlyMap<string, FoldedRow>;
  readonly standing: ReadonlyMap<string, Standing>;
  /** Of rows that are only referred to, or through which others get their store: the scope column's value. */
  readonly scopes: ReadonlyMap<string, Text>;
  readonly made: ReadonlyMap<string, ResolvedChange>;
}

export class Places {
  readonly #parts: PlacesParts;

  constructor(parts: PlacesParts) {
    this.#parts = parts;
  }

  /** @param own the till's store */
  of(table: TableModel, id: CentralId, own: string): Place {
    const value = this.#scopeValue(table, id);
    if (value === undefined) return 'absent';
    const { scope } = table;
    if (value === null || scope.kind === 'global') return 'none';
    if (scope.kind === 'column') return isStore(table, value, own) ? 'own' : 'foreign';
    const parent = parentOf(this.#parts.model, table, value);
    const place = parent === null ? 'absent' : this.of(parent.table, parent.id, own);
    return place === 'absent' ? 'none' : place;
  }

  /** undefined: no such row. */
  #scopeValue(table: TableModel, id: CentralId): Text | undefined {
    if (table.scope.kind === 'global') return null;
    const { column } = table.scope;
    const { folded, standing, scopes, made } = this.#parts;
    const name = centralRow(table, id);
    const row = folded.get(name);
    const values = row === undefined ? standing.get(name)?.values : row.current;
    if (values !== undefined && values !== null) return values.get(column) ?? null;
    const scope = row === undefined ? scopes.get(name) : undefined;
    if (scope !== undefined) return scope;
    const insert = made.get(name);
    return insert === undefined ? undefined : (insert.next.get(column) ?? null);
  }
}

/** Whether a value of the column that holds a row's store is this store. */
export function isStore(table: TableModel, value: string, store: string): boolean {
  const column = table.scope.kind === 'column' ? table.central.get(table.scope.column) : undefined;
  return column === undefined ? value === store : sameValue(column, value, store);
}

/** The row through which one gets its store; null where the value can't be the key of any. */
export function parentOf(
  model: CentralModel,
  { scope }: TableModel,
  value: string,
): { table: TableModel; id: CentralId } | null {
  const table = scope.kind === 'via' ? model.tables.get(scope.parent) : undefined;
  const [key] = table?.key ?? [];
  const column = key === undefined ? undefined : table?.central.get(key);
  if (table === undefined || column === undefined || !fitsKey(table, value)) return null;
  return { table, id: canonicalKeyText(column, value) as CentralId };
}
