/**
 * What was read but cannot be applied yet is kept whole in payflow_sync.held, in the transaction that moves the
 * offset past it, and taken out again in the transaction that applies it.
 */
import type { UnitRecord } from '../shared/records/unit-record.ts';
import type { HoldReason } from './admission.ts';
import type { HeldSizes } from './held-bounds.ts';
import type { RefusedRecord } from './progress.ts';
import { textArray, unnest, type Session } from './rows/sql.ts';

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
 * A longer record of the same first unit replaces a shorter one: resends may be packed differently. What came before
 * its till's retirement stays what it is when it comes again behind it.
 * @returns those that are too many to be kept; the till sends them again once what it waits for is mended
 */
export async function saveHeld(
  session: Session,
  held: readonly Held[],
  sizes: HeldSizes,
): Promise<RefusedRecord[]> {
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
  const { rows, overflow } = await sizes.withinBounds(session, [...byUnit.values()]);
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
