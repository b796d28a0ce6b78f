/** The app finds its rows by the form in which it wrote them: what means the same is never written over. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { CentralColumns } from '../../support/down-stream.ts';
import { mine, openShopTill, type ShopTill } from '../../support/shop-till.ts';

const GUID = '0F0E0D0C-0B0A-4908-8706-050403020100';
const OTHER = '1F0E0D0C-0B0A-4908-8706-050403020100';

const SCHEMA = `
CREATE TABLE visits (id TEXT PRIMARY KEY COLLATE NOCASE, at TEXT, active TEXT, price TEXT, guests NUMERIC,
  extra TEXT, note TEXT NOT NULL DEFAULT '', until REAL, seen TEXT, sync_status TEXT);
CREATE TABLE lines (id TEXT PRIMARY KEY, visit_id TEXT, qty INTEGER);
CREATE TABLE days (id INTEGER PRIMARY KEY, day TEXT, room TEXT, seats INTEGER, server_id TEXT);
INSERT INTO days (day, room, seats) VALUES ('2026-10-01 00:00:00', CAST(X'43E9' AS TEXT), 1), ('x', 'Cé', 2);
`;
const MAPPING = `
version: 1
tables:
  visits:
    scope: global
    columns:
      note: {empty: null}
      until: {format: julian}
      seen: {format: sqlite}
  lines:
    scope: global
    references: {visit_id: visits}
  days:
    scope: global
    natural_key: [day, room]
    columns: {room: {charset: latin1}}
`;
const CENTRAL: Record<string, CentralColumns> = {
  visits: {
    id: ['text', 'uuid'],
    at: ['text', 'timestamp with time zone'],
    active: ['boolean', 'boolean'],
    price: ['text', 'numeric(12,2)'],
    guests: ['int', 'integer'],
    extra: ['text', 'jsonb'],
    note: ['text', 'text'],
    until: ['text', 'timestamp with time zone'],
    seen: ['text', 'timestamp with time zone'],
  },
  lines: { id: ['text', 'uuid'], visit_id: ['text', 'uuid'], qty: ['int', 'integer'] },
  days: {
    id: ['text', 'uuid'],
    day: ['text', 'date'],
    room: ['text', 'text'],
    seats: ['int', 'integer'],
  },
};

/** As PostgreSQL has made it of what the app wrote. */
const atCentre = (more: Record<string, string | number | boolean | null> = {}) => ({
  at: '2026-10-01 00:03:20+00',
  active: true,
  price: '12.50',
  guests: 4,
  extra: '{"a": 1, "b": [2]}',
  note: null,
  until: '2026-10-01 00:03:20+00',
  seen: '2026-10-01 00:03:20+00',
  ...more,
});

let shop: ShopTill;
afterEach(() => shop.close());

function openVisits(): void {
  shop = openShopTill({ schema: SCHEMA, mapping: MAPPING, central: CENTRAL });
}

function insertVisit(): void {
  shop.test.app.exec(`INSERT INTO visits (id, at, active, price, guests, extra, note, until, seen)
    VALUES ('${GUID}', '2026-10-01 00:03:20', 'Y', '0012.5', 4.0, '{"b":[2],"a":1}', '', 2461314.50231481,
      '2026-10-01T00:03:20Z')`);
}

const echo = async (columns: ReturnType<typeof atCentre>, lsn: number, origins = [mine(1)]) =>
  shop.toCatalog(
    shop.catalog.commit(lsn, shop.catalog.row('visits', GUID.toLowerCase(), columns, { op: 'c', origins })),
  );

