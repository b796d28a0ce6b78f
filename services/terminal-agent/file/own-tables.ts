/** Which tables of a till's file are ours; an app may well have some whose names begin with sync_, too. */
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import { LOCAL_SCHEMA, quoteName } from '../till/local-schema.ts';

const NAMED = [...LOCAL_SCHEMA.matchAll(/CREATE TABLE IF NOT EXISTS (\w+)/g)].map(([, name]) => name);

/** Those of this version: what an earlier one left goes in its time. */
export function ownTables(db: SqliteDatabase): string[] {
  const rows = db.prepare(`SELECT 1 FROM pragma_table_info(?) WHERE name = 'central_id'`);
  return tables(db).filter(
    (name) => NAMED.includes(name) || (name.startsWith('sync_row_') && rows.get(name) !== undefined),
  );
}

/** Of the version before, by what only they have. */
const OF_BEFORE = [
  ['sync_change_', 'seq'],
  ['sync_evicted_', 'state'],
  ['sync_identity', 'row_key'],
  ['sync_old_outbox', 'seq'],
] as const;

/** Inside the caller's transaction; no trigger of ours may be left. @returns their names */
export function dropOwnTables(db: SqliteDatabase): string[] {
  const has = db.prepare('SELECT 1 FROM pragma_table_info(?) WHERE name = ?');
  const before = tables(db).filter((name) =>
    OF_BEFORE.some(([prefix, column]) => name.startsWith(prefix) && has.get(name, column) !== undefined),
  );
  const names = [...ownTables(db), ...before];
  for (const name of names) db.exec(`DROP TABLE ${quoteName(name)}`);
  return names;
}

function tables(db: SqliteDatabase): string[] {
  return db
    .prepare<[], string>(`SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`)
    .pluck()
    .all();
}
