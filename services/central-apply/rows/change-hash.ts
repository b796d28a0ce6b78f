/** The evidence of what was applied. Pure. */
import { createHash } from 'node:crypto';
import type { UnitChange } from '../../shared/records/unit-record.ts';

/** Before the time took part; evidence of an earlier version is of this form, 22 characters. */
export function timelessHash(change: UnitChange): string {
  return digest(change, `${change.table}\0${change.op}\0${change.row.identity}`);
}

/**
 * What was applied, without its contents: the id of its entry; of a till whose entries have none, 16 bytes of SHA-256 over
 * table, op, identity, time and values. The time tells the changes of two copies of a till's file apart where both took one off the same stock under the same number.
 */
export function changeHash(change: UnitChange): string {
  const { table, op, row, capturedAtMs, entry } = change;
  // What the entry adds up to is always the same; what else the row held then is told under a later entry.
  if (entry !== undefined) return `e${BigInt.asUintN(64, BigInt(entry)).toString(36)}`;
  return `t${digest(change, `${table}\0${op}\0${row.identity}\0${capturedAtMs}`)}`;
}

function digest(change: UnitChange, head: string): string {
  const hash = createHash('sha256').update(head);
  let text = '';
  for (const { name, old, new: next } of change.columns) {
    text += `\0${name}\0${stored(old)}\0${stored(next)}`;
  }
  return hash.update(text).digest('base64url').slice(0, 22);
}

function stored(value: UnitChange['columns'][number]['new']): string {
  if (value === null) return 'n';
  if (typeof value === 'bigint') return `i${value}`;
  if (typeof value === 'number') return `r${value}`;
  return typeof value === 'string' ? `t${value}` : `b${value.toString('hex')}`;
}
