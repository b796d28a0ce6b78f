/** A whole terminal agent on the embedded log, with a hand-made centre that answers what the test wants. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { until } from '../../scripts/support/until.ts';
import { LINK_TABLE, MAPPING_TABLE, PROGRESS_TABLE } from '../../services/shared/records/change-record.ts';
import { EmbeddedLog } from '../../services/shared/log/embedded-log.ts';
import type { StoredRecord } from '../../services/shared/log/event-log.ts';
import { SchemaRegistry } from '../../services/shared/records/schema-registry.ts';
import { makeKeyPair, readPrivateKey } from '../../services/shared/records/signature.ts';
import {
  topicSpecCatalog,
  topicSpecSchemas,
  topicSpecStore,
  topicSpecUp,
  upTopic,
} from '../../services/shared/log/topics.ts';
import { decodeUnitRecord } from '../../services/shared/records/unit-codec.ts';
import type { UnitChange, UnitRecord } from '../../services/shared/records/unit-record.ts';
import { TerminalAgent, type TerminalAgentOptions } from '../../services/terminal-agent/agent.ts';
import { HealthBoard } from '../../services/shared/health.ts';
import type { Health } from '../../services/shared/lifecycle.ts';
import { runReopening } from '../../services/terminal-agent/reopening.ts';
import { DownStream, TestSchemas } from './down-stream.ts';
import { CATALOG, SHOP_CENTRAL, SHOP_MAPPING, SHOP_SCHEMA, STORE } from './shop-till.ts';
import { silentLog } from './till.ts';

const PREFIX = 'payflow';

interface AppOptions {
  readonly journalMode?: 'wal' | 'delete';
}

export class AgentTill {
  readonly folder: string;
  app: Database.Database;
  readonly schemas = new TestSchemas(SHOP_CENTRAL);
  catalog = new DownStream(this.schemas);
  store = new DownStream(this.schemas);
  log: EmbeddedLog;
  agent!: TerminalAgent;
  /** What became of the till file. */
  readonly fileHealth: Health[] = [];
  /** Of the agent's parts. */
  readonly health = new HealthBoard();
  readonly #options: Partial<TerminalAgentOptions>;
  readonly #privateKey = readPrivateKey(makeKeyPair().privateKey);
  #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();

  private constructor(options: Partial<TerminalAgentOptions>, { journalMode = 'wal' }: AppOptions) {
    this.#options = options;
    this.folder = mkdtempSync(join(tmpdir(), 'payflow-agent-'));
    this.app = new Database(this.file);
    this.app.pragma(`journal_mode = ${journalMode}`);
    this.app.exec(SHOP_SCHEMA);
    this.log = new EmbeddedLog({ file: join(this.folder, 'log.db'), log: silentLog, maintenanceMs: 0 });
  }

  static async start(options: Partial<TerminalAgentOptions> = {}, app: AppOptions = {}): Promise<AgentTill> {
    const till = new AgentTill(options, app);
    await till.createTopics();
    till.run();
    return till;
  }

  async createTopics(): Promise<void> {
    const specs = [
      topicSpecCatalog(PREFIX, 14),
      topicSpecStore(PREFIX, 'S1', 14),
      topicSpecUp(PREFIX, 1),
      topicSpecSchemas(PREFIX),
    ];
    for (const spec of specs) await this.log.createTopic(spec);
    const registry = new SchemaRegistry({ eventLog: this.log, prefix: PREFIX });
    for (const table of [...Object.keys(SHOP_CENTRAL), LINK_TABLE, PROGRESS_TABLE, MAPPING_TABLE]) {
      await registry.publish(this.schemas.of(table).schema);
    }
  }

  run(): void {
    this.#stop = new AbortController();
    this.#running = runReopening({
      // Known from the first moment on: tests look at it at once.
      open: () => (this.agent = this.#open()),
      signal: this.#stop.signal,
      log: silentLog,
      onOpen: () => undefined,
      onHealth: (health) => this.fileHealth.push(health),
    });
  }

  #open(): TerminalAgent {
    return new TerminalAgent({
      terminalDb: this.file,
      dataDir: this.folder,
      eventLog: this.log,
      prefix: PREFIX,
      identity: {
        terminalId: 'T1',
        storeId: 'S1',
        token: 'token',
        databaseId: 'database',
        prefix: PREFIX,
        partition: 0,
        streams: { catalog: CATALOG, store: STORE, up: upTopic(PREFIX) },
        mapping: { version: 1, source: SHOP_MAPPING },
        keyVersion: 1,
        gatewayUrl: 'http://127.0.0.1:1',
        privateKey: this.#privateKey,
      },
      log: silentLog,
      mode: 'stream',
      gatewayUrl: null,
      health: this.health,
      ...this.#options,
    });
  }

  async stopAgent(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async toCatalog(records: readonly StoredRecord[]): Promise<void> {
    await this.#append(CATALOG, records);
  }

  async toStore(records: readonly StoredRecord[]): Promise<void> {
    await this.#append(STORE, records);
  }

  async #append(topic: string, records: readonly StoredRecord[]): Promise<void> {
    await this.log.append(
      { topic, partition: 0 },
      records.map(({ key, value, headers }) => ({ key, value, headers })),
    );
  }

  get file(): string {
    return join(this.folder, 'payflow.db');
  }

  /** The app is started again: it opens whatever stands at the path now. */
  restartApp(): void {
    this.app.close();
    this.app = new Database(this.file);
  }

  /** Every change that the till has published, in order. */
  async published(): Promise<UnitChange[]> {
    return (await this.records()).flatMap(({ units }) => units.flatMap((unit) => unit.changes));
  }

  /** Every record that the till has published, in order. */
  async records(): Promise<UnitRecord[]> {
    const stream = { topic: upTopic(PREFIX), partition: 0 };
    const { first, end } = await this.log.offsets(stream);
    const records: UnitRecord[] = [];
    if (first === end) return records;
    const stop = new AbortController();
    for await (const batch of this.log.read(stream, { from: first, signal: stop.signal })) {
      for (const { key, value } of batch) {
        if (value === null || key?.toString().startsWith('~') === true) continue;
        records.push(decodeUnitRecord(value));
      }
      if ((batch.at(-1)?.offset ?? end) >= end - 1) stop.abort();
    }
    return records;
  }

  rows(sql: string): unknown[] {
    return this.app.prepare(sql).all();
  }

  /** @throws Error that says what was still missing */
  async until(what: string, reached: () => boolean | Promise<boolean>, timeoutMs = 30_000): Promise<void> {
    await until(reached, what, { deadlineMs: timeoutMs, everyMs: 10 });
  }

  async close(): Promise<void> {
    await this.stopAgent();
    await this.log.close();
    this.app.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
