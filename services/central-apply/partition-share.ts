/**
 * Shares the partitions of the up stream among the processes that run central-apply, by advisory locks of one
 * PostgreSQL session each: a shared one says that the process is there, an exclusive one that it reads a
 * partition. A process that dies loses its session and with it all of them, at once; one that hangs, or whose
 * network is gone, is cut off by the server when it has not asked for a while.
 *
 * The locks keep work from being done twice, not sales from being counted twice: that is what the progress row
 * is for, whatever two readers of one partition do (a process that was cut off may still be in its last group).
 */
import { createHash } from 'node:crypto';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { asPayflowError, PayflowError } from '../shared/errors.ts';
import { connect } from '../shared/database/postgres.ts';
import { sleep, supervise, type Health, type Service } from '../shared/lifecycle.ts';
import { fairShare } from './fair-share.ts';
import { Session, textArray } from './rows/sql.ts';

export interface PartitionShareOptions {
  /** Makes real sessions: locks and their owner are lost behind a pooler that deals in transactions. */
  readonly pool: Pool;
  readonly prefix: string;
  readonly partitions: readonly number[];
  /** Reads a partition until the signal is aborted. */
  readonly read: (partition: number, signal: AbortSignal) => Promise<void>;
  /** Told of a partition that this process has not to read, now or any more. */
  readonly onNotRead: (partition: number) => void;
  readonly onHealth?: (health: Health) => void;
  readonly log: Logger;
  readonly everyMs?: number;
}

const EVERY_MS = 1_000;
/** Much longer than any turn of this process: only one that hangs asks for nothing in that time. */
const SILENT_MS = 15_000;
/** Names the shared lock, beside those of the partitions. */
const MEMBER = 0x7fffffff;

/** First number of the advisory locks; the second is the partition. */
export function shareLockClass(prefix: string): string {
  const digest = createHash('sha256').update(`payflow apply ${prefix}`).digest();
  return String(digest.readUInt32BE() & 0x7fffffff);
}

export class PartitionShare implements Service {
  readonly name = 'partition-share';
  readonly #options: PartitionShareOptions;
  readonly #lockClass: string;
  #begun = false;

  constructor(options: PartitionShareOptions) {
    this.#options = options;
    this.#lockClass = shareLockClass(options.prefix);
  }

  /** Works until the signal is aborted. @throws PayflowError of a reader, or what a person must mend */
  async run(signal: AbortSignal): Promise<void> {
    const { pool, log, onHealth, everyMs = EVERY_MS } = this.#options;
    await supervise(signal, { log, ...(onHealth && { onHealth }) }, async (ready) => {
      const client = await connect(pool).catch((error: unknown) => {
        throw this.#passing(error);
      });
      const readers = new Readers(this.#options);
      try {
        const session = new Session(client);
        await this.#join(session);
        const wake = AbortSignal.any([signal, readers.failed]);
        for (let isFirst = true; !wake.aborted; isFirst = false) {
          await this.#balance(session, readers, isFirst);
          this.#begun = true;
          ready();
          await sleep(everyMs, wake);
        }
      } catch (error) {
        throw this.#passing(error);
      } finally {
        await readers.stopAll();
        // The locks go with the session.
        client.release(true);
      }
      readers.throwFailure();
    });
  }

  /** What a person must mend is fatal at the start; later it is waited out, like everything that befalls a partition. */
  #passing(error: unknown): PayflowError {
    const known = asPayflowError(error);
    if (!this.#begun || known.retry === 'timed') return known;
    return new PayflowError('DB_TRANSIENT', known.message, { cause: known });
  }

  async #join(session: Session): Promise<void> {
    await session.command(`SET idle_session_timeout = ${SILENT_MS}`);
    await session.rows('SELECT pg_advisory_lock_shared($1::integer, $2::integer)', [
      this.#lockClass,
      String(MEMBER),
    ]);
  }

