/**
 * Reads one down stream from where the till's file says it stands, and applies it. Whatever makes that place
 * doubtful (another stream under the name, an offset past the end, a till that was away for longer than
 * deletes are kept) makes it read from the beginning again, which the rows' positions make harmless.
 */
import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Logger } from 'pino';
import { PayflowError } from '../../shared/errors.ts';
import { sleep, supervise, type Health, type Service } from '../../shared/lifecycle.ts';
import type { EventLog, StoredRecord, StreamRef } from '../../shared/log/event-log.ts';
import { isMendedOutside } from '../mended-outside.ts';
import { wrapSqliteError } from '../../shared/database/sqlite.ts';
import type { TillApply } from '../apply.ts';
import type { Valve } from '../pulse.ts';
import { bytesOf } from './incoming.ts';
import { doubtOf, type Answered, type Doubt } from './stream-doubt.ts';
import type { TillHost } from '../till/till-host.ts';

export interface StreamReaderOptions {
  readonly till: TillHost;
  readonly apply: TillApply;
  readonly eventLog: EventLog;
  readonly stream: StreamRef;
  readonly valve: Valve;
  readonly horizonDays: () => number;
  /** Free space below which nothing is applied, so that the app can go on selling. */
  readonly freeMb: number;
  readonly log: Logger;
  readonly now?: () => number;
  readonly onHealth?: (health: Health) => void;
  /** Told after each batch. */
  readonly onApplied?: () => void;
}

const DAY_MS = 24 * 60 * 60 * 1000;
const MB = 1024 * 1024;
/** So many records at once are a backlog: then what follows at once goes into the same transaction. */
const BACKLOG_RECORDS = 1000;
/** With what is kept back of the batch before, still one transaction of TX_ROWS. */
const BACKLOG_GATHERED = 4000;
const BACKLOG_WAIT_MS = 10;
/** Gathered while the write gate is closed. */
const MAX_GATHERED = 20_000;
/** However few the records. */
const GATHERED_BYTES = 8 * MB;

export class StreamReader implements Service {
  readonly name: string;
  readonly #options: StreamReaderOptions;
  /**
   * The last records could not be applied (the disk is full, the app holds the file): that reading works again
   * is then no success, else they would be tried again all the time without ever backing off.
   */
  #stuck = false;
  /** Somebody doubts what the till has of the stream, and waits until it is read anew. */
  #asked: { readonly begun: () => void } | undefined;
  #reading = new AbortController();

  constructor(options: StreamReaderOptions) {
    this.#options = options;
    this.name = `till-reader ${options.stream.topic}`;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { log, onHealth } = this.#options;
    const options = { log, endures: isMendedOutside, ...(onHealth && { onHealth }) };
    await supervise(signal, options, async (ready) => {
      try {
        await this.#read(signal, ready);
      } catch (error) {
        throw wrapSqliteError(error, this.#options.till.db.name);
      }
    });
  }

  get topic(): string {
    return this.#options.stream.topic;
  }

  /** Reads the stream from its beginning. @returns once the rows are listed that it has to name */
  readAgain(): Promise<void> {
    const before = this.#asked?.begun;
    return new Promise((begun) => {
      this.#asked = {
        begun: () => {
          before?.();
          begun();
        },
      };
      this.#reading.abort();
    });
  }

  /** @returns where to read; decides whether what is stored still holds */
  async startOffset(signal: AbortSignal): Promise<number> {
    const { apply, eventLog, stream, log, horizonDays } = this.#options;
    const stored = apply.resume(stream.topic);
    const { first, end } = await eventLog.offsets(stream);
    const state = apply.checkpoints.stream(stream.topic);
    // Of a stream that is read again (a new column, say) it is known how long ago it was last read.
    const isNew = state.newestRecordMs === 0;
    const asked = this.#asked;
    const doubt = isNew
      ? ofNew(first)
      : (doubtOf(state, {
          first,
          end,
          streamId: await eventLog.streamId(stream),
          lastRead: await this.#recordAt(stored - 1, signal),
          nowMs: await this.#nowMs({ stored, end }, signal),
          horizonMs: horizonDays() * DAY_MS,
        }) ?? (asked === undefined ? null : this.#doubtOnRequest()));
    apply.checkpoints.setCatchUpEnd(stream.topic, end);
    if (doubt !== null) {
      log.warn(
        { topic: stream.topic, stored, end },
        `${doubt.reason}; reading the stream from the beginning`,
      );
      await apply.reread.begin(
        stream.topic,
        { first, end, whole: doubt.whole, isSame: doubt.isSame },
        signal,
      );
      if (signal.aborted) return first;
    }
    if (this.#asked === asked) this.#asked = undefined;
    asked?.begun();
    return doubt === null ? Math.max(first, stored) : first;
  }

  /** null: it is being read again as it is, and waits for a seeding that brings what the stream has lost. */
  #doubtOnRequest(): Doubt | null {
    const { apply, stream } = this.#options;
    if (apply.reread.isIncomplete(stream.topic)) return null;
    const reason = 'a comparison with the centre asked for it';
    return { reason, whole: true, isSame: apply.reread.isOfSameStream(stream.topic) };
  }

  /**
   * By the till's clock, or the log's where that is ahead: a till whose clock was set back does not know how long
   * it was away.
   */
  async #nowMs({ stored, end }: { stored: number; end: number }, signal: AbortSignal): Promise<number> {
    const { now = Date.now } = this.#options;
    if (end <= stored) return now();
    const newest = await this.#recordAt(end - 1, signal);
    return newest.kind === 'there' ? Math.max(now(), newest.record.timestampMs) : now();
  }

  /** @throws PayflowError LOG_UNREACHABLE when nobody says: it is asked again with the next attempt */
  async #recordAt(offset: number, signal: AbortSignal): Promise<Answered> {
    const { eventLog, stream } = this.#options;
    const looked = await eventLog.recordAt(stream, { offset, signal });
    if (looked.kind === 'unknown') throw looked.error;
    return looked;
  }

