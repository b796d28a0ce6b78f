/**
 * Chunks of a table read from the database and laid into the WAL's order, after Netflix's DBLog: a low
 * watermark is written into the WAL, the rows are read, a high one is written. A row that a transaction between
 * the two changed is newer in the stream than in the chunk, so the chunk's copy is dropped; the others are
 * true at the high watermark, which gives them their position.
 *
 * PostgreSQL adds a trap: a commit stands in the WAL before readers can see it (with a synchronous standby, for
 * as long as that takes to answer). A transaction decoded *before* the low watermark and still in progress for
 * the chunk's snapshot is in neither: such a chunk is read again.
 */
import type { Tuple } from '../wal/pgoutput-decoder.ts';

export const CHUNK_PREFIX = 'payflow.chunk';

/** A pg_snapshot, its xids cut to the 32 bits that the WAL names. */
export interface Snapshot {
  /** Everything before it has ended. */
  readonly xmin: number;
  /** Nothing from it on was visible. */
  readonly xmax: number;
  readonly inProgress: ReadonlySet<number>;
}

export type ChunkVerdict = 'written' | 'again';

export interface Chunk {
  readonly id: string;
  readonly table: string;
  /** Filled between the two watermarks. */
  rows: readonly Tuple[];
  /** What the rows were read in. */
  snapshot: Snapshot | null;
  /** Lets the rows go out at the high watermark, without those that `isStale`. */
  emit(rows: readonly Tuple[], isStale: (centralId: string) => boolean): Promise<void>;
}

/** What was decoded between the two watermarks. */
interface Window {
  readonly keys: Set<string>;
  readonly xids: Set<number>;
  bytes: number;
  /** Too much of the table changed to say what: the chunk is read again. */
  spoiled: boolean;
}

interface OpenChunk {
  readonly chunk: Chunk;
  /** undefined until the low watermark has come. */
  window?: Window;
}

/** Of the keys of changed rows that are remembered; one transaction may change millions. */
export const MOST_KEY_BYTES = 16 << 20;
const KEY_OVERHEAD_BYTES = 64;

/** So many decoded transactions are remembered; a snapshot that still waits for an older one is not believable. */
const XIDS_KEPT = 200_000;

const NONE: ReadonlySet<number> = new Set();

export class Watermarks {
  readonly #open = new Map<string, OpenChunk>();
  readonly #decoded = new Set<number>();

  /** @param committing transactions that a predecessor may have decoded and nobody can see yet */
  constructor(committing: readonly number[] = []) {
    for (const xid of committing) this.#decoded.add(xid);
  }

  expect(chunk: Chunk): void {
    this.#open.set(chunk.id, { chunk });
  }

  forget(id: string): void {
    this.#open.delete(id);
  }

  low(id: string): void {
    const open = this.#open.get(id);
    if (open !== undefined) open.window = { keys: new Set(), xids: new Set(), bytes: 0, spoiled: false };
  }

  /** A row of the table was changed in the WAL. */
  changed(table: string, centralId: () => string): void {
    for (const { chunk, window } of this.#open.values()) {
      if (chunk.table !== table || window === undefined || window.spoiled) continue;
      const id = centralId();
      window.keys.add(id);
      window.bytes += id.length + KEY_OVERHEAD_BYTES;
      if (window.bytes > MOST_KEY_BYTES) spoil(window);
    }
  }

  /** All rows of the table went at once. */
  truncated(table: string): void {
    for (const { chunk, window } of this.#open.values()) {
      if (chunk.table === table && window !== undefined) spoil(window);
    }
  }

  /** The transaction's commit was decoded. */
  committed(xid: number): void {
    for (const { window } of this.#open.values()) window?.xids.add(xid);
    this.#decoded.add(xid);
    if (this.#decoded.size <= XIDS_KEPT) return;
    const oldest = this.#decoded.values().next();
    if (oldest.done !== true) this.#decoded.delete(oldest.value);
  }

  /** @returns undefined when nobody waits for this chunk (a predecessor's) */
  async high(id: string): Promise<ChunkVerdict | undefined> {
    const open = this.#open.get(id);
    if (open?.window === undefined) return undefined;
    const { chunk, window } = open;
    this.#open.delete(id);
    const unseen = chunk.snapshot === null || this.#decodedUnseen(chunk.snapshot, window.xids);
    if (unseen || window.spoiled) return 'again';
    await chunk.emit(chunk.rows, (centralId) => window.keys.has(centralId));
    return 'written';
  }

  /** Whether a reader with this snapshot sees all that was decoded, and the transaction that is being decoded. */
  sees(snapshot: Snapshot, xid: number): boolean {
    return !this.#decodedUnseen(snapshot, NONE) && !isInvisible(snapshot, xid);
  }

  get isEmpty(): boolean {
    return this.#open.size === 0;
  }

  #decodedUnseen(snapshot: Snapshot, window: ReadonlySet<number>): boolean {
    let unseen = false;
    for (const xid of this.#decoded) {
      if (precedes(xid, snapshot.xmin)) this.#decoded.delete(xid);
      else if (!window.has(xid) && isInvisible(snapshot, xid)) unseen = true;
    }
    return unseen;
  }
}

function spoil(window: Window): void {
  window.spoiled = true;
  window.keys.clear();
}

/** @param text as pg_snapshot prints it, `xmin:xmax:xid,xid` */
export function parseSnapshot(text: string): Snapshot {
  const [xmin = '0', xmax = '0', list = ''] = text.split(':');
  const low32 = (xid: string) => Number(BigInt(xid) & 0xffffffffn);
  return {
    xmin: low32(xmin),
    xmax: low32(xmax),
    inProgress: new Set(list === '' ? [] : list.split(',').map(low32)),
  };
}

/** Whether the transaction had not ended for this snapshot. */
export function isInvisible({ xmax, inProgress }: Snapshot, xid: number): boolean {
  return inProgress.has(xid) || !precedes(xid, xmax);
}

/** xids go round: what is less than half the circle behind is older. */
function precedes(a: number, b: number): boolean {
  return ((a - b) | 0) < 0;
}
