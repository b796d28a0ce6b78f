/**
 * One down stream as capture writes it. Records gather while an append is outstanding and go out together in
 * the next one: batches grow with the load by themselves, and an idle stream adds no wait.
 *
 * The newest records of an open transaction are held back until others follow or the transaction ends, because
 * the last one carries what ends the transaction in this stream. Records of one place (a delete and its
 * tombstone, say) are held, and go out, together.
 */
import type { PayflowError } from '../../shared/errors.ts';
import type { EventLog, LogRecord, StreamRef } from '../../shared/log/event-log.ts';
import {
  decodePosition,
  encodePositionHeader,
  endedHeader,
  POSITION_BYTES,
  POSITION_HEADER,
  type CommitEnd,
  type Position,
} from '../../shared/records/position.ts';
import { compareToTail, standsAt, type Tail } from './tail.ts';

export interface StreamWriterOptions {
  readonly eventLog: EventLog;
  readonly stream: StreamRef;
  readonly streamId: string;
  /** null: the catalog. */
  readonly storeId: string | null;
  /** Offset of the first record that the stream holds. */
  readonly firstOffset: number;
  /** The largest record that it takes. */
  readonly limitBytes: number;
  readonly tail: Tail;
  /** Offset that the next append must get. */
  readonly nextOffset: number;
  readonly signal: AbortSignal;
  /** Something has to be durable elsewhere first: it is flushed again then. */
  readonly isHeld: (writer: StreamWriter) => boolean;
  /** `records` more are durable. */
  readonly onDurable: (writer: StreamWriter, records: number) => void;
  readonly onFailure: (error: unknown) => void;
  readonly onTrouble: (error: PayflowError) => void;
  /** The append did not land where it should: [from, to) was written by somebody else, or is our own repeat. */
  readonly onGap: (writer: StreamWriter, from: number, to: number, firstOfAppend: Position) => void;
}

export interface NewRecord {
  readonly key: Buffer;
  readonly value: Buffer | null;
  readonly headers?: Readonly<Record<string, Buffer>>;
}

interface Batch {
  readonly records: readonly LogRecord[];
  readonly bytes: number;
  readonly first: Position;
  readonly last: Position;
}

const MAX_APPEND_RECORDS = 2_000;
const MAX_APPEND_BYTES = 4 << 20;
/** Rough cost of a record's objects. */
const RECORD_OVERHEAD_BYTES = 150;

export class StreamWriter {
  readonly stream: StreamRef;
  readonly streamId: string;
  readonly storeId: string | null;
  readonly #options: StreamWriterOptions;
  readonly tail: Tail;
  #pastTail = false;
  #atTail = false;
  #nextOffset: number;
  #ready: LogRecord[] = [];
  #held: LogRecord[] = [];
  #bytes = 0;
  #outstanding = false;
  #addedInTransaction = 0;
  firstOffset: number;
  limitBytes: number;
  /** Position of the newest record handed over or found in the stream. */
  newest: Position;
  /** Offset of the newest durable record, -1 while the stream is empty. */
  lastOffset: number;
  /** Position of the newest durable record. */
  durable: Position;
  /** A record other than a heartbeat was written since the last one. */
  busy = false;

  constructor(options: StreamWriterOptions) {
    this.#options = options;
    this.stream = options.stream;
    this.streamId = options.streamId;
    this.storeId = options.storeId;
    this.firstOffset = options.firstOffset;
    this.limitBytes = options.limitBytes;
    this.tail = options.tail;
    this.newest = options.tail.position;
    this.durable = options.tail.position;
    this.#nextOffset = options.nextOffset;
    this.lastOffset = options.nextOffset - 1;
  }

  /** Bytes handed over and not durable. */
  get pendingBytes(): number {
    return this.#bytes;
  }

