/**
 * What was read but cannot be applied yet is kept whole in payflow_sync.held, in the transaction that moves the
 * offset past it, and taken out again in the transaction that applies it.
 */
import type { Pool } from 'pg';
import { connect } from '../shared/database/postgres.ts';
import { decodeUnitRecord } from '../shared/records/unit-codec.ts';
import type { Unit, UnitRecord } from '../shared/records/unit-record.ts';
import type { HoldReason } from './admission.ts';
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
}

export interface Held {
  readonly accepted: AcceptedRecord;
  readonly reason: HoldReason;
}

/** A longer record of the same first unit replaces a shorter one: resends may be packed differently. */
export async function saveHeld(session: Session, held: readonly Held[]): Promise<void> {
  const byUnit = new Map<string, Held>();
  for (const each of held) {
    const { record, bytes } = each.accepted;
    const unit = `${record.units[0]?.number}\0${branchOf(record)}`;
    const name = `${record.terminal}\0${record.incarnation}\0${unit}\0${record.part}`;
    const other = byUnit.get(name);
    if (other === undefined || other.accepted.bytes.length < bytes.length) byUnit.set(name, each);
  }
  const rows = [...byUnit.values()];
  if (rows.length === 0) return;
  await session.rows(
    `INSERT INTO payflow_sync.held AS h (terminal_id, incarnation, unit, part, parts, reason, record, unit_hash)
     SELECT v.c0, v.c1, v.c2::bigint, v.c3::integer, v.c4::integer, v.c5, decode(v.c6, 'hex'), decode(v.c7, 'hex')
       FROM ${unnest(8)}
     ON CONFLICT (terminal_id, incarnation, unit, part, unit_hash) DO UPDATE
       SET record = excluded.record, reason = excluded.reason
       WHERE length(excluded.record) > length(h.record) OR h.reason <> excluded.reason`,
    [
      textArray(rows.map(({ accepted }) => accepted.record.terminal)),
      textArray(rows.map(({ accepted }) => accepted.record.incarnation)),
      textArray(rows.map(({ accepted }) => String(accepted.record.units[0]?.number ?? 0))),
      textArray(rows.map(({ accepted }) => String(accepted.record.part))),
      textArray(rows.map(({ accepted }) => String(accepted.record.parts))),
      textArray(rows.map(({ reason }) => reason)),
      textArray(rows.map(({ accepted }) => accepted.bytes.toString('hex'))),
      textArray(rows.map(({ accepted }) => branchOf(accepted.record))),
    ],
  );
}

/** The last unit's hash: copies of a till's file differ in it where they begin alike. */
function branchOf({ units }: UnitRecord): string {
  return units.at(-1)?.hash.toString('hex') ?? '';
}

export async function removeHeld(session: Session, heldIds: readonly string[]): Promise<void> {
  if (heldIds.length === 0) return;
  await session.rows('DELETE FROM payflow_sync.held WHERE held_id = ANY ($1::text[]::bigint[])', [
    textArray(heldIds),
  ]);
}

/** They were to be released, but are still in the way of something. */
export async function keepHeld(
  session: Session,
  heldIds: readonly string[],
  reason: HoldReason,
): Promise<void> {
  await session.rows('UPDATE payflow_sync.held SET reason = $2 WHERE held_id = ANY ($1::text[]::bigint[])', [
    textArray(heldIds),
    reason,
  ]);
}

export interface Releasable {
  readonly records: readonly AcceptedRecord[];
  readonly heldIds: readonly string[];
}

/** What of a terminal's held records could be applied next: whole again, or superseded. */
export async function readReleasable(pool: Pool, terminal: string): Promise<Releasable> {
  const client = await connect(pool);
  try {
    const rows = await new Session(client).rows(
      `SELECT h.held_id, h.unit, h.parts, encode(h.record, 'hex'), floor(extract(epoch FROM h.held_at) * 1000)
         FROM payflow_sync.held h JOIN payflow_sync.progress p
           ON p.terminal_id = h.terminal_id AND p.incarnation = h.incarnation
        WHERE h.terminal_id = $1 AND h.reason <> ALL (${NEVER_RELEASED}) AND h.unit <= p.last_unit + 1
          AND (h.unit <= p.last_unit OR h.parts = (
                SELECT count(*) FROM payflow_sync.held o
                 WHERE o.terminal_id = h.terminal_id AND o.incarnation = h.incarnation
                   AND o.unit = h.unit AND o.parts = h.parts AND o.unit_hash = h.unit_hash))
        ORDER BY h.unit, h.part`,
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

function assemble(rows: readonly TextRow[]): Releasable {
  const byUnit = new Map<string, AcceptedRecord[]>();
  const heldIds: string[] = [];
  for (const [heldId, unit, parts, hex, heldAtMs] of rows) {
    const bytes = Buffer.from(hex ?? '', 'hex');
    const accepted = { record: decodeUnitRecord(bytes), bytes, receivedAtMs: Number(heldAtMs), offset: null };
    const name = `${unit}/${parts}/${branchOf(accepted.record)}`;
    byUnit.set(name, [...(byUnit.get(name) ?? []), accepted]);
    heldIds.push(heldId ?? '');
  }
  return { records: [...byUnit.values()].flatMap(joinParts), heldIds };
}

/** The parts of one unit, in order, as the record of the whole unit. */
function joinParts(parts: readonly AcceptedRecord[]): AcceptedRecord[] {
  const [first] = parts;
  if (first === undefined || first.record.parts === 1) return [...parts];
  const slices = parts.flatMap(({ record }) => record.units);
  const [head] = slices;
  if (head === undefined || parts.length < first.record.parts) return []; // Superseded: applied already.
  const unit: Unit = {
    ...head,
    firstSeq: Math.min(...slices.map(({ firstSeq }) => firstSeq)),
    lastSeq: Math.max(...slices.map(({ lastSeq }) => lastSeq)),
    changes: slices.flatMap(({ changes }) => changes),
  };
  return [{ ...first, record: { ...first.record, part: 1, parts: 1, units: [unit] } }];
}
