/** Which rows of two samples are the same: by columns whose values tell rows apart and stand on both sides. Pure. */
import type { CentralTable } from '../../shared/catalog/central-catalog.ts';
import { hasSurrogateKey } from '../../shared/catalog/table-binding.ts';
import type { LocalTable } from '../../shared/catalog/local-catalog.ts';
import type { SampleRow } from '../../shared/catalog/parity-values.ts';
import type { SqliteValue } from '../../shared/records/unit-record.ts';
import type { CentralRow, CommonRows } from './facts.ts';
import { nameLikeness } from './name-likeness.ts';

/** Rows by a column's value, of a column in which (nearly) every row has its own. */
interface Telling<Row> {
  readonly column: string;
  readonly unique: boolean;
  readonly rows: ReadonlyMap<string, Row>;
}

const NEARLY_ALL = 0.9;
/** Below it a number may be a counter of either side's own, which says nothing. */
const LARGE = 100_000;
const ENOUGH_ROWS = 3;
/** Of the smaller side's rows. */
const FEW = 0.05;
const MOST = 0.5;
const ALIKE = 0.6;

/** @returns null for what tells nothing: NULL, bytes, small numbers, points in time */
export function tellingText(value: SqliteValue): string | null {
  if (value === null || Buffer.isBuffer(value)) return null;
  const text = String(value).trim().toLowerCase();
  if (text.length < 2 || /^\d{4}-\d\d-\d\d/.test(text)) return null;
  return /^[\d.+-]+$/.test(text) && Math.abs(Number(text)) < LARGE ? null : text;
}

function tellingColumns<Row extends Readonly<Record<string, SqliteValue>>>(
  rows: readonly Row[],
  columns: readonly string[],
  uniques: readonly (readonly string[])[],
): Telling<Row>[] {
  return columns.flatMap((column) => {
    const byValue = new Map<string, Row>();
    let told = 0;
    for (const row of rows) {
      const text = tellingText(row[column] ?? null);
      if (text === null) continue;
      told += 1;
      byValue.set(text, row);
    }
    if (told === 0 || byValue.size < NEARLY_ALL * told) return [];
    return [{ column, unique: uniques.some((unique) => unique.includes(column)), rows: byValue }];
  });
}

export interface TellingTable<Row> {
  readonly columns: readonly Telling<Row>[];
}

export function tellingLocal(table: LocalTable, rows: readonly SampleRow[]): TellingTable<SampleRow> {
  const own = hasSurrogateKey(table) ? table.key[0] : undefined;
  const names = table.columns.map(({ name }) => name).filter((name) => name !== own);
  return { columns: tellingColumns(rows, names, [table.key, ...table.uniques]) };
}

export function tellingCentral(table: CentralTable, rows: readonly CentralRow[]): TellingTable<CentralRow> {
  const names = table.columns.map(({ name }) => name);
  return { columns: tellingColumns(rows, names, [table.key, ...table.uniques]) };
}

/** By the two columns that have most values in common; those with a unique index before others. */
export function commonRows(
  local: TellingTable<SampleRow>,
  central: TellingTable<CentralRow>,
): CommonRows & { readonly share: number } {
  let best: (CommonRows & { share: number; rank: number }) | null = null;
  for (const here of local.columns)
    for (const there of central.columns) {
      const values = [...here.rows.keys()].filter((value) => there.rows.has(value));
      const share = values.length / Math.min(here.rows.size, there.rows.size);
      const isEnough =
        (values.length >= ENOUGH_ROWS && share >= FEW) ||
        (values.length > 0 && share >= MOST && nameLikeness(here.column, there.column) >= ALIKE);
      const rank = values.length * (1 + (here.unique ? 1 : 0) + (there.unique ? 1 : 0));
      if (!isEnough || rank <= (best?.rank ?? 0)) continue;
      const rows = values.flatMap((value) => {
        const [a, b] = [here.rows.get(value), there.rows.get(value)];
        return a === undefined || b === undefined ? [] : [{ local: a, central: b }];
      });
      best = { rows, by: { local: here.column, central: there.column }, share, rank };
    }
  return best ?? { rows: [], by: null, share: 0 };
}
