import Database from 'better-sqlite3';
import { expect, it } from 'vitest';
import { sqliteErrorCode } from '../../../../services/shared/database/sqlite-codes.ts';

it.each([
  ['SELECT * FROM sync_outbox', 'TERMINAL_DB_REPLACED'],
  ['INSERT INTO sold VALUES (1)', 'TERMINAL_DB_REPLACED'],
  ['SELECT * FROM orders', undefined],
  ['SELECT sync_status FROM sold', undefined],
  ['SELECT * FROM synced', undefined],
])('%s, with none of these tables there, is %s', (sql, code) => {
  const db = new Database(':memory:');
  try {
    db.exec(`CREATE TABLE sold (id); CREATE TABLE sync_silence (silent);
      CREATE TRIGGER told AFTER INSERT ON sold BEGIN INSERT INTO sync_silence VALUES (1); END; DROP TABLE sync_silence`);
    let thrown: unknown;
    try {
      db.prepare(sql).run();
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(Database.SqliteError);
    expect(sqliteErrorCode(thrown)?.code).toBe(code);
  } finally {
    db.close();
  }
});
