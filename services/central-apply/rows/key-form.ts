/** Whether a text can be a key of a table at all: a malformed one would make a whole group's statement fail. Pure. */
import { centralIdParts, type CentralId } from '../../shared/records/change-record.ts';
import type { CentralColumn } from '../../shared/catalog/central-catalog.ts';
import { withoutPadding } from '../../shared/values/padding.ts';
import type { TableModel } from './model.ts';

const UUID = /^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$/i;

export function fitsKey(table: TableModel, id: string): boolean {
  if (id.includes('\0')) return false;
  let parts: unknown[];
  try {
    parts = centralIdParts(id as CentralId, table.key.length);
  } catch {
    return false; // A composite id that is no JSON.
  }
  if (!Array.isArray(parts) || parts.length !== table.key.length) return false;
  return table.key.every((name, index) => {
    const column = table.central.get(name);
    const part = parts[index];
    return column !== undefined && typeof part === 'string' && fitsColumn(column, part);
  });
}

/** A carried key value as PostgreSQL will print it: ids are compared as texts. */
export function canonicalKeyText(column: CentralColumn, text: string): string {
  if ((column.kind === 'int' || column.kind === 'bigint') && /^[+-]?\d{1,40}$/.test(text))
    return String(BigInt(text));
  if (column.type === 'uuid' && UUID.test(text)) {
    const digits = text.toLowerCase().replaceAll('-', '');
    return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  }
  if (column.kind === 'boolean') return text === 'true' ? 't' : text === 'false' ? 'f' : text;
  const blanks = /^character\((\d+)\)$/.exec(column.type);
  if (blanks !== null) {
    const letters = withoutPadding(text);
    return letters + ' '.repeat(Math.max(0, Number(blanks[1]) - [...letters].length));
  }
  return text;
}

export function fitsColumn(column: CentralColumn, text: string): boolean {
  switch (column.kind) {
    case 'int':
      return inRange(text, column.type === 'smallint' ? 15n : 31n);
    case 'bigint':
      return inRange(text, 63n);
    case 'text':
      return column.type !== 'uuid' || UUID.test(text);
    case 'boolean':
    case 'double':
    case 'bytes':
      return true;
  }
}

function inRange(text: string, bits: bigint): boolean {
  if (!/^-?\d{1,19}$/.test(text)) return false;
  const value = BigInt(text);
  return value >= -(1n << bits) && value < 1n << bits;
}
