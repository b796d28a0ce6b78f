/**
 * One centre (real PostgreSQL, real capture and apply), the embedded log, and three tills, in which every
 * command is one step. What the engine does by itself in loops is done here by hand, in any order.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import type { Pool } from 'pg';
import { startPostgres } from '../../../scripts/support/postgres.ts';
import { until } from '../../../scripts/support/until.ts';
import { CentralApply } from '../../../services/central-apply/apply.ts';
import { Capture } from '../../../services/central-capture/capture.ts';
import { setupCentre } from '../../../services/central-capture/setup/setup.ts';
import { enrolTerminal, makeStoreStream, registerTerminal } from '../../../services/gateway/terminals.ts';
import { asPayflowError, type PayflowError } from '../../../services/shared/errors.ts';
import type { Health, Releaser } from '../../../services/shared/lifecycle.ts';
import { EmbeddedLog } from '../../../services/shared/log/embedded-log.ts';
import { parseMapping } from '../../../services/shared/mapping/mapping-parser.ts';
import { formatLsn, parseLsn } from '../../../services/shared/records/position.ts';
import { decodePositionHeader, POSITION_HEADER } from '../../../services/shared/records/position.ts';
import { createPool } from '../../../services/shared/database/postgres.ts';
import { catalogTopic, storeTopic, upStream } from '../../../services/shared/log/topics.ts';
import type { CaptureSession } from '../../../services/central-capture/session.ts';
import { SMALL_SHOP, TILLS, type Shop } from './schema.ts';
import { ModelTill, newKeyPair, readSome } from './till.ts';

const HORIZON_DAYS = 14;
const silent = pino({ level: process.env['AGREEMENT_LOG'] ?? 'silent' });

interface Parts {
  readonly pool: Pool;
  readonly eventLog: EmbeddedLog;
  readonly shop: Shop;
  readonly databaseUrl: string;
  readonly undo: Releaser[];
}

export class World {
  /** Slots are known to the whole server, so every world has a name of its own. */
  readonly prefix = `model${randomBytes(4).toString('hex')}`;
  readonly pool: Pool;
  readonly eventLog: EmbeddedLog;
  readonly apply: CentralApply;
  readonly shop: Shop;
  readonly tills: ModelTill[] = [];
  /** Next offset central-apply has not seen. */
  upNext = 0;
  captureHealth: Health = { state: 'starting' };
  #captureFailure: PayflowError | undefined;
  #capture: { readonly stop: AbortController; readonly ended: Promise<void> } | undefined;
  #session: CaptureSession | undefined;
  #databaseUrl: string;
  readonly #undo: Releaser[];

  private constructor({ pool, eventLog, shop, databaseUrl, undo }: Parts) {
    this.pool = pool;
    this.eventLog = eventLog;
    this.shop = shop;
    this.#databaseUrl = databaseUrl;
    this.#undo = undo;
    this.apply = new CentralApply({ pool, eventLog, prefix: this.prefix, log: silent });
  }

  /** @param adminUrl of a server that several worlds share; default: one of its own */
  static async open(shop: Shop = SMALL_SHOP, adminUrl?: string): Promise<World> {
    const undo: Releaser[] = [];
    const folder = mkdtempSync(join(tmpdir(), 'payflow-agreement-'));
    undo.push(() => rmSync(folder, { recursive: true, force: true }));
    const postgres = await startPostgres(
      adminUrl === undefined ? {} : { env: { ...process.env, TEST_DATABASE_URL: adminUrl } },
    );
    undo.push(() => postgres.stop());
    const pool = createPool({
      connectionString: postgres.url,
      applicationName: 'model',
      max: 6,
      log: silent,
    });
    undo.push(() => pool.end());
    const eventLog = new EmbeddedLog({ file: join(folder, 'log.db'), log: silent, maintenanceMs: 0 });
    undo.push(() => eventLog.close());
    const world = new World({ pool, eventLog, shop, databaseUrl: postgres.url, undo });
    await pool.query(shop.centralSchema);
    await pool.query(shop.firstRows);
    if (shop.capturesAs === 'owner') await world.#captureAsOwner();
    await world.setup();
    for (const { store } of TILLS) await makeStoreStream({ pool, eventLog, prefix: world.prefix }, store);
    world.startCapture();
    undo.push(() => world.stopCapture());
    for (const { id, store } of TILLS) world.tills.push(await world.#newTill(id, store, folder));
    return world;
  }

  async #captureAsOwner(): Promise<void> {
    const login = `owner_${this.prefix}`;
    await this.pool.query(
      `CREATE ROLE ${login} LOGIN REPLICATION PASSWORD 'secret'; GRANT ${new URL(this.#databaseUrl).username} TO ${login}`,
    );
    this.#undo.push(async () => void (await this.pool.query(`DROP ROLE ${login}`)));
    const url = new URL(this.#databaseUrl);
    url.username = login;
    url.password = 'secret';
    this.#databaseUrl = url.href;
  }

  async setup(): Promise<void> {
    await setupCentre({
      pool: this.pool,
      prefix: this.prefix,
      mapping: parseMapping(this.shop.mapping),
      eventLog: this.eventLog,
      horizonDays: HORIZON_DAYS,
      upPartitions: 1,
    });
  }

  startCapture(): void {
    const stop = new AbortController();
    this.#captureFailure = undefined;
    this.captureHealth = { state: 'starting' };
    this.#session = undefined;
    const capture = new Capture({
      databaseUrl: this.#databaseUrl,
      replicationUrl: this.#databaseUrl,
      eventLog: this.eventLog,
      prefix: this.prefix,
      horizonDays: HORIZON_DAYS,
      onSession: (session) => (this.#session = session),
      onHealth: (health) => (this.captureHealth = health),
      log: silent,
      ...this.shop.capture,
    });
    const ended = capture.run(stop.signal).catch((error: unknown) => {
      this.#captureFailure = asPayflowError(error);
    });
    this.#capture = { stop, ended };
  }

  async stopCapture(): Promise<void> {
    const capture = this.#capture;
    this.#capture = undefined;
    capture?.stop.abort();
    await capture?.ended;
  }

  /** What ended capture, if it was not `stopCapture`, or what it waits for a person with. */
  get captureProblem(): PayflowError | undefined {
    const { captureHealth: health } = this;
    const isLost = health.state === 'unready' && health.error.code === 'PUBLICATION_LOST';
    return this.#captureFailure ?? (isLost ? health.error : undefined);
  }

  /** Of the capture that runs, its newest. */
  get session(): CaptureSession | undefined {
    return this.#capture === undefined ? undefined : this.#session;
  }

  async #newTill(id: string, store: string, folder: string): Promise<ModelTill> {
    const { publicKey, privateKey } = newKeyPair();
    const { enrolmentCode } = await registerTerminal(this.pool, {
      terminalId: id,
      storeId: store,
      upPartitions: 1,
    });
    const enrolled = await enrolTerminal(this.pool, { code: enrolmentCode, publicKey, prefix: this.prefix });
    const till = await ModelTill.open({
      id,
      store,
      folder,
      eventLog: this.eventLog,
      topics: { catalog: catalogTopic(this.prefix), store: storeTopic(this.prefix, store) },
      up: upStream(this.prefix, 0),
      prefix: this.prefix,
      databaseId: enrolled.databaseId,
      mapping: enrolled.mapping,
      keyVersion: enrolled.keyVersion,
      privateKeyPem: privateKey,
      localSchema: this.shop.localSchema,
    });
    this.#undo.push(() => till.close());
    return till;
  }

  /** Central-apply reads at most `records` more. */
  async applyNext(records: number): Promise<number> {
    const batch = await readSome(this.eventLog, upStream(this.prefix, 0), this.upNext, records);
    const last = batch.at(-1);
    if (last === undefined) return 0;
    await this.apply.applyRecords(0, batch);
    this.upNext = last.offset + 1;
    return batch.length;
  }

  /** Central-apply is given again what it has seen, as after a lost reply. */
  async applyAgain(back: number): Promise<void> {
    const batch = await readSome(
      this.eventLog,
      upStream(this.prefix, 0),
      Math.max(0, this.upNext - back),
      back,
    );
    if (batch.length > 0) await this.apply.applyRecords(0, batch);
  }

  /** Everything committed so far stands in the streams. */
  async captured(): Promise<void> {
    // What was there before capture comes by seeding, which no marker waits for.
    await until(
      async () => {
        if (this.captureProblem !== undefined) throw this.captureProblem;
        return (await this.#openSeedings()).length === 0;
      },
      async () =>
        `all tables are seeded: ${(await this.#openSeedings()).join()}; ${JSON.stringify(this.captureHealth)}`,
    );
    await this.streamed();
    if (this.captureProblem !== undefined) throw this.captureProblem;
  }

  /** What was committed so far and is not left to a seeding stands in the streams, or capture has a problem. */
  async streamed(): Promise<void> {
    const found = await this.pool.query<{ lsn: string }>(
      `SELECT pg_logical_emit_message(true, 'payflow.marker', '{"streams":"all"}')::text AS lsn`,
    );
    const wanted = parseLsn(found.rows[0]?.lsn ?? '0/0');
    for (const topic of this.downTopics()) {
      await until(
        async () => this.captureProblem !== undefined || (await this.#tailLsn(topic)) >= wanted,
        async () => `${topic} reaches ${formatLsn(wanted)}; ${await this.#replication()}`,
        { everyMs: 5 },
      );
    }
  }

  async #tailLsn(topic: string): Promise<bigint> {
    const stream = { topic, partition: 0 };
    const { end } = await this.eventLog.offsets(stream);
    const tail = await readSome(this.eventLog, stream, Math.max(0, end - 1), 1);
    const header = tail[0]?.headers[POSITION_HEADER];
    return header === undefined ? 0n : decodePositionHeader(header).position.lsn;
  }

  async #openSeedings(): Promise<string[]> {
    const { rows } = await this.pool.query<{ seeding: string }>(
      `SELECT concat_ws(' ', table_name, state, last_key) AS seeding FROM payflow_sync.seeding
       WHERE state <> 'done' AND epoch = (SELECT value::int FROM payflow_sync.meta WHERE name = 'epoch')`,
    );
    return rows.map(({ seeding }) => seeding);
  }

  async #replication(): Promise<string> {
    const found = await this.pool.query<{ state: string }>(
      `SELECT coalesce(json_agg(s), '[]')::text AS state FROM (
         SELECT slot_name, active, confirmed_flush_lsn, r.sent_lsn, r.state FROM pg_replication_slots
           LEFT JOIN pg_stat_replication r ON r.pid = active_pid WHERE database = current_database()) s`,
    );
    return found.rows[0]?.state ?? '';
  }

  downTopics(): string[] {
    return [catalogTopic(this.prefix), ...new Set(TILLS.map(({ store }) => storeTopic(this.prefix, store)))];
  }

  async compact(stream: 'catalog' | 'store'): Promise<void> {
    const topics = this.downTopics().filter(
      (topic) => (topic === catalogTopic(this.prefix)) === (stream === 'catalog'),
    );
    for (const topic of topics) await this.eventLog.compact(topic, { ignoreLag: true });
  }

  /** Lets everything flow until nothing moves any more. @throws Error that says what stays unsettled */
  async settle(): Promise<void> {
    for (let round = 0; round < 30; round += 1) {
      let moved = 0;
      for (const till of this.tills) {
        await till.lookThrough();
        till.agent.apply.applyLocal();
        till.agent.capture.cutAll();
        while ((await till.agent.publisher.publishNext()) > 0) moved += 1;
      }
      while ((await this.applyNext(100)) > 0) moved += 1;
      await this.captured();
      for (const till of this.tills) {
        for (const stream of ['catalog', 'store'] as const) while ((await till.read(stream, 1_000)) > 0);
      }
      if (moved === 0 && this.tills.every((till) => till.openEntries() === 0)) return;
    }
    throw new Error(
      `not settled: ${this.tills.map((till) => `${till.setup.id} ${till.openEntries()} open`).join(', ')}`,
    );
  }

  async close(): Promise<void> {
    for (const undo of this.#undo.reverse()) await undo();
  }
}
