/**
 * What of a stored change is still its till's word, when later changes of the same till were applied to the row
 * meanwhile. Pure. `later` has, per `nameKey` of a local column or '*' (inserted or deleted), the newest seq applied since.
 *
 *   stored change   later column      later '*'       left of it
 *   update          value column      –               the column is dropped
 *   update          delta column      –               kept: an amount counts whenever it comes
 *   update          –                 yes             its delta columns
 *   delete          any               or any          nothing: the till went on with the row
 *   insert, offer   any               –               all: with a link it is a repeat, without one nobody wrote it
 *   insert, offer   –                 yes             nothing, unless the row is linked (then it is a repeat)
 *
 * An update whose only column left is the timestamp says nothing, and goes too.
 */
import { nameKey } from '../../shared/catalog/same-name.ts';
import type { ColumnChange, UnitChange } from '../../shared/records/unit-record.ts';
import { WHOLE_ROW } from '../rows/dead-letter-rows.ts';
import type { TableModel } from '../rows/model.ts';

export type LaterSeqs = ReadonlyMap<string, number>;

/** @returns the change as it may be applied now; null: nothing is left of it */
export function notOvertaken(
  change: UnitChange,
  later: LaterSeqs,
  table: TableModel | undefined,
): UnitChange | null {
  const isLater = (column: string) => (later.get(nameKey(column)) ?? 0) > change.seq;
  const whole = isLater(WHOLE_ROW);
  switch (change.op) {
    case 'c':
    case 'r':
      return whole ? null : change;
    case 'd':
      return whole || [...later.keys()].some(isLater) ? null : change;
    case 'u':
      break;
  }
  const stays = ({ name }: ColumnChange) => isDelta(table, name) || !(whole || isLater(name));
  const columns = change.columns.filter(stays);
  if (columns.length === change.columns.length) return change;
  if (!columns.some((column) => says(column, table))) return null;
  const names = new Set(columns.map(({ name }) => name));
  return { ...change, columns, references: change.references.filter(({ column }) => names.has(column)) };
}

function isDelta(table: TableModel | undefined, local: string): boolean {
  return table?.byLocal.get(local)?.policy === 'delta';
}

/** The timestamp alone is no change. */
function says(column: ColumnChange, table: TableModel | undefined): boolean {
  const model = table?.byLocal.get(column.name);
  return model === undefined || model.central.name !== table?.timestampColumn;
}
