/** What a till file says of itself, also before our tables are in it. */
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import type { Mapping } from '../../shared/mapping/mapping.ts';
import { parseMapping } from '../../shared/mapping/mapping-parser.ts';

export function metaBefore(db: SqliteDatabase, name: string): string | undefined {
  const hasMeta = db.prepare(`SELECT 1 FROM sqlite_master WHERE name = 'sync_meta'`).get() !== undefined;
  if (!hasMeta) return undefined;
  return db.prepare<[string], string>('SELECT value FROM sync_meta WHERE name = ?').pluck().get(name);
}

/** The mapping of enrolment, or a newer one that came through the log and is kept in the file. */
export function newerMapping(db: SqliteDatabase, enrolled: Mapping): Mapping {
  const version = Number(metaBefore(db, 'mapping_version') ?? 0);
  const source = metaBefore(db, 'mapping_source');
  return source === undefined || version <= enrolled.version ? enrolled : parseMapping(source, version);
}
