/**
 * A table that is not there, or that nothing can be written to, at the moment when the file is taken over: the app is in the
 * middle of an upgrade of its own, or of a mistake that is mended later.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { prepareTakeOver } from '../../../../services/terminal-agent/take-over/prepare.ts';
import { asSent, sentByOld } from '../../../support/old-till.ts';
import { MAPPING, TakenTill } from '../../../support/taken-till.ts';
import { silentLog } from '../../../support/till.ts';

let old: TakenTill;

beforeEach(() => {
  old = new TakenTill();
  old.app.pragma('foreign_keys = OFF');
});
afterEach(() => old.close());

let schemaOf: string;

/** With the triggers on it. */
function takeAway(table: string): void {
  schemaOf =
    old.app.prepare<[string], string>('SELECT sql FROM sqlite_master WHERE name = ?').pluck().get(table) ??
    '';
  old.app.exec(`CREATE TABLE kept AS SELECT * FROM ${table}; DROP TABLE ${table}`);
}

function putBack(table: string): void {
  old.app.exec(`${schemaOf}; INSERT INTO ${table} SELECT * FROM kept; DROP TABLE kept`);
}

const prepare = () =>
  prepareTakeOver({
    file: old.file,
    mappingFor: () => MAPPING,
    terminalId: 'T1',
    signal: new AbortController().signal,
    log: silentLog,
  });

interface Column {
  readonly name: string;
}

/** Recorded columns have no order of their own. */
function changesIn(units: readonly unknown[]): unknown[] {
  const order = (a: Column, b: Column) => (a.name < b.name ? -1 : 1);
  return (units as { changes: { columns: Column[]; references: unknown[] }[] }[])
    .flatMap(({ changes }) => changes)
    .map((change) => ({
      ...change,
      columns: [...change.columns].sort(order),
      references: [...change.references].map((each) => JSON.stringify(each)).sort(),
    }));
}

const sent = () => changesIn(old.units().map(asSent));
const bases = (table: string) =>
  old.app
    .prepare(`SELECT central_id AS id FROM sync_row_${table} WHERE base IS NOT NULL ORDER BY 1`)
    .pluck()
    .all();

describe('what was recorded of a table that is not there', () => {
  it.each(['order_items', 'products'])('goes up all the same: %s', (table) => {
    const expected = changesIn(sentByOld());
    takeAway(table);
    old.open();
    expect(old.capture.checkFile()).toBeUndefined();
    const found = sent();
    const of = (list: unknown[], other: boolean) =>
      list.filter((change) => ((change as { table: string }).table === table) !== other);
    expect(of(found, false)).toEqual(of(expected, false));
    const numbers = (list: unknown[]) => list.map((change) => (change as { seq: number }).seq);
    expect(numbers(found)).toEqual(numbers(expected));
  });

  it('is in the bytes of its unit also where it is settled', () => {
    old.app.exec(`UPDATE sync_outbox SET outcome = 'applied' WHERE seq = 6`);
    takeAway('order_items');
    old.open();
    const [unit] = old.units(5);
    expect(unit?.changes.map(({ seq }) => seq)).toEqual([5, 6, 7]);
  });

  it('goes up where the mapping has dropped it', () => {
    const tables = MAPPING.tables.filter(({ local }) => local !== 'order_items');
    old.open(undefined, { ...MAPPING, tables });
    expect(sent()).toHaveLength(changesIn(sentByOld()).length);
  });
});

describe('a table that comes back', () => {
  it('gets its bases: what the app does then goes up, and what was taken counts once', () => {
    takeAway('products');
    old.open();
    old.capture.checkFile();
    expect(bases('products')).toEqual(['7']);
    putBack('products');
    old.till.appCommitted();
    expect(bases('products')).toEqual(['7', '8', '9']);
    const before = old.agentFile.changes.lastNumber();
    old.app.exec(`UPDATE products SET stock_quantity = stock_quantity - 5 WHERE sku = 'B'`);
    old.capture.cutAll();
    expect(old.agentFile.changes.after(before)).toMatchObject([
      { table: 'products', op: 'u', handle: '8', cut: { sums: new Map([['stock_quantity', '-5']]) } },
    ]);
    const undisturbed = new TakenTill();
    undisturbed.open();
    const stockIn = ({ app }: TakenTill) =>
      app
        .prepare(
          `SELECT e.value FROM sync_row_products, json_each(base) e WHERE central_id = '8'
            AND e.value LIKE '%stock_quantity%'`,
        )
        .pluck()
        .get();
    const expected = stockIn(undisturbed);
    undisturbed.close();
    expect(expected).toBeDefined();
    expect(stockIn(old)).toEqual(expected);
  });

  it('while it is taken over is in its turn', async () => {
    takeAway('categories');
    await prepare();
    putBack('categories');
    await prepare();
    expect(bases('categories')).toEqual(['3']);
    takeAway('categories');
    old.open();
    putBack('categories');
    old.till.appCommitted();
    expect(bases('categories')).toEqual(['3']);
  });
});

it('what was recorded of a table that a broken trigger stands on goes up, and its rows have bases', async () => {
  const expected = changesIn(sentByOld());
  old.app.exec('CREATE TRIGGER broken AFTER INSERT ON products BEGIN INSERT INTO nowhere VALUES (1); END');
  await prepare();
  old.open();
  expect(sent()).toEqual(expected);
  expect(bases('products')).toEqual(['7', '8', '9']);
});
