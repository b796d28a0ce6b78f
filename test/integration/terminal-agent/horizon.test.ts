/**
 * HORIZON_DAYS, from the centre's environment to a till that was away: a real capture and a real agent on a log whose
 * clock the test sets, and which removes by its topics' own settings.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../../scripts/support/until.ts';
import { enrolTerminal, makeStoreStream, registerTerminal } from '../../../services/gateway/terminals.ts';
import { EmbeddedLog } from '../../../services/shared/log/embedded-log.ts';
import { catalogTopic, storeTopic } from '../../../services/shared/log/topics.ts';
import { makeKeyPair, readPrivateKey } from '../../../services/shared/records/signature.ts';
import { TerminalAgent } from '../../../services/terminal-agent/agent.ts';
import type { TerminalIdentity } from '../../../services/terminal-agent/identity.ts';
import { CaptureSite, type RunningCapture } from '../../support/capture-site.ts';
import { silentLog } from '../../support/till.ts';
import { wrappedLog } from '../../support/wrapped-log.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const LOCAL = `
  CREATE TABLE products (id INTEGER PRIMARY KEY, server_id INTEGER, sku TEXT NOT NULL);
  CREATE TABLE orders (id INTEGER PRIMARY KEY, server_id INTEGER, note TEXT);`;
const MAPPING = `
version: 1
tables:
  products: { scope: global }
  orders: { scope: { store: store_id }, set: { store_id: $store } }
`;

let folder: string;
let aheadMs: number;
let days: number | undefined;
let site: CaptureSite;
let eventLog: EmbeddedLog;
let capture: RunningCapture;
let identity: TerminalIdentity;
let app: Database.Database;
let stopAgent: () => Promise<void>;
/** Where the till began to read, by stream, since it was started. */
let begun: Map<string, number>;

