/**
 * Which rows a stream holds, asked of the stream itself: nobody else remembers what was sent once. What was
 * learned of a stream is kept for the session, so that each record is looked at once, not once per table.
 */
import { CONTROL_KEY_PREFIX, type EventLog } from '../../shared/log/event-log.ts';
import { DELETED_HEADER } from '../../shared/records/envelope.ts';
import { parseRowKey, type CentralId } from '../../shared/records/change-record.ts';
import {
  comparePositions,
  decodePositionHeader,
  POSITION_HEADER,
  ZERO_POSITION,
  type Position,
} from '../../shared/records/position.ts';
import type { StreamWriter } from './stream-writer.ts';
import { recordBatches } from './stream-range.ts';

/** So many keys are gathered at most before they are handed over: what bounds memory. */
const KEYS_GATHERED = 20_000;
const SEED_BEGIN = `${CONTROL_KEY_PREFIX}seed-begin:`;

interface Looked {
  /** Everything before it was looked at. */
  next: number;
  /** Offset of the oldest row record, by table. */
  readonly first: Map<string, number>;
  /** Where the table's newest seeding begins. */
  readonly begins: Map<string, { readonly offset: number; readonly position: Position }>;
}

interface OldKeys {
  readonly table: string;
  readonly from: number;
  readonly to: number;
  readonly before: Position;
}

export class StreamKeys {
  readonly #options: { readonly eventLog: EventLog; readonly signal: AbortSignal };
  readonly #looked = new Map<string, Looked>();

  constructor(options: { eventLog: EventLog; signal: AbortSignal }) {
    this.#options = options;
  }

  /** Whether a durable record of the stream is of a row of this table. */
  async holds(stream: StreamWriter, table: string): Promise<boolean> {
    return (await this.#look(stream)).first.has(table);
  }

  /** Rows of the table that were not written again since its newest seeding began in this stream. */
  async *beforeSeeding(stream: StreamWriter, table: string): AsyncGenerator<readonly CentralId[]> {
    const { first, begins } = await this.#look(stream);
    const from = first.get(table);
    const begin = begins.get(table);
    if (from === undefined || begin === undefined) return;
    yield* this.#old(stream, { table, from, to: begin.offset, before: begin.position });
  }

  /** Rows of the table that were not written again since this position. */
  async *before(stream: StreamWriter, table: string, before: Position): AsyncGenerator<readonly CentralId[]> {
    const { first, next } = await this.#look(stream);
    const from = first.get(table);
    if (from !== undefined) yield* this.#old(stream, { table, from, to: next - 1, before });
  }

  async #look(writer: StreamWriter): Promise<Looked> {
    const { eventLog, signal } = this.#options;
    const { stream } = writer;
    const bounds = await eventLog.offsets(stream);
    const known = this.#looked.get(stream.topic);
    const looked: Looked = known ?? { next: bounds.first, first: new Map(), begins: new Map() };
    this.#looked.set(stream.topic, looked);
    // What stood before was deleted meanwhile.
    looked.next = Math.max(looked.next, bounds.first);
    for (const [table, offset] of looked.first) looked.first.set(table, Math.max(offset, bounds.first));
    const range = { from: looked.next, to: bounds.end - 1, signal };
    for await (const batch of recordBatches(eventLog, stream, range)) {
      for (const { key, value, headers, offset } of batch) {
        looked.next = offset + 1;
        if (key === null || value === null) continue;
        if (key[0] !== CONTROL_KEY_PREFIX.charCodeAt(0)) {
          const table = key.toString('utf8', 0, key.indexOf(':'));
          if (!looked.first.has(table)) looked.first.set(table, offset);
        } else if (key.toString('latin1', 0, SEED_BEGIN.length) === SEED_BEGIN) {
          looked.begins.set(key.toString('utf8', SEED_BEGIN.length), { offset, position: placeOf(headers) });
        }
      }
    }
    return looked;
  }

  async *#old(writer: StreamWriter, old: OldKeys): AsyncGenerator<readonly CentralId[]> {
    const { eventLog, signal } = this.#options;
    const prefix = Buffer.from(`${old.table}:`);
    let gathered = new Set<CentralId>();
    for await (const batch of recordBatches(eventLog, writer.stream, { ...old, signal })) {
      for (const { key, value, headers } of batch) {
        if (key === null || !key.subarray(0, prefix.length).equals(prefix)) continue;
        const { id } = parseRowKey(key.toString('utf8'));
        const isRow = value !== null && headers[DELETED_HEADER] === undefined;
        if (isRow && comparePositions(placeOf(headers), old.before) < 0) gathered.add(id);
        else gathered.delete(id);
      }
      if (gathered.size < KEYS_GATHERED) continue;
      yield [...gathered];
      gathered = new Set();
    }
    if (gathered.size > 0) yield [...gathered];
  }
}

function placeOf(headers: Readonly<Record<string, Buffer>>): Position {
  const header = headers[POSITION_HEADER];
  return header === undefined ? ZERO_POSITION : decodePositionHeader(header).position;
}
