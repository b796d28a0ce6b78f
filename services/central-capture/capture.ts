/**
 * Takes the changes out of the central database: WAL → down streams. One per replication slot; the slot itself
 * keeps a second one out.
 *
 * What has been acknowledged is durable in every stream it concerns. What has not is sent again by the slot
 * after a crash, whole transactions at a time, and what of it stands in a stream already is not written twice.
 */
import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import type { Pool } from 'pg';
import {
  runAll,
  sleep,
  supervise,
  withReleasers,
  type Health,
  type Releaser,
  type Service,
} from '../shared/lifecycle.ts';
import type { EventLog } from '../shared/log/event-log.ts';
import { isMendedAtTheLog } from '../shared/log/mended-outside.ts';
import type { Registry } from '../shared/metrics.ts';
import { catalogTopic } from '../shared/log/topics.ts';
import { asPayflowError, errorLine, PayflowError } from '../shared/errors.ts';
import { createPool, isShutdown, wrapPostgresError } from '../shared/database/postgres.ts';
import { publicationName, slotName } from '../shared/database/slot-names.ts';
import { captureMetrics, type CaptureCounts, type Measured } from './capture-metrics.ts';
import { readCentreState, reseedAfterLoss, type CentreState } from './centre-state.ts';
import { noteLostPublication } from './setup/publication.ts';
import { ReplicationStream } from './wal/replication-stream.ts';
import { CaptureSession } from './session.ts';
import { StreamLimits } from './streams/stream-limits.ts';
import { judgeTails } from './streams/tail-check.ts';
import type { StateOfTable } from './watch/catalog-watch.ts';
import { PgoutputMemory } from './watch/pgoutput-memory.ts';

export interface CaptureOptions {
  readonly databaseUrl: string;
  /** Where the first goes through a pooler: replication needs a real session. */
  readonly replicationUrl: string;
  readonly eventLog: EventLog;
  readonly prefix: string;
  /** Where it is set, it is the centre's from now on; else as it was last set. */
  readonly horizonDays?: number | undefined;
  readonly log: Logger;
  readonly onHealth?: (health: Health) => void;
  /** How the topics stand. */
  readonly onTopics?: ((health: Health) => void) | undefined;
  /** Whether some table needs a person. */
  readonly onTables?: ((health: Health) => void) | undefined;
  /** Told of each session that begins. */
  readonly onSession?: (session: CaptureSession) => void;
  /** Where the metrics are told. */
  readonly registry?: Registry;
  readonly heartbeatMs?: number;
}

interface Attempt {
  readonly signal: AbortSignal;
  readonly ready: () => void;
  readonly onRelease: (undo: Releaser) => void;
}

const HEARTBEAT_MS = 10_000;
const STREAMS_OPENED_AT_ONCE = 8;
/** Asking for a slot that is in use would leave an error in the server's log each time; looking does not. */
const STANDBY_LOOKS_EVERY_MS = 500;

export class Capture implements Service {
  readonly name = 'capture';
  readonly #options: CaptureOptions;
  readonly #captureId = randomUUID();
  readonly #limits: StreamLimits;
  readonly #pgoutput = new PgoutputMemory();
  readonly #counts: CaptureCounts = { transactions: 0, records: 0 };
  #measured: Measured | undefined;
  #states: readonly StateOfTable[] = [];

  constructor(options: CaptureOptions) {
    this.#options = options;
    this.#limits = new StreamLimits(options.eventLog);
    const { registry } = options;
    if (registry !== undefined)
      captureMetrics(
        registry,
        this.#counts,
        () => this.#measured,
        () => this.#states,
      );
  }

  /**
   * Works until the signal is aborted; outages are waited out.
   * @throws PayflowError DB_NOT_SET_UP, SLOT_LOST, DB_NO_REPLICATION … what a person must mend
   */
  async run(signal: AbortSignal): Promise<void> {
    const { log, onHealth } = this.#options;
    const options = { log, endures: isMendedAtTheLog, ...(onHealth && { onHealth }) };
    await supervise(signal, options, (ready) => this.#attempt(signal, ready));
  }

  async #attempt(signal: AbortSignal, ready: () => void): Promise<void> {
    const { databaseUrl, log } = this.#options;
    await withReleasers(async (onRelease) => {
      const pool = createPool({
        connectionString: databaseUrl,
        applicationName: 'payflow-capture',
        max: 4,
        // A standby that stands behind capture confirms nothing that capture has not; what it notes of itself and a
        // lost server forgets is done again.
        commitsLocally: true,
        log,
      });
      onRelease(() => pool.end());
      try {
        await this.#work(pool, { signal, ready, onRelease });
      } catch (thrown) {
        const error = asPayflowError(thrown);
        // Setup has to know of it also when somebody puts another publication in its place.
        if (error.code === 'PUBLICATION_LOST') await noteLostPublication(pool, error);
        throw error;
      }
    });
  }

