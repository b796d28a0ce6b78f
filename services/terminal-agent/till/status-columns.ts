/**
 * Which status columns the triggers may write. A second write to the app's own table inside its statement must
 * not be able to fail it, nor set off the app's own triggers; where it could, only the agent writes them, when
 * the change settles.
 */
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import type { BoundTable } from '../../shared/catalog/table-binding.ts';
import { isPublished } from './trigger-sql.ts';

const WRITTEN_BY_TRIGGERS = ['sync_status', 'sync_operation'];

export function triggerStatusColumns(db: SqliteDatabase, table: BoundTable): string[] {
  const { local } = table;
  if (!isPublished(table)) return [];
  if (local.appTriggers.some(({ sql }) => firesOnUpdate(sql))) return [];
  const sql = db
    .prepare<[string], string>(`SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?`)
    .pluck()
    .get(local.name);
  return WRITTEN_BY_TRIGGERS.filter(
    (name) =>
      table.statusColumns.includes(name) &&
      !table.columns.some((column) => column.local === name) &&
      isUnrestricted(table, name, sql ?? ''),
  );
}

function firesOnUpdate(triggerSql: string): boolean {
  const head = triggerSql.split(/\bBEGIN\b/i)[0] ?? '';
  return /\bUPDATE\b/i.test(head);
}

/** Named once in CREATE TABLE: no CHECK, generated column or key can refuse a text in it. */
function isUnrestricted({ local }: BoundTable, name: string, tableSql: string): boolean {
  const column = local.columns.find((candidate) => candidate.name === name);
  if (column === undefined || column.generated || column.affinity !== 'TEXT') return false;
  const used = [...local.uniques, local.key, ...local.foreignKeys.map((key) => key.columns)];
  if (used.some((columns) => columns.includes(name))) return false;
  const mentions = tableSql.match(new RegExp(`\\b${name}\\b`, 'gi')) ?? [];
  return mentions.length === 1;
}
