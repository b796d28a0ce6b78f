/**
 * One till's agent: captures what the app wrote and publishes it, reads its two streams and applies them, and
 * answers what the centre asks for. Everything opened here is closed by `close`.
 */
import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import type {
  AgentStatus,
  BootstrapResult,
  PullResult,
  PushResult,
  ReplayResult,
  SyncMode,
} from '../shared/agent-protocol.ts';
import type { HealthParts } from '../shared/health.ts';
import { runAll, supervise, type Health, type Service } from '../shared/lifecycle.ts';
import { readLocalCatalog, type LocalTable } from '../shared/catalog/local-catalog.ts';
import type { EventLog } from '../shared/log/event-log.ts';
import { parseMapping } from '../shared/mapping/mapping-parser.ts';
import { PayflowError } from '../shared/errors.ts';
import { SchemaRegistry } from '../shared/records/schema-registry.ts';
import { wrapSqliteError } from '../shared/database/sqlite.ts';
import { upStream } from '../shared/log/topics.ts';
import { AgentFile } from './units/agent-file.ts';
import { agentStatus } from './agent-status.ts';
import { TillApply } from './apply.ts';
import { BootstrapRequests } from './bootstrap-requests.ts';
import { TillCapture } from './capture.ts';
import { isMendedOutside } from './mended-outside.ts';
import { GatewayLink, type LinkedAgent } from './gateway-link.ts';
import type { TerminalIdentity } from './identity.ts';
import { pullResult, TillRequests, type ReplayRequest } from './requests.ts';
import { Publisher } from './publisher.ts';
import { Pulse, Valve } from './pulse.ts';
import { TillRetention } from './units/retention.ts';
import { EarlierRowsWatch } from './earlier-rows-watch.ts';
import { StreamReader } from './streams/stream-reader.ts';
import { TillStanding } from './standing.ts';
import { StandingWatch } from './standing-watch.ts';
import { fillAgentFile } from './take-over/agent-file-over.ts';
import { TillDatabase } from './till/till-database.ts';
import { waitForApp } from './till/write-gate.ts';
import { TillVerify } from './verify/till-verify.ts';

export interface TerminalAgentOptions {
  readonly terminalDb: string;
  readonly dataDir: string;
  readonly eventLog: EventLog;
  readonly prefix: string;
  readonly identity: TerminalIdentity;
  readonly log: Logger;
  readonly mode: SyncMode;
  readonly batchSize?: number;
  readonly txRows?: number;
  readonly resendAfterMs?: number;
  /** Of a till whose enrolment does not say it. */
  readonly horizonDays?: number | undefined;
  readonly retentionDays?: number;
  readonly freeMb?: number;
  /** Where it is not what terminal.json says; null: no link. */
  readonly gatewayUrl?: string | null;
  readonly health?: HealthParts;
  readonly now?: () => number;
  /** Whoever starts the agent holds the lock of the till's file, and gives it back. */
  readonly isLocked?: boolean | undefined;
}

export class TerminalAgent implements Service, LinkedAgent {
  readonly name = 'terminal-agent';
  readonly till: TillDatabase;
  readonly capture: TillCapture;
  readonly publisher: Publisher;
  readonly apply: TillApply;
  readonly readers: readonly StreamReader[];
  readonly verify: TillVerify;
  readonly #options: TerminalAgentOptions;
  readonly #agentFile: AgentFile;
  readonly #valve: Valve;
  readonly #standing = new TillStanding();
  readonly #watch: StandingWatch;
  readonly #requests: TillRequests;
  readonly #earlierRows: EarlierRowsWatch;
  readonly #bootstrap: BootstrapRequests;
  /** The app wrote. */
  readonly #written = new Pulse();
  /** Something was applied or settled. */
  readonly #applied = new Pulse();

