/** REPLACE on a till: what it removed in silence goes up as deleted, what stayed the same row as an update of it. */
import { describe, expect, it } from 'vitest';
import { uuid, useTillPull, type TillPull } from '../../../support/till-pull.ts';
import { cut, shown, write } from './shown-changes.ts';

const SCHEMA = `CREATE TABLE items (id INTEGER PRIMARY KEY, sku TEXT UNIQUE, name TEXT, stock NUMERIC, live INTEGER,
  local_id TEXT);
CREATE UNIQUE INDEX by_uuid ON items (local_id);
CREATE UNIQUE INDEX live_name ON items (name) WHERE live = 1;
CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT, local_id TEXT DEFAULT (lower(hex(randomblob(16)))));`;
const MAPPING = `version: 1
tables:
  items: {scope: global, columns: {stock: {policy: delta}}}
  settings: {scope: global, identity: local_id}
`;
const open = useTillPull();
/** A till that has sent these items. */
async function tillWith(items: string): Promise<{ t: TillPull; later: () => unknown[][] }> {
  const t = await open({ schema: SCHEMA, mapping: MAPPING });
  if (items !== '') write(t, [`INSERT INTO items (id, sku, name, local_id) VALUES ${items}`]);
  const before = cut(t).length;
  return { t, later: () => shown(t).slice(before) };
}
const TWO = `(1, 'a', 'one', NULL), (2, 'b', 'two', NULL)`;
/** Of each item, by the key that it had first, its identity. */
const identities = (t: TillPull) => cut(t).map(({ identity }) => identity);

