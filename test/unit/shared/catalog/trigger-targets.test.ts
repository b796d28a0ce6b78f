/** Which tables a trigger writes decides whether it runs on rows from the centre. */
import { expect, test } from 'vitest';
import {
  hasConflictClause,
  triggerHasConflictClause,
  triggerTargets,
  writesOnlyVirtual,
} from '../../../../services/shared/catalog/trigger-targets.ts';

const fts = (body: string) => `CREATE TRIGGER t AFTER UPDATE ON products BEGIN ${body} END`;

test.each<[sql: string, targets: string[] | null]>([
  [
    fts(`INSERT INTO docs(docs, rowid) VALUES ('delete', old.id); INSERT INTO docs(rowid) VALUES (new.id);`),
    ['docs', 'docs'],
  ],
  [fts(`INSERT OR REPLACE INTO "Docs" VALUES (1);`), ['docs']],
  [fts(`REPLACE INTO main.[docs] VALUES (1);`), ['docs']],
  [fts('DELETE FROM `docs` WHERE rowid = 1;'), ['docs']],
  [fts(`UPDATE OR IGNORE docs SET a = 1;`), ['docs']],
  [fts(`UPDATE docs SET a = 'x; UPDATE stock SET b = 1';`), ['docs']],
  [fts(`/* ; DELETE FROM stock */ DELETE FROM docs; -- ; DELETE FROM stock\n`), ['docs']],
  [fts(`SELECT RAISE(ABORT, 'no');`), []],
  [
    fts(`INSERT INTO docs SELECT rowid FROM stock; UPDATE stock SET a = CASE WHEN 1 THEN 2 END;`),
    ['docs', 'stock'],
  ],
  [
    `CREATE TRIGGER begin BEFORE DELETE ON "begin" FOR EACH ROW WHEN old.begin > 1 begin delete from docs; end`,
    ['docs'],
  ],
  [
    `CREATE TRIGGER t AFTER INSERT ON p WHEN (SELECT 'BEGIN UPDATE x') IS NULL BEGIN DELETE FROM docs; END`,
    ['docs'],
  ],
  ['CREATE TRIGGER t AFTER INSERT ON p', null],
  [fts('PRAGMA user_version = 1;'), null],
])('%s', (sql, targets) => {
  expect(triggerTargets(sql)).toEqual(targets);
});

test('one that writes nothing fills no index, nor does one that writes an ordinary table too', () => {
  const virtual = new Set(['docs']);
  expect(writesOnlyVirtual(fts('DELETE FROM Docs;'), virtual)).toBe(true);
  expect(writesOnlyVirtual(fts('DELETE FROM docs; DELETE FROM stock;'), virtual)).toBe(false);
  expect(writesOnlyVirtual(fts(`SELECT RAISE(ABORT, 'no');`), virtual)).toBe(false);
});

test.each<[sql: string, says: boolean]>([
  [fts('INSERT OR REPLACE INTO docs VALUES (1);'), true],
  [fts('REPLACE INTO docs VALUES (1);'), true],
  [fts('UPDATE OR IGNORE docs SET a = 1;'), true],
  [fts(`DELETE FROM docs; insert /* so */ or fail INTO docs VALUES (1);`), true],
  [fts(`INSERT INTO docs VALUES (replace(new.a, 'x', 'y'));`), false],
  [fts(`UPDATE docs SET a = 'OR REPLACE' WHERE b = 1 OR c = 2;`), false],
  [fts(`INSERT INTO docs VALUES (1); -- REPLACE INTO docs\n`), false],
  ['CREATE TRIGGER t AFTER INSERT ON p', true],
])('%s has a conflict clause: %s', (sql, says) => {
  expect(triggerHasConflictClause(sql)).toBe(says);
});

test('the declaration of a table has one, or speaks of one', () => {
  expect(hasConflictClause('CREATE TABLE t (a UNIQUE ON CONFLICT REPLACE)')).toBe(true);
  expect(hasConflictClause('CREATE TABLE t (a, UNIQUE (a) on /* x */ conflict ignore)')).toBe(true);
  expect(hasConflictClause(`CREATE TABLE t (a DEFAULT 'ON CONFLICT') -- ON CONFLICT`)).toBe(false);
});
