/**
 * Whether a change brings of its old row what this table's changes must bring. It does unless somebody altered the
 * replica identity, or a new partition has not got it yet: then the row's old store, a column stored out of line, or
 * even its key may be nowhere in the WAL. Pure.
 *
 * What is logged of a partitioned table's rows goes by their partition's identity, but pgoutput names it by the root's,
 * which nobody sets: a whole old row comes as a key (logicalrep_write_update in PostgreSQL's proto.c). So there it goes
 * by what the tuple holds. Of a key all other columns are NULL, of an index' columns those that are not in it.
 */
import { NULL_LENGTH, UNCHANGED_LENGTH, type Tuple } from '../wal/pgoutput-decoder.ts';
import type { Route } from './routes.ts';
import type { RowChange } from './row-sender.ts';

export interface ToldChange {
  /** null: nothing names the row. */
  readonly change: RowChange | null;
  /** Less came than was needed: the table has to be read again. */
  readonly isShort: boolean;
}

export function toldChange(route: Route, sent: RowChange): ToldChange {
  const change = isWholeOfPartition(route, sent) ? { ...sent, beforeIsKey: false } : sent;
  const { op, before, beforeIsKey } = change;
  if (op !== 'u' && op !== 'd') return { change, isShort: false };
  if (before !== null && beforeIsKey && !namesRow(route, before)) {
    return { change: op === 'd' ? null : { ...change, before: null }, isShort: true };
  }
  const isWhole = before !== null && !beforeIsKey;
  // Of a delete the key is enough: every store's stream is told.
  return { change, isShort: op === 'u' && route.needsOldRow && !isWhole };
}

function namesRow({ keyIndexes }: Route, before: Tuple): boolean {
  return keyIndexes.every((index) => (before.lengths[index] ?? NULL_LENGTH) >= 0);
}

/** Rather one whole row too few, which is read again, than one too many. */
function isWholeOfPartition(route: Route, { before, beforeIsKey, after }: RowChange): boolean {
  if (!route.table.partitioned || !beforeIsKey || before === null) return false;
  const isThere = (at: number) => before.lengths[at] !== NULL_LENGTH;
  if (!route.filledIndexes.every(isThere)) return false;
  const indexes = route.relation.columns.map((_column, at) => at);
  return (
    indexes.every((at) => after?.lengths[at] !== UNCHANGED_LENGTH || isThere(at)) &&
    indexes.some((at) => !route.keyIndexes.includes(at) && isThere(at))
  );
}
