/** A till that the version with value triggers left in the middle of everything goes on with this one. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { decodeUnitRecord } from '../../../../services/shared/records/unit-codec.ts';
import { parseMapping } from '../../../../services/shared/mapping/mapping-parser.ts';
import { TillApply } from '../../../../services/terminal-agent/apply.ts';
import { TillCapture } from '../../../../services/terminal-agent/capture.ts';
import { takeOver } from '../../../../services/terminal-agent/take-over/take-over.ts';
import { TillDatabase } from '../../../../services/terminal-agent/till/till-database.ts';
import { AgentFile } from '../../../../services/terminal-agent/units/agent-file.ts';
import { UnitBuilder } from '../../../../services/terminal-agent/units/unit-builder.ts';
import { DownStream, TestSchemas } from '../../../support/down-stream.ts';
import { asSent, rebuildOldTill, sentByOld } from '../../../support/old-till.ts';
import {
  CATALOG,
  INCARNATION,
  product,
  SHOP_CENTRAL,
  SHOP_MAPPING,
  STORE,
} from '../../../support/shop-till.ts';
import { silentLog } from '../../../support/till.ts';

let folder: string;
let app: Database.Database;
let till: TillDatabase;
let agentFile: AgentFile;
let capture: TillCapture;
let apply: TillApply;
const schemas = new TestSchemas(SHOP_CENTRAL);
let clockMs = 0;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'payflow-old-'));
  rebuildOldTill(folder);
  app = new Database(join(folder, 'payflow.db'));
});
afterEach(() => {
  till.close();
  agentFile.close();
  app.close();
  rmSync(folder, { recursive: true, force: true });
});

function open(dies?: () => void): void {
  agentFile = AgentFile.open(folder, 'T1');
  const mapping = parseMapping(SHOP_MAPPING, 1);
  till = TillDatabase.open({
    file: join(folder, 'payflow.db'),
    mapping,
    terminalId: 'T1',
    incarnation: agentFile.incarnation,
    elapsedMs: () => (clockMs += 60_000),
    log: silentLog,
    takeOver: (db, binding) => {
      takeOver({ db, binding, agentFile, nowMs: 1, mappingVersion: 1, log: silentLog });
      dies?.();
    },
  });
  capture = new TillCapture({ till, agentFile, log: silentLog });
  apply = new TillApply({
    till,
    schemas,
    capture,
    topics: { catalog: CATALOG, store: STORE },
    ownUnits: agentFile,
    log: silentLog,
  });
}

const rows = (sql: string) => app.prepare(sql).all();

function units() {
  const builder = new UnitBuilder(till, agentFile, { terminal: 'T1', databaseId: 'database', keyVersion: 1 });
  agentFile.markUnpublished(3);
  const open = agentFile.unpublished(Infinity, 1000);
  return builder.build(open, 1e9).records.flatMap((record) => decodeUnitRecord(record).units);
}

describe('what a till of an earlier version has recorded', () => {
  it('goes up as it would have gone, the units that were cut with their hashes', () => {
    open();
    expect(capture.checkFile()).toBeUndefined();
    const [old, sent] = [sentByOld(), units().map(asSent)];
    const changes = (list: typeof old) => list.flatMap((unit) => unit.changes);
    expect(changes(sent)).toEqual(changes(old));
    expect(sent.slice(0, 3)).toEqual(old.slice(0, 3));
    expect(sent[3]?.previousHash).toBe(old[2]?.hash);
  });

  it('also where the power failed before the till file was written', () => {
    expect(() =>
      open(() => {
        throw new Error('power');
      }),
    ).toThrow('power');
    agentFile.close();
    app.exec(`INSERT INTO orders (number) VALUES ('while it was down')`);
    open();
    const numbers = units().flatMap(({ changes }) => changes.map(({ seq }) => seq));
    expect(new Set(numbers).size).toBe(numbers.length);
    expect(numbers.slice(0, -1)).toEqual(sentByOld().flatMap(({ changes }) => changes.map(({ seq }) => seq)));
  });

  it('is not found a second time by the first look, and later sales follow', () => {
    open();
    capture.checkFile();
    const before = agentFile.changes.lastNumber();
    app.exec('UPDATE products SET shelf = 1; UPDATE orders SET id = id; UPDATE order_items SET id = id');
    capture.cutAll();
    expect(agentFile.changes.after(before)).toEqual([]);
    app.exec(`UPDATE products SET stock_quantity = stock_quantity - 5, name = 'later' WHERE sku = 'A'`);
    capture.cutAll();
    expect(agentFile.changes.after(before)).toMatchObject([
      { table: 'products', op: 'u', handle: '7', cut: { sums: new Map([['stock_quantity', '-5']]) } },
    ]);
  });

  it('shows and settles like anything else', async () => {
    open();
    capture.checkFile();
    const catalog = new DownStream(schemas);
    const store = new DownStream(schemas);
    const stocks = () => rows('SELECT sku, name, stock_quantity AS n FROM products ORDER BY sku');
    await apply.applyBatch(
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
      agentFile.changes.after(0).find(({ table, rowKey, op }) => {
        const key = app.prepare('SELECT id FROM orders WHERE number = ?').pluck().safeIntegers().get(number);
        return table === 'orders' && op === 'c' && (rowKey === key || (key === 77n && rowKey === 4n));
      })?.identity ?? '';
    await apply.applyBatch(
      STORE,
      store.commit(
        120,
        store.link('T1', 'orders', identity('n2'), 51),
        store.link('T1', 'orders', identity('n4'), 52),
        store.link('T1', 'orders', identity('refused'), 53),
        store.progress('T1', INCARNATION, 15),
      ),
    );
    expect(apply.unsettled()).toEqual([]);
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
    open();
    capture.checkFile();
    apply.applyLocal();
    expect(rows('SELECT * FROM settings ORDER BY name')).toEqual([
      { name: 'a', value: '1' },
      { name: 'b', value: '2' },
    ]);
  });

  it('is not sent where the file is not the one that was cut from', () => {
    app.exec('UPDATE sync_outbox SET captured_at_ms = captured_at_ms + 1 WHERE seq = 6');
    open();
    expect(capture.checkFile()?.code).toBe('TERMINAL_FENCED');
    expect(capture.cutUnit()).toBeUndefined();
    expect(agentFile.changes.after(0).map(({ number }) => number)).toContain(8);
  });

  it('leaves nothing of the old triggers, and the file is taken over once', () => {
    open();
    till.close();
    agentFile.close();
    const ours = () =>
      rows(`SELECT name FROM sqlite_master WHERE name LIKE 'sync\\_%' ESCAPE '\\' ORDER BY 1`);
    const before = ours();
    expect(before).not.toContainEqual({ name: 'sync_old_outbox' });
    expect(before.filter((each) => /sync_(change|evicted)_/.test((each as { name: string }).name))).toEqual(
      [],
    );
    open();
    expect(ours()).toEqual(before);
  });
});
