import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { VerifyRun } from '../../../services/gateway/verify/run-store.ts';
import { RunningShop } from '../../support/running-shop.ts';
import { CENTRAL, LOCAL, MAPPING, STOCKED } from './shop.ts';

let shop: RunningShop;

beforeAll(async () => {
  shop = await RunningShop.start({
    central: CENTRAL + STOCKED,
    local: LOCAL,
    mapping: MAPPING,
    tills: { 'till-1': '1' },
  });
  await shop.sync('till-1');
});

afterAll(() => shop.stop());

async function repair(table: string): Promise<{ code: number; repaired: number | null; left: number }> {
  const { code, stdout, stderr } = await shop.payflow('verify', '--table', table, '--repair', '--json');
  const [till] = (JSON.parse(stdout) as VerifyRun).terminals;
  if (till?.error != null) throw new Error(`${till.error.message}${stderr}`);
  const [found] = till?.tables ?? [];
  return { code, repaired: found?.repaired ?? null, left: found?.counts.differs ?? -1 };
}

const idOf = (code: string) =>
  shop
    .app('till-1')
    .prepare<[string], number>('SELECT server_id FROM items WHERE code = ?')
    .pluck()
    .get(code) ?? 0;
const titleAt = async (id: number) =>
  (await shop.pool.query<{ title: string }>('SELECT title FROM article WHERE id = $1', [id])).rows[0]?.title;

describe('verify --repair', () => {
  it('lets what the till has go up, an edit and a row that nobody recorded, and what is gone comes back', async () => {
    const [edited, lost] = [idOf('A5'), idOf('A6')];
    shop.behindOurBack(
      'till-1',
      `UPDATE items SET title = 'by hand', changed_at = unixepoch() WHERE code = 'A5';
       DELETE FROM items WHERE code = 'A6';
       INSERT INTO items (code, title, price_cents) VALUES ('NEW', 'made by hand', 5)`,
    );
    expect(await repair('items')).toEqual({ code: 0, repaired: 3, left: 0 });
    expect(await titleAt(edited)).toBe('by hand');
    expect(await titleAt(lost)).toBe('Article 6');
    expect(idOf('A6')).toBe(lost);
    expect(await titleAt(idOf('NEW'))).toBe('made by hand');
  });

  it('brings again what the centre has: a change, a delete and an insert that never came', async () => {
    const app = shop.app('till-1');
    const ids = ['A20', 'A21', 'A22'].map(idOf);
    const [edited, deleted] = ids;
    app.exec(`CREATE TEMP TABLE was AS SELECT * FROM items WHERE code IN ('A20', 'A21');
      CREATE TEMP TABLE kept AS SELECT * FROM sync_row_items WHERE central_id IN (${edited}, ${deleted})`);
    await shop.pool.query(`UPDATE article SET title = 'new' WHERE code = 'A20'`);
    await shop.pool.query(`DELETE FROM article WHERE code = 'A21'`);
    await shop.sync('till-1');
    shop.behindOurBack(
      'till-1',
      `DELETE FROM items WHERE code IN ('A20', 'A21', 'A22');
       DELETE FROM sync_row_items WHERE central_id IN (${ids.join(', ')});
       INSERT INTO items SELECT * FROM temp.was; INSERT INTO sync_row_items SELECT * FROM temp.kept`,
    );
    expect(await repair('items')).toEqual({ code: 0, repaired: 3, left: 0 });
    const titles = app
      .prepare<[], string>(`SELECT title FROM items WHERE code IN ('A20', 'A21', 'A22') ORDER BY code`)
      .pluck()
      .all();
    expect(titles).toEqual(['new', 'Article 22']);
    expect(await titleAt(edited ?? 0)).toBe('new');
  });

  it('puts back what a till may not change', async () => {
    shop.behindOurBack('till-1', `UPDATE rates SET percent = 99 WHERE land = 'land 4'`);
    expect(await repair('rates')).toEqual({ code: 0, repaired: 1, left: 0 });
    const rates = await shop.pool.query(`SELECT percent FROM rate WHERE land = 'land 4'`);
    expect(rates.rows).toEqual([{ percent: '4.00' }]);
  });
});
