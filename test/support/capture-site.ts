/** A centre with capture on the embedded log: a real PostgreSQL, a small shop, and readers of its streams. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { pino, type Logger } from 'pino';
import { startPostgres } from '../../scripts/support/postgres.ts';
import { until } from '../../scripts/support/until.ts';
import { Capture } from '../../services/central-capture/capture.ts';
import type { CaptureSession } from '../../services/central-capture/session.ts';
import { grantsSql } from '../../services/central-capture/setup/grants.ts';
import { setupCentre } from '../../services/central-capture/setup/setup.ts';
import type { ChangeRecord, ControlRecord } from '../../services/shared/records/change-record.ts';
import { asPayflowError, type PayflowError } from '../../services/shared/errors.ts';
import { decodeChange, decodeControl, isControl } from '../../services/shared/records/envelope.ts';
import type { Health } from '../../services/shared/lifecycle.ts';
import { EmbeddedLog } from '../../services/shared/log/embedded-log.ts';
import type { EventLog, StoredRecord } from '../../services/shared/log/event-log.ts';
import type { Registry } from '../../services/shared/metrics.ts';
import { parseMapping } from '../../services/shared/mapping/mapping-parser.ts';
import { createPool } from '../../services/shared/database/postgres.ts';
import { SchemaRegistry } from '../../services/shared/records/schema-registry.ts';
import { catalogTopic, storeTopic } from '../../services/shared/log/topics.ts';

export const SHOP_SQL = `
  CREATE TABLE products (
    id bigint PRIMARY KEY, sku text NOT NULL, price numeric(12,2), description text,
    changed timestamptz, data jsonb, weight double precision, photo bytea, active boolean, shelf int
  );
  CREATE TABLE orders (id bigint PRIMARY KEY, store_id text, note text);
  CREATE TABLE order_items (id bigint PRIMARY KEY, order_id bigint, qty int);
`;

export const SHOP_MAPPING = `
version: 1
tables:
  products: { scope: global }
  orders: { scope: { store: store_id } }
  order_items: { scope: { store: { via: order_id } }, references: { order_id: orders } }
`;

const OBJECT_IN_USE = '55006';

export interface CaptureSiteOptions {
  readonly sql?: string;
  readonly mapping?: string;
  /** Wraps the log that capture is given. */
  readonly wrapLog?: (log: EventLog) => EventLog;
  readonly heartbeatMs?: number;
  readonly registry?: Registry;
  /** Told how the topics stand. */
  readonly onTopics?: (health: Health) => void;
  /** URL of a database on a server of the test's own. */
  readonly server?: string;
  /** What capture is told instead of the site's own database. */
  readonly databaseUrl?: string;
  /** Capture runs under a login of its own with the least rights, as `payflow setup --grants` makes it. */
  readonly leastRights?: boolean;
  readonly onTables?: (health: Health) => void;
  /** HORIZON_DAYS of setup and capture, asked for at each of their runs. Default: 14. */
  readonly horizonDays?: () => number | undefined;
  /** Default: an embedded log of its own. Closed with the site. */
  readonly eventLog?: EventLog;
}

export interface RunningCapture {
  readonly session: () => CaptureSession;
  readonly stop: () => Promise<void>;
  /** Resolves with what ended it, if it was not `stop`. */
  readonly ended: () => Promise<PayflowError | undefined>;
}

/** Records of a stream, decoded, without the log's own. */
export interface StreamContent {
  readonly stored: readonly StoredRecord[];
  readonly changes: readonly ChangeRecord[];
  readonly controls: readonly ControlRecord[];
}

export class CaptureSite {
  readonly prefix = `t${randomBytes(5).toString('hex')}`;
  readonly log: Logger = pino({ level: process.env['LOG_LEVEL'] ?? 'silent' });
  readonly #folder = mkdtempSync(join(tmpdir(), 'payflow-capture-'));
  readonly #options: CaptureSiteOptions;
  readonly #running = new Set<RunningCapture>();
  #loginUrl: string | undefined;
  readonly eventLog: EventLog;
  readonly url: string;
  readonly pool: pg.Pool;
  readonly #stopPostgres: () => Promise<void>;