  async #balance(session: Session, readers: Readers, isFirst: boolean): Promise<void> {
    const { partitions, onNotRead, log } = this.#options;
    await this.#unlock(session, readers.takeStopped());
    const { members, held, self } = await this.#look(session);
    const { give, take } = fairShare({ partitions, members, self, read: readers.reading, held });
    for (const partition of give) readers.stop(partition);
    const taken = await this.#tryLock(session, take);
    for (const partition of taken) readers.start(partition);
    if (isFirst) for (const partition of partitions) if (!taken.includes(partition)) onNotRead(partition);
    if (give.length + taken.length === 0) return;
    log.info({ processes: members.length, taken, given: give }, 'partitions of the up stream are shared out');
  }

  async #look(session: Session): Promise<{ members: number[]; held: Set<number>; self: number }> {
    const rows = await session.rows(
      `SELECT objid::bigint, pid, pid = pg_backend_pid() FROM pg_locks
        WHERE locktype = 'advisory' AND objsubid = 2 AND classid = $1::bigint::oid AND granted
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
      [this.#lockClass],
    );
    const present = rows.filter(([object]) => Number(object) === MEMBER);
    const self = present.find(([, , own]) => own === 't')?.[1];
    if (self === undefined) {
      throw new PayflowError(
        'CONFIG_INVALID',
        'DATABASE_URL goes through a pooler that deals in transactions; DATABASE_REPLICATION_URL has to name the server itself',
        { details: { setting: 'DATABASE_REPLICATION_URL' } },
      );
    }
    return {
      members: present.map(([, pid]) => Number(pid)),
      held: new Set(rows.map(([object]) => Number(object))),
      self: Number(self),
    };
  }

  /** @returns those that nobody else was quicker to lock */
  async #tryLock(session: Session, partitions: readonly number[]): Promise<number[]> {
    if (partitions.length === 0) return [];
    const rows = await session.rows(
      'SELECT c0, pg_try_advisory_lock($1::integer, c0::integer) FROM unnest($2::text[]) AS v(c0)',
      [this.#lockClass, textArray(partitions.map(String))],
    );
    return rows.filter(([, locked]) => locked === 't').map(([partition]) => Number(partition));
  }

  async #unlock(session: Session, partitions: readonly number[]): Promise<void> {
    if (partitions.length === 0) return;
    await session.rows(
      'SELECT pg_advisory_unlock($1::integer, c0::integer) FROM unnest($2::text[]) AS v(c0)',
      [this.#lockClass, textArray(partitions.map(String))],
    );
  }
}

interface Reader {
  readonly partition: number;
  readonly stop: AbortController;
  readonly ended: Promise<void>;
}

/** The partitions that this process reads, and those whose last group is still being applied. */
class Readers {
  readonly #options: Pick<PartitionShareOptions, 'read' | 'onNotRead'>;
  readonly #failed = new AbortController();
  readonly #running = new Map<number, Reader>();
  readonly #stopping = new Set<Reader>();
  #stopped: number[] = [];
  #failure: unknown = null;

  constructor(options: Pick<PartitionShareOptions, 'read' | 'onNotRead'>) {
    this.#options = options;
  }

  get reading(): readonly number[] {
    return [...this.#running.keys()];
  }

  /** Aborted when one of them cannot go on. */
  get failed(): AbortSignal {
    return this.#failed.signal;
  }

  throwFailure(): void {
    if (this.#failed.signal.aborted) throw this.#failure;
  }

  start(partition: number): void {
    const stop = new AbortController();
    const ended = this.#options.read(partition, stop.signal).catch((error: unknown) => {
      this.#failure ??= error;
      this.#failed.abort();
    });
    this.#running.set(partition, { partition, stop, ended });
  }

  /** Begins to stop it: what it is applying now is brought to its end. */
  stop(partition: number): void {
    const reader = this.#running.get(partition);
    if (reader === undefined) return;
    this.#running.delete(partition);
    this.#stopping.add(reader);
    reader.stop.abort();
    void reader.ended.then(() => {
      this.#stopping.delete(reader);
      this.#stopped.push(partition);
      this.#options.onNotRead(partition);
    });
  }

  /** Those that have stopped since the last call. */
  takeStopped(): readonly number[] {
    return this.#stopped.splice(0);
  }

  async stopAll(): Promise<void> {
    for (const partition of this.reading) this.stop(partition);
    await Promise.all([...this.#stopping].map(({ ended }) => ended));
  }
}
