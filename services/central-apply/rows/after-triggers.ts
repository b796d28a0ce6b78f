/**
 * The centre's own AFTER triggers change rows once they are written: their hash is then another than RETURNING said, and
 * what our transaction itself did would count as head office's later edit. So the rows are read again at its end.
 */
import type { Pool, PoolClient } from 'pg';
import { centralId } from '../../shared/records/change-record.ts';
import { wrapPostgresError } from '../../shared/database/postgres.ts';
import { keyJoin, keyParameters } from './identity.ts';
import type { TableModel } from './model.ts';
import { allDone, quoteName, unnest, type Session } from './sql.ts';
import type { RowPlan, WrittenRows } from './writer.ts';

export interface AfterTriggers {
  /** Central names of the tables that have any. */
  readonly tables: ReadonlySet<string>;
  /** Those that wait for the end of the transaction, quoted, with schema. */
  readonly deferred: readonly string[];
}

const BEFORE_OR_INSTEAD = 2 | 64;

/** @throws PayflowError of the query */
export async function readAfterTriggers(
  client: Pool | PoolClient,
  tables: Iterable<Pick<TableModel, 'name' | 'sql'>>,
): Promise<AfterTriggers> {
  const asked = [...tables];
  const { rows } = await client
    .query<{ table: string; schema: string; name: string; deferred: boolean }>(
      `SELECT t.name AS table, n.nspname AS schema, g.tgname AS name, g.tginitdeferred AS deferred
         FROM unnest($1::text[], $2::text[]) AS t (name, sql)
              CROSS JOIN LATERAL (SELECT t.sql::regclass UNION SELECT relid FROM pg_partition_tree(t.sql::regclass)) AS p (relid)
              JOIN pg_trigger g ON g.tgrelid = p.relid
              JOIN pg_class c ON c.oid = g.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE NOT g.tgisinternal AND g.tgenabled IN ('O', 'A') AND g.tgtype & ${BEFORE_OR_INSTEAD} = 0`,
      [asked.map(({ name }) => name), asked.map(({ sql }) => sql)],
    )
    .catch((error: unknown) => {
      throw wrapPostgresError(error);
    });
  const deferred = rows.filter((row) => row.deferred);
  return {
    tables: new Set(rows.map(({ table }) => table)),
    deferred: [
      ...new Set(deferred.map(({ schema, name }) => `${quoteName(schema)}.${quoteName(name)}`)),
    ].sort(),
  };
}

/**
 * The rows with the hashes that they are left with.
 * @param touched the tables that were written, deletes included
 */
export async function leftByTriggers(
  session: Session,
  { tables, deferred }: AfterTriggers,
  written: WrittenRows,
  touched: Iterable<TableModel>,
): Promise<WrittenRows> {
  const fires = [...touched].some(({ name }) => tables.has(name));
  if (!fires || written.size === 0) return written;
  if (deferred.length > 0) {
    // Back again: units that follow in this transaction may rely on it.
    await session.command(
      `SET CONSTRAINTS ${deferred.join(', ')} IMMEDIATE; SET CONSTRAINTS ${deferred.join(', ')} DEFERRED`,
    );
  }
  const byTable = new Map<TableModel, RowPlan[]>();
  for (const plan of written.keys()) {
    const plans = byTable.get(plan.table);
    if (plans === undefined) byTable.set(plan.table, [plan]);
    else plans.push(plan);
  }
  const read = await allDone([...byTable].map(([table, plans]) => readHashes(session, table, plans)));
  return new Map([...written, ...read.flat()]);
}

/** A row that a trigger took away is not among them. */
async function readHashes(
  session: Session,
  table: TableModel,
  plans: readonly RowPlan[],
): Promise<(readonly [RowPlan, string])[]> {
  const keys = table.key.map((column) => `t.${quoteName(column)}`).join(', ');
  const rows = await session.rows(
    `SELECT ${keys}, ${table.hashSql('t')} FROM ${table.sql} AS t, ${unnest(table.key.length)} WHERE ${keyJoin(table)}`,
    keyParameters(
      table,
      plans.map(({ id }) => id),
    ),
  );
  const hashes = new Map<string, string>(
    rows.map((row) => [
      centralId(table.key.map((_, index) => row[index] ?? '')),
      row[table.key.length] ?? '',
    ]),
  );
  return plans.flatMap((plan) => {
    const hash = hashes.get(plan.id);
    return hash === undefined ? [] : [[plan, hash] as const];
  });
}
