/**
 * A till that was taken over loses its agent file before what was taken is settled.
 *
 *   of a taken change | the centre has | the file that goes on sends
 *   ------------------+----------------+-----------------------------------------------------------
 *   was in no unit    | nothing        | it
 *   was cut           | nothing        | it, in another unit
 *   was sent          | its evidence   | the same number and contents: the centre knows it by that
 *   is settled        | its evidence   | nothing
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { changeHash } from '../../../../services/central-apply/rows/change-hash.ts';
import type { UnitChange } from '../../../../services/shared/records/unit-record.ts';
import { OPEN_ENTRIES_SQL } from '../../../../services/terminal-agent/file/outbox-schema.ts';
import { TillDatabase } from '../../../../services/terminal-agent/till/till-database.ts';
import { AgentFile } from '../../../../services/terminal-agent/units/agent-file.ts';
import { TillRetention } from '../../../../services/terminal-agent/units/retention.ts';
import { DownStream } from '../../../support/down-stream.ts';
import { asSent, sentByOld } from '../../../support/old-till.ts';
import { CATALOG, INCARNATION, product, STORE } from '../../../support/shop-till.ts';
import { MAPPING, TakenTill } from '../../../support/taken-till.ts';
import { silentLog } from '../../../support/till.ts';

let old: TakenTill;
/** Of a table that only comes down: they are put back with the first image. */
const EDITS = 3;

beforeEach(() => {
  old = new TakenTill();
});
afterEach(() => old.close());

const open = () => Number(old.app.prepare(OPEN_ENTRIES_SQL).pluck().get());
const changes = () => old.units().flatMap((unit) => unit.changes);
const known = (list: readonly UnitChange[]) => list.map((change) => `${change.seq} ${changeHash(change)}`);
/** Of the fixture: 4 is refused, and all the others are not settled. */
const unsettled = () => sentByOld().flatMap((unit) => unit.changes.filter(({ seq }) => seq !== 4));

/** All that the new triggers have not recorded is gone but for what stands in payflow.db. */
function removeOldTables(): void {
  while (retention().removeOldTable());
}

function retention(): TillRetention {
  const { till, agentFile, capture } = old;
  const settledSeq = () => 0;
  return new TillRetention({ till, agentFile, flight: capture.flight, settledSeq, log: silentLog });
}

function lose(): void {
  if (old.isOpen) old.shut();
  old.loseAgentFile();
  old.open();
}

const LOST = [
  ['before it is filled', () => undefined],
  ['before anything was sent', () => old.open()],
  [
    'after all was sent',
    () => {
      old.open();
      old.capture.checkFile();
      const numbers = old.agentFile.all().map(({ number }) => number);
      old.agentFile.markPublished(numbers, { nowMs: 1, lastOffset: 1 });
    },
  ],
  [
    'after the old tables are removed',
    () => {
      old.open();
      removeOldTables();
    },
  ],
] as const;

