/** How much is kept for a till that waits. */
import type { Held } from './held.ts';
import type { RefusedRecord } from './progress.ts';
import { textArray, type Session } from './rows/sql.ts';

/**
 * What is kept for one till that waits: weeks of an honest one, and little for a disk, were all tills to wait. Parts
 * that are never completed and gaps that are never filled would otherwise grow for ever.
 */
export const MOST_HELD_BYTES = 256 * 1024 * 1024;
export const MOST_HELD_RECORDS = 20_000;

interface Kept {
  records: number;
  bytes: number;
  readonly countedAtMs: number;
}

/** A partition is read by one process at a time, and only taking out makes it less than what is remembered. */
const BELIEVED_MS = 60_000;
/** At the bound it is counted again, lest a till is turned away that has room by now. */
const FULL_BELIEVED_MS = 1_000;

/**
 * How much is held of each till: counted now and then, since counting thousands of records for each group would let
 * a till whose gap is never filled slow down its whole partition.
 */
export class HeldSizes {
  readonly #kept = new Map<string, Kept>();
  readonly #elapsedMs: () => number;

  constructor(elapsedMs: () => number = () => performance.now()) {
    this.#elapsedMs = elapsedMs;
  }

  /**
   * The state of a till of which too much waits stands in payflow_sync.hold too, under a reason of its own.
   * @returns what may be kept, and what may not
   */
  async withinBounds(
    session: Session,
    held: readonly Held[],
  ): Promise<{ rows: Held[]; overflow: RefusedRecord[] }> {
    const rows: Held[] = [];
    const overflow: RefusedRecord[] = [];
    const full = new Set<string>();
    const within = new Set<string>();
    for (const each of held) {
      const { terminal } = each.accepted.record;
      const size = each.accepted.bytes.length;
      const kept = await this.#of(session, terminal, size);
      kept.records += 1;
      kept.bytes += size;
      const isFull = !fits(kept, 0);
      (isFull ? full : within).add(terminal);
      if (isFull) overflow.push(tooMuch(each, kept.records - 1));
      else rows.push(each);
    }
    if (held.length > 0) await noteBounds(session, { full, within });
    return { rows, overflow };
  }

  /** What was counted for them in a transaction that did not come about. */
  forget(terminals: Iterable<string>): void {
    for (const terminal of terminals) this.#kept.delete(terminal);
  }

  async #of(session: Session, terminal: string, more: number): Promise<Kept> {
    const known = this.#kept.get(terminal);
    const age = known === undefined ? Infinity : this.#elapsedMs() - known.countedAtMs;
    if (known !== undefined && age < (fits(known, more) ? BELIEVED_MS : FULL_BELIEVED_MS)) return known;
    const [row] = await session.rows(
      `SELECT count(*), COALESCE(sum(length(record)), 0) FROM payflow_sync.held WHERE terminal_id = $1`,
      [terminal],
    );
    const counted = { records: Number(row?.[0]), bytes: Number(row?.[1]), countedAtMs: this.#elapsedMs() };
    this.#kept.set(terminal, counted);
    return counted;
  }
}

function fits({ records, bytes }: Kept, more: number): boolean {
  return records + (more > 0 ? 1 : 0) <= MOST_HELD_RECORDS && bytes + more <= MOST_HELD_BYTES;
}

function tooMuch({ accepted: { record, bytes, offset }, reason }: Held, waiting: number): RefusedRecord {
  const { terminal } = record;
  const message = `${terminal} has ${waiting} records waiting already (${reason})`;
  return {
    offset: offset ?? 0,
    terminal,
    code: 'HELD_TOO_MUCH',
    message,
    bytes: null,
    size: bytes.length,
  };
}

async function noteBounds(
  session: Session,
  { full, within }: { readonly full: ReadonlySet<string>; readonly within: ReadonlySet<string> },
): Promise<void> {
  await session.rows(
    `WITH ended AS (DELETE FROM payflow_sync.hold WHERE reason = 'bounds' AND terminal_id = ANY ($2::text[]))
     INSERT INTO payflow_sync.hold AS h (terminal_id, reason, state, code, message)
     SELECT terminal, 'bounds', 'centre', 'HELD_TOO_MUCH', 'more records wait than are kept for one till'
       FROM unnest($1::text[]) AS v(terminal)
     ON CONFLICT (terminal_id, reason) DO UPDATE SET tries = h.tries + 1, tried_at = clock_timestamp()`,
    [textArray([...full]), textArray([...within].filter((terminal) => !full.has(terminal)))],
  );
}
