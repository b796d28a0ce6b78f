/**
 * The down streams that this capture writes: opened once, taken over from a predecessor, flushed together.
 */
import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { encodeControl } from '../../shared/records/envelope.ts';
import { PayflowError } from '../../shared/errors.ts';
import type { EventLog, StreamRef, TopicSpec } from '../../shared/log/event-log.ts';
import {
  comparePositions,
  decodePosition,
  formatPosition,
  POSITION_HEADER,
  ZERO_POSITION,
  type Position,
} from '../../shared/records/position.ts';
import {
  MAX_RECORD_BYTES,
  streamName,
  storeIdOfTopic,
  topicSpecCatalog,
  topicSpecStore,
} from '../../shared/log/topics.ts';
import type { StreamLimits } from './stream-limits.ts';
import { readRange } from './stream-range.ts';
import { StreamWriter } from './stream-writer.ts';
import { readTail, type Tail } from './tail.ts';
import type { TopicNotes } from './topic-notes.ts';

export interface DownStreamsOptions {
  readonly eventLog: EventLog;
  readonly prefix: string;
  readonly horizonDays: number;
  readonly captureId: string;
  readonly limits: StreamLimits;
  readonly notes: TopicNotes;
  /** Under which id the centre knows the stream. */
  readonly knownId: (topic: string) => string | undefined;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly onDurable: (writer: StreamWriter, records: number) => void;
  readonly onFailure: (error: unknown) => void;
  readonly onTrouble: (error: PayflowError) => void;
  readonly onRecovered: () => void;
  /** Something has to be durable elsewhere before any stream goes on. */
  readonly isHeld: () => boolean;
  /** Rows whose older copies somebody else wrote behind ours: they must be written again. */
  readonly onForeign: (keys: readonly string[]) => void;
}

/** Reading from the WAL waits while more than this is not durable yet; some appends of the largest size. */
const MAX_PENDING_BYTES = 8 << 20;

export class DownStreams {
  readonly #options: DownStreamsOptions;
  readonly #stores = new Map<string, StreamWriter>();
  readonly #opening = new Map<string, Promise<StreamWriter>>();
  readonly #dirty = new Set<StreamWriter>();
  #catalog: StreamWriter | null = null;
  #roomWanted: (() => void) | null = null;
  #inTrouble = false;

