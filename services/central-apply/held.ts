/**
 * What was read but cannot be applied yet is kept whole in payflow_sync.held, in the transaction that moves the
 * offset past it, and taken out again in the transaction that applies it.
 */
import type { Pool } from 'pg';
import { connect } from '../shared/database/postgres.ts';
import { PayflowError } from '../shared/errors.ts';
import { decodeUnitRecord } from '../shared/records/unit-codec.ts';
import type { Unit, UnitRecord } from '../shared/records/unit-record.ts';
import type { HoldReason } from './admission.ts';
import type { RefusedRecord } from './progress.ts';
import { textArray, unnest, type TextRow, Session } from './rows/sql.ts';

/** SQL: what waits for an operator, and not for another record. */
export const NEVER_RELEASED = `'{fenced,superseded,retired,given up}'::text[]`;

/** A record whose signature was checked. */
export interface AcceptedRecord {
  readonly record: UnitRecord;
  /** Its value as it came. */
  readonly bytes: Buffer;
  readonly receivedAtMs: number;
  /** null for one that was held. */
  readonly offset: number | null;
  /** Of one that was held. */
  readonly heldIds?: readonly string[] | undefined;
  /** Of one that was held: its offset, where that is known. A till's retirement asks for it. */
  readonly cameAt?: number | undefined;
}

export interface Held {
  readonly accepted: AcceptedRecord;
  readonly reason: HoldReason;
}

/**
 * What is kept for one till that waits: weeks of an honest one, and little for a disk, were all tills to wait. Parts
 * that are never completed and gaps that are never filled would otherwise grow for ever.
 */
export const MOST_HELD_BYTES = 256 * 1024 * 1024;
export const MOST_HELD_RECORDS = 20_000;

/**
 * A longer record of the same first unit replaces a shorter one: resends may be packed differently. What came before
 * its till's retirement stays what it is when it comes again behind it.
 * @returns those that are too many to be kept; the till sends them again once what it waits for is mended
 */
export async function saveHeld(session: Session, held: readonly Held[]): Promise<RefusedRecord[]> {
  const byUnit = new Map<string, Held>();
  for (const each of held) {
    const { record, bytes } = each.accepted;
    const unit = `${record.units[0]?.number}\0${branchOf(record)}`;
    const name = `${record.terminal}\0${record.incarnation}\0${unit}\0${record.part}`;
    const other = byUnit.get(name);
    const isLate = each.reason === 'retired' && other?.reason !== 'retired';
    if (other === undefined || (!isLate && other.accepted.bytes.length < bytes.length))
      byUnit.set(name, each);
  }
  const { rows, overflow } = await withinBounds(session, [...byUnit.values()]);
  if (rows.length === 0) return overflow;
  await session.rows(
    `INSERT INTO payflow_sync.held AS h (terminal_id, incarnation, unit, part, parts, reason, record, unit_hash, up_offset)
     SELECT v.c0, v.c1, v.c2::bigint, v.c3::integer, v.c4::integer, v.c5, decode(v.c6, 'hex'), decode(v.c7, 'hex'),
            v.c8::bigint FROM ${unnest(9)}
     ON CONFLICT (terminal_id, incarnation, unit, part, unit_hash) DO UPDATE
       SET record = excluded.record, reason = excluded.reason
       WHERE h.reason <> 'given up' AND (excluded.reason <> 'retired' OR h.up_offset IS NULL)
         AND (length(excluded.record) > length(h.record) OR h.reason <> excluded.reason)`,
    [
      textArray(rows.map(({ accepted }) => accepted.record.terminal)),
      textArray(rows.map(({ accepted }) => accepted.record.incarnation)),
      textArray(rows.map(({ accepted }) => String(accepted.record.units[0]?.number ?? 0))),
      textArray(rows.map(({ accepted }) => String(accepted.record.part))),
      textArray(rows.map(({ accepted }) => String(accepted.record.parts))),
      textArray(rows.map(({ reason }) => reason)),
      textArray(rows.map(({ accepted }) => accepted.bytes.toString('hex'))),
      textArray(rows.map(({ accepted }) => branchOf(accepted.record))),
      textArray(rows.map(({ accepted: { offset } }) => (offset === null ? null : String(offset)))),
    ],
  );
  return overflow;
}

/** The state of a till of which too much waits stands in payflow_sync.hold too, under a reason of its own. */
async function withinBounds(
  session: Session,
  held: readonly Held[],
): Promise<{ rows: Held[]; overflow: RefusedRecord[] }> {
  if (held.length === 0) return { rows: [], overflow: [] };
  const terminals = [...new Set(held.map(({ accepted }) => accepted.record.terminal))];
  const known = await session.rows(
    `SELECT v.c0, count(h.*), COALESCE(sum(length(h.record)), 0) FROM ${unnest(1)}
       LEFT JOIN payflow_sync.held h ON h.terminal_id = v.c0 GROUP BY v.c0`,
    [textArray(terminals)],
  );
  const kept = new Map(
    known.map(([terminal, records, bytes]) => [terminal, { records: Number(records), bytes: Number(bytes) }]),
  );
  const rows: Held[] = [];
  const overflow: RefusedRecord[] = [];
  const full = new Set<string>();
  for (const each of held) {
    const { record, bytes, offset } = each.accepted;
    const sum = kept.get(record.terminal) ?? { records: 0, bytes: 0 };
    sum.records += 1;
    sum.bytes += bytes.length;
    if (sum.records <= MOST_HELD_RECORDS && sum.bytes <= MOST_HELD_BYTES) {
      rows.push(each);
      continue;
    }
    full.add(record.terminal);
    const message = `${record.terminal} has ${sum.records - 1} records waiting already (${each.reason})`;
    const { terminal } = record;
    overflow.push({
      offset: offset ?? 0,
      terminal,
      code: 'HELD_TOO_MUCH',
      message,
      bytes: null,
      size: bytes.length,
    });
  }
  await noteBounds(session, { full: [...full], within: terminals.filter((terminal) => !full.has(terminal)) });
  return { rows, overflow };
}