describe('the answer to a row of the till', () => {
  it('leaves every value that means the same in its form, the key above all', async () => {
    openVisits();
    insertVisit();
    const before = shop.rows('SELECT *, NULL AS sync_status FROM visits');
    const range = `SELECT id FROM visits WHERE at BETWEEN '2026-10-01 00:00:00' AND '2026-10-01 00:59:59'`;
    expect(shop.rows(range)).toHaveLength(1);
    await echo(atCentre(), 100);
    expect(shop.rows('SELECT *, NULL AS sync_status FROM visits')).toEqual(before);
    expect(shop.rows(range)).toHaveLength(1);
    expect(shop.rows('SELECT sync_status FROM visits')).toEqual([{ sync_status: 'synced' }]);
    expect(shop.rows('SELECT row_key FROM sync_row_visits')).toEqual([{ row_key: GUID }]);
  });

  it('and later what head office changed is written, in the form that the column has, and nothing else', async () => {
    openVisits();
    insertVisit();
    await echo(atCentre(), 100);
    const later = {
      active: false,
      note: 'window',
      seen: '2026-10-02 10:00:00.7+00',
      until: '2026-10-02 12:00:00+00',
    };
    await echo(atCentre(later), 101, []);
    expect(shop.rows('SELECT * FROM visits')).toEqual([
      {
        id: GUID,
        at: '2026-10-01 00:03:20',
        active: 'N',
        price: '0012.5',
        guests: 4,
        extra: '{"b":[2],"a":1}',
        note: 'window',
        until: 2461316,
        seen: '2026-10-02 10:00:00',
        sync_status: 'synced',
      },
    ]);
    await echo(atCentre(), 102, []);
    expect(shop.rows('SELECT note, active FROM visits')).toEqual([{ note: '', active: 'Y' }]);
  });

  it('keeps an edit that is not settled over everything that means the same', async () => {
    openVisits();
    insertVisit();
    await echo(atCentre(), 100);
    shop.test.app.exec(`UPDATE visits SET price = '13.0'`);
    await echo(atCentre({ guests: 5 }), 101, []);
    expect(shop.rows('SELECT id, price, guests, at FROM visits')).toEqual([
      { id: GUID, price: '13.0', guests: 5, at: '2026-10-01 00:03:20' },
    ]);
    shop.restart();
    await echo(atCentre({ guests: 5, price: '13.00' }), 102, [mine(2)]);
    expect(shop.rows('SELECT id, price, at, active FROM visits')).toEqual([
      { id: GUID, price: '13.0', at: '2026-10-01 00:03:20', active: 'Y' },
    ]);
  });
});

