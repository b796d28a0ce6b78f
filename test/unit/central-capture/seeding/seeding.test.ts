import { setImmediate } from 'node:timers/promises';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { until } from '../../../../scripts/support/until.ts';
import { Seeding, type SeedingOptions } from '../../../../services/central-capture/seeding/seeding.ts';
import type { PartitionFacts } from '../../../../services/central-capture/watch/table-shape.ts';

/** Nothing is wanted, and no row has children. */
const IDLE = {
  pool: { query: () => Promise.resolve({ rows: [] }) },
  epoch: 1,
  rows: { routes: { mapping: { tables: [] } } },
  looks: { hasWork: false },
  sender: { heldBack: new Set<string>() },
  log: pino({ level: 'silent' }),
} as unknown as SeedingOptions;

it('no work is overlooked, whatever moment it comes at', async () => {
  for (let moment = 0; moment < 60; moment += 1) {
    const stop = new AbortController();
    let isDone = false;
    const looks = {
      hasWork: false,
      step: () => {
        looks.hasWork = false;
        isDone = true;
        return Promise.resolve();
      },
    };
    const seeding = new Seeding({ ...IDLE, looks } as unknown as SeedingOptions);
    const run = seeding.run(stop.signal);
    for (let turn = 0; turn < moment; turn += 1) await Promise.resolve();
    looks.hasWork = true;
    seeding.hurry();
    await setImmediate();
    stop.abort();
    await run;
    expect({ moment, isDone }).toEqual({ moment, isDone: true });
  }
});

it('a wish is looked for until its transaction is visible', async () => {
  // The commit of transaction 7 is in the WAL, and for two more looks in nobody's snapshot.
  const snapshots = ['7:8:7', '7:8:7', '8:8:', '8:8:'];
  let looks = 0;
  const pool = {
    query: () => {
      looks += 1;
      return Promise.resolve({ rows: [{ snapshot: snapshots[looks - 1] ?? '8:8:', open: null }] });
    },
  };
  const stop = new AbortController();
  const seeding = new Seeding({ ...IDLE, pool } as unknown as SeedingOptions);
  seeding.want(7);
  const run = seeding.run(stop.signal);
  await until(() => looks >= 3, 'it looks until it can see', { everyMs: 5 });
  stop.abort();
  await run;
  expect(looks).toBe(3);
});

it('a partition is read when the children that its rows ask for were looked at', async () => {
  const order: string[] = [];
  const looks = {
    hasWork: false,
    step: () => {
      looks.hasWork = false;
      order.push('children');
      return Promise.resolve();
    },
  };
  const chunks = {
    run: () => {
      order.push('rows');
      looks.hasWork = true;
      return Promise.resolve({ rows: [], isLast: true });
    },
  };
  const stop = new AbortController();
  const seeding = new Seeding({
    ...IDLE,
    pool: { query: () => Promise.resolve({ rows: [{ bounds: 'true', snapshot: '8:8:', open: null }] }) },
    rows: { routes: { mapping: { tables: [] }, forTable: () => Promise.resolve({ sent: true }) } },
    looks,
    chunks,
  } as unknown as SeedingOptions);
  seeding.partition({
    table: 'sales',
    partition: { oid: 1 } as PartitionFacts,
    done: () => {
      order.push('done');
      stop.abort();
    },
  });
  await seeding.run(stop.signal);
  expect(order).toEqual(['rows', 'children', 'done']);
});

it.each([
  { is: 'links can not be read yet', open: ['payflow_sync.link', 'orders'], begun: [] },
  { is: 'links are there', open: ['orders'], begun: ['orders'] },
])('while $is, the seedings that begin are $begun', async ({ open, begun }) => {
  const asked: string[] = [];
  const stop = new AbortController();
  const wanted = open.map((table_name) => ({ table_name, state: 'wanted', last_key: null, version: '1' }));
  const seeding = new Seeding({
    ...IDLE,
    pool: { query: () => Promise.resolve({ rows: [{ snapshot: '8:8:', open: wanted }] }) },
    sender: { heldBack: new Set() },
    rows: {
      routes: {
        mapping: { tables: [{ central: 'orders' }] },
        forTable: (name: string) => Promise.resolve({ name, sent: true }),
      },
    },
    watch: {
      isBlocked: (name: string) => name === 'payflow_sync.link',
      beginSeeding: ({ name }: { name: string }) => {
        asked.push(name);
        return Promise.resolve(false);
      },
    },
    looks: {
      get hasWork() {
        stop.abort();
        return false;
      },
    },
  } as unknown as SeedingOptions);
  await seeding.run(stop.signal);
  expect(asked).toEqual(begun);
});
