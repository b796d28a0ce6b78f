/** A till that the version with value triggers left in the middle of everything goes on with this one. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TillRetention } from '../../../../services/terminal-agent/units/retention.ts';
import { DownStream } from '../../../support/down-stream.ts';
import { asSent, sentByOld } from '../../../support/old-till.ts';
import { CATALOG, INCARNATION, product, STORE } from '../../../support/shop-till.ts';
import { TakenTill } from '../../../support/taken-till.ts';
import { silentLog } from '../../../support/till.ts';

let old: TakenTill;

beforeEach(() => {
  old = new TakenTill();
});
afterEach(() => old.close());

const rows = (sql: string) => old.app.prepare(sql).all();

describe('what a till of an earlier version has recorded', () => {
  it('goes up as it would have gone, the units that were cut with their hashes', () => {
    old.open();
    expect(old.capture.checkFile()).toBeUndefined();
    const [before, sent] = [sentByOld(), old.units().map(asSent)];
    const changes = (list: typeof before) => list.flatMap((unit) => unit.changes);
    expect(changes(sent)).toEqual(changes(before));
    expect(sent.slice(0, 3)).toEqual(before.slice(0, 3));
    expect(sent[3]?.previousHash).toBe(before[2]?.hash);
  });

  it('also where the power failed before the till file says that it is done', () => {
    expect(() =>
      old.open(() => {
        throw new Error('power');
      }),
    ).toThrow('power');
    old.shut();
    old.app.exec(`INSERT INTO orders (number) VALUES ('while it was down')`);
    old.open();
    old.capture.checkFile();
    old.capture.cutAll();
    const numbers = old.units().flatMap(({ changes }) => changes.map(({ seq }) => seq));
    expect(new Set(numbers).size).toBe(numbers.length);
    expect(numbers.slice(0, -1)).toEqual(sentByOld().flatMap(({ changes }) => changes.map(({ seq }) => seq)));
  });

  it('is not found a second time by the first look, and later sales follow', () => {
    old.open();
    old.capture.checkFile();
    const before = old.agentFile.changes.lastNumber();
    old.app.exec('UPDATE products SET shelf = 1; UPDATE orders SET id = id; UPDATE order_items SET id = id');
    old.capture.cutAll();
    expect(old.agentFile.changes.after(before)).toEqual([]);
    old.app.exec(`UPDATE products SET stock_quantity = stock_quantity - 5, name = 'later' WHERE sku = 'A'`);
    old.capture.cutAll();
    expect(old.agentFile.changes.after(before)).toMatchObject([
      { table: 'products', op: 'u', handle: '7', cut: { sums: new Map([['stock_quantity', '-5']]) } },
    ]);
  });

  it('shows and settles like anything else', async () => {
    old.open();
    old.capture.checkFile();
    const catalog = new DownStream(old.schemas);
    const store = new DownStream(old.schemas);
    const stocks = () => rows('SELECT sku, name, stock_quantity AS n FROM products ORDER BY sku');
    await old.apply.applyBatch(
      CATALOG,
      catalog.commit(
        110,
        catalog.row('products', 7, product('A', { stock_quantity: 98, name: 'mine', category_id: 3n })),
        catalog.row('products', 8, product('B', { stock_quantity: 50, category_id: 3n })),
      ),
    );
    expect(stocks()).toEqual([
      { sku: 'A', name: 'mine', n: 96 },
      { sku: 'B', name: 'B3', n: 46 },
      { sku: 'C', name: 'Name of C', n: 10 },
    ]);
    const identity = (number: string) =>
      old.agentFile.changes.after(0).find(({ table, rowKey, op }) => {
        const key = old.app
          .prepare('SELECT id FROM orders WHERE number = ?')
          .pluck()
          .safeIntegers()
          .get(number);
        return table === 'orders' && op === 'c' && (rowKey === key || (key === 77n && rowKey === 4n));
      })?.identity ?? '';
    await old.apply.applyBatch(
      STORE,
      store.commit(
        120,
        store.link('T1', 'orders', identity('n2'), 51),
        store.link('T1', 'orders', identity('n4'), 52),
        store.link('T1', 'orders', identity('refused'), 53),
        store.progress('T1', INCARNATION, 15),
      ),
    );
    expect(old.apply.unsettled()).toEqual([]);
    expect(stocks()).toEqual([
      { sku: 'A', name: 'mine', n: 98 },
      { sku: 'B', name: 'Name of B', n: 50 },
      { sku: 'C', name: 'Name of C', n: 10 },
    ]);
    expect(rows('SELECT id, number, server_id FROM orders ORDER BY id')).toEqual([
      { id: 1, number: 'n1', server_id: 50 },
      { id: 2, number: 'refused', server_id: 53 },
      { id: 3, number: 'n2', server_id: 51 },
      { id: 77, number: 'n4', server_id: 52 },
    ]);
  });

  it('is put back where the table only comes down', () => {
    old.open();
    old.capture.checkFile();
    old.apply.applyLocal();
    expect(rows('SELECT * FROM settings ORDER BY name')).toEqual([
      { name: 'a', value: '1' },
      { name: 'b', value: '2' },
    ]);
  });

  it('is not sent where the file is not the one that was cut from', () => {
    old.app.exec('UPDATE sync_outbox SET captured_at_ms = captured_at_ms + 1 WHERE seq = 6');
    old.open();
    expect(old.capture.checkFile()?.code).toBe('TERMINAL_FENCED');
    expect(old.capture.cutUnit()).toBeUndefined();
    expect(old.agentFile.changes.after(0).map(({ number }) => number)).toContain(8);
  });

  it('leaves nothing of the old triggers, and the file is taken over once', () => {
    old.open();
    const retention = new TillRetention({
      till: old.till,
      agentFile: old.agentFile,
      flight: old.capture.flight,
      settledSeq: () => 0,
      log: silentLog,
    });
    while (retention.removeOldTable());
    old.shut();
    const ours = () =>
      rows(`SELECT name FROM sqlite_master WHERE name LIKE 'sync\\_%' ESCAPE '\\' ORDER BY 1`);
    const before = ours();
    expect(before).not.toContainEqual({ name: 'sync_old_outbox' });
    expect(before.filter((each) => /sync_(change|evicted)_/.test((each as { name: string }).name))).toEqual(
      [],
    );
    old.open();
    expect(ours()).toEqual(before);
  });
});
