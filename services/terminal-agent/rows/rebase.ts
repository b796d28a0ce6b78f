/**
 * What a row shows while the centre has not answered all of the till's changes to it (DESIGN §5): the centre's
 * newest image with the unsettled changes on top. Recomputed from the image each time, never accumulated.
 * Pure; values are local ones, parents already resolved to local keys.
 */
import { unreachable } from '../../shared/errors.ts';
import type { Policy } from '../../shared/mapping/mapping.ts';
import type { SqliteValue, UnitOp } from '../../shared/records/unit-record.ts';
import { addDecimals, subtractDecimals } from '../../shared/values/values.ts';
import { sameValue } from './row-key.ts';

export interface ColumnEdit {
  readonly old: SqliteValue;
  readonly new: SqliteValue;
}

/** One unsettled change of the row. `edits`: by local column; those whose old and new agree change nothing. */
export interface OpenChange {
  readonly op: UnitOp;
  readonly edits: ReadonlyMap<string, ColumnEdit>;
}

export type LocalValues = ReadonlyMap<string, SqliteValue>;

export type Rebased =
  /** The row shows these values (of the image's columns and of the changed ones). */
  | { readonly kind: 'row'; readonly values: LocalValues }
  /** The row is not shown. */
  | { readonly kind: 'absent' }
  /** Leave the local row as it stands until the centre has answered. */
  | { readonly kind: 'keep' };

/**
 * @param image the centre's row, null where the centre deleted it
 * @param changes the row's unsettled changes, in seq order
 *
 * - A column with unsettled changes shows the newest local value; a delta column shows the centre's value plus
 *   the sum of the unsettled differences.
 * - An unsettled insert adds nothing: that there is an image says that the centre has taken the insert in.
 * - An unsettled delete keeps the row away.
 * - Where the centre deleted a row that is being changed here, the row stays as it is: the later of the two
 *   wins, and taking the row away meanwhile would cost it its local key.
 */
export function rebase(
  image: LocalValues | null,
  changes: readonly OpenChange[],
  policyOf: (column: string) => Policy,
): Rebased {
  const shown = image === null ? null : new Map(image);
  let away = false;
  for (const change of changes) {
    switch (change.op) {
      case 'c':
      case 'r':
        break;
      case 'u':
        if (shown !== null) applyEdits(shown, change.edits, policyOf);
        break;
      case 'd':
        away = true;
        break;
      default:
        unreachable(change.op);
    }
  }
  if (away) return { kind: 'absent' };
  if (shown !== null) return { kind: 'row', values: shown };
  return changes.length === 0 ? { kind: 'absent' } : { kind: 'keep' };
}

function applyEdits(
  shown: Map<string, SqliteValue>,
  edits: ReadonlyMap<string, ColumnEdit>,
  policyOf: (column: string) => Policy,
): void {
  for (const [column, edit] of edits) {
    if (sameValue(edit.old, edit.new) && !isOtherZero(edit)) continue;
    const base = shown.get(column) ?? null;
    const summed = policyOf(column) === 'delta' ? addDelta(base, edit) : undefined;
    shown.set(column, summed === undefined ? edit.new : summed);
  }
}

/** An untyped column tells −0 and 0 apart, which are equal otherwise. */
function isOtherZero(edit: ColumnEdit): boolean {
  return edit.new === 0 && !Object.is(edit.old, edit.new);
}

/** base + (new − old), NULL counting as 0 at the base; undefined where the edit is no difference of numbers. */
export function addDelta(base: SqliteValue, edit: ColumnEdit): SqliteValue | undefined {
  const from = decimalText(edit.old);
  const to = decimalText(edit.new);
  const start = base === null ? '0' : decimalText(base);
  if (from === undefined || to === undefined || start === undefined) return undefined;
  const sum = addDecimals(start, subtractDecimals(to, from));
  return inStorageClass(sum, base ?? edit.new);
}

/** Exact decimal text of a stored number; undefined for what is none (NULL, BLOB, other text, infinity). */
export function decimalText(value: SqliteValue): string | undefined {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'number') return Number.isFinite(value) ? plainNumber(value) : undefined;
  if (typeof value === 'string') return /^[-+]?(\d+(\.\d*)?|\.\d+)$/.test(value) ? value : undefined;
  return undefined;
}

/** Shortest decimal that reads back as the same double, without an exponent. */
function plainNumber(value: number): string {
  const text = String(value);
  const match = /^(-?)(\d+)(?:\.(\d+))?e([-+]\d+)$/.exec(text);
  if (match === null) return text;
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = match;
  const digits = whole + fraction;
  const point = whole.length + Number(exponent);
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`;
  if (point >= digits.length) return sign + digits + '0'.repeat(point - digits.length);
  return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
}

function inStorageClass(sum: string, like: SqliteValue): SqliteValue {
  if (typeof like === 'string') return sum;
  if (typeof like === 'number') return Number(sum);
  const whole = /^([-+]?\d+)(?:\.0*)?$/.exec(sum);
  return whole?.[1] === undefined ? Number(sum) : BigInt(whole[1]);
}
