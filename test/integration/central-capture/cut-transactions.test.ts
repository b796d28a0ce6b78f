/** A session that ends after any single record of a transaction: the next one writes what is missing, once. */
import { afterEach, describe, expect, it } from 'vitest';
import { until } from '../../../scripts/support/until.ts';
import type { EventLog } from '../../../services/shared/log/event-log.ts';
import { ONE_EACH, POSITION_HEADER } from '../../../services/shared/records/position.ts';
import { CaptureSite, SHOP_MAPPING, SHOP_SQL } from '../../support/capture-site.ts';
import { cuttingLog, stateOf, type Cut } from '../../support/stream-state.ts';
import { wrappedLog } from '../../support/wrapped-log.ts';

const SQL = `${SHOP_SQL} CREATE TABLE labels (id bigint PRIMARY KEY, text text);`;
const MAPPING = `${SHOP_MAPPING}
  labels: { scope: global }`;
const TOASTED = 'some text that is stored out of line ';

/** What stands before the transaction; ids of each round are its own. */
const before = (n: number) => `
  INSERT INTO products (id, sku, description) SELECT ${n} + i, 'old', (SELECT string_agg('${TOASTED}' || random(), '') FROM generate_series(1, 100))
    FROM generate_series(1, 4) AS i;
  INSERT INTO orders SELECT ${n} + i, 'north', 'old' FROM generate_series(1, 5) AS i;
  INSERT INTO order_items SELECT ${n} + i, ${n} + (i % 5) + 1, i FROM generate_series(1, 10) AS i;
  INSERT INTO labels VALUES (${n} + 1, 'old'), (${n} + 2, 'old')`;

/** Each kind of change: as SQL, and whether it counts two. */
const KINDS = (n: number): readonly (readonly [sql: string, changes: number, isUpdate: boolean])[] => [
  [`INSERT INTO products (id, sku) VALUES (${n} + 9, 'new')`, 1, false],
  [`UPDATE products SET price = 2 WHERE id = ${n} + 1`, 1, true],
  [`UPDATE products SET id = ${n} + 102 WHERE id = ${n} + 2`, 1, true],
  [`DELETE FROM products WHERE id = ${n} + 3`, 1, false],
  [`UPDATE orders SET store_id = 'south' WHERE id = ${n} + 1`, 1, true],
  [`UPDATE orders SET id = ${n} + 102, store_id = 'south' WHERE id = ${n} + 2`, 1, true],
  [`UPDATE order_items SET order_id = ${n} + 102 WHERE order_id = ${n} + 2`, 2, true],
  [`UPDATE orders SET id = ${n} + 103 WHERE id = ${n} + 3`, 1, true],
  [`UPDATE order_items SET order_id = ${n} + 103 WHERE order_id = ${n} + 3`, 2, true],
  [`TRUNCATE labels`, 1, false],
  [`INSERT INTO labels VALUES (${n} + 2, 'again')`, 1, false],
  [`INSERT INTO orders VALUES (${n} + 9, 'north', 'new')`, 1, false],
  [`INSERT INTO order_items VALUES (${n} + 90, ${n} + 9, 1), (${n} + 91, ${n} + 1, 1)`, 2, false],
  [`DELETE FROM order_items WHERE id = ${n} + 9`, 1, false],
  [`DELETE FROM orders WHERE id = ${n} + 5`, 1, false],
  [`UPDATE products SET id = ${n} + 104 WHERE id = ${n} + 4`, 1, true],
];
const transaction = (n: number) =>
  `BEGIN; ${KINDS(n)
    .map(([sql]) => sql)
    .join(';')}; COMMIT`;

/** What the streams say against what the database says. */
async function differences(site: CaptureSite): Promise<unknown[]> {
  const found: unknown[] = [];
  const compare = async (state: ReturnType<typeof stateOf>, table: string, sql: string) => {
    const { rows } = await site.pool.query<{ id: string; text: string }>(sql);
    const wanted = new Map(rows.map(({ id, text }) => [`${table}:${id}`, text]));
    const shown = [...state].filter(([key]) => key.startsWith(`${table}:`));
    for (const [key, row] of shown) {
      const text = [
        row?.['sku'],
        row?.['note'],
        row?.['qty'],
        row?.['text'],
        row?.['price'],
        row?.['description'],
      ];
      const has = text.filter((one) => one !== null && one !== undefined).join('|');
      if (wanted.get(key) !== has)
        found.push({ key, has: has.slice(0, 80), wants: wanted.get(key)?.slice(0, 80) });
      wanted.delete(key);
    }
    for (const key of wanted.keys()) found.push({ key, missing: true });
  };
  const catalog = stateOf((await site.catalog()).changes);
  await compare(
    catalog,
    'products',
    `SELECT id, concat_ws('|', sku, price, CASE WHEN length(description) < 16000000 THEN description END) AS text FROM products`,
  );
  await compare(catalog, 'labels', `SELECT id, text FROM labels`);
  for (const store of ['north', 'south']) {
    const state = stateOf((await site.store(store)).changes);
    await compare(state, 'orders', `SELECT id, note AS text FROM orders WHERE store_id = '${store}'`);
    await compare(
      state,
      'order_items',
      `SELECT i.id, i.qty::text AS text FROM order_items i JOIN orders o ON o.id = i.order_id WHERE store_id = '${store}'`,
    );
  }
  return found;
}

