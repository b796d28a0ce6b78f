/**
 * The transaction that is being read, as it goes out: numbers its changes, encodes them into the streams, and
 * tells the acker what has to be durable before it may be acknowledged.
 */
import type { Logger } from 'pino';
import {
  rowKey,
  type CentralId,
  type ControlRecord,
  type RowOp,
} from '../../shared/records/change-record.ts';
import {
  encodeOriginUnits,
  ORIGIN_UNIT_BYTES,
  ORIGIN_UNITS_HEADER,
  type AnswerOrigin,
} from '../../shared/records/origin-units.ts';
import { DELETED_HEADER, encodeControl } from '../../shared/records/envelope.ts';
import type { Lsn, Position } from '../../shared/records/position.ts';
import type { Acker } from '../wal/acker.ts';
import { AvroWriter } from './avro-writer.ts';
import type { ChangeInput, TransactionSource } from './change-encoder.ts';
import type { DownStreams } from './down-streams.ts';
import type { Tuple } from '../wal/pgoutput-decoder.ts';
import type { Route } from '../routing/routes.ts';
import { largestValue } from './stream-limits.ts';
import type { StreamWriter } from './stream-writer.ts';

export interface OutgoingChange {
  readonly op: RowOp;
  readonly before: Tuple | null;
  readonly beforeIsKey: boolean;
  readonly after: Tuple | null;
  readonly origins: readonly AnswerOrigin[];
  readonly headers?: Readonly<Record<string, Buffer>>;
  readonly isDeleted?: boolean | undefined;
  readonly omitted?: readonly string[];
}

export const NO_ORIGINS: readonly AnswerOrigin[] = [];
const DELETED = { [DELETED_HEADER]: Buffer.from([1]) };
const BARE_DELETE: OutgoingChange = {
  op: 'd',
  before: null,
  beforeIsKey: false,
  after: null,
  origins: NO_ORIGINS,
};
const NOTHING_OMITTED: readonly string[] = [];

/** A row that ten thousand changes of tills have made has as many origins. */
function roomFor({ origins }: Pick<ChangeInput, 'origins'>, { limitBytes }: StreamWriter): number {
  return largestValue(limitBytes) - origins.length * ORIGIN_UNIT_BYTES;
}

/** It stands for the row for ever: of what was in it nothing is left but the key. */
function lastingDelete(change: OutgoingChange): OutgoingChange {
  return { ...change, beforeIsKey: true, headers: { ...change.headers, ...DELETED } };
}

function headersOf({ headers, origins }: OutgoingChange): OutgoingChange['headers'] {
  if (origins.length === 0) return headers;
  return { ...headers, [ORIGIN_UNITS_HEADER]: encodeOriginUnits(origins) };
}

export class TransactionWriter {
  readonly #epoch: number;
  readonly #acker: Acker;
  readonly #streams: DownStreams;
  readonly #log: Logger;
  readonly #arena = new AvroWriter();
  readonly #touched = new Set<StreamWriter>();
  /** By topic, since each has a limit of its own. */
  readonly #omitted = new Map<string, Set<string>>();
  #source: TransactionSource;
  #seq = 0;
  /** How many of the changes counted two, this one too where it does. */
  #pairs = 0;
  /** A delete that the present change leads to has the place before it. */
  #isPair = false;

  constructor(options: { epoch: number; acker: Acker; streams: DownStreams; log: Logger }) {
    this.#epoch = options.epoch;
    this.#acker = options.acker;
    this.#streams = options.streams;
    this.#log = options.log;
    this.#source = { epoch: options.epoch, lsn: 0n as Lsn, xid: 0, commitTimeUs: 0n };
  }

  get xid(): number {
    return this.#source.xid;
  }

  get commitTimeUs(): bigint {
    return this.#source.commitTimeUs;
  }