async function noteBounds(
  session: Session,
  { full, within }: { readonly full: readonly string[]; readonly within: readonly string[] },
): Promise<void> {
  await session.rows(
    `WITH ended AS (DELETE FROM payflow_sync.hold WHERE reason = 'bounds' AND terminal_id = ANY ($2::text[]))
     INSERT INTO payflow_sync.hold AS h (terminal_id, reason, state, code, message)
     SELECT terminal, 'bounds', 'centre', 'HELD_TOO_MUCH', 'more records wait than are kept for one till'
       FROM unnest($1::text[]) AS v(terminal)
     ON CONFLICT (terminal_id, reason) DO UPDATE SET tries = h.tries + 1, tried_at = clock_timestamp()`,
    [textArray(full), textArray(within)],
  );
}

/** The last unit's hash: copies of a till's file differ in it where they begin alike. */
function branchOf({ units }: UnitRecord): string {
  return units.at(-1)?.hash.toString('hex') ?? '';
}

export async function removeHeld(session: Session, heldIds: readonly string[]): Promise<void> {
  if (heldIds.length === 0) return;
  await session.rows(
    `WITH gone AS (DELETE FROM payflow_sync.held WHERE held_id = ANY ($1::text[]::bigint[]) RETURNING terminal_id)
     DELETE FROM payflow_sync.hold WHERE reason = 'bounds' AND terminal_id IN (SELECT terminal_id FROM gone)`,
    [textArray(heldIds)],
  );
}

/** They were to be released, but are still in the way of something. What an operator gave up meanwhile stays so. */
export async function keepHeld(session: Session, held: readonly Held[]): Promise<void> {
  const ids = held.flatMap(({ accepted, reason }) => (accepted.heldIds ?? []).map((id) => ({ id, reason })));
  if (ids.length === 0) return;
  await session.rows(
    `UPDATE payflow_sync.held h SET reason = v.c1 FROM ${unnest(2)}
      WHERE h.held_id = v.c0::bigint AND h.reason NOT IN (v.c1, 'given up')`,
    [textArray(ids.map(({ id }) => id)), textArray(ids.map(({ reason }) => reason))],
  );
}

export interface Releasable {
  readonly records: readonly AcceptedRecord[];
  readonly heldIds: readonly string[];
}

/** How much of a till's held records goes into one transaction; the first unit always does. */
const RELEASED_RECORDS = 64;
const RELEASED_BYTES = 4 * 1024 * 1024;

/**
 * What of a terminal's held records may be applied next: from one on that is next, or superseded, in order. Another
 * incarnation's, put behind them unseen, come last.
 */
export async function readReleasable(pool: Pool, terminal: string): Promise<Releasable> {
  const client = await connect(pool);
  try {
    const rows = await new Session(client).rows(
      `WITH own AS (
         SELECT h.*, h.incarnation IS DISTINCT FROM COALESCE(p.incarnation, h.incarnation) AS other,
                COALESCE(p.last_unit, 0) + 1 AS next
           FROM payflow_sync.held h LEFT JOIN payflow_sync.progress p ON p.terminal_id = h.terminal_id
          WHERE h.terminal_id = $1 AND h.reason <> ALL (${NEVER_RELEASED})),
       placed AS (
         SELECT o.*, first_value(o.unit) OVER w AS first_unit, row_number() OVER w AS n,
                sum(length(o.record)) OVER w - length(o.record) AS before
           FROM own o
          WHERE (NOT other OR reason = 'centre') AND EXISTS (SELECT 1 FROM own WHERE unit <= next OR other)
         WINDOW w AS (ORDER BY o.other, o.unit, o.unit_hash, o.part))
       SELECT held_id, unit, parts, encode(record, 'hex'), floor(extract(epoch FROM held_at) * 1000), incarnation,
              NOT other AND unit < next, encode(unit_hash, 'hex'), up_offset
         FROM placed
        WHERE unit = first_unit OR (n <= ${RELEASED_RECORDS} AND before < ${RELEASED_BYTES})
        ORDER BY other, unit, unit_hash, part`,
      [terminal],
    );
    return assemble(rows);
  } finally {
    client.release();
  }
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

function assemble(rows: readonly TextRow[]): Releasable {
  const slots = new Map<string, Slot>();
  for (const row of rows) {
    const [, unit, parts, , , incarnation, superseded, branch] = row;
    const name = `${incarnation}\0${unit}`;
    const packed = `${name}\0${parts}\0${branch}`;
    const slot = slots.get(packed) ?? {
      unit: name,
      parts: Number(parts),
      isSuperseded: superseded === 't',
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

function acceptedOf([heldId, , , hex, heldAtMs, , , , cameAt]: TextRow): AcceptedRecord {
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
    changes: slices.flatMap(({ changes }) => changes),
  };
  const heldIds = parts.flatMap((part) => part.heldIds ?? []);
  // Whole since its last part came.
  const offsets = parts.flatMap(({ cameAt }) => cameAt ?? []);
  const cameAt = offsets.length === 0 ? undefined : Math.max(...offsets);
  return { ...first, heldIds, cameAt, record: { ...first.record, part: 1, parts: 1, units: [unit] } };
}
