/** WAL → Kafka, WAL → SQLite at the same time, and commit → visible on an idle till. */
import Database from 'better-sqlite3';
import pino from 'pino';
import type { StoredRecord } from '../../services/shared/log/event-log.ts';
import { KafkaLog } from '../../services/shared/log/kafka-log.ts';
import { catalogTopic } from '../../services/shared/log/topics.ts';
import type { Site } from '../support/site.ts';
import { until } from '../support/until.ts';
import { hopCeiling, produceCeiling, sqliteCeiling } from './ceilings.ts';
import { percentile, ratioOf, type Figure } from './figures.ts';
import { MemoryWatch } from './memory.ts';

export interface PushOptions {
  readonly site: Site;
  readonly brokers: string;
  readonly rows: number;
  readonly rowsPerTransaction: number;
  readonly latencySamples: number;
  readonly say: (line: string) => void;
}

const TILL = 'T1';
const STREAM = { topic: catalogTopic('payflow'), partition: 0 };
const SAMPLE_RECORDS = 100_000;
/** Rarely enough that looking takes nothing from what is measured: every look at a stream is the broker's work. */
const LOOK_EVERY_MS = 100;

export async function benchPush(options: PushOptions): Promise<Figure[]> {
  const { site, rows, say } = options;
  const eventLog = new KafkaLog({
    brokers: options.brokers.split(','),
    clientId: 'payflow-bench',
    log: pino({ level: 'silent' }),
  });
  const memory = new MemoryWatch(site, { capture: 'capture', agent: TILL });
  try {
    await site.start('gateway');
    await site.start('capture');
    await site.startTill(TILL);
    say('latency on an idle till');
    const hop = await hopCeiling(options.brokers, Buffer.alloc(300, 'x'));
    const latencies = await commitToVisible(options);

    await stopBoth(site);
    say(`${rows} rows into PostgreSQL, then WAL → Kafka`);
    await writeRows(options);
    const toKafka = await drainToKafka(options, eventLog);
    await site.startTill(TILL);
    await until(() => site.localCount(TILL, 'products') >= rows, 'the till has read the first half', {
      deadlineMs: 600_000,
    });

    await stopBoth(site);
    say(`${rows} more, then WAL → SQLite at the same time`);
    await writeRows(options);
    const together = await drainToBoth(options, eventLog);
    await stopBoth(site);
    const peaks = memory.stop();

    say('ceilings');
    const sample = await readSample(eventLog);
    const p = await produceCeiling(options.brokers, sample);
    const s = await sqliteCeiling(site.pool, SAMPLE_RECORDS);
    return [
      { name: 'P  kafkajs alone', value: p, unit: 'rows/s' },
      { name: 'S  better-sqlite3 alone', value: s, unit: 'rows/s' },
      { name: 'H  produce → consume p50', value: hop, unit: 'ms' },
      {
        name: '↓ WAL → Kafka',
        value: toKafka,
        unit: 'rows/s',
        ratio: ratioOf('P', toKafka, p, { floor: 0.6 }),
      },
      {
        name: '↓ WAL → Kafka, with a till',
        value: together.toKafka,
        unit: 'rows/s',
        ratio: ratioOf('P', together.toKafka, p, { floor: 0.6 }),
      },
      {
        name: '↓ WAL → SQLite at that time',
        value: together.toSqlite,
        unit: 'rows/s',
        ratio: ratioOf('WAL → Kafka, with a till', together.toSqlite, together.toKafka, { floor: 0.8 }),
      },
      {
        name: '↓ commit → visible p50',
        value: percentile(latencies, 0.5),
        unit: 'ms',
        ratio: ratioOf('H', percentile(latencies, 0.5), hop, { most: 4 }),
      },
      {
        name: '↓ commit → visible p99',
        value: percentile(latencies, 0.99),
        unit: 'ms',
        ratio: ratioOf('H', percentile(latencies, 0.99), hop, { most: 12 }),
      },
      ...peaks,
    ];
  } finally {
    memory.stop();
    await eventLog.close();
  }
}

async function stopBoth(site: Site): Promise<void> {
  await site.kill(TILL, 'SIGTERM');
  await site.kill('capture', 'SIGTERM');
}