  /** Of the newest transaction; 0 before the first. */
  get commitTimeMs(): number {
    return Number(this.#source.commitTimeUs / 1000n);
  }

  /** Tables of which rows travelled in this topic without columns, since this was asked last. */
  takeOmitted(topic: string): string[] {
    const tables = [...(this.#omitted.get(topic) ?? [])];
    this.#omitted.delete(topic);
    return tables;
  }

  begin(begin: { commitLsn: Lsn; xid: number; commitTimeUs: bigint }): void {
    const { commitLsn, xid, commitTimeUs } = begin;
    this.#source = { epoch: this.#epoch, lsn: commitLsn, xid, commitTimeUs };
    this.#seq = 0;
    this.#pairs = 0;
    this.#isPair = false;
  }

  /** Counts a WAL change (or an image, or a row of a chunk), sent or not: a resend numbers alike. */
  nextSeq(): void {
    this.#seq += 1;
    this.#isPair = false;
  }

  /** Counts a change that may take a row away and put it elsewhere: an update, a row whose parent moved. */
  nextPair(): void {
    this.#seq += 2;
    this.#pairs += 1;
    this.#isPair = true;
  }

  get position(): Position {
    return this.#at(this.#seq);
  }

  #at(seq: number): Position {
    return { epoch: this.#epoch, lsn: this.#source.lsn, seq };
  }

  #wants(writer: StreamWriter, position: Position): boolean {
    return writer.wants(position, this.#seq - this.#pairs);
  }

  /** What `write` writes comes before all changes of the transaction. */
  atHead(write: () => void): void {
    const seq = this.#seq;
    this.#seq = 0;
    write();
    this.#seq = seq;
  }

  commit(endLsn: Lsn): void {
    const end = { endLsn, commitTimeUs: this.#source.commitTimeUs };
    for (const writer of this.#touched) {
      this.#acker.written(writer.stream.topic, writer.endTransaction(end));
      // A flush may have come between the last change and here: what was held back then goes out with the next.
      this.#streams.touched(writer);
    }
    this.#touched.clear();
    this.#acker.commit(endLsn);
  }

  /** A change of a row; a delete is followed by its tombstone, unless tills keep the row. */
  change(writer: StreamWriter, route: Route, change: OutgoingChange): void {
    const position = this.#isPair && change.op === 'd' ? this.#at(this.#seq - 1) : this.position;
    const row = change.after ?? change.before;
    if (row === null || !this.#wants(writer, position)) return;
    const key = route.encoder.key(this.#arena, row);
    const isLasting = change.isDeleted === true && route.outlivesDeletes;
    this.#write(writer, route, {
      key,
      position,
      change: isLasting ? lastingDelete(change) : change,
      isLasting,
    });
  }

  /**
   * The end of a row of which nothing is known but its key, which need not even fit the table's present one.
   * @param isDeleted it is no more, and not another store's now
   */
  deletion(
    writer: StreamWriter,
    route: Route,
    id: CentralId,
    { isDeleted }: { readonly isDeleted: boolean },
  ): void {
    const { position } = this;
    if (!this.#wants(writer, position)) return;
    const key = Buffer.from(rowKey(route.name, id));
    const isLasting = isDeleted && route.outlivesDeletes;
    this.#write(writer, route, {
      key,
      position,
      change: isLasting ? lastingDelete(BARE_DELETE) : BARE_DELETE,
      isLasting,
    });
  }

  #write(
    writer: StreamWriter,
    route: Route,
    {
      key,
      position,
      change,
      isLasting,
    }: { key: Buffer; position: Position; change: OutgoingChange; isLasting: boolean },
  ): void {
    const value = this.#encode(writer, route, change, position.seq);
    const headers = headersOf(change);
    const record = headers === undefined ? { key, value } : { key, value, headers };
    writer.add(position, change.op === 'd' && !isLasting ? [record, { key, value: null }] : [record]);
    this.#touch(writer);
  }

  /** A record of our own, at this place of the transaction. */
  control(writer: StreamWriter, control: ControlRecord): void {
    const { position } = this;
    if (!this.#wants(writer, position)) return;
    const { key, value } = encodeControl(control, position);
    if (key === null) return;
    writer.add(position, [{ key, value }]);
    this.#touch(writer);
  }

  #touch(writer: StreamWriter): void {
    this.#touched.add(writer);
    this.#streams.touched(writer);
  }

  #encode(writer: StreamWriter, route: Route, change: OutgoingChange, seq: number): Buffer {
    const input: ChangeInput = {
      op: change.op,
      seq,
      before: change.before,
      beforeIsKey: change.beforeIsKey,
      after: change.after,
      origins: change.origins,
      omitted: change.omitted ?? NOTHING_OMITTED,
    };
    const value = route.encoder.encode(this.#arena, this.#source, input);
    return value.length <= roomFor(input, writer) ? value : this.#encodeSmaller(writer, route, input);
  }

  /** A row that no record can hold travels without its largest columns, and never blocks the others. */
  #encodeSmaller(writer: StreamWriter, route: Route, input: ChangeInput): Buffer {
    const limit = roomFor(input, writer);
    const omitted = [...input.omitted];
    const largest = input.after === null ? [] : route.encoder.largestColumns(input.after);
    const smaller = { ...input, beforeIsKey: true };
    let value = route.encoder.encode(this.#arena, this.#source, smaller);
    for (const column of largest) {
      if (value.length <= limit) break;
      omitted.push(column.name);
      value = route.encoder.encode(this.#arena, this.#source, { ...smaller, omitted });
    }
    if (omitted.length > input.omitted.length) {
      const { topic } = writer.stream;
      this.#omitted.set(topic, (this.#omitted.get(topic) ?? new Set<string>()).add(route.name));
      const id = input.after === null ? null : route.encoder.centralId(input.after);
      this.#log.error(
        { code: 'LOG_RECORD_TOO_LARGE', table: route.name, id, omitted },
        'row too large: columns omitted',
      );
    }
    return value;
  }
}
