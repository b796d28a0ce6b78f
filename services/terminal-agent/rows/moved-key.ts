/**
 * Where a row lives now whose key the app changed (`UPDATE … SET id = …`) while its insert was on its way: the
 * outbox knows it by the key that it had, and that one may be another row's by now.
 */
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import type { SqliteValue } from '../../shared/records/unit-record.ts';
import { quoteName, quoteText, rowKeySql } from '../till/local-schema.ts';
import type { TillTable } from './till-tables.ts';

/** @returns `key` itself where the row was not moved away from it; null where the row is gone */
export function keyNow(
  db: SqliteDatabase,
  table: TillTable,
  identity: string,
  key: SqliteValue,
): SqliteValue {
  const { local, identityColumn } = table.bound;
  const name = quoteText(local.name);
  // The IN says no more than the `=` behind it, but it is what lets SQLite use the partial index of the outbox.
  const moved = db
    .prepare(
      `SELECT 1 FROM sync_outbox o JOIN ${quoteName(`sync_change_${local.name}`)} c ON c.seq = o.seq
        WHERE o.table_name = ${name} AND o.row_key = ? AND o.op IN ('d', 'k') AND o.op = 'k' AND c.identity = ?`,
    )
    .get(key, identity);
  if (moved === undefined) return key;
  const kept = db
    .prepare<[string], SqliteValue>(
      `SELECT row_key FROM sync_identity WHERE table_name = ${name} AND identity = ?`,
    )
    .pluck()
    .safeIntegers()
    .get(identity);
  if (kept !== undefined || identityColumn === null) return kept ?? null;
  const found = db
    .prepare<[string], SqliteValue>(
      `SELECT ${rowKeySql('t', local.key)} FROM ${quoteName(local.name)} t WHERE t.${quoteName(identityColumn)} = ?
        AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE table_name = ${name} AND row_key = ${rowKeySql('t', local.key)})`,
    )
    .pluck()
    .safeIntegers()
    .get(identity);
  return found ?? null;
}
