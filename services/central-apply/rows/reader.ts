/** Reads central rows under lock, in one order, with their clock and last writer, and whose they are. */
import { centralId, type CentralId } from '../../shared/records/change-record.ts';
import { timestampMs } from '../../shared/values/values.ts';
import { centralRow } from './change.ts';
import { CENTRE, type Standing } from './standing.ts';
import { keyJoin, keyParameters } from './identity.ts';
import type { CentralModel, TableModel } from './model.ts';
import { parentOf } from './places.ts';
import {
  columnsFromJson,
  headOfficeVersion,
  LONG_AGO,
  type RowVersion,
  type WrittenAt,
} from './row-version.ts';
import {
  allDone,
  BY_INDEX,
  quoteName,
  textArray,
  unnest,
  type Session,
  type Text,
  type TextRow,
} from './sql.ts';
import { about } from './statement.ts';

export interface RowName {
  readonly table: TableModel;
  readonly id: CentralId;
}

interface LockedRow extends RowName {
  readonly values: ReadonlyMap<string, Text>;
  readonly hash: string;
}

/** What a group has to know of rows before it decides. */
export interface WantedRows {
  /** To be changed, or to be shown as they stand. */
  readonly rows: readonly RowName[];
  /** Through which a row gets its store, or which must be of the till's store. */
  readonly parents: readonly RowName[];
  /** Only referred to: nothing waits for them, and they wait for nobody. */
  readonly mentioned: readonly RowName[];
  /** Rows that this group inserts: nobody else can see or move them. */
  readonly made: { has(row: string): boolean };
}

export interface LockedRows {
  /** By `centralRow`. */
  readonly standing: ReadonlyMap<string, Standing>;
  /** The scope column of all these rows, and of those through which they get their store. */
  readonly scopes: ReadonlyMap<string, Text>;
  /** A place in the WAL behind the commits of all that these rows show, and before our own. */
  readonly now: WrittenAt;
}

/**
 * Locks the rows that exist, and with them the parents that say whose they are: head office can't move one
 * between the look and the write. NO KEY UPDATE: other appliers may insert children of these rows meanwhile; SHARE
 * for a parent, which many tills may need at once. Always in the same order, children first since they name
 * their parents, so that two appliers wait for each other but never in a circle.
 */
export async function lockRows(
  session: Session,
  model: CentralModel,
  { rows, parents, mentioned, made }: WantedRows,
): Promise<LockedRows> {
  const changed = new Wanted(rows);
  const shared = new Wanted(parents);
  const further = new Wanted(mentioned);
  const locked: LockedRow[] = [];
  const scopes = new Map<string, Text>();
  const note = (table: TableModel, found: readonly FoundScope[], above: Wanted) => {
    for (const [id, value] of found) {
      scopes.set(centralRow(table, id), value);
      const parent = value === null ? null : parentOf(model, table, value);
      if (parent !== null && !made.has(centralRow(parent.table, parent.id))) above.add(parent);
    }
  };
  for (const table of model.lockOrder) {
    const own = changed.of(table);
    const others = shared.of(table).filter((id) => !changed.has(table, id));
    if (own.length > 0) {
      const found = await lockTable(session, table, [...own, ...others]);
      locked.push(...found);
      note(table, foundScopes(table, found), shared);
    } else if (others.length > 0) note(table, await readScopes(session, table, others, 'FOR SHARE'), shared);
  }
  for (const table of model.lockOrder) {
    const unknown = further.of(table).filter((id) => !scopes.has(centralRow(table, id)));
    if (unknown.length > 0) note(table, await readScopes(session, table, unknown, 'no lock'), further);
  }
  return { ...(await withVersions(session, locked)), scopes };
}

/** Ids by table, each once. */
class Wanted {
  readonly #byTable = new Map<TableModel, Set<CentralId>>();

  constructor(names: readonly RowName[]) {
    for (const name of names) this.add(name);
  }

  add({ table, id }: RowName): void {
    const ids = this.#byTable.get(table);
    if (ids === undefined) this.#byTable.set(table, new Set([id]));
    else ids.add(id);
  }

  has(table: TableModel, id: CentralId): boolean {
    return this.#byTable.get(table)?.has(id) === true;
  }

