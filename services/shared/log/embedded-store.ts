/**
 * The SQLite file behind the embedded log: its tables, statements and how a record is kept.
 *
 * Records of all streams lie in one table whose integer key is the stream's number and the offset together,
 * so that a stream is one contiguous range and reading or appending costs one b-tree. That allows 8,191
 * streams of 10^12 records each. The end offset is kept in the stream's row, so offsets never go back,
 * whatever retention removes.
 */
import Database from 'better-sqlite3';
import { dirname } from 'node:path';
import type { ErrorCode } from '../error-codes.ts';
import { PayflowError } from '../errors.ts';
import { keepPrivate, makePrivateFolder } from '../private-files.ts';
import type { StoredRecord, StreamRef } from './event-log.ts';
import { setHeader } from './records.ts';

const APPLICATION_ID = 0x70_66_6c_67;
const SCHEMA_VERSION = 1;
const OFFSETS_PER_STREAM = 2 ** 40;
const MAX_STREAMS = 2 ** 13 - 1;
/** Other processes' appends take milliseconds; longer waits are retried without blocking this one. */
const BUSY_TIMEOUT_MS = 1_000;
const NAME_LENGTH_BYTES = 2;
const VALUE_LENGTH_BYTES = 4;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS topic (
    topic                  TEXT PRIMARY KEY,
    partitions             INTEGER NOT NULL,
    cleanup                TEXT NOT NULL,
    retention_ms           INTEGER,
    min_compaction_lag_ms  INTEGER NOT NULL,
    delete_retention_ms    INTEGER NOT NULL,
    max_record_bytes       INTEGER NOT NULL
  );
  CREATE TABLE IF NOT EXISTS stream (
    stream_no    INTEGER PRIMARY KEY CHECK (stream_no BETWEEN 1 AND ${MAX_STREAMS}),
    topic        TEXT NOT NULL REFERENCES topic,
    partition    INTEGER NOT NULL,
    first_offset INTEGER NOT NULL DEFAULT 0,
    end_offset   INTEGER NOT NULL DEFAULT 0,
    clean_until  INTEGER NOT NULL DEFAULT 0,   -- compacted up to here
    UNIQUE (topic, partition)
  );
  CREATE TABLE IF NOT EXISTS record (
    record_no    INTEGER PRIMARY KEY,          -- stream_no * 2^40 + offset
    key          BLOB,
    value        BLOB,
    headers      BLOB,
    timestamp_ms INTEGER NOT NULL
  );
  -- The last transaction of each client: tells one whose COMMIT failed whether it was kept after all.
  CREATE TABLE IF NOT EXISTS writer (
    writer_id  TEXT PRIMARY KEY,
    group_no   INTEGER NOT NULL,
    written_ms INTEGER NOT NULL
  );
