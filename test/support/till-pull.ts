/** A till's way up: its file, agent file, capture and publisher on an embedded log of its own. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import { EmbeddedLog } from '../../services/shared/log/embedded-log.ts';
import type { EventLog, StoredRecord } from '../../services/shared/log/event-log.ts';
import type { SyncMode } from '../../services/shared/agent-protocol.ts';
import { makeKeyPair, readPrivateKey, verifyBytes } from '../../services/shared/records/signature.ts';
import { topicSpecUp, upStream } from '../../services/shared/log/topics.ts';
import { decodeUnitRecord } from '../../services/shared/records/unit-codec.ts';
import {
  SIGNATURE_HEADER,
  type Unit,
  type UnitChange,
  type UnitRecord,
} from '../../services/shared/records/unit-record.ts';
import { AgentFile } from '../../services/terminal-agent/units/agent-file.ts';
import { TillCapture } from '../../services/terminal-agent/capture.ts';
import { Publisher, type PublisherOptions } from '../../services/terminal-agent/publisher.ts';
import { openTestTill, silentLog, type TestTill, type TestTillOptions } from './till.ts';

export const PULL_SCHEMA = `
CREATE TABLE shops (id INTEGER PRIMARY KEY, name TEXT, local_id TEXT);
CREATE TABLE products (id INTEGER PRIMARY KEY, sku TEXT UNIQUE, price NUMERIC, updated_at TEXT, local_id TEXT, server_id INTEGER);
CREATE TABLE orders (id INTEGER PRIMARY KEY, number TEXT, note, local_id TEXT);
CREATE TABLE items (id INTEGER PRIMARY KEY, order_id INTEGER, product_id INTEGER, order_uuid TEXT, product_server INTEGER, qty);
`;
const PULL_MAPPING = `version: 1
tables:
  shops: {scope: global, direction: push}
  products: {scope: global, natural_key: [sku]}
  orders: {scope: global}
  items:
    scope: global
    references:
      order_id: orders
      product_id: products
      order_uuid: {table: orders, holds: local_id}
      product_server: {table: products, holds: server_id}
`;

export const UP = upStream('test', 0);

export interface TillPullOptions extends TestTillOptions {
  readonly mode?: SyncMode;
}

export class TillPull {
  readonly test: TestTill;
  readonly log: EmbeddedLog;
  readonly clock = { now: 1_700_000_000_000 };
  readonly keys = makeKeyPair();
  readonly mode: SyncMode;
  agentFile: AgentFile;
  capture: TillCapture;
  publisher: Publisher;

  private constructor(test: TestTill, log: EmbeddedLog, mode: SyncMode) {
    this.test = test;
    this.log = log;
    this.mode = mode;
    this.agentFile = AgentFile.open(test.folder, 'T1', () => 'incarnation-1');
    this.capture = this.#newCapture();
    this.publisher = this.newPublisher();
  }

  static async open(options: TillPullOptions): Promise<TillPull> {
    const test = openTestTill(options);
    const log = new EmbeddedLog({ file: join(test.folder, 'log.db'), log: silentLog });
    await log.createTopic(topicSpecUp('test', 1));
    return new TillPull(test, log, options.mode ?? 'stream');
  }

  get app() {
    return this.test.app;
  }

  get till() {
    return this.test.till;
  }

  newPublisher(eventLog: EventLog = this.log, options: Partial<PublisherOptions> = {}): Publisher {
    return new Publisher({
      ...options,
      till: this.till,
      agentFile: this.agentFile,
      eventLog,
      stream: UP,
      databaseId: 'centre',
      keyVersion: 1,
      privateKey: readPrivateKey(this.keys.privateKey),
      mode: this.mode,
      resendAfterMs: 60_000,
      log: silentLog,
      now: () => this.clock.now,
    });
  }

  #newCapture(): TillCapture {
    return new TillCapture({
      till: this.till,
      agentFile: this.agentFile,
      log: silentLog,
      now: () => this.clock.now,
      onCut: () => this.publisher.wake(),
    });
  }

  /** As after a kill -9: nothing in memory survives. */
  restart(): void {
    this.agentFile.close();
    this.test.reopen();
    this.agentFile = AgentFile.open(this.test.folder, 'T1');
    this.capture = this.#newCapture();
    this.publisher = this.newPublisher();
  }

  /** And the centre has said that this file goes on. */
  loseAgentFile(): void {
    this.agentFile.close();
    for (const part of ['', '-wal', '-shm'])
      rmSync(join(this.test.folder, `T1.agent.db${part}`), { force: true });
    this.agentFile = AgentFile.open(this.test.folder, 'T1');
    this.agentFile.goOn([], { upTo: 0, id: null });
    this.restart();
  }

  /** Cuts and publishes until nothing is left. */
  async pull(): Promise<void> {
    this.capture.cutAll();
    while ((await this.publisher.publishNext()) > 0);
  }

  /** Every record of the up stream, with its signature checked. */
  async records(): Promise<UnitRecord[]> {
    const { end } = await this.log.offsets(UP);
    const stop = new AbortController();
    const stored: StoredRecord[] = [];
    for await (const batch of this.log.read(UP, { from: 0, signal: stop.signal })) {
      stored.push(...batch);
      if ((batch.at(-1)?.offset ?? 0) + 1 >= end) break;
    }
    stop.abort();
    return stored
      .filter(({ key, value }) => key?.toString() === 'T1' && value !== null)
      .map(({ value, headers }) => {
        const bytes = value as Buffer;
        const signature = headers[SIGNATURE_HEADER];
        if (signature === undefined || !verifyBytes(bytes, signature, this.keys.publicKey)) {
          throw new Error('a record with a wrong signature');
        }
        return decodeUnitRecord(bytes);
      });
  }

  async units(): Promise<Unit[]> {
    return (await this.records()).flatMap(({ units }) => units);
  }

  async changes(): Promise<UnitChange[]> {
    return (await this.units()).flatMap(({ changes }) => changes);
  }

  settle(upToSeq: number): void {
    const { flight } = this.capture;
    this.till.write(() => {
      for (const change of flight.openUpTo(upToSeq)) flight.settle(change, 'applied');
    });
  }

  async close(): Promise<void> {
    await this.log.close();
    this.agentFile.close();
    this.test.close();
  }
}

/** Opens tills for the tests of a file, one per test, and closes it afterwards. */
export function useTillPull(): (options?: Partial<TillPullOptions>) => Promise<TillPull> {
  let open: TillPull | undefined;
  afterEach(async () => {
    await open?.close();
    open = undefined;
  });
  return async (options = {}) => {
    open = await TillPull.open({ schema: PULL_SCHEMA, mapping: PULL_MAPPING, ...options });
    return open;
  };
}

export const uuid = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;

/** One order with its lines, in one transaction of the app. */
export function sell(t: TillPull, n: number, lines = 4): void {
  t.app.transaction(() => {
    const order = t.app.prepare('INSERT INTO orders (number, local_id) VALUES (?, ?)').run(`N${n}`, uuid(n));
    const line = t.app.prepare('INSERT INTO items (order_id, qty) VALUES (?, ?)');
    for (let index = 0; index < lines; index += 1) line.run(order.lastInsertRowid, index);
  })();
}
