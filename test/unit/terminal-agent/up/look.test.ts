/** What goes up of what the app did: each row once, under a name of its own, as the difference to what is known of it. */
import { describe, expect, it } from 'vitest';
import { uuid, useTillPull, type TillPull } from '../../../support/till-pull.ts';
import { cut, shown, write } from './shown-changes.ts';

const SCHEMA = `CREATE TABLE items (id INTEGER PRIMARY KEY, sku TEXT UNIQUE, name TEXT COLLATE NOCASE, stock NUMERIC,
  note, local_id TEXT, server_id INTEGER, last_sync_at TEXT);
CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, local_id TEXT, boss INTEGER REFERENCES people (id) ON UPDATE CASCADE);`;
const MAPPING = `version: 1
tables:
  items: {scope: global, columns: {stock: {policy: delta}}}
  people: {scope: global, references: {boss: people}}
`;
const HEX = /^[0-9a-f]{32}$/;
const open = useTillPull();
const till = (more = '') => open({ schema: `${SCHEMA}${more}`, mapping: MAPPING });

describe('what goes up of a row', () => {
  it('is what differs from what went up before', async () => {
    const t = await till();
    write(t, [
      `INSERT INTO items (id, sku, name, local_id) VALUES (1, 'a', 'Apple', '${uuid(1)}')`,
      `UPDATE items SET name = 'Pear'`,
      `UPDATE items SET name = 'pear'`,
      'DELETE FROM items',
    ]);
    expect(shown(t)).toEqual([
      ['c', { sku: 'ta', name: 'tApple' }],
      ['u', { name: ['tApple', 'tPear'] }, {}],
      ['u', { name: ['tPear', 'tpear'] }, {}],
      ['d', {}],
    ]);
    expect(new Set(cut(t).map(({ identity }) => identity))).toEqual(new Set([uuid(1)]));
  });

  it('is nothing where nothing mapped changed, or where it came and went between two looks', async () => {
    const t = await till();
    write(t, [
      `INSERT INTO items (id, sku, name) VALUES (1, 'a', 'x')`,
      `UPDATE items SET name = 'x', sku = 'a'`,
      `UPDATE items SET server_id = 7, last_sync_at = 'now'`,
      `INSERT INTO items (id, sku) VALUES (2, 'b'); DELETE FROM items WHERE id = 2`,
      `UPDATE items SET name = 'y'; UPDATE items SET name = 'x'`,
      'UPDATE items SET id = 9',
    ]);
    expect(shown(t)).toEqual([['c', { sku: 'ta', name: 'tx' }]]);
  });

  it('is its insert once, and each amount by itself, known by the entry that it came with', async () => {
    const t = await till();
    write(
      t,
      [
        `INSERT INTO items (id, sku, stock) VALUES (1, 'a', 10)`,
        'UPDATE items SET stock = stock - 3',
        `UPDATE items SET stock = stock - 4, name = 'x'`,
      ],
      { looks: false },
    );
    expect(shown(t)).toEqual([
      ['c', { sku: 'ta', stock: '10', name: 'tx' }],
      ['u', {}, { stock: '-3' }],
      ['u', {}, { stock: '-4' }],
    ]);
    expect(cut(t).map(({ number }) => number)).toEqual([1, 2, 3]);
  });

  it('is an update where REPLACE put a row in its place, and a new row where it took another’s', async () => {
    const t = await till();
    write(t, [
      `INSERT INTO items (id, sku, stock) VALUES (1, 'a', 10), (2, 'b', 5)`,
      `INSERT OR REPLACE INTO items (id, sku, stock) VALUES (1, 'a2', 8)`,
      `INSERT OR REPLACE INTO items (id, sku) VALUES (3, 'b')`,
    ]);
    expect(shown(t).slice(2)).toEqual([
      ['u', { sku: ['ta', 'ta2'] }, { stock: '-2' }],
      ['d', {}],
      ['c', { sku: 'tb' }],
    ]);
  });

  it('follows it to another key, whoever has the old one then', async () => {
    const t = await till();
    write(t, [
      `INSERT INTO items (id, sku) VALUES (1, 'a'), (2, 'b'), (3, 'c')`,
      'UPDATE items SET id = -id; UPDATE items SET id = 4 + id',
      `UPDATE items SET name = sku`,
    ]);
    const names = cut(t).map(({ identity }) => identity);
    expect(new Set(names.slice(0, 3)).size).toBe(3);
    expect(new Set(names.slice(3))).toEqual(new Set(names.slice(0, 3)));
    expect(shown(t).slice(3)).toEqual(
      expect.arrayContaining(['a', 'b', 'c'].map((sku) => ['u', { name: [null, `t${sku}`] }, {}])),
    );
  });

  it('that refers to itself stays one row when its key changes and the reference follows', async () => {
    const t = await till();
    t.app.pragma('foreign_keys = ON');
    write(t, [
      `INSERT INTO people (id, name, boss) VALUES (1, 'a', 1), (2, 'b', 1)`,
      'UPDATE people SET id = 9 WHERE id = 1',
      `UPDATE people SET name = 'x' WHERE id = 9`,
    ]);
    const [first] = cut(t);
    expect(cut(t).map(({ op }) => op)).toEqual(['c', 'c', 'u']);
    expect(cut(t)[2]?.identity).toBe(first?.identity);
  });
});

