/** Records of tills that were passed over, and those that wait: what they are, why, since when, and for what. */
import { decodeUnitRecord } from '../shared/records/unit-codec.ts';
import type { UnitChange } from '../shared/records/unit-record.ts';
import { firstRow, iso, rows, type Queryable } from './database.ts';

export interface RecordFilter {
  readonly terminalId?: string | undefined;
  readonly code?: string | undefined;
  readonly since?: string | undefined;
}

export interface RefusedRow {
  /** `<topic>-<partition>-<offset>`. */
  readonly refusedId: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly terminalId: string | null;
  readonly code: string;
  readonly message: string | null;
  /** Of the record's value; null where it was not kept. */
  readonly sizeBytes: number | null;
  readonly refusedAt: string;
  readonly skippedAt: string | null;
  readonly skippedBy: string | null;
  readonly why: string | null;
}

const REFUSED_ID = `r.topic || '-' || r.partition || '-' || r.record_offset`;
const REFUSED_COLUMNS = `${REFUSED_ID} AS "refusedId", r.topic, r.partition, r.record_offset::float8 AS "offset",
  r.terminal_id AS "terminalId", r.code, r.message, COALESCE(r.size, length(r.bytes))::float8 AS "sizeBytes",
  ${iso('r.refused_at')} AS "refusedAt", ${iso('r.skipped_at')} AS "skippedAt", r.skipped_by AS "skippedBy", r.why`;

/** Newest first. @param before the id that the page before ended with */
export function newestRefused(
  db: Queryable,
  { before, limit }: { readonly before: string | null; readonly limit: number },
  { terminalId, code, since }: RecordFilter,
): Promise<RefusedRow[]> {
  return rows(
    db,
    `SELECT ${REFUSED_COLUMNS} FROM payflow_sync.refused_record r
      WHERE ($1::text IS NULL OR (r.refused_at, r.topic, r.partition, r.record_offset) <
              (SELECT b.refused_at, b.topic, b.partition, b.record_offset FROM payflow_sync.refused_record b
                WHERE b.topic || '-' || b.partition || '-' || b.record_offset = $1))
        AND ($3::text IS NULL OR r.terminal_id = $3) AND ($4::text IS NULL OR r.code = $4)
        AND ($5::text IS NULL OR r.refused_at >= $5::timestamptz)
      ORDER BY r.refused_at DESC, r.topic DESC, r.partition DESC, r.record_offset DESC LIMIT $2`,
    [before, limit, terminalId ?? null, code ?? null, since ?? null],
  );
}

export function refusedById(db: Queryable, id: string): Promise<RefusedRow | undefined> {
  return firstRow(
    db,
    `SELECT ${REFUSED_COLUMNS} FROM payflow_sync.refused_record r WHERE ${REFUSED_ID} = $1`,
    [id],
  );
}

export interface HeldRow {
  readonly heldId: string;
  readonly terminalId: string;
  readonly incarnation: string;
  readonly unit: number;
  readonly part: number;
  readonly parts: number;
  readonly reason: string;
  readonly heldAt: string;
  readonly sizeBytes: number;
  /** In words. */
  readonly waitsFor: string;
}

type StoredHeld = Omit<HeldRow, 'waitsFor'> & { readonly lastUnit: number | null };

const HELD_COLUMNS = `h.held_id::text AS "heldId", h.terminal_id AS "terminalId", h.incarnation,
  h.unit::float8 AS unit, h.part, h.parts, h.reason, ${iso('h.held_at')} AS "heldAt",
  length(h.record)::float8 AS "sizeBytes",
  CASE WHEN p.incarnation = h.incarnation THEN p.last_unit::float8 END AS "lastUnit"`;
const HELD = `payflow_sync.held h LEFT JOIN payflow_sync.progress p USING (terminal_id)`;

/** In the order in which they came. */
export async function heldRecords(
  db: Queryable,
  { after, limit }: { readonly after: string | null; readonly limit: number },
  { terminalId, code, since }: RecordFilter,
): Promise<HeldRow[]> {
  const found = await rows<StoredHeld>(
    db,
    `SELECT ${HELD_COLUMNS} FROM ${HELD}
      WHERE ($1::bigint IS NULL OR h.held_id > $1) AND ($3::text IS NULL OR h.terminal_id = $3)
        AND ($4::text IS NULL OR h.reason = $4) AND ($5::text IS NULL OR h.held_at >= $5::timestamptz)
      ORDER BY h.held_id LIMIT $2`,
    [after, limit, terminalId ?? null, code ?? null, since ?? null],
  );
  return found.map(toHeld);
}

export interface WholeHeld extends HeldRow {
  readonly changes: readonly UnitChange[];
}

export async function heldById(db: Queryable, id: string): Promise<WholeHeld | undefined> {
  const found = await firstRow<StoredHeld & { record: Buffer }>(
    db,
    `SELECT ${HELD_COLUMNS}, h.record FROM ${HELD} WHERE h.held_id = $1::bigint`,
    [id],
  );
  if (found === undefined) return undefined;
  const { record, ...held } = found;
  return { ...toHeld(held), changes: decodeUnitRecord(record).units.flatMap(({ changes }) => changes) };
}

function toHeld({ lastUnit, ...held }: StoredHeld): HeldRow {
  return { ...held, waitsFor: waitsFor({ ...held, lastUnit }) };
}

/** Pure. */
export function waitsFor({ terminalId, reason, unit, parts, lastUnit }: StoredHeld): string {
  switch (reason) {
    case 'gap': {
      const first = (lastUnit ?? 0) + 1;
      const missing = first >= unit - 1 ? `unit ${unit - 1}` : `units ${first} to ${unit - 1}`;
      return `${missing} of ${terminalId}, which the till sends again by itself; if a record was refused: payflow refused list`;
    }
    case 'part':
      return `the other parts of its ${parts}, which the till sends again by itself`;
    case 'fenced':
      return `a decision which file of ${terminalId} goes on: payflow terminals show ${terminalId}`;
    case 'superseded':
      return `a decision: another file of ${terminalId} went on: payflow terminals show ${terminalId}`;
    case 'retired':
      return `nothing: ${terminalId} was retired before it came; payflow terminals register ${terminalId} --replace takes it back`;
    case 'released':
      return 'its turn: it is being applied';
    case 'given up':
      return 'nothing: it is becoming a dead letter';
    case 'centre':
      return 'the cause at the centre to be mended; it is tried again by itself';
    case 'bounds':
      return `${terminalId} to have fewer records waiting; it is tried again by itself`;
    default:
      return reason;
  }
}