  async #read(signal: AbortSignal, ready: () => void): Promise<void> {
    const { eventLog, stream, valve, onHealth, horizonDays, now = Date.now } = this.#options;
    const stop = new AbortController();
    this.#reading = stop;
    const from = await this.startOffset(signal);
    const batches = eventLog.read(stream, {
      from,
      signal: AbortSignal.any([signal, stop.signal]),
      onTrouble: (error) => onHealth?.({ state: 'unready', error }),
    });
    if (!this.#stuck) ready();
    const source = new Source(batches[Symbol.asyncIterator]());
    let heardMs = now();
    try {
      while (!signal.aborted) {
        const records = await this.#gather(source, signal);
        if (records === null) return;
        await valve.opened(signal);
        // After so long an outage, deletes may be missing between the last records and these: look again.
        if (now() - heardMs > horizonDays() * DAY_MS) return;
        heardMs = now();
        this.#stuck = true;
        this.#checkSpace();
        const goOn = await this.#options.apply.applyBatch(stream.topic, records, signal);
        this.#stuck = false;
        ready();
        this.#options.onApplied?.();
        if (!goOn) return;
      }
    } finally {
      stop.abort();
      await source.close();
    }
  }

  /**
   * The next records; of a backlog, what follows at once goes with them, and while a commit has to wait for the
   * app, what comes meanwhile.
   */
  async #gather(source: Source, signal: AbortSignal): Promise<StoredRecord[] | null> {
    const first = await source.next();
    if (first === null) return null;
    const gathered = [...first];
    let bytes = sizeOf(first);
    const more = async (withinMs: number): Promise<boolean> => {
      if (bytes >= GATHERED_BYTES) return false;
      const batch = await source.nextWithin(withinMs, signal);
      if (batch === null || signal.aborted) return false;
      for (const record of batch) gathered.push(record);
      bytes += sizeOf(batch);
      return true;
    };
    while (gathered.length >= BACKLOG_RECORDS && gathered.length < BACKLOG_GATHERED) {
      if (!(await more(BACKLOG_WAIT_MS))) break;
    }
    if (gathered.length > BACKLOG_GATHERED) {
      // Nothing may be gathered past these: they would come after it.
      source.unread(gathered.splice(BACKLOG_GATHERED));
      return gathered;
    }
    for (let waitMs = this.#waitMs(); waitMs > 0 && gathered.length < MAX_GATHERED; waitMs = this.#waitMs()) {
      if (!(await more(waitMs))) break;
    }
    return gathered;
  }

  #waitMs(): number {
    return this.#options.till.gate.waitMs();
  }

  #checkSpace(): void {
    const { till, freeMb } = this.#options;
    const { bavail, bsize } = statfsSync(dirname(till.db.name));
    if (bavail * bsize >= freeMb * MB) return;
    throw new PayflowError(
      'TERMINAL_DISK_FULL',
      `less than FREE_MB=${freeMb} MB are free at ${dirname(till.db.name)}; push pauses, sales go on`,
    );
  }
}

/** A till that has read nothing yet of a stream must not believe that it gets everything, where it does not. */
function ofNew(first: number): Doubt | null {
  return first === 0
    ? null
    : { reason: 'the beginning of the stream was deleted', whole: true, isSame: false };
}

type Batch = readonly StoredRecord[];

function sizeOf(batch: Batch): number {
  return batch.reduce((sum, record) => sum + bytesOf(record), 0);
}

/** The stream's batches, of which the next one can be waited for with a limit and is not lost then. */
class Source {
  readonly #batches: AsyncIterator<Batch>;
  #asked: Promise<IteratorResult<Batch>> | null = null;
  #unread: Batch | null = null;

  constructor(batches: AsyncIterator<Batch>) {
    this.#batches = batches;
  }

  /** The next batch will be this one. */
  unread(batch: Batch): void {
    this.#unread = batch;
  }

  /** null at the end. */
  async next(): Promise<Batch | null> {
    const unread = this.#unread;
    this.#unread = null;
    if (unread !== null) return unread;
    this.#asked ??= this.#batches.next();
    const asked = this.#asked;
    const result = await asked.finally(() => (this.#asked = null));
    return result.done === true ? null : result.value;
  }

  /** null when nothing came in time (or ever will). */
  async nextWithin(ms: number, signal: AbortSignal): Promise<Batch | null> {
    this.#asked ??= this.#batches.next();
    const asked = this.#asked;
    const result = await Promise.race([asked, sleep(ms, signal)]);
    if (result === undefined) return null;
    this.#asked = null;
    return result.done === true ? null : result.value;
  }

  async close(): Promise<void> {
    // Its signal is aborted: a batch that is asked for ends at once, and whatever it holds is not applied.
    if (this.#asked !== null) await this.#asked.catch(() => undefined);
    await this.#batches.return?.();
  }
}
