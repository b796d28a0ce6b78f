/** Changes of tills as people may see them: a viewer learns which rows and columns, never a value. */
import type { Masking } from '../shared/mapping/masking.ts';
import { MASKED } from '../shared/mapping/masking.ts';
import type { SqliteValue, UnitChange } from '../shared/records/unit-record.ts';
import type { Role } from './http/auth.ts';

/** A value by its storage class: integers beyond what JSON's readers keep come as text. */
export type ShownValue = null | string | number | { readonly hex: string };

export interface ShownColumn {
  readonly column: string;
  /** Left out for those who see no rows. */
  readonly before?: ShownValue | undefined;
  readonly after?: ShownValue | undefined;
}

export interface ShownChange {
  readonly seq: number;
  readonly table: string;
  readonly op: 'insert' | 'update' | 'delete' | 'offer';
  readonly at: string;
  readonly identity: string;
  readonly centralId: string | null;
  readonly columns: readonly ShownColumn[];
  readonly references: readonly { readonly column: string; readonly identity: string | null }[];
}

const OPS = { c: 'insert', u: 'update', d: 'delete', r: 'offer' } as const;

export function showChange(change: UnitChange, role: Role, masking: Masking): ShownChange {
  const { seq, table, op, capturedAtMs, row, columns, references } = change;
  const shown = (column: string, value: SqliteValue): ShownValue =>
    value === null || masking.isShown(table, column) ? showValue(value) : MASKED;
  return {
    seq,
    table,
    op: OPS[op],
    at: timeText(capturedAtMs),
    identity: row.identity,
    centralId: row.centralId,
    columns: columns.map(({ name, old, new: after }) =>
      role === 'operator'
        ? { column: name, before: shown(name, old), after: shown(name, after) }
        : { column: name },
    ),
    references: references.map(({ column, target }) => ({
      column,
      identity: target === null ? null : target.identity || target.centralId,
    })),
  };
}

/** A till's clock may say anything. */
function timeText(ms: number): string {
  const time = new Date(ms);
  return Number.isNaN(time.getTime()) ? String(ms) : time.toISOString();
}

function showValue(value: SqliteValue): ShownValue {
  if (typeof value === 'bigint') {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : String(value);
  }
  return Buffer.isBuffer(value) ? { hex: value.toString('hex') } : value;
}