async function writeRows({ site, rows, rowsPerTransaction }: PushOptions): Promise<void> {
  const first = Number(
    (await site.pool.query<{ count: string }>('SELECT count(*) FROM products')).rows[0]?.count ?? 0,
  );
  for (let done = 0; done < rows; done += rowsPerTransaction) {
    await site.pool.query(
      `INSERT INTO products (sku, barcode, name, description, price, cost_price, master_stock_quantity, tags)
       SELECT 'SKU-' || n, (4000000000000 + n)::text, 'Product ' || n, 'A product of the range, number ' || n,
              1 + n % 90 + 0.49, 0.5 + n % 40, 1000, ARRAY['range', 'n' || n]
         FROM generate_series($1::bigint, $2::bigint) n`,
      [first + done + 1, first + Math.min(done + rowsPerTransaction, rows)],
    );
  }
}

/** Rows/s until the stream holds all of them. */
async function drainToKafka({ site, rows }: PushOptions, eventLog: KafkaLog): Promise<number> {
  const newRecords = await newRecordsOf(eventLog);
  await site.start('capture');
  return drainRate(newRecords, rows, 'Kafka');
}

/** Capture and a till drain the same backlog at the same time. */
async function drainToBoth(
  { site, rows }: PushOptions,
  eventLog: KafkaLog,
): Promise<{ toKafka: number; toSqlite: number }> {
  const db = new Database(site.tillFile(TILL), { readonly: true });
  // max(id), not count(*): the look must not cost what it measures.
  const newest = db.prepare<[], number>('SELECT coalesce(max(id), 0) FROM products').pluck();
  const before = newest.get() ?? 0;
  const newRecords = await newRecordsOf(eventLog);
  try {
    await site.startTill(TILL);
    await site.start('capture');
    const [toKafka, toSqlite] = await Promise.all([
      drainRate(newRecords, rows, 'Kafka'),
      drainRate(() => (newest.get() ?? 0) - before, rows, 'SQLite'),
    ]);
    return { toKafka, toSqlite };
  } finally {
    db.close();
  }
}

async function newRecordsOf(eventLog: KafkaLog): Promise<() => Promise<number>> {
  const { end } = await eventLog.offsets(STREAM);
  return async () => (await eventLog.offsets(STREAM)).end - end;
}

/** From the first row that arrived to the last, rows/s. */
async function drainRate(
  arrived: () => number | Promise<number>,
  rows: number,
  where: string,
): Promise<number> {
  let now = 0;
  const look = async () => (now = await arrived());
  await until(async () => (await look()) > 10, `the first rows in ${where}`, { everyMs: 5 });
  const started = performance.now();
  const already = now;
  await until(
    async () => (await look()) >= rows,
    () => `all rows in ${where}, ${now} of ${rows}`,
    { deadlineMs: 600_000, everyMs: LOOK_EVERY_MS },
  );
  return ((rows - already) * 1000) / (performance.now() - started);
}

async function commitToVisible({ site, latencySamples }: PushOptions): Promise<number[]> {
  await site.pool.query(
    `INSERT INTO categories (slug, name) VALUES ('latency', 'start') ON CONFLICT DO NOTHING`,
  );
  const db = new Database(site.tillFile(TILL), { readonly: true });
  const name = db.prepare<[], string>(`SELECT name FROM categories WHERE slug = 'latency'`).pluck();
  try {
    await until(() => name.get() === 'start', 'the row of the latency test on the till');
    const latencies: number[] = [];
    for (let sample = 0; sample < latencySamples + 20; sample += 1) {
      const text = `sample ${sample}`;
      await site.pool.query(`UPDATE categories SET name = $1 WHERE slug = 'latency'`, [text]);
      const committed = performance.now();
      await until(() => name.get() === text, `${text} on the till`, { everyMs: 0 });
      if (sample >= 20) latencies.push(performance.now() - committed);
      await new Promise((resolve) => setTimeout(resolve, 10 + (sample % 7) * 5));
    }
    return latencies;
  } finally {
    db.close();
  }
}

async function readSample(eventLog: KafkaLog): Promise<StoredRecord[]> {
  const { end } = await eventLog.offsets(STREAM);
  const stop = new AbortController();
  const records: StoredRecord[] = [];
  for await (const batch of eventLog.read(STREAM, {
    from: Math.max(0, end - SAMPLE_RECORDS),
    signal: stop.signal,
  })) {
    records.push(...batch);
    if ((batch.at(-1)?.offset ?? 0) >= end - 1) stop.abort();
  }
  return records;
}
