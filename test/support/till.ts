/** A till for tests: a payflow.db in a folder of its own, the app's connection to it, and the agent's. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { pino } from 'pino';
import { parseMapping } from '../../services/shared/mapping/mapping-parser.ts';
import type { SqliteDatabase } from '../../services/shared/database/sqlite.ts';
import { TillDatabase } from '../../services/terminal-agent/till/till-database.ts';

export const silentLog = pino({ level: 'silent' });

export interface TestTill {
  readonly folder: string;
  readonly file: string;
  readonly app: SqliteDatabase;
  readonly till: TillDatabase;
  /** Closes the agent's side and opens it again. */
  reopen(): TillDatabase;
  close(): void;
}

export interface TestTillOptions {
  readonly schema: string;
  readonly mapping: string;
  readonly journalMode?: 'wal' | 'delete';
  readonly incarnation?: string;
  readonly elapsedMs?: () => number;
}

export function openTestTill(options: TestTillOptions): TestTill {
  const folder = mkdtempSync(join(tmpdir(), 'payflow-till-'));
  const file = join(folder, 'payflow.db');
  const app = new Database(file);
  app.pragma(`journal_mode = ${options.journalMode ?? 'wal'}`);
  app.exec(options.schema);
  const open = () =>
    TillDatabase.open({
      file,
      mapping: parseMapping(options.mapping, 1),
      terminalId: 'T1',
      incarnation: options.incarnation ?? 'incarnation-1',
      log: silentLog,
      ...(options.elapsedMs === undefined ? {} : { elapsedMs: options.elapsedMs }),
    });
  let till = open();
  return {
    folder,
    file,
    app,
    get till() {
      return till;
    },
    reopen() {
      till.close();
      till = open();
      return till;
    },
    close() {
      if (till.db.open) till.close();
      if (app.open) app.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** What the triggers recorded, in order: op, table, key. */
export function recorded(db: SqliteDatabase, after = 0): Record<string, unknown>[] {
  const entries = db
    .prepare<[number], { name: string; op: string; row_key: unknown }>(
      `SELECT t.name, op, row_key FROM sync_outbox o JOIN sync_table t ON t.number = o.table_number
        WHERE seq > ? ORDER BY seq`,
    )
    .all(after);
  return entries.map(({ name, op, row_key }) => ({ op, table: name, key: row_key }));
}
