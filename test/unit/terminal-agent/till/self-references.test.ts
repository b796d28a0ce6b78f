/** A row that refers to itself stays one row when the app changes its key and SQLite lets the reference follow. */
import { describe, expect, it } from 'vitest';
import { lastSeq, ops, UUID_A, useTill } from '../../../support/recording-till.ts';
import { recorded, type TestTill } from '../../../support/till.ts';

const { till } = useTill();

const PEOPLE = `CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, local_id TEXT,
  boss INTEGER REFERENCES people(id) ON UPDATE CASCADE)`;
const MAPPING = `version: 1
tables:
  people: {scope: global, references: {boss: people}}
`;
const people = (before = ''): TestTill => {
  const t = till(`${PEOPLE}; ${before}`, MAPPING);
  t.app.pragma('foreign_keys = ON');
  return t;
};
const identities = (t: TestTill) => new Set(recorded(t.app).map(({ identity }) => identity));

describe('a row that refers to itself and gets another key', () => {
  it('stays the row it was, and nothing goes up', () => {
    const t = people();
    t.app.exec(`INSERT INTO people (id, name, boss) VALUES (1, 'a', 1)`);
    t.app.exec(`UPDATE people SET id = 9`);
    expect(t.app.prepare('SELECT id, boss FROM people').raw().all()).toEqual([[9, 9]]);
    expect(ops(t)).toEqual([
      ['c', 1],
      ['k', 1],
    ]);
    t.app.exec(`UPDATE people SET name = 'b'`);
    expect(recorded(t.app, lastSeq(t) - 1)).toMatchObject([{ op: 'u', key: 9, new_name: 'b' }]);
    expect(identities(t).size).toBe(1);
  });

  it('with a UUID, and with an edit in the same statement', () => {
    const t = people();
    t.app.prepare(`INSERT INTO people (id, name, boss, local_id) VALUES (1, 'a', 1, ?)`).run(UUID_A);
    t.app.exec(`UPDATE people SET id = 9, name = 'b'`);
    expect(recorded(t.app, 1)).toMatchObject([
      { op: 'k', key: 1, identity: UUID_A },
      { op: 'u', key: 9, identity: UUID_A, old_name: 'a', new_name: 'b' },
    ]);
  });

  it('linked: keeps its link', () => {
    const t = people();
    t.app.exec(`INSERT INTO sync_silence VALUES (1); INSERT INTO people (id, name, boss) VALUES (1, 'a', 1);
      INSERT INTO sync_row_people (central_id, row_key, position) VALUES ('77', 1, x''); DELETE FROM sync_silence;
      UPDATE people SET id = 9; UPDATE people SET name = 'b'`);
    expect(recorded(t.app)).toMatchObject([
      { op: 'k', key: 1, central_id: '77' },
      { op: 'u', key: 9, central_id: '77' },
    ]);
  });

  it('from before the agent: has one identity when it is offered', () => {
    const t = people(`INSERT INTO people (id, name, boss) VALUES (1, 'a', 1)`);
    t.app.exec(`UPDATE people SET id = 9; UPDATE people SET name = 'b'`);
    expect(ops(t)).toEqual([
      ['k', 1],
      ['r', 9],
      ['u', 9],
    ]);
    expect(identities(t).size).toBe(1);
  });

  it('with others that refer to it: theirs follow, and are recorded as before', () => {
    const t = people();
    t.app.exec(`INSERT INTO people (id, boss) VALUES (1, 1), (2, 1)`);
    const from = lastSeq(t);
    t.app.exec(`UPDATE people SET id = 9 WHERE id = 1`);
    expect(ops(t, from)).toEqual([
      ['u', 2],
      ['k', 1],
    ]);
  });
});

describe("an edit of the app's own is not taken for that", () => {
  it('a row that is made to refer to itself', () => {
    const t = people();
    t.app.exec(`INSERT INTO people (id, boss) VALUES (1, NULL), (2, 1)`);
    const from = lastSeq(t);
    t.app.exec(`UPDATE people SET boss = id`);
    expect(ops(t, from)).toEqual([
      ['u', 1],
      ['u', 2],
    ]);
  });

  it('also where what it referred to is gone, or moved without its references', () => {
    const t = people();
    t.app.pragma('foreign_keys = OFF');
    t.app.exec(`INSERT INTO people (id, boss) VALUES (1, 1), (2, 3), (3, NULL)`);
    t.app.exec(`DELETE FROM people WHERE id = 3; UPDATE people SET id = 9 WHERE id = 1`);
    const from = lastSeq(t);
    t.app.exec(`UPDATE people SET boss = id`);
    expect(ops(t, from).filter(([op]) => op === 'u')).toEqual([
      ['u', 2],
      ['u', 9],
    ]);
  });
});