`;

export interface TopicRow {
  readonly topic: string;
  readonly partitions: number;
  readonly cleanup: 'compact' | 'delete';
  readonly retention_ms: number | null;
  readonly min_compaction_lag_ms: number;
  readonly delete_retention_ms: number;
  readonly max_record_bytes: number;
}

export interface StreamRow {
  readonly stream_no: number;
  readonly topic: string;
  readonly partition: number;
  readonly first_offset: number;
  readonly end_offset: number;
  readonly clean_until: number;
}

export interface RecordRow {
  readonly record_no: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Buffer | null;
  readonly timestamp_ms: number;
}

/**
 * Opens the file, making it and its folder when they are not there.
 * @throws PayflowError CONFIG_INVALID when it is not a log of ours, LOG_UNREACHABLE when it cannot be used now.
 */
export function openEmbeddedFile(file: string): Database.Database {
  try {
    makePrivateFolder(dirname(file), { passable: true });
    keepPrivate(file);
    const db = new Database(file, { timeout: BUSY_TIMEOUT_MS });
    const owner = db.pragma('application_id', { simple: true });
    const version = Number(db.pragma('user_version', { simple: true }));
    if ((owner !== 0 && owner !== APPLICATION_ID) || version > SCHEMA_VERSION) {
      db.close();
      throw new PayflowError('CONFIG_INVALID', `${file} is not an event log of this version of payflow-sync`);
    }
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = FULL');
    db.pragma('journal_size_limit = 67108864');
    db.pragma('temp_store = MEMORY');
    const create = db.transaction(() => {
      db.exec(SCHEMA);
      db.pragma(`application_id = ${APPLICATION_ID}`);
      db.pragma(`user_version = ${SCHEMA_VERSION}`);
    });
    if (owner === 0 || version < SCHEMA_VERSION) create.immediate();
    return db;
  } catch (error) {
    throw asEmbeddedError(error, `opening ${file}`);
  }
}

/** SQLite's own codes; busy, full disk and I/O errors may pass, and are waited out. */
export function asEmbeddedError(thrown: unknown, context: string): PayflowError {
  if (thrown instanceof PayflowError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const code: unknown = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
  return new PayflowError(embeddedCode(code), `${context}: ${message}`, {
    cause: thrown,
    details: { sqlite: code },
  });
}

function embeddedCode(code: unknown): ErrorCode {
  if (typeof code !== 'string') return 'INTERNAL';
  if (/^SQLITE_(BUSY|LOCKED|FULL|IOERR|NOMEM|INTERRUPT)/.test(code)) return 'LOG_UNREACHABLE';
  if (/^SQLITE_(NOTADB|CORRUPT|CANTOPEN|READONLY|PERM|AUTH)/.test(code)) return 'CONFIG_INVALID';
  return ['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EEXIST'].includes(code) ? 'CONFIG_INVALID' : 'INTERNAL';
}

export function missingStream(stream: StreamRef): PayflowError {
  return new PayflowError('LOG_TOPIC_MISSING', `${stream.topic}/${stream.partition} does not exist`, {
    details: { topic: stream.topic },
  });
}

/** The table key of an offset. */
export function recordNo(streamNo: number, offset: number): number {
  return streamNo * OFFSETS_PER_STREAM + offset;
}

/** Past the last possible record of a stream. */
export function endRecordNo(streamNo: number): number {
  return (streamNo + 1) * OFFSETS_PER_STREAM;
}

export function toStoredRecord(row: RecordRow): StoredRecord {
  return {
    offset: row.record_no % OFFSETS_PER_STREAM,
    timestampMs: row.timestamp_ms,
    key: row.key,
    value: row.value,
    headers: row.headers === null ? {} : decodeHeaders(row.headers),
  };
}

/** Length-prefixed names and values, null when there are none. */
export function encodeHeaders(headers: Readonly<Record<string, Buffer>> | undefined): Buffer | null {
  if (headers === undefined) return null;
  const parts: Buffer[] = [];
  for (const name in headers) {
    const value = headers[name];
    if (value === undefined) continue;
    const encodedName = Buffer.from(name, 'utf8');
    const lengths = Buffer.allocUnsafe(NAME_LENGTH_BYTES + VALUE_LENGTH_BYTES);
    lengths.writeUInt16BE(encodedName.length, 0);
    lengths.writeUInt32BE(value.length, NAME_LENGTH_BYTES);
    parts.push(lengths, encodedName, value);
  }
  return parts.length === 0 ? null : Buffer.concat(parts);
}

export function decodeHeaders(bytes: Buffer): Record<string, Buffer> {
  const headers: Record<string, Buffer> = {};
  let at = 0;
  while (at < bytes.length) {
    const nameLength = bytes.readUInt16BE(at);
    const valueLength = bytes.readUInt32BE(at + NAME_LENGTH_BYTES);
    const nameAt = at + NAME_LENGTH_BYTES + VALUE_LENGTH_BYTES;
    const valueAt = nameAt + nameLength;
    const name = bytes.toString('utf8', nameAt, valueAt);
    setHeader(headers, name, bytes.subarray(valueAt, valueAt + valueLength));
    at = valueAt + valueLength;
  }
  return headers;
}