const now = () => Date.now() + aheadMs;
const topics = () => [catalogTopic(site.prefix), storeTopic(site.prefix, 'north')];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'payflow-horizon-'));
  aheadMs = 0;
  stopAgent = () => Promise.resolve();
});
afterEach(async () => {
  await stopAgent();
  app.close();
  await site.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** A centre with this horizon, and a till that has all of it. */
async function begin(horizonDays: number | undefined): Promise<void> {
  days = horizonDays;
  app = new Database(join(folder, 'till.db'));
  app.exec(LOCAL);
  eventLog = new EmbeddedLog({ file: join(folder, 'log.db'), log: silentLog, now, maintenanceMs: 0 });
  site = await CaptureSite.start({
    eventLog,
    heartbeatMs: 100,
    mapping: MAPPING,
    horizonDays: () => days,
  });
  await site.pool.query(`INSERT INTO products (id, sku) VALUES (1, 'a'), (2, 'b');
    INSERT INTO orders VALUES (1, 'north', 'first'), (2, 'north', 'second')`);
  await site.setup();
  identity = await enrolled();
  capture = await site.capture();
  await site.seeded();
  startAgent();
  await shows('1,2');
  await heard(horizonDays ?? 14);
}

async function enrolled(): Promise<TerminalIdentity> {
  const { publicKey, privateKey } = makeKeyPair();
  const wanted = { terminalId: 'T1', storeId: 'north', upPartitions: 2 };
  const { enrolmentCode: code } = await registerTerminal(site.pool, wanted);
  const { brokers: _none, ...enrolment } = await enrolTerminal(site.pool, {
    code,
    publicKey,
    prefix: site.prefix,
  });
  return { ...enrolment, gatewayUrl: 'http://127.0.0.1:1', privateKey: readPrivateKey(privateKey) };
}

function startAgent(): void {
  begun = new Map();
  const agent = new TerminalAgent({
    terminalDb: join(folder, 'till.db'),
    dataDir: folder,
    eventLog: wrappedLog(eventLog, {
      read: (stream, options) => {
        begun.set(stream.topic, options.from);
        return eventLog.read(stream, options);
      },
    }),
    prefix: site.prefix,
    identity,
    log: silentLog,
    mode: 'stream',
    gatewayUrl: null,
    now,
  });
  const stop = new AbortController();
  const running = agent.run(stop.signal);
  stopAgent = async () => {
    stop.abort();
    await running;
    agent.close();
    stopAgent = () => Promise.resolve();
  };
}

const held = (table: string) =>
  app.prepare<[], number>(`SELECT server_id FROM ${table} ORDER BY server_id`).pluck().all().join();
/** @param ids the same of both tables */
const shows = (ids: string) =>
  until(
    () => held('products') === ids && held('orders') === ids,
    () => `the till has ${ids}; products ${held('products')}, orders ${held('orders')}`,
  );
const heard = (wanted: number) =>
  until(
    () =>
      app.prepare(`SELECT value FROM sync_meta WHERE name = 'horizon_days'`).pluck().get() === String(wanted),
    `the till knows of ${wanted} days`,
  );

/** Its lag of compaction and how long it keeps deletes, in days, as the log has it. */
const keptOf = async (topic: string) => {
  const found = (await eventLog.describeTopics([topic])).get(topic);
  if (found === undefined || !('settings' in found)) throw new Error(`${topic} is not described`);
  const { settings } = found;
  return ['min.compaction.lag.ms', 'delete.retention.ms'].map((name) => Number(settings.get(name)) / DAY_MS);
};
const kept = () => Promise.all(topics().map(keptOf));
const keptFor = (wanted: number) =>
  until(
    async () => (await kept()).every(([lag, deletes]) => lag === wanted && deletes === wanted + 1),
    async () => `topics are kept for ${wanted} days: ${JSON.stringify(await kept())}`,
  );

/** Of each table the second row goes while the till is away, and what is old enough goes from the log. */
async function isAwayFor(awayMs: number): Promise<void> {
  await stopAgent();
  await site.pool.query('DELETE FROM products WHERE id = 2; DELETE FROM orders WHERE id = 2');
  await site.acknowledged();
  await site.storeHolds('north', 'orders:2');
  aheadMs += awayMs;
  // The newest records are never compacted away: what stands behind the deletes is of now.
  await site.pool.query(
    `INSERT INTO products (id, sku) VALUES (3, 'c'); INSERT INTO orders VALUES (3, 'north', 'n')`,
  );
  await site.acknowledged();
  for (const topic of topics()) while ((await eventLog.compact(topic)) > 0);
}

const deletesLeft = async () => {
  const read = await Promise.all(topics().map((topic) => site.read(topic)));
  return read.flatMap(({ stored }) => stored).filter(({ key }) => /:2$/.test(key?.toString() ?? '')).length;
};
const readFromItsOffset = () => topics().every((topic) => (begun.get(topic) ?? 0) > 0);
const readFromBeginning = () => topics().every((topic) => begun.get(topic) === 0);

describe('HORIZON_DAYS', () => {
  it('lets a till that was away for less go on where it was, and keeps for it what was deleted meanwhile', async () => {
    await begin(30);
    expect(identity.horizonDays).toBe(30);
    await isAwayFor(29 * DAY_MS);
    expect(await deletesLeft()).toBeGreaterThan(0);
    startAgent();
    await shows('1,3');
    expect(readFromItsOffset()).toBe(true);
  });

  it('makes a till that was away for longer read its streams again, since nobody tells it of deletes any more', async () => {
    await begin(1);
    await isAwayFor(2 * DAY_MS + HOUR_MS);
    expect(await deletesLeft()).toBe(0);
    startAgent();
    await shows('1,3');
    expect(readFromBeginning()).toBe(true);
  });

  it('made shorter while a till is away, is heard by it before it believes that it knows all', async () => {
    await begin(undefined);
    await stopAgent();
    await capture.stop();
    days = 1;
    await site.capture();
    await keptFor(1);
    await isAwayFor(3 * DAY_MS);
    expect(await deletesLeft()).toBe(0);
    startAgent();
    await shows('1,3');
    expect(readFromBeginning()).toBe(true);
    await heard(1);
  });

  it('reaches topics and tills at once when setup is run with another, and stays when it is run with none', async () => {
    await begin(undefined);
    await keptFor(14);
    days = 30;
    await site.setup();
    await keptFor(30);
    await heard(30);
    days = undefined;
    expect((await site.setup()).changes).toEqual([]);
    await capture.stop();
    await site.capture();
    await site.pool.query(`INSERT INTO products (id, sku) VALUES (3, 'c')`);
    await site.pool.query(`INSERT INTO orders VALUES (3, 'north', 'third')`);
    await shows('1,2,3');
    expect(await kept()).toEqual([
      [30, 31],
      [30, 31],
    ]);
    await heard(30);
  });

  it('counts for a store that gets its first till later, whatever the environment of who registers it', async () => {
    await begin(30);
    await capture.stop();
    const { pool, prefix } = site;
    await makeStoreStream({ pool, eventLog, prefix }, 'south');
    expect(await keptOf(storeTopic(prefix, 'south'))).toEqual([30, 31]);
  });
});