  of(table: TableModel): CentralId[] {
    return [...(this.#byTable.get(table) ?? [])];
  }
}

type FoundScope = readonly [id: CentralId, scope: Text];

function foundScopes({ scope }: TableModel, rows: readonly LockedRow[]): FoundScope[] {
  if (scope.kind === 'global') return [];
  return rows.map(({ id, values }) => [id, values.get(scope.column) ?? null]);
}

async function readScopes(
  session: Session,
  table: TableModel,
  ids: readonly CentralId[],
  lock: 'FOR SHARE' | 'no lock',
): Promise<FoundScope[]> {
  if (table.scope.kind === 'global') return [];
  const key = table.key.map((column) => `t.${quoteName(column)}`).join(', ');
  const rows = await session.rows(
    `SELECT ${key}, t.${quoteName(table.scope.column)} FROM ${unnest(table.key.length)}
       JOIN ${table.sql} t ON ${keyJoin(table)} ORDER BY ${key} ${lock === 'no lock' ? '' : 'FOR SHARE OF t'}`,
    keyParameters(table, ids),
  );
  return rows.map((row): FoundScope => [
    centralId(table.key.map((_, index) => row[index] ?? '')),
    row[table.key.length] ?? null,
  ]);
}

async function lockTable(
  session: Session,
  table: TableModel,
  ids: readonly CentralId[],
): Promise<LockedRow[]> {
  // The store's column is always looked at, also where tills neither get nor send it.
  const { scope } = table;
  const isHidden = scope.kind !== 'global' && !table.columns.includes(scope.column);
  const names = isHidden ? [...table.columns, scope.column] : table.columns;
  const columns = names.map((column) => `t.${quoteName(column)}`).join(', ');
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
    const values = new Map(names.map((column, index) => [column, row[index] ?? null]));
    const id = centralId(table.key.map((column) => values.get(column) ?? ''));
    return { table, id, values, hash: row[names.length] ?? '' };
  });
}

/**
 * Read after the locks, in a statement of its own: one that waited for a lock sees the row as it is then, but
 * what it joined as it was before. The end of the WAL is taken with it: behind the commits of all that these rows
 * show, and before our own.
 */
async function withVersions(
  session: Session,
  locked: readonly LockedRow[],
): Promise<Pick<LockedRows, 'standing' | 'now'>> {
  if (locked.length === 0) return { standing: new Map(), now: LONG_AGO };
  const [nothing, rows] = await allDone([
    session.rows(
      `SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn, (extract(epoch FROM clock_timestamp()) * 1000)::bigint,
              (SELECT value FROM payflow_sync.meta WHERE name = 'epoch')`,
    ),
    session.rows(
      `SELECT v.n, r.clock_ms, r.terminal_id, encode(r.row_hash, 'hex'), r.seq, r.epoch, r.lsn, r.columns
         FROM ${unnest(2, { ordinality: true })} CROSS JOIN LATERAL (
         SELECT clock_ms, terminal_id, row_hash, seq, epoch, lsn, columns FROM payflow_sync.row_version
          WHERE table_name = v.c0 AND central_id = v.c1 ${BY_INDEX}) r`,
      [textArray(locked.map(({ table }) => table.name)), textArray(locked.map(({ id }) => id))],
    ),
  ]);
  const [lsn, nowMs, epoch] = nothing?.[0] ?? [];
  const versions = new Map((rows ?? []).map((row) => [Number(row[0]) - 1, row]));
  const standing = locked.map((row, index): [string, Standing] => {
    const { table, id, values, hash } = row;
    const found = versions.get(index);
    const stored = found === undefined ? null : storedVersion(found);
    const isOurs = found?.[3] === hash;
    const version =
      isOurs && stored !== null ? stored : headOfficeVersion(stored, ownTimestampMs(row), Number(nowMs));
    return [centralRow(table, id), { values, hash, version, isOurs }];
  });
  return { standing: new Map(standing), now: { epoch: Number(epoch ?? 1), lsn: BigInt(lsn ?? '0') } };
}

function storedVersion(row: TextRow): RowVersion {
  const [, clock, writer, , seq, epoch, lsn, columns] = row;
  const at = { epoch: Number(epoch), lsn: BigInt(lsn ?? '0') };
  const rest = { clockMs: Number(clock), writer: writer ?? CENTRE, seq: Number(seq), at };
  return { rest, columns: columnsFromJson(columns ?? null) };
}

function ownTimestampMs({ table, values }: LockedRow): number | null {
  const timestamp = table.timestampColumn === null ? null : values.get(table.timestampColumn);
  return timestampMs(timestamp ?? null, {});
}
