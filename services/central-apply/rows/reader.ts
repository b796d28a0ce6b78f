/** Reads central rows under lock, in (table, key) order, with their clock and last writer. */
import { centralId, type CentralId } from '../../shared/records/change-record.ts';
import { timestampMs } from '../../shared/values/values.ts';
import { centralRow } from './change.ts';
import { CENTRE, type Standing } from './decide.ts';
import { keyJoin, keyParameters } from './identity.ts';
import type { TableModel } from './model.ts';
import { BY_INDEX, quoteName, textArray, unnest, type Text, type Session } from './sql.ts';
import { about } from './statement.ts';

export interface RowName {
  readonly table: TableModel;
  readonly id: CentralId;
}

interface LockedRow extends RowName {
  readonly values: ReadonlyMap<string, Text>;
  readonly hash: string;
}

/**
 * Locks the rows that exist. NO KEY UPDATE: other appliers may insert children of these rows meanwhile. Always
 * in the same order, so that two appliers wait for each other but never in a circle.
 * @returns by `centralRow`
 */
export async function lockRows(session: Session, names: readonly RowName[]): Promise<Map<string, Standing>> {
  const byTable = new Map<TableModel, Set<CentralId>>();
  for (const { table, id } of names) {
    const ids = byTable.get(table);
    if (ids === undefined) byTable.set(table, new Set([id]));
    else ids.add(id);
  }
  const locked: LockedRow[] = [];
  for (const [table, ids] of [...byTable].sort(([a], [b]) => (a.name < b.name ? -1 : 1))) {
    locked.push(...(await lockTable(session, table, [...ids])));
  }
  return withVersions(session, locked);
}

async function lockTable(
  session: Session,
  table: TableModel,
  ids: readonly CentralId[],
): Promise<LockedRow[]> {
  const columns = table.columns.map((column) => `t.${quoteName(column)}`).join(', ');
  const order = table.key.map((column) => `t.${quoteName(column)}`).join(', ');
  const rows = await about(
    { table: table.name, kind: 'read', columns: [] },
    session.rows(
      `SELECT ${columns}, ${table.hashSql('t')} FROM ${unnest(table.key.length)}
         JOIN ${table.sql} t ON ${keyJoin(table)}
        ORDER BY ${order} FOR NO KEY UPDATE OF t`,
      keyParameters(table, ids),
    ),
  );
  return rows.map((row) => {
    const values = new Map(table.columns.map((column, index) => [column, row[index] ?? null]));
    const id = centralId(table.key.map((column) => values.get(column) ?? ''));
    return { table, id, values, hash: row[table.columns.length] ?? '' };
  });
}

/**
 * Read after the locks, in a statement of its own: one that waited for a lock sees the row as it is then, but
 * what it joined as it was before.
 */
async function withVersions(session: Session, locked: readonly LockedRow[]): Promise<Map<string, Standing>> {
  if (locked.length === 0) return new Map();
  const rows = await session.rows(
    `SELECT v.n, r.clock_ms, r.terminal_id, encode(r.row_hash, 'hex')
       FROM ${unnest(2, { ordinality: true })} CROSS JOIN LATERAL (
       SELECT clock_ms, terminal_id, row_hash FROM payflow_sync.row_version
        WHERE table_name = v.c0 AND central_id = v.c1 ${BY_INDEX}) r`,
    [textArray(locked.map(({ table }) => table.name)), textArray(locked.map(({ id }) => id))],
  );
  const versions = new Map(rows.map((row) => [Number(row[0]) - 1, row]));
  return new Map(
    locked.map((row, index): [string, Standing] => {
      const [, clock, writer, hash] = versions.get(index) ?? [];
      const { table, id, values } = row;
      const own = hash === row.hash;
      const standing = {
        values,
        hash: row.hash,
        clockMs: own ? Number(clock) : headOfficeClockMs(row, clock),
        writer: own ? (writer ?? CENTRE) : CENTRE,
      };
      return [centralRow(table, id), standing];
    }),
  );
}

/**
 * Head office changed the row since a till did (or no till ever did): its timestamp counts, and it cannot be
 * earlier than the till's write that it came after.
 */
function headOfficeClockMs({ table, values }: LockedRow, tillClock: Text | undefined): number {
  const timestamp = table.timestampColumn === null ? null : values.get(table.timestampColumn);
  return Math.max(timestampMs(timestamp ?? null, {}) ?? 0, Number(tillClock ?? 0));
}
