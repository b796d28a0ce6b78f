/**
 * What of a till's held records may be applied next. Looked for with every record that is put behind others, so it is
 * found by index however much is held: a till whose gap is never filled must not slow down its whole partition.
 *
 * | held of the till                                       | next                                        |
 * |--------------------------------------------------------|---------------------------------------------|
 * | its current incarnation's next unit, or one behind it  | from its first held unit on                 |
 * | none of these; another incarnation's, put aside unseen | from that one's first held unit on          |
 * | anything else                                          | nothing: it waits for a record or a person  |
 */
import type { Pool } from 'pg';
import { connect } from '../shared/database/postgres.ts';
import { PayflowError } from '../shared/errors.ts';
import { joinPieces } from '../shared/records/change-pieces.ts';
import { decodeUnitRecord } from '../shared/records/unit-codec.ts';
import type { Unit } from '../shared/records/unit-record.ts';
import { NEVER_RELEASED, type AcceptedRecord } from './held.ts';
import { Session, type TextRow } from './rows/sql.ts';

export interface Releasable {
  readonly records: readonly AcceptedRecord[];
  readonly heldIds: readonly string[];
}

/** How much of a till's held records goes into one transaction; the first unit always does. */
const RELEASED_RECORDS = 64;
const RELEASED_BYTES = 4 * 1024 * 1024;

const WAITING = `h.reason <> ALL (${NEVER_RELEASED})`;

export async function readReleasable(pool: Pool, terminal: string): Promise<Releasable> {
  const client = await connect(pool);
  try {
    const session = new Session(client);
    const [place] = await session.rows(PLACE, [terminal]);
    const [incarnation = null, next = null, isNext, unseen = null] = place ?? [];
    if (isNext === 't') return assemble(await readHeld(session, [terminal, incarnation, null]), Number(next));
    if (unseen === null) return { records: [], heldIds: [] };
    return assemble(await readHeld(session, [terminal, unseen, 'centre']), 0);
  } finally {
    client.release();
  }
}

/** A till without progress is where its first record is. */
const PLACE = `
  WITH at AS (
    SELECT COALESCE(p.incarnation, (SELECT h.incarnation FROM payflow_sync.held h
                                     WHERE h.terminal_id = $1 AND ${WAITING} ORDER BY h.held_id LIMIT 1)) AS incarnation,
           COALESCE(p.last_unit, 0) + 1 AS next
      FROM (SELECT 1) one LEFT JOIN payflow_sync.progress p ON p.terminal_id = $1)
  SELECT at.incarnation, at.next,
         EXISTS (SELECT 1 FROM payflow_sync.held h WHERE h.terminal_id = $1 AND ${WAITING}
                    AND h.incarnation = at.incarnation AND h.unit <= at.next),
         (SELECT h.incarnation FROM payflow_sync.held h WHERE h.terminal_id = $1 AND ${WAITING}
             AND (h.incarnation < at.incarnation OR h.incarnation > at.incarnation) AND h.reason = 'centre'
           ORDER BY h.held_id LIMIT 1)
    FROM at`;

/** In order: of the first unit all, behind it what fits. */
function readHeld(session: Session, [terminal, incarnation, reason]: readonly (string | null)[]) {
  return session.rows(
    `WITH own AS NOT MATERIALIZED (
       SELECT h.held_id, h.unit, h.unit_hash, h.part FROM payflow_sync.held h
        WHERE h.terminal_id = $1 AND h.incarnation = $2 AND ${WAITING} AND ($3::text IS NULL OR h.reason = $3)),
     first AS (SELECT unit FROM own ORDER BY unit LIMIT 1),
     picked AS (
       SELECT held_id FROM own WHERE unit = (SELECT unit FROM first)
       UNION SELECT held_id FROM (SELECT held_id FROM own ORDER BY unit, unit_hash, part LIMIT ${RELEASED_RECORDS}) n),
     placed AS (
       SELECT h.*, sum(length(h.record)) OVER (ORDER BY h.unit, h.unit_hash, h.part) - length(h.record) AS before
         FROM payflow_sync.held h JOIN picked USING (held_id))
     SELECT held_id, unit, parts, encode(record, 'hex'), floor(extract(epoch FROM held_at) * 1000),
            encode(unit_hash, 'hex'), up_offset
       FROM placed WHERE unit = (SELECT unit FROM first) OR before < ${RELEASED_BYTES}
      ORDER BY unit, unit_hash, part`,
    [terminal ?? null, incarnation ?? null, reason ?? null],
  );
}

