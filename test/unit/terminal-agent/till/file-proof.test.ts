import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import Database from 'better-sqlite3';
import { LOCAL_SCHEMA } from '../../../../services/terminal-agent/till/local-schema.ts';
import { FileProof } from '../../../../services/terminal-agent/till/file-proof.ts';

let db: Database.Database;
beforeEach(() => {
  db = new Database(':memory:');
  db.exec(LOCAL_SCHEMA);
});
afterEach(() => db.close());

const enter = (seq: number, id = 7n) =>
  db.prepare(`INSERT INTO sync_outbox (seq, op, entry_id) VALUES (?, 'c', ?)`).run(seq, id);
const print = { seq: 3, id: '7' };
const replaced = expect.objectContaining({ code: 'TERMINAL_DB_REPLACED' }) as Error;

describe('the newest entry that was sent', () => {
  it('proves the file while it stands there as it was cut', () => {
    enter(3);
    const proof = new FileProof(db);
    proof.note(print);
    expect(() => proof.check()).not.toThrow();
    enter(4);
    expect(() => proof.check()).not.toThrow();
  });

  it('proves nothing before anything was cut', () => {
    expect(() => new FileProof(db).check()).not.toThrow();
  });

  it.each([
    ['is gone', () => undefined],
    ['is another one that was made under its number', () => enter(3, 8n)],
  ])('and disproves it where it %s', (_what, deed) => {
    deed();
    const proof = new FileProof(db);
    proof.note(print);
    expect(() => proof.check()).toThrow(replaced);
  });

  it('is missed with all our tables', () => {
    const proof = new FileProof(db);
    enter(3);
    proof.note(print);
    db.exec('DROP TABLE sync_meta');
    expect(() => proof.check()).toThrow(replaced);
  });
});

describe('the number of our own writes', () => {
  it('is counted with each commit, and with none that is taken back', () => {
    const proof = new FileProof(db);
    proof.begin();
    db.exec('BEGIN');
    proof.count()();
    db.exec('COMMIT');
    db.exec('BEGIN');
    proof.count();
    db.exec('ROLLBACK');
    expect(() => proof.check()).not.toThrow();
    expect(proof.writes).toBe(1);
  });

  it('disproves a file from before our last one', () => {
    const proof = new FileProof(db);
    proof.begin();
    proof.count()();
    const before = db.serialize();
    proof.count()();
    expect(() => proof.check()).not.toThrow();
    const restored = new Database(before);
    const stored = restored.prepare(`SELECT value FROM sync_meta WHERE name = 'writes'`).pluck().get();
    restored.close();
    db.prepare(`UPDATE sync_meta SET value = ? WHERE name = 'writes'`).run(stored);
    expect(() => proof.check()).toThrow(replaced);
  });

  it('goes on where a file was left', () => {
    const first = new FileProof(db);
    first.begin();
    first.count()();
    const next = new FileProof(db);
    next.begin();
    expect(next.writes).toBe(1);
    expect(() => next.check()).not.toThrow();
  });
});