describe('an agent file that is lost', () => {
  for (const [when, begin] of LOST) {
    it(`${when}: all goes up with its number and contents, once the centre has decided`, () => {
      begin();
      lose();
      expect(old.agentFile.waiting).toMatchObject({ predecessor: INCARNATION });
      expect(open()).toBe(unsettled().length + EDITS);
      old.goOn();
      const sent = changes();
      expect(sent.map(asSent)).toEqual(unsettled());
      expect(old.agentFile.all()[0]).toMatchObject({ number: 1, publishedAtMs: null });
    });
  }

  it('and an agent that dies over the new one, which goes on only when the centre has said so', () => {
    old.loseAgentFile();
    expect(() =>
      old.open(() => {
        throw new Error('power');
      }),
    ).toThrow('power');
    old.shut();
    old.open();
    expect(old.agentFile.waiting).toMatchObject({ predecessor: INCARNATION });
    old.goOn();
    expect(changes().map(asSent)).toEqual(unsettled());
  });

  it('and an agent that dies when the till file has the new name, and the agent file does not know, over and over', () => {
    old.loseAgentFile();
    for (let times = 0; times < 3; times += 1) {
      const agentFile = AgentFile.open(old.folder, 'T1');
      const { incarnation } = agentFile;
      TillDatabase.open({
        file: old.file,
        mapping: MAPPING,
        terminalId: 'T1',
        incarnation,
        log: silentLog,
      }).close();
      agentFile.close();
      if (times === 0) old.loseAgentFile();
    }
    old.open();
    expect(old.agentFile.waiting).toMatchObject({ predecessor: INCARNATION });
  });

  it('the centre knows what it had by number and contents', () => {
    old.open();
    const before = known(changes());
    lose();
    old.goOn();
    expect(before).toEqual(expect.arrayContaining(known(changes())));
  });

  it('later sales follow behind, and are the same when they are cut again', () => {
    old.open();
    old.capture.checkFile();
    old.app.exec(`UPDATE products SET stock_quantity = stock_quantity - 5 WHERE sku = 'A';
      INSERT INTO orders (number) VALUES ('later');
      INSERT INTO order_items (order_id, product_id, quantity) VALUES (3, 1, 9)`);
    old.capture.cutAll();
    old.apply.applyLocal();
    const before = known(changes());
    lose();
    old.goOn();
    old.capture.cutAll();
    const after = changes();
    expect(before.slice(-3)).toEqual(known(after).slice(-3));
    expect(after.map(({ seq }) => seq)).toEqual(
      [...new Set(after.map(({ seq }) => seq))].sort((a, b) => a - b),
    );
    const [item] = after.filter(({ table }) => table === 'order_items').slice(-1);
    const parent = after.find(({ seq }) => seq === 5);
    expect(item?.references).toContainEqual({
      column: 'order_id',
      target: { identity: parent?.row.identity, centralId: null },
    });
  });

  it('what is settled is not sent again, and the rest counts once on the till', async () => {
    old.open();
    old.capture.checkFile();
    const store = new DownStream(old.schemas);
    const catalog = new DownStream(old.schemas);
    const name = (seq: number) => old.agentFile.changes.get(seq)?.identity ?? '';
    await old.apply.applyBatch(
      STORE,
      store.commit(120, store.link('T1', 'orders', name(5), 51), store.progress('T1', INCARNATION, 7)),
    );
    const left = unsettled().filter(({ seq }) => seq > 7);
    expect(open()).toBe(left.length);
    lose();
    old.goOn();
    expect(changes().map(asSent)).toEqual(left);
    const { incarnation } = old.agentFile;
    await old.apply.applyBatch(
      CATALOG,
      catalog.commit(
        130,
        catalog.row('products', 8, product('B', { stock_quantity: 50, name: 'B3', category_id: 3n })),
      ),
    );
    const stocks = () => old.app.prepare('SELECT sku, stock_quantity AS n FROM products ORDER BY sku').all();
    expect(stocks()).toContainEqual({ sku: 'B', n: 47 });
    await old.apply.applyBatch(STORE, store.commit(140, store.progress('T1', incarnation, 15)));
    expect(old.apply.unsettled()).toEqual([]);
    expect(open()).toBe(0);
    expect(stocks()).toContainEqual({ sku: 'B', n: 50 });
  });

  it('outcomes of the file before it are forgotten once it goes on', async () => {
    old.open();
    old.capture.checkFile();
    const store = new DownStream(old.schemas);
    await old.apply.applyBatch(STORE, store.commit(120, store.progress('T1', INCARNATION, 7)));
    lose();
    const former = old.app
      .prepare('SELECT count(*) FROM sync_settled WHERE incarnation = ?')
      .pluck()
      .bind(INCARNATION);
    const before = former.get();
    expect(before).not.toBe(0);
    expect(retention().forgetFormer()).toBe(0);
    old.goOn();
    await old.apply.applyBatch(STORE, store.commit(140, store.progress('T1', old.agentFile.incarnation, 8)));
    expect(retention().forgetFormer()).toBe(before);
    expect(former.get()).toBe(0);
    expect(old.apply.unsettled().map(({ seq }) => seq)).toEqual([9, 10, 11, 12, 13, 15]);
  });
});

describe('a payflow.db that is put back', () => {
  it('to before it was taken over: nothing is sent of it before the centre has decided, and then all once', () => {
    old.open();
    old.capture.checkFile();
    old.app.exec(`INSERT INTO orders (number) VALUES ('lost with the file')`);
    old.capture.cutAll();
    old.shut();
    old.restore();
    old.open();
    expect(old.capture.checkFile()?.code).toBe('TERMINAL_FENCED');
    expect(old.capture.cutUnit()).toBeUndefined();
    old.agentFile.renounce({ why: 'it is older' }, 'incarnation-2');
    old.till.rename(old.till.incarnation, 'incarnation-2');
    old.goOn();
    expect(changes().map(asSent)).toEqual(unsettled());
    old.app.exec(`INSERT INTO orders (number) VALUES ('sold since')`);
    expect(old.capture.cutAll()?.firstSeq).toBeGreaterThan(15);
  });

  it('to before one that was taken is settled: it is sent again as it was', async () => {
    old.open();
    old.capture.checkFile();
    old.keep();
    const store = new DownStream(old.schemas);
    await old.apply.applyBatch(STORE, store.commit(120, store.progress('T1', INCARNATION, 15)));
    old.app.exec(`INSERT INTO orders (number) VALUES ('lost with the file')`);
    old.capture.cutAll();
    old.shut();
    old.restore();
    old.open();
    expect(old.capture.checkFile()?.code).toBe('TERMINAL_FENCED');
    old.agentFile.renounce({ why: 'it is older' }, 'incarnation-2');
    old.till.rename(old.till.incarnation, 'incarnation-2');
    old.goOn();
    expect(changes().map(asSent)).toEqual(unsettled());
  });

  it('an image that comes before the centre has decided waits, and what was taken counts once', async () => {
    old.open();
    old.capture.checkFile();
    old.app.exec(`INSERT INTO orders (number) VALUES ('lost with the file')`);
    old.capture.cutAll();
    old.shut();
    old.restore();
    old.open();
    old.capture.checkFile();
    const catalog = new DownStream(old.schemas);
    const newest = product('B', { stock_quantity: 50, name: 'B3', category_id: 3n });
    await old.apply.applyBatch(CATALOG, catalog.commit(130, catalog.row('products', 8, newest)));
    const stock = old.app.prepare(`SELECT stock_quantity FROM products WHERE sku = 'B'`).pluck();
    expect(stock.get()).toBe(6);
    old.agentFile.renounce({ why: 'it is older' }, 'incarnation-2');
    old.till.rename(old.till.incarnation, 'incarnation-2');
    old.goOn();
    old.apply.applyLocal();
    expect(changes().map(asSent)).toEqual(unsettled());
    old.app.exec('UPDATE categories SET name = name');
    old.capture.cutAll();
    old.apply.applyLocal();
    expect(stock.get()).toBe(46);
  });
});
