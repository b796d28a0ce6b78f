/**
 * Whether a change brings of its old row what this table's changes must bring. It does unless somebody altered the
 * replica identity, or a new partition has not got it yet: then the row's old store, a column stored out of line, or
 * even its key may be nowhere in the WAL. Pure.
 */
import { NULL_LENGTH, type Tuple } from '../wal/pgoutput-decoder.ts';
import type { Route } from './routes.ts';
import type { RowChange } from './row-sender.ts';

export interface ToldChange {
  /** null: nothing names the row. */
  readonly change: RowChange | null;
  /** Less came than was needed: the table has to be read again. */
  readonly isShort: boolean;
}

export function toldChange(route: Route, change: RowChange): ToldChange {
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
