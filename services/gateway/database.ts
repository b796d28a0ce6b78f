/** The gateway's queries: plain SQL over a pool, every failure wrapped and classified at this door. */
import type { Pool } from 'pg';
import { PayflowError } from '../shared/errors.ts';
import { wrapPostgresError } from '../shared/database/postgres.ts';

/** A pool, or one client inside a transaction. */
export type Queryable = Pick<Pool, 'query'>;

/** @throws PayflowError by SQLSTATE; a missing table means that the centre is not set up */
export async function rows<Row>(db: Queryable, sql: string, values: readonly unknown[] = []): Promise<Row[]> {
  try {
    const result = await db.query(sql, [...values]);
    return result.rows as Row[];
  } catch (error) {
    throw missingSchema(error) ?? wrapPostgresError(error);
  }
}

/** The first row, or undefined. */
export async function firstRow<Row>(
  db: Queryable,
  sql: string,
  values: readonly unknown[] = [],
): Promise<Row | undefined> {
  return (await rows<Row>(db, sql, values))[0];
}

/** An SQL timestamp as ISO text in UTC, whatever the session shows. */
export function iso(column: string): string {
  return `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
}

const UNDEFINED_TABLE = '42P01';
const UNDEFINED_SCHEMA = '3F000';

function missingSchema(error: unknown): PayflowError | undefined {
  const state = error instanceof Error && 'code' in error ? error.code : undefined;
  if (state !== UNDEFINED_TABLE && state !== UNDEFINED_SCHEMA) return undefined;
  return new PayflowError('DB_NOT_SET_UP', 'the schema payflow_sync is not there', { cause: error });
}
