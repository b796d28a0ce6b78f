/**
 * Conflicts, dead letters and held records as people may see them: the one place where rows become answers.
 * Rows are for operators; a viewer learns which row, which columns and why.
 */
import { changesFromJson } from '../shared/records/stored-changes.ts';
import type { SqliteValue, UnitChange } from '../shared/records/unit-record.ts';
import type { ConflictRow, WholeConflict, WholeDeadLetter } from './evidence.ts';
import type { Principal, Role } from './http/auth.ts';
import type { WholeHeld } from './waiting-records.ts';

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

/** The role by which rows are shown; a till's token reaches no evidence. */
export function roleOf(principal: Principal): Role {
  return principal.kind === 'user' ? principal.role : 'viewer';
}

export function showConflict<Row extends ConflictRow | WholeConflict>(conflict: Row, role: Role): Row {
  if (role === 'operator') return conflict;
  const hidden = { centralRow: null, terminalRow: null, resolution: null };
  return { ...conflict, ...hidden, ...('standing' in conflict ? { standing: null } : {}) };
}

export type ShownDeadLetter = Omit<WholeDeadLetter, 'changes'> & { readonly changes: readonly ShownChange[] };

export function showDeadLetter({ changes, ...letter }: WholeDeadLetter, role: Role): ShownDeadLetter {
  const mended = role === 'operator' ? letter.mended : null;
  return { ...letter, mended, changes: changesFromJson(changes).map((change) => showChange(change, role)) };
}

export type ShownHeld = Omit<WholeHeld, 'changes'> & { readonly changes: readonly ShownChange[] };

export function showHeld({ changes, ...held }: WholeHeld, role: Role): ShownHeld {
  return { ...held, changes: changes.map((change) => showChange(change, role)) };
}

function showChange(change: UnitChange, role: Role): ShownChange {
  const { seq, table, op, capturedAtMs, row, columns, references } = change;
  return {
    seq,
    table,
    op: OPS[op],
    at: timeText(capturedAtMs),
    identity: row.identity,
    centralId: row.centralId,
    columns: columns.map(({ name, old, new: after }) =>
      role === 'operator'
        ? { column: name, before: showValue(old), after: showValue(after) }
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