/** Terminals of a partition that have held records. */
export async function terminalsWithHeld(session: Session, partition: number): Promise<string[]> {
  const rows = await session.rows(
    `SELECT DISTINCT h.terminal_id FROM payflow_sync.held h JOIN payflow_sync.terminal t USING (terminal_id)
      WHERE t.up_partition = $1::integer AND h.reason <> ALL (${NEVER_RELEASED})`,
    [String(partition)],
  );
  return rows.map(([terminal]) => terminal ?? '');
}

/** Held records of one unit, packed in one way. */
interface Slot {
  readonly unit: string;
  readonly parts: number;
  /** It stands behind the progress of its terminal already. */
  readonly isSuperseded: boolean;
  readonly rows: TextRow[];
}

const isWhole = ({ parts, rows }: Slot) => rows.length === parts;

/** @param next units before it stand behind the terminal's progress already */
function assemble(rows: readonly TextRow[], next: number): Releasable {
  const slots = new Map<string, Slot>();
  for (const row of rows) {
    const [, unit, parts, , , branch] = row;
    const packed = `${unit}\0${parts}\0${branch}`;
    const slot = slots.get(packed) ?? {
      unit: unit ?? '',
      parts: Number(parts),
      isSuperseded: Number(unit) < next,
      rows: [],
    };
    slot.rows.push(row);
    slots.set(packed, slot);
  }
  const whole = new Set([...slots.values()].filter(isWhole).map(({ unit }) => unit));
  const records: AcceptedRecord[] = [];
  for (const slot of slots.values()) {
    if (!slot.isSuperseded && !isWhole(slot)) {
      if (whole.has(slot.unit)) continue;
      break;
    }
    const accepted = slot.rows.map(acceptedOf);
    records.push(...(slot.isSuperseded ? accepted : [joinParts(accepted)]));
  }
  return { records, heldIds: records.flatMap(({ heldIds = [] }) => heldIds) };
}

function acceptedOf([heldId, , , hex, heldAtMs, , cameAt]: TextRow): AcceptedRecord {
  const bytes = Buffer.from(hex ?? '', 'hex');
  return {
    record: decodeUnitRecord(bytes),
    bytes,
    receivedAtMs: Number(heldAtMs),
    offset: null,
    heldIds: [heldId ?? ''],
    cameAt: cameAt == null ? undefined : Number(cameAt),
  };
}

/** The parts of one unit, in order, as the record of the whole unit. */
function joinParts(parts: readonly AcceptedRecord[]): AcceptedRecord {
  const [first] = parts;
  if (first === undefined) throw new PayflowError('INTERNAL', 'a unit without parts');
  if (parts.length === 1) return first;
  const slices = parts.flatMap(({ record }) => record.units);
  const [head] = slices;
  if (head === undefined) throw new PayflowError('INTERNAL', 'a part without its unit');
  const unit: Unit = {
    ...head,
    firstSeq: Math.min(...slices.map(({ firstSeq }) => firstSeq)),
    lastSeq: Math.max(...slices.map(({ lastSeq }) => lastSeq)),
    changes: joinPieces(slices.flatMap(({ changes }) => changes)),
  };
  const heldIds = parts.flatMap((part) => part.heldIds ?? []);
  // Whole since its last part came.
  const offsets = parts.flatMap(({ cameAt }) => cameAt ?? []);
  const cameAt = offsets.length === 0 ? undefined : Math.max(...offsets);
  return { ...first, heldIds, cameAt, record: { ...first.record, part: 1, parts: 1, units: [unit] } };
}
