/** A row whose key the app changes is the row that it was, also where it refers to itself; and what the app's triggers add. */
import { describe, expect, it } from 'vitest';
import { uuid, useTillPull, type TillPull } from '../../../support/till-pull.ts';
import { cut, shown, write } from './shown-changes.ts';

const open = useTillPull();
const identities = (t: TillPull) => cut(t).map(({ identity }) => identity);

const PEOPLE = {
  schema: `CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, local_id TEXT,
    boss INTEGER REFERENCES people (id) ON UPDATE CASCADE);`,
  mapping: `version: 1\ntables:\n  people: {scope: global, references: {boss: people}}\n`,
};
async function people(before = ''): Promise<TillPull> {
  const t = await open({ ...PEOPLE, schema: PEOPLE.schema + before });
  t.app.pragma('foreign_keys = ON');
  return t;
}

const ITEMS = {
  schema: 'CREATE TABLE items (id INTEGER PRIMARY KEY, sku TEXT UNIQUE, name TEXT, local_id TEXT);',
  mapping: 'version: 1\ntables:\n  items: {scope: global}\n',
};

describe('a row that gets another key', () => {
  it.each(
    [
      ['with an edit', `UPDATE items SET id = id + 10, name = 'x'`],
      ['that another row had', `UPDATE items SET id = -id, name = 'x'; UPDATE items SET id = 3 + id`],
      [
        'and leaves its own to a new row',
        `UPDATE items SET id = 9, name = 'x' WHERE id = 1; INSERT INTO items (id, sku) VALUES (1, 'new')`,
      ],
      [
        'and takes that of a row that is gone',
        `DELETE FROM items WHERE id = 2; UPDATE items SET id = 2, name = 'x' WHERE id = 1`,
      ],
      ['by REPLACE', `UPDATE OR REPLACE items SET id = 2, name = 'x' WHERE id = 1`],
    ].flatMap((each) => [true, false].map((isKept) => ({ how: each[0] ?? '', sql: each[1] ?? '', isKept }))),
  )('is known under it from then on, $how (kept before: $isKept)', async ({ sql, isKept }) => {
    const t = await open(ITEMS);
    write(t, [`INSERT INTO items (id, sku) VALUES (1, 'a'), (2, 'b')`]);
    if (isKept) t.till.write(() => t.capture.settleIn());
    write(t, [sql]);
    t.till.write(() => t.capture.settleIn());
    const before = new Set(identities(t));
    write(t, [`UPDATE items SET name = 'later'`]);
    t.till.write(() => t.capture.settleIn());
    write(t, ['DELETE FROM items']);
    expect(new Set(identities(t))).toEqual(before);
    expect(cut(t).map(({ op }) => op)).not.toContain('r');
    const ended = cut(t).filter(({ op }) => op === 'd');
    expect(new Set(ended.map(({ identity }) => identity))).toEqual(before);
  });
});

describe('a row that refers to itself and gets another key', () => {
  it.each([
    ['with a UUID', `'${uuid(1)}'`],
    ['without one', 'NULL'],
  ])('is edited in the same statement, %s', async (_of, name) => {
    const t = await people();
    write(t, [
      `INSERT INTO people (id, name, boss, local_id) VALUES (1, 'a', 1, ${name})`,
      `UPDATE people SET id = 9, name = 'b'`,
    ]);
    expect(shown(t).slice(1)).toEqual([['u', { name: ['ta', 'tb'] }, {}]]);
    expect(new Set(identities(t)).size).toBe(1);
  });

  it('is offered under one name where it was there before the agent', async () => {
    const t = await people(`INSERT INTO people (id, name, boss) VALUES (1, 'a', 1)`);
    write(t, ['UPDATE people SET id = 9', `UPDATE people SET name = 'b'`]);
    expect(new Set(identities(t)).size).toBe(1);
    expect(cut(t)[0]?.op).toBe('r');
    const [offered] = await sentOf(t);
    expect(offered?.references).toMatchObject([
      { column: 'boss', target: { identity: offered?.row.identity } },
    ]);
  });

  it('takes along those that refer to it, of which nothing goes up', async () => {
    const t = await people();
    write(t, [
      `INSERT INTO people (id, boss) VALUES (1, 1), (2, 1)`,
      'UPDATE people SET id = 9 WHERE id = 1',
    ]);
    expect(cut(t).map(({ op }) => op)).toEqual(['c', 'c']);
  });
});

