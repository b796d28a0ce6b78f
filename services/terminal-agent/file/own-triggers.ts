/**
 * Which triggers of a till file are ours. The name alone does not say: an app may call its own `sync_…`, too, and what it
 * made is never touched, nor taken for ours where central rows are written.
 */
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import type { BoundTable } from '../../shared/catalog/table-binding.ts';
import { quoteName } from '../till/local-schema.ts';
import { numbered } from './captured-tables.ts';
import { keyTriggers, TRIGGER_NAME, type Trigger } from './key-triggers.ts';

/** Every one of ours, and of those of the versions before, asks or writes these. */
const OUR_TABLES = /\bsync_(silence|outbox)\b/;

export function isOwnTrigger({ name, sql }: Trigger): boolean {
  return TRIGGER_NAME.test(name) && OUR_TABLES.test(sql);
}

/** Those that a table has to have, under names that no trigger of the app has. Inside the caller's transaction. */
export function triggersFor(db: SqliteDatabase, table: BoundTable): Trigger[] {
  const ofApp = allTriggers(db).filter((trigger) => !isOwnTrigger(trigger));
  const taken = new Set(ofApp.map(({ name }) => name.toLowerCase()));
  return keyTriggers(numbered(db, table)).map(({ name, sql }) => {
    const free = freeName(name, taken);
    return { name: free, sql: sql.replace(quoteName(name), () => quoteName(free)) };
  });
}

function freeName(name: string, taken: ReadonlySet<string>): string {
  let free = name;
  for (let n = 2; taken.has(free.toLowerCase()); n += 1) free = `${name}:${n}`;
  return free;
}

export function allTriggers(db: SqliteDatabase): Trigger[] {
  return db
    .prepare<[], Trigger>(`SELECT name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY rowid`)
    .all();
}
