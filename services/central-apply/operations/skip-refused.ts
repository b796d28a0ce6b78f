/**
 * `refused skip`: a record that can't be read left a gap in its till's chain, and all behind it is held. The
 * operator gives it up: the chain goes on at the first held unit behind the gap, and the numbers in between
 * become `discarded`, so that the till learns which of its changes never arrived.
 *
 * Read under the lock of the till's progress; what is decided is one of
 *   nothing is held behind the till's last unit       → the record left no gap: only noted as skipped
 *   the first held unit follows on the last one       → as above: what is held waits for something else
 *   the unit is there in part only                    → CONFLICT: its other parts may still come
 *   the till is fenced, or speaks as another file     → CONFLICT: that has to be decided first
 *   a gap before the first held unit                  → the chain goes on there, and what is held is marked released
 */
import { PayflowError } from '../../shared/errors.ts';
import { skipSchema, type SkipResult } from '../../shared/operations.ts';
import { decodeUnitRecord } from '../../shared/records/unit-codec.ts';
import { addDiscarded } from '../exceptions.ts';
import type { Session } from '../rows/sql.ts';
import type { OperationHandler } from './operation.ts';

export const skipRefused: OperationHandler = async ({ session, by, why }, args) => {
  const { id } = skipSchema.parse(args);
  const place = placeOf(id);
  const [record] = await session.rows(
    `SELECT terminal_id, skipped_at, skipped_by FROM payflow_sync.refused_record
      WHERE topic = $1 AND partition = $2::integer AND record_offset = $3::bigint FOR UPDATE`,
    place,
  );
  if (record === undefined) throw new PayflowError('NOT_FOUND', `there is no refused record ${id}`);
  const [terminal, skippedAt, skippedBy] = record;
  if (skippedAt != null) {
    throw new PayflowError('CONFLICT', `record ${id} was skipped already, by ${skippedBy ?? 'somebody'}`);
  }
  const skipped = terminal == null ? null : await closeGap(session, terminal, why);
  await session.rows(
    `UPDATE payflow_sync.refused_record SET skipped_at = clock_timestamp(), skipped_by = $4, why = $5
      WHERE topic = $1 AND partition = $2::integer AND record_offset = $3::bigint`,
    [...place, by, why],
  );
  const result: SkipResult = { refusedId: id, terminalId: terminal ?? null, skipped };
  return { result, done: true, release: skipped === null || terminal == null ? [] : [terminal] };
};

/** `<topic>-<partition>-<offset>`, as refused records are listed. */
function placeOf(id: string): [topic: string, partition: string, offset: string] {
  const [, topic, partition, offset] = /^(.+)-(\d{1,9})-(\d{1,18})$/.exec(id) ?? [];
  if (topic === undefined || partition === undefined || offset === undefined) {
    throw new PayflowError('NOT_FOUND', `there is no refused record ${id}`);
  }
  return [topic, partition, offset];
}

async function closeGap(
  session: Session,
  terminal: string,
  why: string | null,
): Promise<SkipResult['skipped']> {
  const [progress] = await session.rows(
    `SELECT p.incarnation, p.last_unit, p.last_seq, p.exceptions, t.status
       FROM payflow_sync.progress p JOIN payflow_sync.terminal t USING (terminal_id)
      WHERE p.terminal_id = $1 FOR UPDATE OF p`,
    [terminal],
  );
  if (progress === undefined) return null;
  const [incarnation, lastUnit, lastSeq, exceptions, status] = progress;
  const [held] = await session.rows(
    `SELECT h.unit, h.parts, encode(h.record, 'hex'), (
              SELECT count(*) FROM payflow_sync.held o WHERE o.terminal_id = h.terminal_id
                 AND o.incarnation = h.incarnation AND o.unit = h.unit AND o.parts = h.parts
                 AND o.unit_hash = h.unit_hash)
       FROM payflow_sync.held h
      WHERE h.terminal_id = $1 AND h.incarnation = $2 AND h.unit > $3::bigint
        AND h.reason NOT IN ('superseded', 'retired', 'given up')
      ORDER BY h.unit, h.part LIMIT 1`,
    [terminal, incarnation ?? '', lastUnit ?? '0'],
  );
  if (held === undefined) return null;
  const [unit, parts, hex, present] = held;
  if (Number(unit) === Number(lastUnit) + 1) return null;
  if (status === 'fenced') {
    throw new PayflowError(
      'CONFLICT',
      `${terminal} is fenced: which of its files goes on has to be decided first`,
    );
  }
  if (Number(present) < Number(parts)) {
    throw new PayflowError(
      'CONFLICT',
      `unit ${unit} of ${terminal}, the next one, is there in ${present} of ${parts} parts; the others may still come`,
    );
  }
  const [first] = decodeUnitRecord(Buffer.from(hex ?? '', 'hex')).units;
  if (first === undefined) throw new PayflowError('INTERNAL', 'a held record without a unit');
  const skipped = { firstSeq: Number(lastSeq) + 1, lastSeq: first.firstSeq - 1 };
  await session.rows(
    `UPDATE payflow_sync.progress SET last_unit = $2::bigint, last_seq = $3::bigint, chain_hash = decode($4, 'hex'),
            exceptions = $5, updated_at = clock_timestamp() WHERE terminal_id = $1`,
    [
      terminal,
      String(first.number - 1),
      String(skipped.lastSeq),
      first.previousHash.toString('hex'),
      addDiscarded(exceptions ?? '[]', skipped, why),
    ],
  );
  await letGoOn(session, terminal, incarnation ?? '');
  return skipped;
}

/** In the transaction that closes the gap: whoever is there carries it out (decided-held.ts), should we die behind it. */
async function letGoOn(session: Session, terminal: string, incarnation: string): Promise<void> {
  await session.rows(
    `UPDATE payflow_sync.held SET reason = 'released'
      WHERE terminal_id = $1 AND incarnation = $2 AND reason IN ('gap', 'part')`,
    [terminal, incarnation],
  );
}
