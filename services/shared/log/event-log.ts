/**
 * The event log: ordered, durable streams of keyed records. Nothing above this port knows which adapter is
 * behind it (Kafka, or one SQLite file), assumes a broker connection or shares the adapter's types.
 *
 * The contract, kept by the conformance suite in test/integration/shared/log:
 *
 * - **Order**: the records of one `append` are contiguous and in order; appends by one writer land in the
 *   order they were made. The adapter keeps at most one append per stream outstanding and queues the rest.
 * - **Durability**: `append` resolves only when every record would survive the loss of the process (and on
 *   Kafka of a broker, acks=all). A rejected append has stored nothing that it will not also report: an
 *   append whose fate is unknown (a lost reply, a broken connection) is repeated by the adapter before
 *   anything later is sent, so a record can stand in the stream twice but is never missing and never out of
 *   order. Readers drop the second copy by position or unit number.
 * - **Back-off**: while the log is unreachable, `append` keeps repeating until its signal is aborted, and
 *   reports through `onTrouble` every time it has to wait. Errors that waiting cannot mend reject at once
 *   (LOG_RECORD_TOO_LARGE, LOG_RECORD_INVALID, LOG_AUTH, LOG_TOPIC_MISSING) and nothing of that append is stored,
 *   or only its beginning, where somebody lowered the topic's limit, or took a right away, while it was under way.
 * - **Compaction** keeps at least the newest record of each key; offsets never change and may have gaps. A
 *   `null` value is a tombstone. A compacted stream refuses records without a key.
 * - **Offsets** are numbers (exact to 2^53). `first` is the lowest offset still readable, `end` the offset that
 *   the next record will get; an empty stream has first = end.
 */
import type { PayflowError } from '../errors.ts';

export interface StreamRef {
  readonly topic: string;
  readonly partition: number;
}

export interface LogRecord {
  readonly key: Buffer | null;
  /** null is a tombstone. */
  readonly value: Buffer | null;
  readonly headers?: Readonly<Record<string, Buffer>>;
}

export interface StoredRecord extends LogRecord {
  readonly offset: number;
  /** When the log received it, ms since 1970. */
  readonly timestampMs: number;
  readonly headers: Readonly<Record<string, Buffer>>;
  /** It stands for bytes that hold no records; only where `unreadable: 'pass'` was asked for. */
  readonly unreadable?: Unreadable | undefined;
}

export interface Unreadable {
  readonly why: string;
  readonly firstOffset: number;
  readonly bytes: Buffer;
}

export interface TopicSpec {
  readonly topic: string;
  readonly partitions: number;
  readonly cleanup: 'compact' | 'delete';
  /** For `delete`: how long records are kept. */
  readonly retentionMs?: number;
  /** For `compact`: records younger than this are never compacted. */
  readonly minCompactionLagMs?: number;
  /** For `compact`: how long a tombstone stays readable. */
  readonly deleteRetentionMs?: number;
  /** Largest record (key + value + headers) in bytes; default 16 MB. */
  readonly maxRecordBytes?: number;
}

/** A topic as the log keeps it now. */
export interface TopicDescription {
  /** By name, as in topic-settings.ts; a log that lacks one does not tell it. */
  readonly settings: ReadonlyMap<string, string>;
  readonly replicas: number;
}

export interface AppendOptions {
  readonly signal?: AbortSignal;
  readonly onTrouble?: (error: PayflowError) => void;
}

export interface ReadOptions {
  /** First offset wanted. LOG_OFFSET_OUT_OF_RANGE is thrown when it lies below `first` or past `end`. */
  readonly from: number;
  /** Ends the iteration normally, at once. */
  readonly signal: AbortSignal;
  /** How many bytes may be fetched ahead of the reader; default 4 MB. One record may always exceed it. */
  readonly prefetchBytes?: number;
  /**
   * What becomes of bytes that cannot be read as records. `throw` (the default): RECORD_MALFORMED, since a reader of
   * a down stream must miss nothing. `pass`: one record stands for them, at their last offset, and reading goes on:
   * anybody who may write to the up stream could stop it otherwise.
   */
  readonly unreadable?: 'throw' | 'pass' | undefined;
}

export interface LookOptions {
  readonly offset: number;
  readonly signal: AbortSignal;
}

/** `not there`: removed by compaction or retention, or never written. `unknown`: ask again. */
export type Looked =
  | { readonly kind: 'there'; readonly record: StoredRecord }
  | { readonly kind: 'not there' }
  | { readonly kind: 'unknown'; readonly error: PayflowError };

export interface EventLog {
  readonly kind: 'kafka' | 'embedded';

  /** Idempotent. Gives every new stream a random id (see `streamId`). An existing topic is left as it is. */
  createTopic(spec: TopicSpec): Promise<'created' | 'exists'>;

  /**
   * How these topics are kept; of each for itself, why that can't be said (LOG_TOPIC_MISSING, LOG_AUTH).
   * @throws PayflowError LOG_UNREACHABLE
   */
  describeTopics(topics: readonly string[]): Promise<ReadonlyMap<string, TopicDescription | PayflowError>>;

  /** Changes these settings of the topic, all or none. @throws PayflowError LOG_AUTH, LOG_TOPIC_SETTINGS */
  changeTopic(topic: string, settings: ReadonlyMap<string, string>): Promise<void>;

  /** @returns the offset of the first record of the (last) durable copy. */
  append(
    stream: StreamRef,
    records: readonly LogRecord[],
    options?: AppendOptions,
  ): Promise<{ baseOffset: number }>;

  /**
   * Batches (never empty) in offset order, waiting for new records at the end (long poll, up to 5 s a fetch;
   * arrival is not slowed). Asking for the next batch says the last one is done. An outage is waited out
   * inside, reported through `onTrouble`.
   */
  read(
    stream: StreamRef,
    options: ReadOptions & { onTrouble?: (error: PayflowError) => void },
  ): AsyncIterable<readonly StoredRecord[]>;

  offsets(stream: StreamRef): Promise<{ first: number; end: number }>;

  /**
   * What stands at one offset. That nobody answered (in a few seconds, or before the signal) is no answer: whoever
   * takes `unknown` for `not there` believes in a loss that is none, or misses one.
   */
  recordAt(stream: StreamRef, options: LookOptions): Promise<Looked>;

  /**
   * The random id the stream was created with: the first record of every stream, key `~stream-id`, value the
   * id. undefined once retention has removed it (only in `delete` topics); LOG_UNREACHABLE while nobody says.
   */
  streamId(stream: StreamRef): Promise<string | undefined>;

  close(): Promise<void>;
}

/** Keys that begin so are the log's and capture's own (stream id, heartbeats, seeding marks), never a row. */
export const CONTROL_KEY_PREFIX = '~';
export const STREAM_ID_KEY = '~stream-id';