describe('a reference', () => {
  it('is left where it names the same row in other letters', async () => {
    openVisits();
    insertVisit();
    await echo(atCentre(), 100);
    shop.test.app.exec(`INSERT INTO lines VALUES ('${OTHER}', '${GUID.toLowerCase()}', 1)`);
    const line = { visit_id: GUID.toLowerCase(), qty: 1 };
    const row = shop.catalog.row('lines', OTHER.toLowerCase(), line, { op: 'c', origins: [mine(2)] });
    await shop.toCatalog(shop.catalog.commit(101, row));
    expect(shop.rows('SELECT id, visit_id FROM lines')).toEqual([
      { id: OTHER, visit_id: GUID.toLowerCase() },
    ]);
  });

  for (const [when, more] of [
    ['', ''],
    [', also while another change is open', 'UPDATE lines SET qty = 3'],
  ] as const)
    it(`that names no row is NULL once an operator has let it in without${when}`, async () => {
      openVisits();
      shop.test.app.exec(`INSERT INTO lines VALUES ('${OTHER}', 'nowhere', 1)`);
      shop.look();
      shop.test.app.exec(more);
      const id = OTHER.toLowerCase();
      const line = (qty: number) => ({ visit_id: null, qty });
      await shop.toCatalog(
        shop.catalog.commit(100, shop.catalog.row('lines', id, line(1), { op: 'c', origins: [mine(1)] })),
      );
      expect(shop.rows('SELECT visit_id, qty FROM lines')).toEqual([
        { visit_id: null, qty: more === '' ? 1 : 3 },
      ]);
    });

  it('to a row that the centre deleted is NULL, as ON DELETE SET NULL has made it there', async () => {
    openVisits();
    insertVisit();
    await echo(atCentre(), 100);
    shop.test.app.exec(`INSERT INTO lines VALUES ('${OTHER}', '${GUID}', 1)`);
    const id = OTHER.toLowerCase();
    const { catalog } = shop;
    const line = { visit_id: GUID.toLowerCase(), qty: 1 };
    await shop.toCatalog(
      catalog.commit(101, catalog.row('lines', id, line, { op: 'c', origins: [mine(2)] })),
    );
    await shop.toCatalog(
      catalog.commit(
        102,
        catalog.delete('visits', GUID.toLowerCase()),
        catalog.row('lines', id, { visit_id: null, qty: 1 }),
      ),
    );
    expect(shop.rows('SELECT visit_id, qty FROM lines')).toEqual([{ visit_id: null, qty: 1 }]);
  });

  it('is NULL also where all that is heard of it is the answer to an edit of another column', async () => {
    openVisits();
    insertVisit();
    await echo(atCentre(), 100);
    const id = OTHER.toLowerCase();
    const { catalog } = shop;
    shop.test.app.exec(`INSERT INTO lines VALUES ('${OTHER}', '${GUID}', 1)`);
    const line = { visit_id: GUID.toLowerCase(), qty: 1 };
    await shop.toCatalog(
      catalog.commit(101, catalog.row('lines', id, line, { op: 'c', origins: [mine(2)] })),
    );
    await shop.toCatalog(catalog.commit(102, catalog.delete('visits', GUID.toLowerCase())));
    shop.test.app.exec('UPDATE lines SET qty = 2');
    const edited = { visit_id: null, qty: 2 };
    await shop.toCatalog(
      catalog.commit(103, catalog.row('lines', id, edited, { op: 'u', origins: [mine(3)] })),
    );
    expect(shop.rows('SELECT visit_id, qty FROM lines')).toEqual([{ visit_id: null, qty: 2 }]);
  });

  it('with the word of the app for none keeps it, whoever wrote the row last', async () => {
    openVisits();
    const { catalog } = shop;
    shop.test.app.exec(`INSERT INTO lines VALUES ('${OTHER}', '', 1)`);
    const id = OTHER.toLowerCase();
    const line = { visit_id: null, qty: 1 };
    await shop.toCatalog(
      catalog.commit(100, catalog.row('lines', id, line, { op: 'c', origins: [mine(1)] })),
    );
    await shop.toCatalog(catalog.commit(101, catalog.row('lines', id, { visit_id: null, qty: 5 })));
    expect(shop.rows('SELECT visit_id, qty FROM lines')).toEqual([{ visit_id: '', qty: 5 }]);
  });

  it('of a row from the centre holds the key as the till has it', async () => {
    openVisits();
    insertVisit();
    await echo(atCentre(), 100);
    const line = { visit_id: GUID.toLowerCase(), qty: 1 };
    await shop.toCatalog(shop.catalog.commit(101, shop.catalog.row('lines', OTHER.toLowerCase(), line)));
    expect(shop.rows('SELECT id, visit_id FROM lines')).toEqual([
      { id: OTHER.toLowerCase(), visit_id: GUID },
    ]);
  });
});

describe('a row that was there before the agent', () => {
  const days = () => shop.rows(`SELECT id, day, hex(room) AS room, seats FROM days ORDER BY id`);
  it('is found by what its natural key means, and keeps the form of it', async () => {
    openVisits();
    const { catalog } = shop;
    const values = { day: '2026-10-01', room: 'Cé', seats: 7 };
    await shop.toCatalog(catalog.commit(100, catalog.row('days', OTHER.toLowerCase(), values)));
    expect(days()).toEqual([
      { id: 1, day: '2026-10-01 00:00:00', room: '43E9', seats: 7 },
      { id: 2, day: 'x', room: '43C3A9', seats: 2 },
    ]);
  });
});

describe('a row that was there before the agent, after a rollback', () => {
  it('is still found', async () => {
    openVisits();
    const { catalog } = shop;
    const rows = catalog.commit(
      100,
      catalog.row('days', OTHER.toLowerCase(), { day: '2026-10-01', room: 'Cé', seats: 7 }),
    );
    vi.spyOn(shop.apply.checkpoints, 'saveStream').mockImplementationOnce(() => {
      throw new Error('no room on the disk');
    });
    await expect(shop.toCatalog(rows)).rejects.toThrow('no room');
    await shop.toCatalog(rows);
    expect(shop.rows('SELECT id, seats FROM days ORDER BY id')).toEqual([
      { id: 1, seats: 7 },
      { id: 2, seats: 2 },
    ]);
  });
});
