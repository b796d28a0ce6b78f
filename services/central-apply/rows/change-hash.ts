/** The evidence of what was applied. Pure. */
import { createHash } from 'node:crypto';
import type { UnitChange } from '../../shared/records/unit-record.ts';

/** What was applied, without its contents: 16 bytes of SHA-256 over table, op, identity and values. */
export function changeHash(change: UnitChange): string {
  const hash = createHash('sha256').update(`${change.table}\0${change.op}\0${change.row.identity}`);
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