describe('two rows never go up under one name', () => {
  const names = (t: TillPull) => cut(t).map(({ identity }) => identity);

  it('a key that is used again, and a UUID that comes again after its row was deleted', async () => {
    const t = await till();
    write(t, [
      `INSERT INTO items (id, sku, local_id) VALUES (1, 'a', '${uuid(1)}')`,
      'DELETE FROM items',
      `INSERT INTO items (id, sku, local_id) VALUES (1, 'b', '${uuid(1)}')`,
      `INSERT INTO items (id, sku) VALUES (2, 'c')`,
      'DELETE FROM items WHERE id = 2',
      `INSERT INTO items (id, sku) VALUES (2, 'd')`,
    ]);
    t.till.write(() => t.capture.settleIn());
    const [a, gone, b, c, goneToo, d] = names(t);
    expect([a, gone]).toEqual([uuid(1), uuid(1)]);
    expect(b).toMatch(HEX);
    expect([c, goneToo]).toEqual([c, c]);
    expect(new Set([a, b, c, d]).size).toBe(4);
  });

  it('a row that the app copied with its UUID, also where REPLACE puts the copy in the place of another', async () => {
    const t = await till();
    write(t, [
      `INSERT INTO items (id, sku, local_id) VALUES (1, 'a', '${uuid(1)}'), (2, 'b', NULL)`,
      `INSERT INTO items (id, sku, name, local_id) SELECT 5, 'e', name, local_id FROM items WHERE id = 1`,
      `INSERT OR REPLACE INTO items (id, sku, local_id) VALUES (3, 'b', '${uuid(1)}')`,
      `UPDATE items SET name = sku`,
    ]);
    const made = cut(t).filter(({ op }) => op === 'c');
    expect(new Set(made.map(({ identity }) => identity)).size).toBe(4);
    expect(made.filter(({ identity }) => identity === uuid(1))).toHaveLength(1);
    expect(cut(t).filter(({ op }) => op === 'u')).toHaveLength(3);
  });

  it('a row whose UUID the app changes stays the row that it was', async () => {
    const t = await till();
    write(t, [
      `INSERT INTO items (id, sku, local_id) VALUES (1, 'a', '${uuid(1)}')`,
      `UPDATE items SET local_id = '${uuid(2)}', name = 'x'`,
      `INSERT INTO items (id, sku, local_id) VALUES (2, 'b', '${uuid(1)}')`,
    ]);
    const [a, changed, other] = names(t);
    expect([a, changed]).toEqual([uuid(1), uuid(1)]);
    expect(other).not.toBe(uuid(1));
  });
});

describe('a till whose agent file was lost', () => {
  it('cuts its amounts as they were cut, whatever was sold since', async () => {
    const t = await till();
    t.till.write(() => t.capture.settleIn());
    write(t, [
      `INSERT INTO items (id, sku, stock) VALUES (1, 'a', 10)`,
      'UPDATE items SET stock = stock - 3',
    ]);
    t.till.write(() => t.capture.settleIn());
    write(t, [`UPDATE items SET stock = stock - 4, name = 'x'`]);
    await t.pull();
    const evidence = async (from: number) =>
      (await t.changes()).slice(from).map(({ seq, entry, op }) => ({ seq, entry, op }));
    const before = await evidence(0);
    expect(before).toHaveLength(3);
    t.loseAgentFile();
    write(t, [`UPDATE items SET stock = stock - 1, name = 'y'`]);
    await t.pull();
    const again = await evidence(3);
    expect(again.slice(0, 3)).toEqual(before);
    expect(again).toHaveLength(4);
    const amounts = cut(t).flatMap(({ cut: each }) => ('sums' in each ? [...each.sums.values()] : []));
    expect(amounts).toEqual(['-3', '-4', '-1']);
  });

  it('tells behind an insert, which the centre may know, what was written since, under an entry of its own', async () => {
    const t = await till();
    write(t, [
      `INSERT INTO items (id, sku, name) VALUES (1, 'a', 'new')`,
      `INSERT INTO items (id, sku) VALUES (2, 'b')`,
    ]);
    t.till.write(() => t.capture.settleIn());
    await t.pull();
    const sent = (await t.changes()).length;
    t.loseAgentFile();
    write(t, [`UPDATE items SET name = 'paid' WHERE id = 1`]);
    await t.pull();
    const again = (await t.changes()).slice(sent);
    expect(again.map(({ op }) => op)).toEqual(['c', 'c', 'u']);
    expect(again.at(-1)?.columns).toContainEqual({ name: 'name', old: null, new: 'paid', seen: 'unknown' });
    expect(again.at(-1)?.entry).not.toBe(again[0]?.entry);
    // Whichever is answered first, the other keeps the entry that it is cut from should the agent file be lost again.
    const covered = cut(t).map(({ op, entries }) => [op, entries.length]);
    expect(covered).toEqual([
      ['c', 1],
      ['c', 1],
      ['u', 1],
    ]);
  });
});

describe('a row that was there before the agent', () => {
  it('is offered when it is edited, with what it held before any amount, and when it is referred to', async () => {
    const t = await till(`INSERT INTO items (id, sku, stock) VALUES (1, 'a', 10);
      INSERT INTO people (id, name) VALUES (1, 'boss')`);
    write(t, [
      'UPDATE items SET stock = stock - 2',
      `INSERT INTO people (id, name, boss) VALUES (2, 'x', 1)`,
      `UPDATE people SET name = 'y' WHERE id = 1`,
    ]);
    expect(shown(t)).toEqual([
      ['r', { sku: 'ta', stock: '10' }],
      ['u', {}, { stock: '-2' }],
      ['c', { name: 'tx', boss: expect.stringMatching(/^H~[0-9a-f]{32}$/) as string }],
      ['r', { name: 'tboss' }],
      ['u', { name: ['tboss', 'ty'] }, {}],
    ]);
  });
});
