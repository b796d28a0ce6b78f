/** Columns that one side did not know: what the app has in them goes up, and takes nothing away from anybody. */
import { afterEach, describe, expect, it } from 'vitest';
import type { UnitChange } from '../../../services/shared/records/unit-record.ts';
import { decodeUnitRecord } from '../../../services/shared/records/unit-codec.ts';
import { AgentFile } from '../../../services/terminal-agent/units/agent-file.ts';
import {
  CATALOG,
  INCARNATION,
  mine,
  openShopTill,
  product,
  SHOP_CENTRAL,
  STORE,
  type ShopTill,
} from '../../support/shop-till.ts';

const COLOURED = { ...SHOP_CENTRAL['products'], colour: ['text', 'text'] } as const;

let shop: ShopTill;
afterEach(() => {
  shop.close();
});

/** Products of the centre, whose schema has a colour or has none. */
function open({ coloured }: { coloured: boolean }): void {
  shop = openShopTill();
  if (coloured) shop.schemas.set('products', COLOURED);
}

const toCatalog = (position: number, id: number, sku: string, more = {}) =>
  shop.toCatalog(shop.catalog.commit(position, shop.catalog.row('products', id, product(sku, more))));

/** The app learns a new column, and the agent binds it. */
function addColour(values: string): void {
  shop.test.app.exec(`ALTER TABLE products ADD COLUMN colour TEXT; ${values}`);
  shop.test.till.appCommitted();
  // They are read again from the beginning.
  for (const topic of [CATALOG, STORE]) expect(shop.apply.resume(topic)).toBe(0);
}

/** What was cut: seq order, by table and row. */
function sent(): UnitChange[] {
  shop.look();
  const file = AgentFile.open(shop.test.folder, 'T1', () => INCARNATION);
  try {
    const { unit: last = 0 } = file.changes.get(file.changes.lastNumber()) ?? {};
    return Array.from({ length: last }, (_, at) => file.changes.parts(at + 1))
      .flat()
      .flatMap((bytes) => decodeUnitRecord(bytes).units)
      .flatMap(({ changes }) => changes);
  } finally {
    file.close();
  }
}

const told = () =>
  sent().map(({ op, row, capturedAtMs, columns }) => [
    op,
    row.centralId,
    capturedAtMs === 0 ? 'fills' : 'at its time',
    Object.fromEntries(columns.map(({ name, old, new: now }) => [name, [old, now]])),
  ]);
const colours = () => shop.rows('SELECT sku, colour FROM products ORDER BY sku');

