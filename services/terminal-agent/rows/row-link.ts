/** A row of the till gets its central id. */
import type { Logger } from 'pino';
import { encodePosition, ZERO_POSITION } from '../../shared/records/position.ts';
import type { SqliteValue } from '../../shared/records/unit-record.ts';
import type { Flight } from '../settle/flight.ts';
import { unlinkedHandle, type SyncRow } from './sync-rows.ts';
import type { TillTable } from './till-tables.ts';
import type { UnlinkedRows } from './unlinked.ts';

const ZERO = encodePosition(ZERO_POSITION);

export interface LinkParts {
  readonly flight: Flight;
  readonly unlinked: UnlinkedRows;
  readonly log: Logger;
}

export interface Link {
  readonly table: TillTable;
  readonly centralId: string;
  /** null where the local row is gone already. */
  readonly rowKey: SqliteValue;
  readonly identity: string | null;
}

/** @returns the row as it is kept now; undefined: the central row has another local row already */
export function linkRow(
  { flight, unlinked, log }: LinkParts,
  { table, centralId, rowKey, identity }: Link,
): SyncRow | undefined {
  const handle = identity === null ? null : unlinkedHandle(identity);
  const own = handle === null ? undefined : table.rows.get(handle);
  const row = table.rows.get(centralId);
  if (handle !== null) flight.link(table.name, handle, centralId);
  if (handle !== null && own !== undefined && row === undefined && isAsItWas(own, { rowKey, identity })) {
    table.rows.rename(handle, centralId);
    if (rowKey !== null) unlinked.remove(table.name, rowKey);
    return own;
  }
  if (handle !== null && own !== undefined) table.rows.remove(handle);
  if (row !== undefined && row.rowKey !== null) {
    if (row.rowKey !== rowKey)
      log.warn({ table: table.name, centralId }, 'two local rows for one central row');
    return undefined;
  }
  const { position = ZERO, deleted = false } = row ?? {};
  const base = own?.base ?? row?.base ?? null;
  const linked = { rowKey, position, deleted, base, identity, refused: false };
  table.rows.put(centralId, linked);
  if (rowKey !== null) unlinked.remove(table.name, rowKey);
  return linked;
}

/** Only its name is another: most links are of such a row. */
function isAsItWas(own: SyncRow, { rowKey, identity }: Pick<SyncRow, 'rowKey' | 'identity'>): boolean {
  const isSame = own.rowKey === rowKey && own.identity === identity;
  return isSame && !own.deleted && !own.refused && own.position.equals(ZERO);
}