  /** @throws PayflowError TERMINAL_DB_… when the file cannot be used; nothing stays open then */
  constructor(options: TerminalAgentOptions) {
    const { identity, log, eventLog, prefix, mode, now = Date.now } = options;
    this.#options = options;
    this.#valve = new Valve({ always: mode === 'stream' });
    this.#agentFile = AgentFile.open(options.dataDir, identity.terminalId, randomUUID);
    try {
      this.till = TillDatabase.open({
        file: options.terminalDb,
        mapping: parseMapping(identity.mapping.source, identity.mapping.version),
        terminalId: identity.terminalId,
        incarnation: this.#agentFile.incarnation,
        databaseId: identity.databaseId,
        isLocked: options.isLocked,
        log,
      });
    } catch (error) {
      this.#agentFile.close();
      throw error;
    }
    try {
      this.till.useIncarnation({ keepsSettled: this.#agentFile.claim(this.till.incarnationBefore) });
      fillAgentFile({ till: this.till, agentFile: this.#agentFile, nowMs: now(), log });
      this.publisher = this.#publisher();
      this.capture = new TillCapture({
        till: this.till,
        agentFile: this.#agentFile,
        log,
        now,
        onCut: () => this.#onCut(),
        standing: this.#standing,
        ...this.#part('capture'),
      });
      this.apply = new TillApply({
        till: this.till,
        schemas: new SchemaRegistry({ eventLog, prefix }),
        topics: { catalog: identity.streams.catalog, store: identity.streams.store },
        log,
        now,
        standing: this.#standing,
        ownUnits: this.#agentFile,
        capture: this.capture,
        horizonDays: identity.horizonDays ?? options.horizonDays,
        ...(options.batchSize !== undefined && { batchSize: options.batchSize }),
        ...(options.txRows !== undefined && { txRows: options.txRows }),
      });
      this.#watch = this.#standingWatch();
      const { till, apply } = this;
      this.#earlierRows = new EarlierRowsWatch({ till, flight: apply.flight, log, now });
      this.readers = [identity.streams.catalog, identity.streams.store].map((topic) => this.#reader(topic));
      this.#requests = new TillRequests({
        apply: this.apply,
        capture: this.capture,
        publisher: this.publisher,
        eventLog,
        topics: [identity.streams.catalog, identity.streams.store],
        applied: this.#applied,
        valve: this.#valve,
        now,
      });
      this.#bootstrap = new BootstrapRequests({
        till,
        agentFile: this.#agentFile,
        capture: this.capture,
        apply,
        requests: this.#requests,
        standing: this.#standing,
        log,
        onDone: () => {
          this.#earlierRows.look({ atOnce: true });
          this.#written.notify();
        },
      });
      this.verify = new TillVerify({
        till: this.till,
        apply: this.apply,
        capture: this.capture,
        reached: (position) => this.#requests.reached(position),
        stream: ({ global }) => this.#readerOf(global ? identity.streams.catalog : identity.streams.store),
      });
      this.#watch.start(this.capture.checkFile()?.message ?? null);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Works until the signal is aborted. @throws PayflowError when a person must change something */
  async run(signal: AbortSignal): Promise<void> {
    const { log, identity, retentionDays = 30, now = Date.now } = this.#options;
    const retention = new TillRetention({
      till: this.till,
      agentFile: this.#agentFile,
      flight: this.capture.flight,
      settledSeq: () => this.publisher.settledSeq,
      log,
      now,
      keepDays: retentionDays,
    });
    const local: Service = { name: 'till-local', run: (stop) => this.#runLocal(stop) };
    const services: Service[] = [this.capture, this.publisher, ...this.readers, retention, local];
    const url = this.#options.gatewayUrl === undefined ? identity.gatewayUrl : this.#options.gatewayUrl;
    if (url !== null) {
      const { token } = identity;
      services.push(new GatewayLink({ url, token, mode: this.#options.mode, agent: this, log }));
    }
    await runAll(services, signal);
  }

  close(): void {
    this.till.close();
    this.#agentFile.close();
  }

  async flush({ timeoutMs, jobId }: { timeoutMs: number; jobId?: string }): Promise<PullResult> {
    return pullResult(await this.#requests.flush(timeoutMs, jobId));
  }

  async catchUp(options: { lsn: string; timeoutMs: number; jobId?: string }): Promise<PushResult> {
    return this.#requests.catchUp(options);
  }

  async replay(options: ReplayRequest): Promise<ReplayResult> {
    return this.#requests.replay(options);
  }

  async bootstrap(options: { dryRun: boolean }): Promise<BootstrapResult> {
    return this.#bootstrap.offer(options);
  }

  async bootstrapNone(): Promise<BootstrapResult> {
    return Promise.resolve(this.#bootstrap.none());
  }

  status(): AgentStatus {
    const { identity, mode } = this.#options;
    return agentStatus({
      till: this.till,
      earlierRows: this.#earlierRows.counted,
      apply: this.apply,
      topics: [identity.streams.catalog, identity.streams.store],
      mode,
    });
  }

  catalog(): readonly LocalTable[] {
    return [...readLocalCatalog(this.till.db).values()];
  }

  #onCut(): void {
    this.publisher.wake();
    this.#written.notify();
  }

  /** Edits that are put back and rows that find room now; seldom, so it follows capture instead of leading it. */
  async #runLocal(signal: AbortSignal): Promise<void> {
    await supervise(signal, { log: this.#options.log, endures: isMendedOutside }, async (ready) => {
      while (!signal.aborted) {
        await this.#written.wait(60_000, signal);
        await waitForApp(this.till.gate, signal);
        if (signal.aborted) return;
        try {
          await this.apply.sweep.due(signal);
          if (signal.aborted) return;
          if (this.apply.applyLocal()) this.#written.notify();
          this.#earlierRows.look();
        } catch (error) {
          throw wrapSqliteError(error, this.till.db.name);
        }
        ready();
        this.#watch.look();
        this.#applied.notify();
      }
    });
  }

  #standingWatch(): StandingWatch {
    const { identity, log, health } = this.#options;
    return new StandingWatch({
      till: this.till,
      agentFile: this.#agentFile,
      apply: this.apply,
      topics: identity.streams,
      standing: this.#standing,
      token: identity.token,
      newIncarnation: randomUUID,
      log,
      onHealth: health?.part('standing'),
      onChange: () => {
        const { kind } = this.#standing.current;
        if (kind === 'retired') this.#valve.shut();
        // Nobody else would ask for what says that it goes on.
        this.#valve.need(this.#agentFile.waiting !== null && kind !== 'retired');
        // At start, and for a till that was fenced once it goes on.
        if (identity.registration !== undefined) this.capture.beginRegistration(identity.registration);
        // To announce the file, or to send what has waited.
        this.publisher.wake();
      },
    });
  }

  #publisher(): Publisher {
    const { identity, eventLog, prefix, mode, log, now = Date.now, resendAfterMs = 60_000 } = this.#options;
    return new Publisher({
      till: this.till,
      agentFile: this.#agentFile,
      eventLog,
      stream: upStream(prefix, identity.partition),
      databaseId: identity.databaseId,
      keyVersion: identity.keyVersion,
      privateKey: identity.privateKey,
      mode,
      resendAfterMs,
      log,
      now,
      standing: this.#standing,
      ...this.#part('publisher'),
    });
  }

  #readerOf(topic: string): StreamReader {
    const reader = this.readers.find((each) => each.topic === topic);
    if (reader === undefined) throw new PayflowError('INTERNAL', `no reader of ${topic}`);
    return reader;
  }

  #reader(topic: string): StreamReader {
    const { eventLog, log, now = Date.now, freeMb = 0 } = this.#options;
    return new StreamReader({
      till: this.till,
      apply: this.apply,
      eventLog,
      stream: { topic, partition: 0 },
      valve: this.#valve,
      horizonDays: () => this.apply.horizon.days,
      freeMb,
      log,
      now,
      onApplied: () => {
        this.#watch.look();
        this.#earlierRows.look();
        this.#applied.notify();
        this.publisher.wake();
      },
      ...this.#part(topic),
    });
  }

  #part(name: string): { onHealth?: (health: Health) => void } {
    const { health } = this.#options;
    return health === undefined ? {} : { onHealth: health.part(name) };
  }
}
