/** A reference that the app did not touch says what it said, also when the row that it means is gone from the till. */
import { afterEach, describe, expect, it } from 'vitest';
import type { CentralColumns } from '../../support/down-stream.ts';
import { openShopTill, type ShopTill } from '../../support/shop-till.ts';

const SCHEMA = `
CREATE TABLE trays (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, server_id INTEGER);
CREATE TABLE boxes (local_id TEXT PRIMARY KEY NOT NULL, name TEXT);
CREATE TABLE racks (id INTEGER PRIMARY KEY AUTOINCREMENT, local_id TEXT, name TEXT);
CREATE TABLE labels (id INTEGER PRIMARY KEY, note TEXT, tray INTEGER, tray_server INTEGER, box TEXT, rack TEXT);
`;
const MAPPING = `
version: 1
tables:
  trays: {scope: global}
  boxes: {scope: global}
  racks: {scope: global}
  labels:
    scope: global
    references:
      tray: trays
      tray_server: {table: trays, holds: server_id}
      box: {table: boxes, holds: local_id}
      rack: {table: racks, holds: local_id}
`;
const NAMED: CentralColumns = { id: ['bigint', 'bigint'], name: ['text', 'text'] };
const CENTRAL: Record<string, CentralColumns> = {
  trays: NAMED,
  boxes: { id: ['text', 'uuid'], name: ['text', 'text'] },
  racks: NAMED,
  labels: {
    id: ['bigint', 'bigint'],
    note: ['text', 'text'],
    tray: ['bigint', 'bigint'],
    tray_server: ['bigint', 'bigint'],
    box: ['text', 'uuid'],
    rack: ['bigint', 'bigint'],
  },
};
const BOX = 'ea904036-1232-47ea-8275-95e6d9aa0da9';
const OTHER_BOX = '0b904036-1232-47ea-8275-95e6d9aa0da9';
const STILL_TO_COME = '5f2a4c11-8d2e-4a53-9c8c-aa12bb34cc56';
const PARENTS = [
  ['trays', 7],
  ['boxes', BOX],
  ['racks', 9],
] as const;

let shop: ShopTill;
afterEach(() => shop.close());

const columnsOf = () =>
  shop.changes().map(({ table, op, cut }) => [table, op, cut.op === 'u' ? [...cut.edits.keys()] : []]);

async function openLabelled(): Promise<void> {
  let nowMs = 0;
  // Each look at the clock is long after the one before: what has to be still is.
  const apply = { elapsedMs: () => (nowMs += 60_000) };
  shop = openShopTill({ schema: SCHEMA, mapping: MAPPING, central: CENTRAL, apply });
  await labelled();
}

async function labelled(): Promise<void> {
  const { catalog } = shop;
  await shop.toCatalog(
    catalog.commit(
      100,
      ...PARENTS.map(([table, id]) => catalog.row(table, id, { name: 'first' })),
      catalog.row('trays', 8, { name: 'other' }),
      catalog.row('boxes', OTHER_BOX, { name: 'other' }),
      catalog.row('racks', 10, { name: 'other' }),
      catalog.row('labels', 1, { note: 'new', tray: 7, tray_server: 7, box: BOX, rack: 9 }),
    ),
  );
}

const byHeadOffice = async () =>
  shop.toCatalog(shop.catalog.commit(200, ...PARENTS.map(([table, id]) => shop.catalog.delete(table, id))));
const byTheApp = () => {
  for (const [table] of PARENTS) shop.test.app.exec(`DELETE FROM ${table} WHERE name = 'first'`);
  return Promise.resolve();
};
const byTheAppBefore = async () => {
  await byTheApp();
  shop.look();
  shop.apply.applyLocal();
};
const TOLD = PARENTS.map(([table]) => [table, 'd', []]);