  constructor(options: DownStreamsOptions) {
    this.#options = options;
    options.signal.addEventListener('abort', () => this.#roomWanted?.(), { once: true });
  }

  get catalog(): StreamWriter {
    if (this.#catalog === null) throw new PayflowError('INTERNAL', 'the catalog stream is not open');
    return this.#catalog;
  }

  get stores(): ReadonlyMap<string, StreamWriter> {
    return this.#stores;
  }

  all(): StreamWriter[] {
    return [this.catalog, ...this.#stores.values()];
  }

  byTopic(topic: string): StreamWriter | undefined {
    if (topic === this.catalog.stream.topic) return this.catalog;
    return this.#stores.get(storeIdOfTopic(this.#options.prefix, topic) ?? '');
  }

  async openCatalog(): Promise<void> {
    const { prefix, horizonDays } = this.#options;
    this.#catalog = await this.#open(topicSpecCatalog(prefix, horizonDays), null);
  }

  /** Opens the store's stream, creating it where it does not exist. */
  async openStore(storeId: string): Promise<StreamWriter> {
    const known = this.#stores.get(storeId);
    if (known !== undefined) return known;
    const { prefix, horizonDays } = this.#options;
    const spec = topicSpecStore(prefix, storeId, horizonDays);
    const opening = this.#opening.get(storeId) ?? this.#open(spec, storeId);
    this.#opening.set(storeId, opening);
    try {
      const writer = await opening;
      this.#stores.set(storeId, writer);
      return writer;
    } finally {
      this.#opening.delete(storeId);
    }
  }

  touched(writer: StreamWriter): void {
    this.#dirty.add(writer);
  }

  flush(): void {
    const dirty = [...this.#dirty];
    this.#dirty.clear();
    // One that is held is dirty again.
    for (const writer of dirty) writer.flush();
  }

  /** Resolves when there is room for more; this is what bounds memory whatever the backlog. */
  async room(): Promise<void> {
    while (this.#pendingBytes() > MAX_PENDING_BYTES && !this.#options.signal.aborted) {
      await new Promise<void>((resolve) => (this.#roomWanted = resolve));
    }
  }

  #pendingBytes(): number {
    let bytes = 0;
    for (const writer of this.all()) bytes += writer.pendingBytes;
    return bytes;
  }

  async #open(spec: TopicSpec, storeId: string | null): Promise<StreamWriter> {
    const { eventLog, signal, log, onFailure, knownId, isHeld } = this.#options;
    const stream: StreamRef = { topic: spec.topic, partition: 0 };
    await eventLog.createTopic(spec);
    // A stream whose beginning was deleted has lost its id with it. Heartbeats carry it on.
    const streamId = (await eventLog.streamId(stream)) ?? knownId(spec.topic) ?? randomUUID();
    const limitBytes = await this.#limitOf(spec.topic);
    const { tail, nextOffset } = await this.#takeOver(stream);
    const { first: firstOffset } = await eventLog.offsets(stream);
    log.info({ topic: spec.topic, tail: formatPosition(tail.position), nextOffset }, 'took the stream over');
    return new StreamWriter({
      eventLog,
      stream,
      streamId,
      storeId,
      firstOffset,
      limitBytes,
      tail,
      nextOffset,
      signal,
      isHeld: (writer) => {
        if (isHeld()) this.#dirty.add(writer);
        return isHeld();
      },
      onDurable: (writer, records) => this.#durable(writer, records),
      onFailure,
      onTrouble: (error) => this.#trouble(stream, error),
      onGap: (writer, from, to, first) => void this.#inspectGap(writer, from, to, first).catch(onFailure),
    });
  }

  async #limitOf(topic: string): Promise<number> {
    const { limits, notes } = this.#options;
    const limit = await limits.of(topic);
    if (limit < MAX_RECORD_BYTES) await notes.limit(topic, limit);
    return limit;
  }

  #trouble(stream: StreamRef, error: PayflowError): void {
    this.#inTrouble = true;
    this.#options.log.warn({ code: error.code, topic: stream.topic, err: error }, error.message);
    this.#options.onTrouble(error);
  }

  #durable(writer: StreamWriter, records: number): void {
    if (this.#inTrouble) {
      this.#inTrouble = false;
      this.#options.onRecovered();
    }
    this.#options.onDurable(writer, records);
    this.#roomWanted?.();
    this.#roomWanted = null;
  }

  /**
   * First a record of our own, then the look at what stands before it: an append that a predecessor still has
   * under way lands behind ours and is noticed by its offset.
   */
  async #takeOver(stream: StreamRef): Promise<{ tail: Tail; nextOffset: number }> {
    const { eventLog, captureId, signal } = this.#options;
    const control = encodeControl({ kind: 'takeover', capture: captureId }, ZERO_POSITION);
    const { baseOffset } = await eventLog.append(stream, [control], {
      signal,
      onTrouble: (error) => this.#trouble(stream, error),
    });
    const tail = await readTail(eventLog, stream, baseOffset);
    return { tail, nextOffset: baseOffset + 1 };
  }

  /**
   * An append landed later than expected. Copies of this very append, from a repeat after a lost reply, are
   * harmless: the last copy is whole. Anything older is a predecessor's, and would win the compaction.
   */
  async #inspectGap(writer: StreamWriter, from: number, to: number, first: Position): Promise<void> {
    const records = await readRange(this.#options.eventLog, writer.stream, { from, to: to - 1 });
    const foreign = records.filter((record) => {
      const header = record.headers[POSITION_HEADER];
      return header === undefined || comparePositions(decodePosition(header), first) < 0;
    });
    if (foreign.length === 0) return;
    const error = new PayflowError(
      'LOG_FOREIGN_APPEND',
      `${foreign.length} foreign records in ${streamName(writer.stream)}`,
    );
    this.#options.log.error({ code: error.code, from, to, err: error }, error.message);
    this.#options.onForeign(
      foreign.flatMap((record) => (record.key === null ? [] : [record.key.toString('utf8')])),
    );
  }
}
