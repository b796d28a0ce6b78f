/** One till of the world: the app's connection, and the agent's parts, driven a step at a time. */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { pino } from 'pino';
import type { EventLog, StoredRecord, StreamRef } from '../../../services/shared/log/event-log.ts';
import { parseMapping } from '../../../services/shared/mapping/mapping-parser.ts';
import { SchemaRegistry } from '../../../services/shared/records/schema-registry.ts';
import { makeKeyPair, readPrivateKey } from '../../../services/shared/records/signature.ts';
import { AgentFile } from '../../../services/terminal-agent/units/agent-file.ts';
import { TillApply } from '../../../services/terminal-agent/apply.ts';
import { TillCapture } from '../../../services/terminal-agent/capture.ts';
import { Publisher } from '../../../services/terminal-agent/publisher.ts';
import { TillStanding } from '../../../services/terminal-agent/standing.ts';
import { StandingWatch } from '../../../services/terminal-agent/standing-watch.ts';
import { fillAgentFile } from '../../../services/terminal-agent/take-over/agent-file-over.ts';
import { unsweptTables } from '../../../services/terminal-agent/file/unswept.ts';
import { ownTriggersOf } from '../../../services/terminal-agent/till/sync-install.ts';
import { TillDatabase } from '../../../services/terminal-agent/till/till-database.ts';

export interface TillSetup {
  readonly id: string;
  readonly store: string;
  readonly folder: string;
  readonly eventLog: EventLog;
  readonly topics: { readonly catalog: string; readonly store: string };
  readonly up: StreamRef;
  readonly prefix: string;
  readonly databaseId: string;
  readonly mapping: { readonly version: number; readonly source: string };
  readonly keyVersion: number;
  readonly privateKeyPem: string;
  readonly localSchema: string;
  /** Told of the two files of an agent that starts, before it does anything with them. */
  readonly onOpen?: ((files: OpenFiles) => void) | undefined;
}

export interface OpenFiles {
  readonly till: TillDatabase;
  readonly agentFile: AgentFile;
}

interface Agent extends OpenFiles {
  readonly capture: TillCapture;
  readonly publisher: Publisher;
  readonly apply: TillApply;
  readonly standing: TillStanding;
  readonly watch: StandingWatch;
  /** Where the next record of each topic is read from; ahead of the stored offset by an unfinished transaction. */
  readonly next: Map<string, number>;
}

export const newKeyPair = makeKeyPair;
const silent = pino({ level: process.env['AGREEMENT_LOG'] ?? 'silent' });

export class ModelTill {
  readonly setup: TillSetup;
  /** Opened anew where another file has come to the place. */
  app: Database.Database;
  #agent: Agent | undefined;

  private constructor(setup: TillSetup) {
    this.setup = setup;
    this.app = new Database(this.file);
  }

  static async open(setup: TillSetup): Promise<ModelTill> {
    const till = new ModelTill(setup);
    till.app.pragma('journal_mode = WAL');
    till.app.pragma('synchronous = OFF');
    till.app.exec(setup.localSchema);
    await till.start();
    return till;
  }

  get file(): string {
    return join(this.setup.folder, `${this.setup.id}.db`);
  }

  get isRunning(): boolean {
    return this.#agent !== undefined;
  }

  get agent(): Agent {
    if (this.#agent === undefined) throw new Error('the agent is stopped');
    return this.#agent;
  }

  async start(): Promise<void> {
    const files = this.#openFiles();
    try {
      this.#agent = await this.#startAgent(files);
      const { capture, watch } = this.#agent;
      watch.start(capture.checkFile()?.message ?? null);
    } catch (error) {
      this.#agent = undefined;
      files.till.close();
      files.agentFile.close();
      throw error;
    }
  }

  #openFiles(): OpenFiles {
    const { setup } = this;
    const agentFile = AgentFile.open(setup.folder, setup.id);
    try {
      const till = TillDatabase.open({
        file: this.file,
        mapping: parseMapping(setup.mapping.source, setup.mapping.version),
        terminalId: setup.id,
        incarnation: agentFile.incarnation,
        log: silent,
        // Far apart, so that the write gate never makes a step wait.
        elapsedMs: monotonicMinutes(),
      });
      return { till, agentFile };
    } catch (error) {
      agentFile.close();
      throw error;
    }
  }