  /**
   * Whether records of this position may still have to be written: after a crash the slot sends them again.
   * @param oneEach see `compareToTail`
   */
  wants(position: Position, oneEach: number): boolean {
    if (this.#pastTail) return true;
    const order = compareToTail(this.tail, position, oneEach);
    this.#pastTail = order > 0;
    this.#atTail = order === 0;
    return order >= 0;
  }

  /** Hands over records of one position, but for those that stand in the stream. Call `wants` first. */
  add(position: Position, records: readonly NewRecord[]): void {
    const wanted =
      this.#pastTail || !this.#atTail ? records : records.filter((one) => !standsAt(this.tail, one));
    if (wanted.length === 0) return;
    if (position.seq !== this.newest.seq || position.lsn !== this.newest.lsn) this.#release();
    for (const { key, value, headers } of wanted) {
      const place = encodePositionHeader(position, false);
      this.#held.push({ key, value, headers: { ...headers, [POSITION_HEADER]: place } });
      this.#bytes += key.length + (value?.length ?? 0) + RECORD_OVERHEAD_BYTES;
    }
    this.#addedInTransaction += wanted.length;
    this.newest = position;
    this.busy = true;
  }

  /**
   * The transaction ends here for this stream.
   * @returns how many records it led to
   */
  endTransaction(end: CommitEnd): number {
    const last = this.#held.pop();
    const header = last?.headers?.[POSITION_HEADER];
    if (last !== undefined && header !== undefined) {
      this.#held.push({ ...last, headers: { ...last.headers, [POSITION_HEADER]: endedHeader(header, end) } });
    }
    this.#release();
    const added = this.#addedInTransaction;
    this.#addedInTransaction = 0;
    return added;
  }

  /** Starts an append of what is ready, unless one is outstanding: then it follows when that is durable. */
  flush(): void {
    if (this.#outstanding || this.#ready.length === 0 || this.#options.signal.aborted) return;
    if (this.#options.isHeld(this)) return;
    const batch = this.#takeBatch();
    this.#outstanding = true;
    this.#append(batch).then(
      () => {
        this.#outstanding = false;
        this.flush();
      },
      (error: unknown) => this.#options.onFailure(error),
    );
  }

  async #append(batch: Batch): Promise<void> {
    const { eventLog, stream, signal, onTrouble, onDurable, onGap } = this.#options;
    const expected = this.#nextOffset;
    const { baseOffset } = await eventLog.append(stream, batch.records, { signal, onTrouble });
    this.#nextOffset = baseOffset + batch.records.length;
    this.lastOffset = this.#nextOffset - 1;
    this.durable = batch.last;
    this.#bytes -= batch.bytes;
    if (baseOffset > expected) onGap(this, expected, baseOffset, batch.first);
    onDurable(this, batch.records.length);
  }

  #takeBatch(): Batch {
    let bytes = 0;
    let count = 0;
    while (count < this.#ready.length && count < MAX_APPEND_RECORDS && bytes < MAX_APPEND_BYTES) {
      bytes += recordBytes(this.#ready[count]);
      count += 1;
    }
    while (count < this.#ready.length && isOnePlace(this.#ready[count - 1], this.#ready[count])) {
      bytes += recordBytes(this.#ready[count]);
      count += 1;
    }
    const records = this.#ready.slice(0, count);
    this.#ready = this.#ready.slice(count);
    const first = positionOf(records[0]) ?? this.newest;
    const last = positionOf(records.at(-1)) ?? this.newest;
    return { records, bytes, first, last };
  }

  #release(): void {
    for (const record of this.#held) this.#ready.push(record);
    this.#held.length = 0;
  }
}

function recordBytes(record: LogRecord | undefined): number {
  return (record?.key?.length ?? 0) + (record?.value?.length ?? 0) + RECORD_OVERHEAD_BYTES;
}

function isOnePlace(one: LogRecord | undefined, next: LogRecord | undefined): boolean {
  const [a, b] = [one?.headers?.[POSITION_HEADER], next?.headers?.[POSITION_HEADER]];
  return a !== undefined && b !== undefined && a.compare(b, 0, POSITION_BYTES, 0, POSITION_BYTES) === 0;
}

function positionOf(record: LogRecord | undefined): Position | undefined {
  const header = record?.headers?.[POSITION_HEADER];
  return header === undefined ? undefined : decodePosition(header);
}