  async #work(pool: Pool, { signal, ready, onRelease }: Attempt): Promise<void> {
    const { log } = this.#options;
    const stop = new AbortController();
    onRelease(() => stop.abort());
    // Whatever a person must mend is said whoever has the slot.
    await this.#centreState(pool);
    const wal = await this.#openSlot(pool, signal);
    onRelease(() => wal.close());
    // Until then another capture may have written on.
    const state = await this.#centreState(pool);
    this.#pgoutput.sessionBegins(state);
    const session = await this.#openSession(pool, state, wal, AbortSignal.any([signal, stop.signal]));
    // A server that shuts down waits for the replication session; whoever hears of it first ends it.
    pool.on('error', (error) => {
      if (isShutdown(error)) session.end(wrapPostgresError(error));
    });
    onRelease(() => (this.#measured = undefined));
    this.#measured = measured(pool, state, session);
    log.info({ epoch: state.epoch, stores: state.stores.length }, 'capture reads the WAL');
    ready();
    await runAll(
      session.services.map((service) => stopsAll(service, stop)),
      signal,
    );
  }

  /** While PostgreSQL is away, a log that refuses us is said all the same: somebody has to mend that first. */
  async #centreState(pool: Pool): Promise<CentreState> {
    const { prefix, eventLog, horizonDays } = this.#options;
    try {
      return await readCentreState(pool, { prefix, horizonDays });
    } catch (error) {
      if (asPayflowError(error).retry !== 'timed') throw error;
      const refusal = await eventLog.offsets({ topic: catalogTopic(prefix), partition: 0 }).then(
        () => undefined,
        (problem: unknown) => asPayflowError(problem),
      );
      throw refusal?.retry === 'fatal' ? refusal : error;
    }
  }

  #tellStates(states: readonly StateOfTable[]): void {
    this.#states = states;
    const [first] = states;
    const { onTables } = this.#options;
    if (first === undefined) onTables?.({ state: 'ready' });
    else onTables?.({ state: 'unready', error: new PayflowError(first.code, first.message) });
  }

  /** First of all: whoever has the slot may write the streams, and a second capture waits for it. */
  async #openSlot(pool: Pool, signal: AbortSignal): Promise<ReplicationStream> {
    const { replicationUrl, prefix, log, onHealth } = this.#options;
    for (let isWaiting = false; ; isWaiting = true) {
      const wal = new ReplicationStream({
        url: replicationUrl,
        slot: slotName(prefix),
        publication: publicationName(prefix),
        log,
      });
      try {
        await wal.open();
        return wal;
      } catch (thrown) {
        const error = asPayflowError(thrown);
        if (error.code !== 'SLOT_BUSY' || signal.aborted) throw error;
        if (!isWaiting) {
          onHealth?.({ state: 'unready', error });
          log.warn({ code: error.code }, `${errorLine(error)} Waiting for it.`);
        }
      }
      while (!signal.aborted && (await isSlotActive(pool, prefix)))
        await sleep(STANDBY_LOOKS_EVERY_MS, signal);
    }
  }

  async #openSession(
    pool: Pool,
    state: CentreState,
    wal: ReplicationStream,
    signal: AbortSignal,
  ): Promise<CaptureSession> {
    const { eventLog, prefix, log, onHealth, heartbeatMs = HEARTBEAT_MS } = this.#options;
    const session = await CaptureSession.create({
      pool,
      eventLog,
      prefix,
      horizonDays: state.horizonDays,
      state,
      wal,
      captureId: this.#captureId,
      onTrouble: (error) => onHealth?.({ state: 'unready', error }),
      onRecovered: () => onHealth?.({ state: 'ready' }),
      onStates: (states) => this.#tellStates(states),
      heartbeatMs,
      counts: this.#counts,
      limits: this.#limits,
      pgoutput: this.#pgoutput,
      onTopics: this.#options.onTopics,
      log,
      signal,
    });
    const stores = [...state.stores];
    const openNext = async (): Promise<void> => {
      for (let store = stores.shift(); store !== undefined; store = stores.shift()) {
        await session.openStore(store);
      }
    };
    await Promise.all(Array.from({ length: STREAMS_OPENED_AT_ONCE }, openNext));
    const streams = session.streams.all();
    const verdict = judgeTails(
      streams.map(({ stream, tail }) => ({ topic: stream.topic, tail })),
      state,
    );
    if (verdict.state === 'adopted') log.info('the streams are taken over from an earlier version');
    await reseedAfterLoss({ pool, prefix, log }, streams, { state, isMoved: verdict.state === 'lost' });
    session.expect(verdict.expected);
    await session.start();
    this.#options.onSession?.(session);
    return session;
  }
}

async function isSlotActive(pool: Pool, prefix: string): Promise<boolean> {
  try {
    const { rows } = await pool.query<{ active: boolean }>(
      'SELECT active FROM pg_replication_slots WHERE slot_name = $1',
      [slotName(prefix)],
    );
    return rows[0]?.active === true;
  } catch (error) {
    throw wrapPostgresError(error);
  }
}

function measured(pool: Pool, { epoch }: CentreState, session: CaptureSession): Measured {
  return {
    pool,
    epoch,
    get acknowledged() {
      return session.acknowledged;
    },
    get newestCommitMs() {
      return session.newestCommitMs;
    },
    get unscoped() {
      return session.rows.unscoped;
    },
  };
}

/** When one part ends, whatever the others wait for inside the session must end too, or nothing ever would. */
function stopsAll(service: Service, stop: AbortController): Service {
  return {
    name: service.name,
    run: async (signal) => {
      try {
        await service.run(signal);
      } finally {
        stop.abort();
      }
    },
  };
}
