/**
 * Publishes cut units, in order, one append outstanding. Publishing and remembering are two steps on purpose:
 * killed in between, the units are published again, and the centre drops what it knows by number.
 *
 * Published is not settled: the oldest unit with unsettled changes is published again after RESEND_AFTER, then
 * ever less often, up to once an hour; everything unsettled when asked, or when the stream has lost what was
 * in it.
 */
import type { KeyObject } from 'node:crypto';
import type { Logger } from 'pino';
import type { SyncMode } from '../shared/agent-protocol.ts';
import { asPayflowError, type PayflowError } from '../shared/errors.ts';
import { type Health, type Service, sleep, supervise } from '../shared/lifecycle.ts';
import type { EventLog, LogRecord, StreamRef } from '../shared/log/event-log.ts';
import { isMendedOutside } from './mended-outside.ts';
import { signBytes } from '../shared/records/signature.ts';
import { SIGNATURE_HEADER } from '../shared/records/unit-record.ts';
import { TillStanding, type Waiting } from './standing.ts';
import type { AgentFile } from './units/agent-file.ts';
import type { CutUnit } from './units/unit-rows.ts';
import { OpenUnits } from './settle/open-units.ts';
import type { TillDatabase } from './till/till-database.ts';
import { type BuiltRecords, UnitBuilder } from './units/unit-builder.ts';

export interface PublisherOptions {
  readonly till: TillDatabase;
  readonly agentFile: AgentFile;
  readonly eventLog: EventLog;
  /** The till's partition of the up topic. */
  readonly stream: StreamRef;
  readonly databaseId: string;
  readonly keyVersion: number;
  readonly privateKey: KeyObject;
  readonly mode: SyncMode;
  readonly resendAfterMs: number;
  readonly log: Logger;
  readonly now?: () => number;
  readonly onHealth?: (health: Health) => void;
  readonly standing?: TillStanding | undefined;
}

/** Several records go in one append, so that a backlog does not pay a round trip for each. */
const APPEND_BYTES = 1024 * 1024;
const UNITS_AT_ONCE = 1000;
const MAX_RESEND_MS = 60 * 60 * 1000;
/** Without anything to do, settlement is looked at this often. */
const IDLE_MS = 1000;

export class Publisher implements Service {
  readonly name = 'till-publisher';
  readonly #options: PublisherOptions;
  readonly #builder: UnitBuilder;
  readonly #open: OpenUnits;
  readonly #key: Buffer;
  readonly #now: () => number;
  /** Units up to this number may be published. */
  #openUpTo: number;
  /** So many units go one by one, since an append of all of them was too large for the topic. */
  #alone = 0;
  #wake: (() => void) | undefined;
  readonly #standing: TillStanding;
  /** The name under which the file was announced since the start. */
  #announced: string | undefined;

  constructor(options: PublisherOptions) {
    this.#options = options;
    const { till, agentFile, databaseId, keyVersion } = options;
    const head = { terminal: till.terminalId, databaseId, keyVersion };
    this.#builder = new UnitBuilder(till, agentFile, head);
    this.#standing = options.standing ?? new TillStanding();
    this.#open = new OpenUnits(till.db, agentFile);
    this.#key = Buffer.from(till.terminalId);
    this.#now = options.now ?? Date.now;
    this.#openUpTo = options.mode === 'stream' ? Infinity : 0;
  }

  /** `scheduled`, `manual`: lets units up to this number go; in `stream` mode all may. */
  flush(upToNumber: number): void {
    this.#openUpTo = Math.max(this.#openUpTo, upToNumber);
    this.wake();
  }

  /** There may be something to publish. */
  wake(): void {
    this.#wake?.();
  }

  /** Everything unsettled goes up again. @returns how many units */
  republishAll(): number {
    const open = this.#open.oldest();
    if (open === undefined) return 0;
    const units = this.#options.agentFile.markUnpublished(open);
    this.wake();
    return units;
  }

  /** The last seq of the settled past: every change up to it has its outcome. */
  get settledSeq(): number {
    return this.#open.settledUpTo();
  }

