/** However a backlog's batches are put together while the app sells, every record is applied, and in its order. */
import { afterEach, expect, it } from 'vitest';
import { until } from '../../../../scripts/support/until.ts';
import type { EventLog, StoredRecord } from '../../../../services/shared/log/event-log.ts';
import { Valve } from '../../../../services/terminal-agent/pulse.ts';
import { StreamReader } from '../../../../services/terminal-agent/streams/stream-reader.ts';
import { CATALOG, openShopTill, product, type ShopTill } from '../../../support/shop-till.ts';
import { silentLog } from '../../../support/till.ts';

let shop: ShopTill;
afterEach(() => shop.close());

/** All batches are there at once. */
function logOf(batches: readonly StoredRecord[][]): EventLog {
  const end = batches.flat().length;
  return {
    offsets: () => Promise.resolve({ first: 0, end }),
    async *read(_stream: unknown, { signal }: { readonly signal: AbortSignal }) {
      // The app has just sold, and so have we written: the gate is closed.
      shop.test.till.gate.committed();
      shop.test.till.gate.appWrote();
      yield* batches;
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    },
  } as Partial<EventLog> as EventLog;
}

it.each([[[2_500, 2_500, 2_500]], [[4_000, 3_000, 10]], [[1_000, 1_000, 1_000, 1_000, 1_000, 1_000]]])(
  'batches of %j',
  async (sizes) => {
    shop = openShopTill({ elapsedMs: () => performance.now() });
    const records: StoredRecord[] = [];
    for (let n = 0; n < sizes.reduce((sum, size) => sum + size, 0); n += 10) {
      const rows = Array.from({ length: 10 }, (_, at) =>
        shop.catalog.row('products', n + at + 1, product(`S${n + at}`)),
      );
      records.push(...shop.catalog.commit(0x100 + n, ...rows));
    }
    let from = 0;
    const batches = sizes.map((size) => records.slice(from, (from += size)));
    const { till } = shop.test;
    const stop = new AbortController();
    const reader = new StreamReader({
      till,
      apply: shop.apply,
      eventLog: logOf(batches),
      stream: { topic: CATALOG, partition: 0 },
      valve: new Valve({ always: true }),
      horizonDays: () => 14,
      freeMb: 0,
      log: silentLog,
    });
    const reading = reader.run(stop.signal);
    const { checkpoints } = shop.apply;
    await until(
      () => checkpoints.stream(CATALOG).nextOffset === records.length,
      () => `all is read, not up to ${checkpoints.stream(CATALOG).nextOffset} only`,
      { deadlineMs: 30_000 },
    );
    stop.abort();
    await reading;
    expect(shop.rows('SELECT count(*) AS n FROM products')).toEqual([{ n: records.length }]);
  },
);