describe('a column that the app adds and fills', () => {
  it('goes up before the centre’s takes its place, and NULL does not', async () => {
    open({ coloured: true });
    await toCatalog(100, 1, 'A', { colour: 'blue' });
    await toCatalog(101, 2, 'B', { colour: null });
    await toCatalog(102, 3, 'C', { colour: 'green' });
    addColour(`UPDATE products SET colour = 'red' WHERE sku IN ('A', 'B')`);
    shop.look();
    expect(told()).toEqual([]);
    await toCatalog(100, 1, 'A', { colour: 'blue' });
    expect(told()).toEqual([
      ['u', '1', 'fills', { colour: [null, 'red'] }],
      ['u', '2', 'fills', { colour: [null, 'red'] }],
    ]);
    await toCatalog(101, 2, 'B', { colour: null });
    await toCatalog(102, 3, 'C', { colour: 'green' });
    expect(colours()).toEqual([
      { sku: 'A', colour: 'red' },
      { sku: 'B', colour: 'red' },
      { sku: 'C', colour: 'green' },
    ]);
  });

  it('shows what the centre had, once that has answered', async () => {
    open({ coloured: true });
    await toCatalog(100, 1, 'A', { colour: 'blue' });
    addColour(`UPDATE products SET colour = 'red'`);
    await toCatalog(100, 1, 'A', { colour: 'blue' });
    const [change] = sent();
    await shop.toStore(shop.store.commit(110, shop.store.progress('T1', INCARNATION, change?.seq ?? 0)));
    expect(colours()).toEqual([{ sku: 'A', colour: 'blue' }]);
  });

  it('with what it is filled with by itself, goes up too', async () => {
    open({ coloured: true });
    await toCatalog(100, 1, 'A', { colour: 'blue' });
    shop.test.app.exec(`ALTER TABLE products ADD COLUMN colour TEXT DEFAULT 'white'`);
    shop.test.till.appCommitted();
    expect(shop.apply.resume(CATALOG)).toBe(0);
    await toCatalog(100, 1, 'A', { colour: 'blue' });
    expect(told()).toEqual([['u', '1', 'fills', { colour: [null, 'white'] }]]);
  });

  it('waits while the centre has no such column, and goes up when it has', async () => {
    open({ coloured: false });
    await toCatalog(100, 1, 'A');
    addColour(`UPDATE products SET colour = 'red'`);
    await toCatalog(101, 2, 'B');
    shop.test.app.exec(`UPDATE products SET name = 'Apple' WHERE sku = 'A'`);
    const rename = told();
    expect(rename).toEqual([
      ['u', '1', 'at its time', expect.objectContaining({ name: ['Name of A', 'Apple'] })],
    ]);
    shop.schemas.set('products', COLOURED);
    await toCatalog(102, 3, 'C', { colour: null });
    expect(told()).toEqual([...rename, ['u', '1', 'fills', { colour: [null, 'red'] }]]);
  });

  it('that is written later, in a row whose image lacks it, fills as well, beside what else was written', async () => {
    open({ coloured: true });
    await toCatalog(100, 1, 'A', { colour: 'blue' });
    await toCatalog(101, 2, 'B', { colour: 'blue' });
    addColour('');
    await toCatalog(100, 1, 'A', { colour: 'blue' });
    // Of B no image with the column has come yet.
    shop.test.app.exec(`UPDATE products SET colour = 'red', name = 'Both'`);
    expect(told()).toEqual([
      [
        'u',
        '1',
        'at its time',
        expect.objectContaining({ colour: ['blue', 'red'], name: ['Name of A', 'Both'] }),
      ],
      ['u', '2', 'at its time', expect.objectContaining({ name: ['Name of B', 'Both'] })],
      ['u', '2', 'fills', { colour: [null, 'red'] }],
    ]);
    const [, , ofB] = told();
    expect(ofB?.[3]).not.toHaveProperty('updated_at');
  });

  it('that is dropped while it is entered is let go of', async () => {
    const app: { onLook?: () => void } = {};
    let clockMs = 0;
    shop = openShopTill({
      elapsedMs: () => {
        app.onLook?.();
        return (clockMs += 60_000);
      },
    });
    shop.schemas.set('products', COLOURED);
    const all = Array.from({ length: 1_100 }, (_, at) =>
      shop.catalog.row('products', at + 1, product(`P${at}`, { colour: 'blue' })),
    );
    await shop.toCatalog(shop.catalog.commit(100, ...all));
    addColour(`UPDATE products SET colour = 'red'`);
    let rowsEntered = 0;
    app.onLook = () => {
      const entered = shop.rows(`SELECT 1 FROM sync_outbox WHERE op = 'f'`).length;
      if (entered === 0 || rowsEntered > 0) return;
      rowsEntered = entered;
      shop.test.app.exec('ALTER TABLE products DROP COLUMN colour');
    };
    await toCatalog(101, 1, 'P0', { colour: 'blue', name: 'newer' });
    expect(rowsEntered).toBe(1_000);
    expect(shop.rows('SELECT name FROM products WHERE server_id = 1')).toEqual([{ name: 'newer' }]);
  });

  it('is cut once, however often the learning is interrupted', async () => {
    open({ coloured: true });
    await toCatalog(100, 1, 'A', { colour: null });
    addColour(`UPDATE products SET colour = 'red'`);
    await toCatalog(100, 1, 'A', { colour: null });
    shop.look();
    shop.test.app.exec(`DELETE FROM sync_meta WHERE name = 'centre_columns'`);
    shop.restart();
    await toCatalog(100, 1, 'A', { colour: null });
    expect(told()).toHaveLength(1);
  });

  it('is answered like any change, and stays', async () => {
    open({ coloured: true });
    await toCatalog(100, 1, 'A', { colour: null });
    addColour(`UPDATE products SET colour = 'red'`);
    await toCatalog(100, 1, 'A', { colour: null });
    const [change] = sent();
    const filled = product('A', { colour: 'red' });
    await shop.toCatalog(
      shop.catalog.commit(
        103,
        shop.catalog.row('products', 1, filled, { origins: [mine(change?.seq ?? 0)] }),
      ),
    );
    expect([shop.outcomes(), colours()]).toEqual([
      [{ seq: change?.seq, op: 'u', outcome: 'applied' }],
      [{ sku: 'A', colour: 'red' }],
    ]);
    expect(told()).toHaveLength(1);
  });
});