describe('REPLACE', () => {
  it('of a row by its key is an update of that row, whatever UUID comes with it', async () => {
    const { t } = await tillWith('');
    const put = (value: string) => `REPLACE INTO settings (key, value) VALUES ('tax', '${value}')`;
    write(t, [put('7'), put('19'), put('19')]);
    expect(shown(t)).toEqual([
      ['c', { key: 'ttax', value: 't7' }],
      ['u', { value: ['t7', 't19'] }, {}],
    ]);
    expect(new Set(identities(t)).size).toBe(1);
  });

  it('that evicts two rows keeps the one with its key, and deletes the other', async () => {
    const { t, later } = await tillWith(TWO);
    write(t, [`REPLACE INTO items (id, sku, name) VALUES (2, 'a', 'both')`]);
    expect(later()).toEqual([
      ['d', {}],
      ['u', { sku: ['tb', 'ta'], name: ['ttwo', 'tboth'] }, {}],
    ]);
    const [one, two, gone, kept] = identities(t);
    expect([gone, kept]).toEqual([one, two]);
  });

  it.each([
    ['OFF', 'before its key is kept'],
    ['OFF', 'after that'],
    ['ON', 'before its key is kept'],
    ['ON', 'after that'],
  ])(
    'with the UUID of the row that it replaces is an update of that row under another key (recursive_triggers %s, %s)',
    async (recursive, when) => {
      const { t, later } = await tillWith(`(1, 'a', 'one', '${uuid(1)}')`);
      const keepKeys = () => when === 'after that' && t.till.write(() => t.capture.settleIn());
      t.app.pragma(`recursive_triggers = ${recursive}`);
      keepKeys();
      write(t, [`REPLACE INTO items (id, sku, name, local_id) VALUES (7, 'b', 'one', '${uuid(1)}')`]);
      keepKeys();
      write(t, [
        `INSERT INTO items (id, sku) VALUES (9, 'b') ON CONFLICT (sku) DO UPDATE SET name = 'two'`,
        `UPDATE items SET name = 'x' WHERE id = 7`,
      ]);
      expect(later()).toEqual([
        ['u', { sku: ['ta', 'tb'] }, {}],
        ['u', { name: ['tone', 'ttwo'] }, {}],
        ['u', { name: ['ttwo', 'tx'] }, {}],
      ]);
      expect(new Set(identities(t))).toEqual(new Set([uuid(1)]));
    },
  );

  it('twice between two looks, with its UUID, leaves it the row that it was', async () => {
    const { t, later } = await tillWith(`(1, 'a', 'one', '${uuid(1)}')`);
    const put = (id: number, sku: string) =>
      `REPLACE INTO items (id, sku, name, local_id) VALUES (${id}, '${sku}', 'one', '${uuid(1)}')`;
    write(t, [`${put(7, 'b')}; ${put(8, 'c')}`]);
    t.till.write(() => t.capture.settleIn());
    write(t, [`UPDATE items SET name = 'x' WHERE id = 8`]);
    expect(later()).toEqual([
      ['u', { sku: ['ta', 'tc'] }, {}],
      ['u', { name: ['tone', 'tx'] }, {}],
    ]);
  });

  it.each(['OFF', 'ON'])(
    'by an update deletes the row in its way, by a value or by its key (recursive_triggers %s)',
    async (recursive) => {
      const { t, later } = await tillWith(`${TWO}, (3, 'c', 'three', NULL)`);
      t.app.pragma(`recursive_triggers = ${recursive}`);
      write(t, [
        `UPDATE OR REPLACE items SET sku = 'a' WHERE id = 2`,
        `UPDATE OR REPLACE items SET id = 2, name = 'x' WHERE id = 3`,
        'DELETE FROM items',
      ]);
      const [one, two, three, ...names] = identities(t);
      expect(later().map(([op], at) => [op, names[at]])).toEqual([
        ['d', one],
        ['u', two],
        ['d', two],
        ['u', three],
        ['d', three],
      ]);
    },
  );

  it('with recursive_triggers on tells each deletion once', async () => {
    const { t, later } = await tillWith(`(1, 'a', 'one', NULL)`);
    t.app.pragma('recursive_triggers = ON');
    write(t, [`REPLACE INTO items (id, sku) VALUES (2, 'a'); REPLACE INTO items (id, sku) VALUES (2, 'b')`]);
    expect(later()).toEqual([
      ['d', {}],
      ['c', { sku: 'tb' }],
    ]);
  });

  it('is told apart from OR IGNORE and from an upsert, which remove nothing', async () => {
    const { t, later } = await tillWith(`(1, 'a', 'one', NULL)`);
    write(t, [
      `INSERT OR IGNORE INTO items (sku, name) VALUES ('a', 'ignored')`,
      `INSERT OR IGNORE INTO items (id, sku) VALUES (1, 'ignored')`,
      `INSERT INTO items (sku, name) VALUES ('a', 'two') ON CONFLICT (sku) DO UPDATE SET name = excluded.name`,
      `INSERT INTO items (sku) VALUES ('a') ON CONFLICT DO NOTHING`,
      'DELETE FROM items',
      `INSERT INTO items (id, sku) VALUES (1, 'z')`,
    ]);
    expect(later()).toEqual([
      ['u', { name: ['tone', 'ttwo'] }, {}],
      ['d', {}],
      ['c', { sku: 'tz' }],
    ]);
    const [first, , gone, next] = identities(t);
    expect(gone).toBe(first);
    expect(next).not.toBe(first);
  });

  it('through a partial unique index deletes the row in its way, and only that', async () => {
    const { t } = await tillWith('');
    write(t, [`INSERT INTO items (id, name, live) VALUES (1, 'a', 0), (2, 'a', 1)`]);
    write(t, [`REPLACE INTO items (id, name, live) VALUES (3, 'a', 1)`]);
    const [, two, ...names] = identities(t);
    expect(shown(t).map(([op]) => op)).toEqual(['c', 'c', 'd', 'c']);
    expect(names[0]).toBe(two);
  });

  it('of many rows in one statement tells of each', async () => {
    const { t, later } = await tillWith(`${TWO}, (3, 'c', 'three', NULL)`);
    write(t, [
      `REPLACE INTO items (id, sku, name) VALUES (1, 'x', 'one'), (4, 'b', 'two'), (3, 'c', 'three'), (5, 'y', 'y')`,
    ]);
    const [, two, ...names] = identities(t);
    expect(later()).toEqual([
      ['u', { sku: ['ta', 'tx'] }, {}],
      ['d', {}],
      ['c', { sku: 'tb', name: 'ttwo' }],
      ['c', { sku: 'ty', name: 'ty' }],
    ]);
    expect(names[2]).toBe(two);
  });

  it('of a row on its way whose key the app changed meanwhile is an update of that row', async () => {
    const { t, later } = await tillWith(`(1, 'a', 'one', '${uuid(1)}'), (2, 'b', 'two', NULL)`);
    write(
      t,
      [
        'UPDATE items SET id = id + 10',
        'UPDATE items SET id = id + 10',
        `REPLACE INTO items (id, sku, name, local_id) VALUES (21, 'a', 'by its key', '${uuid(1)}')`,
        `REPLACE INTO items (id, sku, name) VALUES (22, 'b', 'by its key too')`,
      ],
      { looks: false },
    );
    expect(later()).toEqual([
      ['u', { name: ['tone', 'tby its key'] }, {}],
      ['u', { name: ['ttwo', 'tby its key too'] }, {}],
    ]);
    expect(identities(t).slice(2)).toEqual(identities(t).slice(0, 2));
  });

  it('of a row that moved, and that the centre refused, offers all of it again', async () => {
    const { t, later } = await tillWith(`(1, 'a', 'one', NULL)`);
    const insert = t.capture.flight.get(1);
    if (insert === undefined) throw new Error('it was cut');
    t.till.write(() => t.capture.flight.settle(insert, 'rejected'));
    write(
      t,
      [
        `UPDATE items SET id = 9; INSERT INTO items (id, sku) VALUES (1, 'another')`,
        `REPLACE INTO items (id, sku, name) VALUES (9, 'b', 'one')`,
      ],
      { looks: false },
    );
    expect(later()).toEqual([
      ['c', { sku: 'tanother' }],
      ['c', { sku: 'tb', name: 'tone' }],
    ]);
    expect(identities(t)[2]).toBe(identities(t)[0]);
  });
});

describe('amounts of a row that REPLACE puts in its own place', () => {
  it.each(['OFF', 'ON'])('count once (recursive_triggers %s)', async (recursive) => {
    const { t } = await tillWith('');
    t.app.pragma(`recursive_triggers = ${recursive}`);
    write(t, [
      `INSERT INTO items (id, sku, stock, local_id) VALUES (1, 'a', 10, '${uuid(1)}')`,
      `REPLACE INTO items (id, sku, stock, local_id) VALUES (1, 'a', 7, '${uuid(1)}')`,
      `REPLACE INTO items (id, sku, stock, local_id) VALUES (5, 'a', 6, '${uuid(1)}')`,
      `UPDATE items SET stock = stock - 1; REPLACE INTO items (id, sku, stock, local_id) VALUES (5, 'b', 1, '${uuid(1)}')`,
    ]);
    const amounts = cut(t).flatMap(({ cut: each }) => ('sums' in each ? [...each.sums.values()] : []));
    expect(amounts.reduce((sum, each) => sum + Number(each), 10)).toBe(1);
    expect(cut(t).map(({ op }) => op)).not.toContain('d');
  });
});
