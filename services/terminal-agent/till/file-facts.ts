/** What a till file says of itself, also before our tables are in it. */
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import { PayflowError } from '../../shared/errors.ts';

export function metaBefore(db: SqliteDatabase, name: string): string | undefined {
  const hasMeta = db.prepare(`SELECT 1 FROM sqlite_master WHERE name = 'sync_meta'`).get() !== undefined;
  if (!hasMeta) return undefined;
  return db.prepare<[string], string>('SELECT value FROM sync_meta WHERE name = ?').pluck().get(name);
}

export function getMeta(db: SqliteDatabase, name: string): string | undefined {
  return db.prepare<[string], string>('SELECT value FROM sync_meta WHERE name = ?').pluck().get(name);
}

/** null removes it. */
export function setMeta(db: SqliteDatabase, name: string, value: string | null): void {
  if (value === null) db.prepare('DELETE FROM sync_meta WHERE name = ?').run(name);
  else db.prepare('INSERT OR REPLACE INTO sync_meta (name, value) VALUES (?, ?)').run(name, value);
}

export interface FileOwner {
  readonly terminalId: string;
  readonly incarnation: string;
  /** undefined: nobody says. */
  readonly databaseId: string | undefined;
}

/** The incarnation that the file had before, until the agent file of the present one is known to have been told. */
export const INCARNATION_BEFORE = 'incarnation_before';

/** The one under which the file was used last; undefined: no agent ever had it. */
export function usedIncarnation(db: SqliteDatabase): string | undefined {
  return metaBefore(db, INCARNATION_BEFORE) ?? metaBefore(db, 'incarnation');
}

/**
 * The file is used under another name from now on. Inside a transaction of ours.
 * @param former.keepsSettled what was settled under the one before counts: changes have the number of an entry under any
 */
export function leaveName(
  db: SqliteDatabase,
  { before, keepsSettled }: { readonly before: string; readonly keepsSettled: boolean },
  incarnation: string,
): void {
  const rename = db.prepare('UPDATE sync_settled SET incarnation = ? WHERE incarnation = ?');
  if (keepsSettled) rename.run(incarnation, before);
  setMeta(db, 'incarnation', incarnation);
  setMeta(db, INCARNATION_BEFORE, null);
}

/** @throws PayflowError TERMINAL_FENCED, TERMINAL_OTHER_CENTRE: it is somebody else's */
export function claimFile(db: SqliteDatabase, { terminalId, incarnation, databaseId }: FileOwner): void {
  const owner = getMeta(db, 'terminal_id');
  if (owner !== undefined && owner !== terminalId) {
    throw new PayflowError(
      'TERMINAL_FENCED',
      `${db.name} belongs to terminal ${owner}, not to ${terminalId}`,
    );
  }
  const centre = getMeta(db, 'database_id');
  if (centre !== undefined && databaseId !== undefined && centre !== databaseId) {
    throw new PayflowError(
      'TERMINAL_OTHER_CENTRE',
      `${db.name} is linked with the centre ${centre}, and this till is enrolled at ${databaseId}`,
      { details: { file: centre, enrolment: databaseId } },
    );
  }
  const used = usedIncarnation(db);
  if (used !== undefined && used !== incarnation) setMeta(db, INCARNATION_BEFORE, used);
  const facts = { terminal_id: terminalId, incarnation, database_id: databaseId };
  for (const [name, value] of Object.entries(facts)) {
    if (value !== undefined && getMeta(db, name) !== value) setMeta(db, name, value);
  }
}