  private constructor(options: CaptureSiteOptions, url: string, stopPostgres: () => Promise<void>) {
    this.#options = options;
    this.url = url;
    this.#stopPostgres = stopPostgres;
    this.pool = createPool({ connectionString: url, applicationName: 'test', log: this.log });
    this.eventLog =
      options.eventLog ?? new EmbeddedLog({ file: join(this.#folder, 'log.db'), log: this.log });
  }

  static async start(options: CaptureSiteOptions = {}): Promise<CaptureSite> {
    const { server } = options;
    const postgres =
      server === undefined ? await startPostgres() : { url: server, stop: () => Promise.resolve() };
    const site = new CaptureSite(options, postgres.url, () => postgres.stop());
    await site.pool.query(options.sql ?? SHOP_SQL);
    return site;
  }

  async setup(mapping = this.#options.mapping ?? SHOP_MAPPING) {
    const result = await this.#setup(mapping);
    if (this.#options.leastRights === true) await this.#makeLogin(mapping);
    return result;
  }

  async #setup(mapping: string) {
    return setupCentre({
      pool: this.pool,
      prefix: this.prefix,
      mapping: parseMapping(mapping),
      eventLog: this.eventLog,
      horizonDays: this.#horizonDays(),
      upPartitions: 2,
    });
  }

  #horizonDays(): number | undefined {
    const { horizonDays } = this.#options;
    return horizonDays === undefined ? 14 : horizonDays();
  }

  async #makeLogin(mapping: string): Promise<void> {
    const [capture, apply, gateway] = ['c', 'a', 'g'].map((letter) => `${letter}_${this.prefix}`);
    if (capture === undefined || apply === undefined || gateway === undefined) return;
    const sql = grantsSql(parseMapping(mapping), { capture, apply, gateway });
    await this.pool.query(sql.replace(/^\\.*$/gm, ''));
    await this.pool.query(`ALTER ROLE ${capture} PASSWORD 'secret'`);
    const url = new URL(this.url);
    url.username = capture;
    url.password = 'secret';
    this.#loginUrl = url.href;
  }

  /** Starts a capture and waits until it reads the WAL. */
  async capture(): Promise<RunningCapture> {
    const stop = new AbortController();
    let session: CaptureSession | undefined;
    let failure: PayflowError | undefined;
    const capture = new Capture({
      databaseUrl: this.#options.databaseUrl ?? this.#loginUrl ?? this.url,
      replicationUrl: this.#options.databaseUrl ?? this.#loginUrl ?? this.url,
      onTables: this.#options.onTables,
      eventLog: this.#options.wrapLog?.(this.eventLog) ?? this.eventLog,
      prefix: this.prefix,
      horizonDays: this.#horizonDays(),
      log: this.log,
      heartbeatMs: this.#options.heartbeatMs ?? 10_000,
      onTopics: this.#options.onTopics,
      onSession: (started) => (session = started),
      ...(this.#options.registry && { registry: this.#options.registry }),
    });
    const run = capture.run(stop.signal).catch((error: unknown) => {
      failure = asPayflowError(error);
      this.log.error({ code: failure.code, err: failure }, failure.message);
    });
    const running: RunningCapture = {
      session: () => {
        if (session === undefined) throw new Error('capture has no session');
        return session;
      },
      ended: async () => {
        await run;
        return failure;
      },
      stop: async () => {
        stop.abort();
        await run;
        this.#running.delete(running);
      },
    };
    this.#running.add(running);
    await until(() => session !== undefined || failure !== undefined, 'capture reads the WAL');
    if (failure !== undefined) throw failure;
    return running;
  }

  catalog(): Promise<StreamContent> {
    return this.read(catalogTopic(this.prefix));
  }

  store(storeId: string): Promise<StreamContent> {
    return this.read(storeTopic(this.prefix, storeId));
  }

  /** Everything the stream holds now. */
  async read(topic: string): Promise<StreamContent> {
    const stream = { topic, partition: 0 };
    const { first, end } = await this.eventLog.offsets(stream);
    const stored: StoredRecord[] = [];
    const stop = new AbortController();
    for await (const batch of this.eventLog.read(stream, { from: first, signal: stop.signal })) {
      stored.push(...batch);
      if ((batch.at(-1)?.offset ?? 0) >= end - 1) break;
    }
    stop.abort();
    const schemas = new SchemaRegistry({ eventLog: this.eventLog, prefix: this.prefix });
    const rows = stored.filter((record) => !isControl(record));
    return {
      stored,
      changes: await Promise.all(rows.map(async (record) => decodeChange(record, schemas))),
      controls: stored.flatMap((record) => {
        const decoded = isControl(record) ? decodeControl(record) : undefined;
        return decoded === undefined ? [] : [decoded.control];
      }),
    };
  }

  /** Waits until a record of this key stands in the store's stream. */
  async storeHolds(storeId: string, key: string): Promise<void> {
    const holds = async () => {
      const { stored } = await this.store(storeId);
      return stored.some((record) => record.key?.toString('utf8') === key);
    };
    await until(holds, `${key} in the stream of ${storeId}`);
  }

  /** Waits until all wanted seedings are done. */
  async seeded(): Promise<void> {
    await until(async () => {
      const { rows } = await this.pool.query("SELECT FROM payflow_sync.seeding WHERE state <> 'done'");
      return rows.length === 0;
    }, 'all tables are seeded');
  }

  /**
   * Waits until the slot has confirmed everything that is in the WAL now. That takes a record behind it: what led to
   * none is confirmed with the next. It is the record that is waited for: somebody may have moved the slot itself.
   */
  async acknowledged(): Promise<void> {
    const marker = JSON.stringify({ streams: [catalogTopic(this.prefix)] });
    const { rows } = await this.pool.query<{ lsn: string }>(
      `SELECT pg_logical_emit_message(true, 'payflow.marker', $1)::text AS lsn`,
      [marker],
    );
    await until(
      async () => {
        const confirmed = await this.pool.query(
          `SELECT FROM pg_replication_slots
           WHERE database = current_database() AND confirmed_flush_lsn >= $1::pg_lsn`,
          [rows[0]?.lsn],
        );
        return confirmed.rowCount === 1;
      },
      'the slot has confirmed the WAL',
      { everyMs: 10 },
    );
  }

  /** Drops the slot under whatever capture does. A walsender lives a little longer than its connection. */
  async dropSlot(): Promise<void> {
    const dropped = async () => {
      try {
        await this.pool.query(
          `SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots
           WHERE database = current_database() AND active;
           SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
           WHERE database = current_database()`,
        );
        return true;
      } catch (error) {
        if ((error as { code?: unknown }).code !== OBJECT_IN_USE) throw error;
        return false;
      }
    };
    await until(dropped, 'the slot is dropped', { everyMs: 5 });
  }

  async stop(): Promise<void> {
    for (const running of [...this.#running]) await running.stop();
    await this.pool.end();
    await this.eventLog.close();
    await this.#stopPostgres();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
