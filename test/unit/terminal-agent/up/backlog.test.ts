/** A backlog is cut into small units, none of them through a sale, and everything comes once and in order. */
import { describe, expect, it } from 'vitest';
import { TillCapture } from '../../../../services/terminal-agent/capture.ts';
import { MAX_UNIT_CHANGES } from '../../../../services/terminal-agent/units/units.ts';
import { silentLog } from '../../../support/till.ts';
import { sell, useTillPull, uuid, type TillPull } from '../../../support/till-pull.ts';

const till = useTillPull();
const PIECE = 500;

const unitsOf = (t: TillPull) => t.agentFile.unpublished(1_000, Number.MAX_SAFE_INTEGER);

async function soldWhileAway({ sale, changes }: { sale: number; changes: number }): Promise<TillPull> {
  const t = await till();
  t.app.transaction(() => {
    for (let n = 1; n <= changes / sale; n += 1) sell(t, n, sale - 1);
  })();
  return t;
}

describe('a backlog', () => {
  it('of up to one unit is one unit, however many sales it holds', async () => {
    const t = await soldWhileAway({ sale: 5, changes: MAX_UNIT_CHANGES });
    t.capture.cutAll();
    expect(unitsOf(t).map(({ firstSeq, lastSeq }) => [firstSeq, lastSeq])).toEqual([[1, MAX_UNIT_CHANGES]]);
  });

  it.each([5, 700, 1_900])(
    'is cut between sales of %i changes, everything once and in order',
    async (sale) => {
      const t = await soldWhileAway({ sale, changes: 12_000 });
      t.capture.cutAll();
      const units = unitsOf(t);
      for (const [at, { firstSeq, lastSeq, changes, partEnds }] of units.entries()) {
        expect(firstSeq).toBe((units[at - 1]?.lastSeq ?? 0) + 1);
        expect(lastSeq - firstSeq + 1).toBe(changes);
        expect(lastSeq % sale).toBe(0);
        expect(changes).toBeLessThanOrEqual(Math.max(PIECE, sale));
        if (changes <= PIECE) expect(partEnds).toEqual([lastSeq]);
      }
      expect(units.at(-1)?.lastSeq).toBe(Math.floor(12_000 / sale) * sale);
      const before = units.length;
      sell(t, 99_999);
      t.capture.cutAll();
      expect(unitsOf(t).slice(before)).toMatchObject([{ changes: 5 }]);
    },
  );
});

const STOCK = {
  schema: `CREATE TABLE products (id INTEGER PRIMARY KEY, sku TEXT UNIQUE, stock NUMERIC, local_id TEXT);
    CREATE TABLE lines (id INTEGER PRIMARY KEY, product_id INTEGER, local_id TEXT);`,
  mapping: `version: 1
tables:
  products: {scope: global, columns: {stock: {policy: delta}}}
  lines: {scope: global, references: {product_id: products}}
`,
};

/** Cuts units of at most so many changes. */
function captureOf(t: TillPull, maxUnitChanges: number): TillCapture {
  return new TillCapture({ till: t.till, agentFile: t.agentFile, log: silentLog, maxUnitChanges });
}

function sellOne(t: TillPull, n: number): void {
  t.app.exec(`UPDATE products SET stock = stock - 1 WHERE id = 1;
    INSERT INTO lines (product_id, local_id) VALUES (1, '${uuid(1_000 + n)}')`);
}

describe('a backlog that is stored as it is cut', () => {
  it('has each amount of a row that was touched all along in its place', async () => {
    const t = await till(STOCK);
    t.app.exec(`INSERT INTO products (sku, stock, local_id) VALUES ('a', 5000, '${uuid(1)}')`);
    for (let n = 0; n < 1_500; n += 1) sellOne(t, n);
    captureOf(t, 400).cutAll();
    await t.pull();
    const changes = await t.changes();
    expect(changes.map(({ seq }) => seq)).toEqual(Array.from({ length: 3_001 }, (_, index) => index + 1));
    const amounts = changes.slice(1).filter(({ table }) => table === 'products');
    expect(amounts).toHaveLength(1_500);
    for (const { columns } of amounts) {
      const { old, new: now } = columns.find(({ name }) => name === 'stock') ?? {};
      expect(Number(old) - Number(now)).toBe(1);
    }
    expect(t.capture.cutUnit()).toBeUndefined();
  });

  it('is not stored where a row at its end needs an entry first, and then whole', async () => {
    const t = await till(STOCK);
    t.app.exec(
      `INSERT INTO products (sku, stock, local_id) VALUES ('a', 9, '${uuid(1)}'), ('b', 9, '${uuid(2)}')`,
    );
    await t.pull();
    for (let n = 0; n < 1_200; n += 1) sellOne(t, n);
    // A line refers to a row that no trigger has told of.
    t.app.exec(`INSERT INTO sync_silence VALUES (1); INSERT INTO products (id, sku) VALUES (7, 'c');
      DELETE FROM sync_silence; INSERT INTO lines (product_id, local_id) VALUES (7, '${uuid(9)}')`);
    const stored: number[] = [];
    const { agentFile } = t;
    const add = agentFile.add.bind(agentFile);
    agentFile.add = (...units) => {
      const isStored = add(...units);
      stored.push(isStored ? agentFile.all().length : -agentFile.all().length);
      return isStored;
    };
    captureOf(t, 400).cutAll();
    expect(stored).toEqual([-1, expect.any(Number)]);
    expect(stored[1]).toBeGreaterThan(3);
    await t.pull();
    const since = (await t.changes()).slice(2);
    expect(since.filter(({ op }) => op === 'r').map(({ table }) => table)).toEqual(['products']);
    expect(since.filter(({ table }) => table === 'lines')).toHaveLength(1_201);
    expect(new Set(since.map(({ seq }) => seq)).size).toBe(since.length);
  });
});