describe.each([
  { by: 'head office', deed: byHeadOffice, deleted: [] as unknown[] },
  { by: 'the app in the same moment', deed: byTheApp, deleted: TOLD },
  { by: 'the app before', deed: byTheAppBefore, deleted: TOLD },
])('of rows that were deleted by $by', ({ deed, deleted }) => {
  it.each(['in one look', 'in a look of its own', 'after a restart'])(
    'another column goes up alone, %s',
    async (when) => {
      await openLabelled();
      await deed();
      if (when !== 'in one look') shop.look();
      if (when === 'after a restart') shop.restart();
      expect(shop.rows('SELECT count(*) AS n FROM trays')).toEqual([{ n: 1 }]);
      shop.test.app.exec(`UPDATE labels SET note = 'seen'`);
      expect(columnsOf()).toEqual([...deleted, ['labels', 'u', ['note']]]);
    },
  );

  it.each([
    ['', []],
    [`UPDATE labels SET note = 'seen';`, [['labels', 'u', ['note']]]],
  ])('a table that is looked through tells no more: %s', async (edit, told) => {
    await openLabelled();
    await deed();
    shop.test.app.exec(`BEGIN; ALTER TABLE labels RENAME TO old_labels;
      CREATE TABLE labels (id INTEGER PRIMARY KEY, note TEXT, tray INTEGER, tray_server INTEGER, box TEXT, rack TEXT);
      INSERT INTO labels SELECT * FROM old_labels; DROP TABLE old_labels; ${edit} COMMIT`);
    shop.test.till.appCommitted();
    shop.apply.applyLocal();
    await shop.apply.sweep.due();
    expect(columnsOf()).toEqual([...deleted, ...told]);
  });

  it('what the app points elsewhere is told: to a row that is here, to none, to one that is still to come', async () => {
    await openLabelled();
    await deed();
    shop.test.app.exec(
      `UPDATE labels SET tray = (SELECT id FROM trays), tray_server = 8, box = NULL, rack = NULL`,
    );
    shop.test.app.exec(`UPDATE labels SET box = '${STILL_TO_COME}'`);
    expect(columnsOf()).toEqual([...deleted, ['labels', 'u', ['tray', 'tray_server', 'box', 'rack']]]);
  });
});

describe('what the app has pointed elsewhere is never taken for the old reference', () => {
  const NEW = '7d1f2c33-8d2e-4a53-9c8c-aa12bb34cc57';
  const REPLACED = `
    INSERT INTO trays (name) VALUES ('second'); INSERT INTO boxes VALUES ('${NEW}', 'second');
    INSERT INTO racks (local_id, name) VALUES ('${STILL_TO_COME}', 'second');
    UPDATE labels SET tray = (SELECT id FROM trays WHERE name = 'second'), box = '${NEW}', rack = '${STILL_TO_COME}';`;
  const told = () => columnsOf().filter(([table]) => table === 'labels');
  const EDIT = [['labels', 'u', ['tray', 'box', 'rack']]];

  it('where new rows take the place of old ones in one transaction', async () => {
    await openLabelled();
    const gone = PARENTS.map(([table]) => `DELETE FROM ${table} WHERE name = 'first';`).join(' ');
    shop.test.app.exec(`BEGIN; ${REPLACED} ${gone} COMMIT`);
    expect(told()).toEqual(EDIT);
  });

  it.each([
    ['head office', byHeadOffice],
    ['the app', byTheAppBefore],
  ])('where the old ones went before, by %s', async (_who, deed) => {
    await openLabelled();
    await deed();
    shop.test.app.exec(REPLACED);
    expect(told()).toEqual(EDIT);
  });

  it('where the new rows were there before', async () => {
    await openLabelled();
    shop.test.app
      .exec(`INSERT INTO trays (name) VALUES ('second'); INSERT INTO boxes VALUES ('${NEW}', 'second');
      INSERT INTO racks (local_id, name) VALUES ('${STILL_TO_COME}', 'second')`);
    shop.look();
    await byHeadOffice();
    shop.test.app.exec(
      `UPDATE labels SET tray = (SELECT id FROM trays WHERE name = 'second'), box = '${NEW}', rack = '${STILL_TO_COME}'`,
    );
    expect(told()).toEqual(EDIT);
  });

  it.each([
    ['head office', byHeadOffice],
    ['the app', byTheAppBefore],
    ['the app in the same moment', byTheApp],
  ])('nor where it points to a key that no row has, after a deletion by %s', async (_who, deed) => {
    await openLabelled();
    await deed();
    shop.test.app.exec(`UPDATE labels SET tray = 50, box = '${NEW}'`);
    expect(told()).toEqual([['labels', 'u', ['tray', 'box']]]);
  });

  it('nor by the type of the column: a text that says the gone key says it still', async () => {
    shop = openShopTill({
      schema: SCHEMA.replace('tray INTEGER', 'tray TEXT'),
      mapping: MAPPING,
      central: CENTRAL,
    });
    await labelled();
    expect(shop.rows('SELECT typeof(tray) AS type FROM labels')).toEqual([{ type: 'text' }]);
    await byHeadOffice();
    shop.test.app.exec(`UPDATE labels SET note = 'seen'`);
    shop.look();
    shop.test.app.exec(`UPDATE labels SET tray = '50'`);
    expect(told()).toEqual([
      ['labels', 'u', ['note']],
      ['labels', 'u', ['tray']],
    ]);
  });

  it('a file of the version before gets what is needed to tell', async () => {
    await openLabelled();
    shop.test.app.exec('ALTER TABLE sync_row_trays DROP COLUMN former_key');
    shop.restart();
    await byHeadOffice();
    shop.test.app.exec(`UPDATE labels SET note = 'seen'`);
    shop.look();
    shop.test.app.exec(`UPDATE labels SET tray = 50`);
    expect(told()).toEqual([
      ['labels', 'u', ['note']],
      ['labels', 'u', ['tray']],
    ]);
  });
});