  /**
   * One append: the next units that were never published, else the oldest unsettled one when it is due again.
   * @returns how many units it held; 0: nothing to do
   */
  async publishNext(signal?: AbortSignal): Promise<number> {
    const { agentFile, log } = this.#options;
    if (this.#standing.current.kind !== 'ok') {
      await this.#announce(signal);
      return 0;
    }
    let units = agentFile.unpublished(this.#openUpTo, UNITS_AT_ONCE);
    if (units.length === 0) {
      const due = this.#due();
      if (due === undefined) return 0;
      log.info({ unit: due.number, publications: due.publications }, 'oldest unsettled unit published again');
      units = [due];
    }
    const sent = await this.#publish(this.#alone > 0 ? units.slice(0, 1) : units, signal);
    this.#alone = Math.max(0, this.#alone - sent);
    return sent;
  }

  /**
   * Where the topic takes no append of all of these, each goes by itself and is noted by itself. A unit that is larger
   * alone waits, and all behind it, since the centre applies them in order: it is never cut anew.
   */
  async #publish(units: readonly CutUnit[], signal: AbortSignal | undefined): Promise<number> {
    const { agentFile, till } = this.#options;
    const { incarnation } = till;
    till.proof.check();
    const built = this.#builder.build(units, APPEND_BYTES);
    // Meanwhile the file may have lost its name, and these units with it.
    if (till.incarnation !== incarnation || this.#standing.refusal !== undefined) return 0;
    let lastOffset: number;
    try {
      lastOffset = await this.#append(built, signal);
    } catch (error) {
      const isTooLarge = asPayflowError(error).code === 'LOG_RECORD_TOO_LARGE';
      if (!isTooLarge || built.units.length === 1) throw error;
      this.#alone = built.units.length;
      return this.#publish(units.slice(0, 1), signal);
    }
    if (till.incarnation !== incarnation) return 0;
    agentFile.markPublished(built.units, { nowMs: this.#now(), lastOffset });
    return built.units.length;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { log, onHealth } = this.#options;
    const options = { log, endures: isMendedOutside, ...(onHealth === undefined ? {} : { onHealth }) };
    await supervise(signal, options, async (ready) => {
      await this.#checkStream();
      while (!signal.aborted) {
        const sent = await this.publishNext(signal);
        ready();
        if (sent === 0) await this.#idle(signal);
      }
    });
  }

  /**
   * A file that waits tells the centre its name, once in each run. What was cut from the file before, and may be in this one
   * no more, goes first, under the name of then: only the agent file still has it. Behind the announcement it would
   * speak for a second file: so what is found missing after that goes up under the name that was announced, once the centre
   * goes on with it (`goOn`).
   */
  async #announce(signal: AbortSignal | undefined): Promise<void> {
    const { agentFile } = this.#options;
    const { waiting, incarnation } = agentFile;
    if (waiting === null || this.#announced === incarnation) return;
    if (waiting.predecessor !== null && this.#hasSurvivors(waiting)) {
      await this.#publishSurvivors(waiting.predecessor, signal);
      // Meanwhile it may have been retired, or have taken another name.
      if (agentFile.incarnation !== incarnation || this.#standing.current.kind === 'ok') return;
    }
    agentFile.announcing();
    const record = this.#builder.announcement(waiting.predecessor);
    await this.#append({ records: [record] }, signal);
    this.#announced = incarnation;
  }

  #hasSurvivors({ isAnotherFile, isAnnounced }: Waiting): boolean {
    if (isAnnounced === true) return false;
    const { agentFile, till } = this.#options;
    const { upTo, id } = agentFile.cutEntries;
    return isAnotherFile === true || (id !== null && !till.proof.holds({ seq: upTo, id }));
  }

  async #publishSurvivors(predecessor: string, signal: AbortSignal | undefined): Promise<void> {
    const { agentFile } = this.#options;
    for (;;) {
      const units = agentFile.unpublished(Infinity, UNITS_AT_ONCE);
      if (units.length === 0) return;
      const built = this.#builder.build(units, APPEND_BYTES, predecessor);
      const lastOffset = await this.#append(built, signal);
      agentFile.markPublished(built.units, { nowMs: this.#now(), lastOffset });
    }
  }

  /** @returns the offset of the last record */
  async #append(
    { records }: Pick<BuiltRecords, 'records'>,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const { eventLog, stream, privateKey } = this.#options;
    const signed = records.map((value): LogRecord => ({
      key: this.#key,
      value,
      headers: { [SIGNATURE_HEADER]: signBytes(value, privateKey) },
    }));
    const { baseOffset } = await eventLog.append(stream, signed, {
      ...(signal === undefined ? {} : { signal }),
      onTrouble: (error) => this.#trouble(error),
    });
    return baseOffset + signed.length - 1;
  }

  #trouble(error: PayflowError): void {
    const { log, onHealth } = this.#options;
    log.warn({ code: error.code, err: error }, `changes wait on the till: ${error.message}`);
    onHealth?.({ state: 'unready', error });
  }

  /** A stream that ends before what we published has lost it: all that is unsettled goes again. */
  async #checkStream(): Promise<void> {
    const { agentFile, eventLog, stream, log } = this.#options;
    const lastOffset = agentFile.getMeta('last_offset');
    if (lastOffset === undefined) return;
    const { end } = await eventLog.offsets(stream);
    if (end > Number(lastOffset)) return;
    agentFile.setMeta('last_offset', String(end - 1));
    log.warn(
      { code: 'LOG_LOST_DATA', end, lastOffset, units: this.republishAll() },
      'the stream lost records',
    );
  }

  #due(): CutUnit | undefined {
    const { agentFile, resendAfterMs } = this.#options;
    const open = this.#open.oldest();
    if (open === undefined) return undefined;
    const unit = agentFile.holding(open);
    if (unit === undefined || unit.publishedAtMs === null) return undefined;
    const waitMs = Math.min(MAX_RESEND_MS, resendAfterMs * 2 ** Math.max(0, unit.publications - 1));
    const sinceMs = this.#now() - unit.publishedAtMs;
    // Published in the future: the till's clock was set back since, and nobody knows how long ago that was.
    return sinceMs < 0 || sinceMs >= waitMs ? unit : undefined;
  }

  async #idle(signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    const mayPublish = this.#standing.current.kind === 'ok';
    if (mayPublish && this.#options.agentFile.unpublished(this.#openUpTo, 1).length > 0) woken.abort();
    await sleep(IDLE_MS, AbortSignal.any([signal, woken.signal]));
    this.#wake = undefined;
  }
}
