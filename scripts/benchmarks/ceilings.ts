/**
 * What this machine can do at this hour with the bare libraries, measured in the same run as our own
 * figures: P, S, I and H of the README's benchmark section.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { Kafka, logLevel, type Message } from 'kafkajs';
import type { Pool } from 'pg';
import type { StoredRecord } from '../../services/shared/log/event-log.ts';
import { schemaFile } from '../../services/shared/paths.ts';
import { median, percentile, rate } from './figures.ts';

const RUNS = 3;
const RECORDS_PER_SEND = 2_000;
const ROWS_PER_TRANSACTION = 1_000;

/** P: kafkajs alone producing records of the same bytes, one append outstanding, rows/s. */
export async function produceCeiling(brokers: string, records: readonly StoredRecord[]): Promise<number> {
  const kafka = client(brokers);
  const topic = `bench.p.${Date.now()}`;
  await createTopic(kafka, topic);
  const producer = kafka.producer({ maxInFlightRequests: 1 });
  await producer.connect();
  const messages: Message[] = records.map(({ key, value, headers }) => ({
    key,
    value,
    headers: { ...headers },
    partition: 0,
  }));
  try {
    const rates: number[] = [];
    for (let run = 0; run < RUNS; run += 1) {
      rates.push(
        await rate(messages.length, async () => {
          for (let first = 0; first < messages.length; first += RECORDS_PER_SEND) {
            await producer.send({
              topic,
              acks: -1,
              messages: messages.slice(first, first + RECORDS_PER_SEND),
            });
          }
        }),
      );
    }
    return median(rates);
  } finally {
    await producer.disconnect();
  }
}

/** H: from sending one record until a consumer has it, p50 in ms. */
export async function hopCeiling(brokers: string, value: Buffer, samples = 300): Promise<number> {
  const kafka = client(brokers);
  const topic = `bench.h.${Date.now()}`;
  await createTopic(kafka, topic);
  const consumer = kafka.consumer({ groupId: topic, maxWaitTimeInMs: 5_000 });
  const producer = kafka.producer();
  await Promise.all([consumer.connect(), producer.connect()]);
  let arrived: () => void = () => undefined;
  try {
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({ eachMessage: async () => arrived() });
    const hops: number[] = [];
    for (let sample = 0; sample < samples + 20; sample += 1) {
      const received = new Promise<void>((resolve) => {
        arrived = resolve;
      });
      const started = performance.now();
      await producer.send({ topic, acks: -1, messages: [{ value, partition: 0 }] });
      await received;
      if (sample >= 20) hops.push(performance.now() - started);
    }
    return percentile(hops, 0.5);
  } finally {
    await Promise.all([consumer.disconnect(), producer.disconnect()]);
  }
}

/** S: better-sqlite3 alone upserting the same products, rows/s. */
export async function sqliteCeiling(pool: Pool, rows: number): Promise<number> {
  const { rows: products } = await pool.query<unknown[]>({
    text: `SELECT id::text, id::text AS same_id, sku, barcode, name, description, price::text, cost_price::text, master_stock_quantity::text,
                  array_to_json(tags)::text, is_active::int, created_at::text, updated_at::text
             FROM products ORDER BY id LIMIT ${rows}`,
    rowMode: 'array',
  });
  const rates: number[] = [];
  for (let run = 0; run < RUNS; run += 1) rates.push(await rate(products.length, () => upsertAll(products)));
  return median(rates);
}

function upsertAll(products: readonly unknown[][]): void {
  const folder = mkdtempSync(join(tmpdir(), 'payflow-bench-'));
  const db = new Database(join(folder, 'ceiling.db'));
  try {
    db.pragma('journal_mode = WAL');
    db.exec(readFileSync(schemaFile('sqlite', 'reference.sql'), 'utf8'));
    const upsert = db.prepare(
      `INSERT INTO products (server_id, id, sku, barcode, name, description, price, cost_price, stock_quantity, tags, is_active, created_at, updated_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET sku = excluded.sku, name = excluded.name, description = excluded.description,
         price = excluded.price, stock_quantity = excluded.stock_quantity, updated_at = excluded.updated_at`,
    );
    for (let first = 0; first < products.length; first += ROWS_PER_TRANSACTION) {
      db.transaction(() => {
        for (const product of products.slice(first, first + ROWS_PER_TRANSACTION)) upsert.run(...product);
      })();
    }
  } finally {
    db.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** I: multi-row INSERT alone of rows like order_items into PostgreSQL, rows/s. */
export async function insertCeiling(pool: Pool, rows: number): Promise<number> {
  await pool.query(
    'CREATE SCHEMA IF NOT EXISTS bench; DROP TABLE IF EXISTS bench.lines; CREATE TABLE bench.lines (LIKE order_items INCLUDING ALL)',
  );
  const columns = ['order_id', 'product_id', 'line_number', 'quantity', 'unit_price', 'line_total'];
  const rates: number[] = [];
  for (let run = 0; run < RUNS; run += 1) {
    rates.push(
      await rate(rows, async () => {
        for (let first = 0; first < rows; first += ROWS_PER_TRANSACTION) {
          const values: (string | number)[] = [];
          const tuples: string[] = [];
          for (let row = first; row < Math.min(rows, first + ROWS_PER_TRANSACTION); row += 1) {
            tuples.push(`(${columns.map((_, index) => `$${values.length + index + 1}`).join(', ')})`);
            values.push(row, 1 + (row % 1000), 1, '2', '3.49', '6.98');
          }
          await pool.query(
            `INSERT INTO bench.lines (${columns.join(', ')}) VALUES ${tuples.join(', ')}`,
            values,
          );
        }
      }),
    );
  }
  await pool.query('DROP SCHEMA bench CASCADE');
  return median(rates);
}

function client(brokers: string): Kafka {
  return new Kafka({ clientId: 'payflow-bench', brokers: brokers.split(','), logLevel: logLevel.NOTHING });
}

async function createTopic(kafka: Kafka, topic: string): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: true });
  await admin.disconnect();
}