describe("an edit of the app's own is not taken for a reference that follows", () => {
  it('a row that is made to refer to itself', async () => {
    const t = await people();
    write(t, [`INSERT INTO people (id, boss) VALUES (1, NULL), (2, 1)`, 'UPDATE people SET boss = id']);
    const sent = await sentOf(t);
    expect(
      sent.slice(2).map(({ op, row, references }) => [op, row.identity, references[0]?.target?.identity]),
    ).toEqual(sent.slice(0, 2).map(({ row }) => ['u', row.identity, row.identity]));
  });

  it('also where what it referred to is gone, or moved without its references', async () => {
    const t = await people();
    t.app.pragma('foreign_keys = OFF');
    write(t, [
      `INSERT INTO people (id, boss) VALUES (1, 1), (2, 3), (3, NULL)`,
      'DELETE FROM people WHERE id = 3; UPDATE people SET id = 9 WHERE id = 1',
    ]);
    const before = (await sentOf(t)).length;
    write(t, ['UPDATE people SET boss = id']);
    const edits = (await sentOf(t)).slice(before);
    const [one, two] = identities(t);
    expect(
      edits.map(({ op, row, references }) => [op, row.identity, references[0]?.target?.identity]),
    ).toEqual(expect.arrayContaining([['u', two, two]]));
    expect(edits.every(({ row }) => row.identity === one || row.identity === two)).toBe(true);
  });
});

it('a key of text that only changes its case is a moved key', async () => {
  const t = await open({
    schema: 'CREATE TABLE codes (code TEXT COLLATE NOCASE PRIMARY KEY, name TEXT);',
    mapping: 'version: 1\ntables: {codes: {scope: global}}\n',
  });
  write(t, [
    `INSERT INTO codes VALUES ('ab', 'x')`,
    `UPDATE codes SET code = 'AB'`,
    `UPDATE codes SET name = 'y'`,
  ]);
  expect(new Set(identities(t)).size).toBe(1);
  expect(cut(t).map(({ op }) => op)).not.toContain('d');
});

describe("the app's own triggers", () => {
  it.each(['before', 'after'])('go up with what caused them, where they were made %s ours', async (when) => {
    const touch = `CREATE TRIGGER touch AFTER INSERT ON items
      BEGIN UPDATE items SET stock = stock - 1, note = 'touched' WHERE id = NEW.id; END;`;
    const t = await open({
      schema: `CREATE TABLE items (id INTEGER PRIMARY KEY, sku TEXT, stock NUMERIC, note);${when === 'before' ? touch : ''}`,
      mapping: 'version: 1\ntables:\n  items: {scope: global, columns: {stock: {policy: delta}}}\n',
    });
    if (when === 'after') t.app.exec(touch);
    write(t, [`INSERT INTO items (id, sku, stock) VALUES (1, 'a', 10)`]);
    const [insert] = cut(t);
    expect(insert).toMatchObject({ op: 'c' });
    const stock = cut(t).reduce((sum, { cut: each }) => {
      if (each.op === 'c') return Number(each.values.get('stock'));
      return sum + Number(each.sums.get('stock') ?? 0);
    }, 0);
    expect(stock).toBe(9);
    expect(new Set(identities(t)).size).toBe(1);
    expect(shown(t)[0]).toMatchObject(['c', { note: 'ttouched' }]);
  });
});

async function sentOf(t: TillPull) {
  await t.pull();
  return t.changes();
}