  async #startAgent({ till, agentFile }: OpenFiles): Promise<Agent> {
    const { setup } = this;
    const { eventLog, topics } = setup;
    setup.onOpen?.({ till, agentFile });
    till.useIncarnation({ keepsSettled: agentFile.claim(till.incarnationBefore) });
    fillAgentFile({ till, agentFile, nowMs: Date.now(), log: silent });
    const standing = new TillStanding();
    const capture = new TillCapture({ till, agentFile, standing, log: silent });
    const apply = new TillApply({
      till,
      capture,
      schemas: new SchemaRegistry({ eventLog, prefix: setup.prefix }),
      topics,
      ownUnits: agentFile,
      standing,
      log: silent,
      // Whatever has to be still for some time is.
      elapsedMs: monotonicMinutes(),
    });
    const next = new Map<string, number>();
    for (const topic of [topics.catalog, topics.store]) {
      next.set(topic, apply.resume(topic));
      apply.checkpoints.setCatchUpEnd(topic, (await eventLog.offsets({ topic, partition: 0 })).end);
    }
    const publisher = new Publisher({
      till,
      agentFile,
      eventLog,
      stream: setup.up,
      databaseId: setup.databaseId,
      keyVersion: setup.keyVersion,
      privateKey: readPrivateKey(setup.privateKeyPem),
      mode: 'stream',
      // Resends are steps of the model; by itself it never resends.
      resendAfterMs: 24 * 60 * 60 * 1000,
      standing,
      log: silent,
    });
    const watch = new StandingWatch({
      till,
      agentFile,
      apply,
      topics,
      standing,
      token: setup.privateKeyPem,
      newIncarnation: randomUUID,
      log: silent,
      onChange: () => undefined,
    });
    return { till, agentFile, capture, publisher, apply, standing, watch, next };
  }

  /** As kill -9 does: nothing is finished, nothing is flushed. */
  stop(): void {
    const { till, agentFile } = this.agent;
    this.#agent = undefined;
    till.close();
    agentFile.close();
  }

  /** Reads at most `records` more of the stream. @returns how many there were */
  async read(stream: 'catalog' | 'store', records: number): Promise<number> {
    const { apply, next, watch } = this.agent;
    const topic = this.setup.topics[stream];
    const batch = await readSome(this.setup.eventLog, { topic, partition: 0 }, next.get(topic) ?? 0, records);
    const last = batch.at(-1);
    if (last === undefined) return 0;
    if (await apply.applyBatch(topic, batch)) next.set(topic, last.offset + 1);
    else {
      // As the reader does: tables or columns are new to the till.
      next.set(topic, apply.resume(topic));
      apply.checkpoints.setCatchUpEnd(
        topic,
        (await this.setup.eventLog.offsets({ topic, partition: 0 })).end,
      );
    }
    watch.look();
    return batch.length;
  }

  async lookThrough(): Promise<void> {
    const { till, apply, watch } = this.agent;
    till.appCommitted();
    await apply.sweep.due();
    watch.look();
  }

  /** The app has made a table anew, and nobody has looked through it yet. */
  get isUnseen(): boolean {
    const { db, binding } = this.agent.till;
    const isCaptured = (table: string) => ownTriggersOf(db, table).length > 0;
    return unsweptTables(db).size > 0 || ![...binding.tables.keys()].every(isCaptured);
  }

  /** Changes that the centre has not answered, or that are not even cut. */
  openEntries(): number {
    const { capture, apply } = this.agent;
    capture.cutAll();
    return apply.unsettled().length;
  }

  close(): void {
    if (this.#agent !== undefined) this.stop();
    this.app.close();
  }
}

/** At most `limit` records from an offset on; fewer at the end of the stream, where it does not wait. */
export async function readSome(
  eventLog: EventLog,
  stream: StreamRef,
  from: number,
  limit: number,
): Promise<StoredRecord[]> {
  const { first, end } = await eventLog.offsets(stream);
  if (from >= end) return [];
  const stop = new AbortController();
  const records: StoredRecord[] = [];
  for await (const batch of eventLog.read(stream, { from: Math.max(first, from), signal: stop.signal })) {
    records.push(...batch.slice(0, limit - records.length));
    if (records.length >= limit || (batch.at(-1)?.offset ?? end) >= end - 1) stop.abort();
  }
  return records;
}

function monotonicMinutes(): () => number {
  let minutes = 0;
  return () => (minutes += 1) * 60_000;
}
