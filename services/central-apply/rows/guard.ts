/**
 * May the till make this change? Gathers the facts of one change where it stands in the order of the group, and
 * asks authority.ts. Pure: the rows that it looks at are locked.
 */
import type { CentralId } from '../../shared/records/change-record.ts';
import { unreachable } from '../../shared/errors.ts';
import {
  rulingOnFixedColumn,
  rulingOnReference,
  rulingOnRow,
  type ReferenceKind,
  type Ruling,
} from './authority.ts';
import {
  centralRow,
  type Incoming,
  type Rejection,
  type ResolvedChange,
  type ResolvedReference,
} from './change.ts';
import type { FoldedRow } from './folded-row.ts';
import type { TableModel } from './model.ts';
import { isStore, type Places } from './places.ts';
import type { RowName, WantedRows } from './reader.ts';
import { sameValue } from './same-value.ts';

/** A reference to a row of another store, which was applied all the same. */
export interface ForeignReference {
  readonly incoming: Incoming;
  /** Central. */
  readonly column: string;
}

export class Guard {
  readonly #places: Places;
  readonly foreignReferences: ForeignReference[] = [];

  constructor(places: Places) {
    this.#places = places;
  }

  /**
   * Of an update that names its store as it stands, the naming is taken out.
   * @param row as the changes before this one have left it
   * @returns why not; null where it may
   */
  judge(change: ResolvedChange, row: FoldedRow): Rejection | null {
    const { kind, incoming } = change;
    if (incoming.from.lentAuthority) return null;
    const onRow = this.#onRow(change, row);
    if (onRow !== null || kind === 'delete' || kind === 'repeat') return onRow;
    if (kind === 'update' || kind === 'fill') {
      if (!row.exists) return null;
      const onStore = fixedColumns(change, row);
      if (onStore !== null) return onStore;
    }
    for (const reference of change.references) {
      const onReference = this.#onReference(change, row, reference);
      if (onReference !== null) return onReference;
    }
    return null;
  }

  #onRow({ table, id, kind, linked, incoming }: ResolvedChange, row: FoldedRow): Rejection | null {
    if (table.scope.kind === 'global') return null;
    const place = row.exists ? this.#places.of(table, id, incoming.from.storeId) : 'absent';
    const ruling = rulingOnRow(kind, { place, linked });
    return refused(ruling, `the row of ${table.local} is not one of this till's store`);
  }

  #onReference(
    change: ResolvedChange,
    row: FoldedRow,
    { column, parent, linked }: ResolvedReference,
  ): Rejection | null {
    const { table, next, incoming } = change;
    const kind = referenceKind(table, column);
    if (kind === null || parent.scope.kind === 'global') return null;
    const id = next.get(column) ?? null;
    if (id === null || row.current?.get(column) === id) return null;
    const place = this.#places.of(parent, id as CentralId, incoming.from.storeId);
    const ruling = rulingOnReference(kind, { place, linked });
    if (ruling === 'list') this.foreignReferences.push({ incoming, column });
    const to = ruling === 'unknown' ? 'that is not there' : `that is not one of this till's store`;
    return refused(ruling, `${table.local}.${column} refers to a row of ${parent.local} ${to}`);
  }
}

/** null: the store itself, which has a rule of its own. */
function referenceKind({ scope, byCentral }: TableModel, column: string): ReferenceKind | null {
  if (scope.kind !== 'global' && scope.column === column) return scope.kind === 'via' ? 'gives-store' : null;
  return byCentral.get(column)?.withinStore === true ? 'within-store' : 'other';
}

function fixedColumns({ table, next, incoming }: ResolvedChange, row: FoldedRow): Rejection | null {
  const store = table.scope.kind === 'column' ? [table.scope.column] : [];
  for (const column of new Set([...store, ...table.set.keys()])) {
    const value = next.get(column);
    const model = table.central.get(column);
    if (value === undefined || model === undefined) continue;
    const standing = row.current?.get(column) ?? null;
    const asItStands = sameValue(model, standing, value);
    const ruling = rulingOnFixedColumn({
      isStore: store.includes(column),
      asItStands,
      wasEmpty: standing === null,
      isOwn: value !== null && isStore(table, value, incoming.from.storeId),
    });
    if (asItStands) next.delete(column);
    const why = `${column} says whose row of ${table.local} it is: a till does not change that`;
    const rejection = refused(ruling, why);
    if (rejection !== null) return rejection;
  }
  return null;
}

function refused(ruling: Ruling, message: string): Rejection | null {
  const constraint = null;
  switch (ruling) {
    case 'allow':
    case 'list':
      return null;
    case 'not-allowed':
      return { code: 'CHANGE_NOT_ALLOWED', constraint, message, isForeign: true };
    case 'taken':
      return { code: 'NATURAL_KEY_TAKEN', constraint, message, isForeign: true };
    case 'unknown':
      return { code: 'REFERENCE_UNKNOWN', constraint, message };
    default:
      return unreachable(ruling);
  }
}

/**
 * What has to be read beside the changed rows themselves, so that the guard knows whose the others are.
 * @param made rows that the group inserts, by `centralRow`
 */
export function wantedReferences(
  resolved: readonly ResolvedChange[],
  made: WantedRows['made'],
): Pick<WantedRows, 'parents' | 'mentioned'> {
  const parents: RowName[] = [];
  const mentioned: RowName[] = [];
  const wanted = (into: RowName[], row: RowName) => {
    if (!made.has(centralRow(row.table, row.id))) into.push(row);
  };
  for (const { table, kind, next, references } of resolved) {
    if (kind === 'repeat' || kind === 'delete') continue;
    for (const { column, parent } of references) {
      const id = next.get(column) ?? null;
      const purpose = parent.scope.kind === 'global' || id === null ? null : referenceKind(table, column);
      if (purpose === null || id === null) continue;
      wanted(purpose === 'other' ? mentioned : parents, { table: parent, id: id as CentralId });
    }
  }
  return { parents, mentioned };
}
