import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import Database from 'better-sqlite3';
import { LOCAL_SCHEMA } from '../../../../services/terminal-agent/till/local-schema.ts';
import { LastCut } from '../../../../services/terminal-agent/till/last-cut.ts';

let db: Database.Database;
beforeEach(() => {
  db = new Database(':memory:');
  db.exec(LOCAL_SCHEMA);
});
afterEach(() => db.close());

const enter = (seq: number, key: unknown = 7n, op = 'c', atMs: number | null = 1000) =>
  db
    .prepare(
      `INSERT INTO sync_outbox (seq, table_name, op, row_key, captured_at_ms) VALUES (?, 'orders', ?, ?, ?)`,
    )
    .run(seq, op, key, atMs);
const print = { seq: 3, op: 'c', rowKey: 7n, capturedAtMs: 1000 };
const replaced = expect.objectContaining({ code: 'TERMINAL_DB_REPLACED' }) as Error;

describe('the newest entry that was sent', () => {
  it('proves the file while it stands there as it was cut', () => {
    enter(3);
    const lastCut = new LastCut(db);
    lastCut.note(print);
    expect(() => lastCut.check()).not.toThrow();
    enter(4);
    expect(() => lastCut.check()).not.toThrow();
  });

  it('proves nothing before anything was cut', () => {
    expect(() => new LastCut(db).check()).not.toThrow();
  });

  it.each([
    ['is gone', () => undefined],
    ['is another one that was made under its number', () => enter(3, 7n, 'c', 1001)],
    ['is of another row', () => enter(3, 8n)],
    ['is of another kind', () => enter(3, 7n, 'u')],
    ['has a key of another type', () => enter(3, '7')],
  ])('and disproves it where it %s', (_what, deed) => {
    deed();
    const lastCut = new LastCut(db);
    lastCut.note(print);
    expect(() => lastCut.check()).toThrow(replaced);
  });

  it('may have a time and a key of any kind', () => {
    enter(3, Buffer.from('key'), 'c', null);
    const lastCut = new LastCut(db);
    lastCut.note({ ...print, rowKey: Buffer.from('key'), capturedAtMs: 0 });
    expect(() => lastCut.check()).not.toThrow();
  });
});