/** The transaction's records as a version would have written them by which an update counted one. */
function numberedOneEach(log: EventLog): EventLog {
  const seqs = new Map<number, number>([[0, 0]]);
  let [now, then] = [0, 0];
  for (const [, changes, isUpdate] of KINDS(0)) {
    for (let change = 0; change < changes; change += 1) {
      now += isUpdate ? 2 : 1;
      then += 1;
      seqs.set(now, then);
      if (isUpdate) seqs.set(now - 1, then);
    }
  }
  return wrappedLog(log, {
    append: (stream, records, options) =>
      log.append(
        stream,
        records.map((record) => {
          const header = Buffer.from(record.headers?.[POSITION_HEADER]?.subarray(0, 17) ?? Buffer.alloc(17));
          header.writeUInt32BE(seqs.get(header.readUInt32BE(12)) ?? header.readUInt32BE(12), 12);
          header[16] = (ONE_EACH << 1) | ((header[16] ?? 0) & 1);
          return { ...record, headers: { ...record.headers, [POSITION_HEADER]: header } };
        }),
        options,
      ),
  });
}

interface Cuts {
  readonly before: (n: number) => string;
  readonly transaction: (n: number) => string;
}

/** @returns how many records the transaction led to, after each of which a session ended */
async function cutEverywhere(
  site: CaptureSite,
  cut: Cut,
  cuts: Cuts,
  log: { isOld: boolean },
): Promise<number> {
  await site.setup();
  let running = await site.capture();
  await site.seeded();
  for (let round = 0; ; round += 1) {
    await site.pool.query(cuts.before(round * 1000));
    await site.acknowledged();
    // The session that has made the one before whole is cut amid this one.
    log.isOld = true;
    cut.left = round + 1;
    await site.pool.query(cuts.transaction(round * 1000));
    await Promise.race([site.acknowledged(), until(() => cut.left === 0, 'the session ends')]);
    const isCut = cut.left === 0;
    await running.stop();
    log.isOld = false;
    cut.left = Infinity;
    running = await site.capture();
    await site.acknowledged();
    if (!isCut) return round;
  }
}

describe('a session that ends after any record of a transaction', () => {
  let site: CaptureSite;
  afterEach(() => site.stop());

  /** @param numbered how an earlier version writes */
  async function start(
    numbered: (log: EventLog) => EventLog,
  ): Promise<{ cut: Cut; log: { isOld: boolean } }> {
    const [cut, log] = [{ left: Infinity }, { isOld: false }];
    site = await CaptureSite.start({
      sql: SQL,
      mapping: MAPPING,
      heartbeatMs: 600_000,
      wrapLog: (inner) => {
        const [now, then] = [cuttingLog(inner, cut), cuttingLog(numbered(inner), cut)];
        return wrappedLog(inner, {
          append: (...given) => (log.isOld ? then : now).append(...given),
        });
      },
    });
    return { cut, log };
  }

  it.each([
    ['numbered as now', (log: EventLog) => log],
    ['numbered by an earlier version', numberedOneEach],
  ])('leaves it whole and nothing doubled, %s', { timeout: 600_000 }, async (_, numbered) => {
    const { cut, log } = await start(numbered);
    expect(await cutEverywhere(site, cut, { before, transaction }, log)).toBeGreaterThan(40);
    expect(await differences(site)).toEqual([]);
  });

  it('leaves a row that no record can hold, and those beside it', { timeout: 120_000 }, async () => {
    const { cut, log } = await start((inner) => inner);
    const cuts: Cuts = {
      before: (n) => `INSERT INTO products (id, sku) VALUES (${n} + 1, 'a'), (${n} + 2, 'b');
        INSERT INTO orders (id, store_id, note) VALUES (${n} + 1, 'north', 'n'), (${n} + 2, 'south', 's')`,
      transaction: (n) => `BEGIN; UPDATE products SET id = ${n} + 101 WHERE id = ${n} + 1;
        INSERT INTO products (id, sku, description) VALUES (${n} + 3, 'huge', repeat('x', 17000000));
        UPDATE products SET id = ${n} + 102 WHERE id = ${n} + 2; COMMIT`,
    };
    expect(await cutEverywhere(site, cut, cuts, log)).toBeGreaterThan(6);
    expect(await differences(site)).toEqual([]);
  });
});
