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
  /** Of rows that have one value in the other columns of a unique index: the receipts of one store. */
  readonly within?: string | undefined;
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

/** Numbers that are given anew in each store, as a unique index says: they tell rows apart there. */
function tellingWithin<Row extends Readonly<Record<string, SqliteValue>>>(
  rows: readonly Row[],
  uniques: readonly (readonly string[])[],
): Telling<Row>[] {
  return uniques
    .filter((unique) => unique.length > 1)
    .flatMap((unique) =>
      unique.flatMap((column) => {
        const others = unique.filter((name) => name !== column);
        const groups = new Map<string, Map<string, Row>>();
        for (const row of rows) {
          const text = tellingText(row[column] ?? null);
          if (text === null) continue;
          const within = JSON.stringify(others.map((name) => String(row[name] ?? '')));
          const group = groups.get(within) ?? new Map<string, Row>();
          groups.set(within, group.set(text, row));
        }
        return [...groups].map(([within, group]) => ({ column, unique: true, rows: group, within }));
      }),
    );
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
  const uniques = [table.key, ...table.uniques];
  const whole = tellingColumns(rows, names, uniques);
  const isWhole = (name: string) => whole.some(({ column }) => column === name);
  return { columns: [...whole, ...tellingWithin(rows, uniques).filter(({ column }) => !isWhole(column))] };
}

type Shared = CommonRows & { readonly share: number };
type Ranked = Shared & { readonly rank: number; readonly within?: string | undefined };

/** Of two stores that have much the same numbers it is not known which is the till's. */
const CLEAR = 1.5;

/** By the two columns that have most values in common; those with a unique index before others. */
export function commonRows(local: TellingTable<SampleRow>, central: TellingTable<CentralRow>): Shared {
  const found = rankedPairs(local, central).sort((a, b) => b.rank - a.rank);
  const isClear = ({ by, rank, within }: Ranked) =>
    within === undefined ||
    !found.some(
      (other) =>
        other.within !== within &&
        other.by?.local === by?.local &&
        other.by?.central === by?.central &&
        CLEAR * other.rank > rank,
    );
  const best = found.find(isClear);
  return best === undefined
    ? { rows: [], by: null, share: 0 }
    : { rows: best.rows, by: best.by, share: best.share };
}

function rankedPairs(local: TellingTable<SampleRow>, central: TellingTable<CentralRow>): Ranked[] {
  const ranked: Ranked[] = [];
  for (const here of local.columns)
    for (const there of central.columns) {
      const values = [...here.rows.keys()].filter((value) => there.rows.has(value));
      const share = values.length / Math.min(here.rows.size, there.rows.size);
      const isEnough =
        (values.length >= ENOUGH_ROWS && share >= FEW) ||
        (values.length > 0 && share >= MOST && nameLikeness(here.column, there.column) >= ALIKE);
      const rank = values.length * (1 + (here.unique ? 1 : 0) + (there.unique ? 1 : 0));
      if (!isEnough) continue;
      const rows = values.flatMap((value) => {
        const [a, b] = [here.rows.get(value), there.rows.get(value)];
        return a === undefined || b === undefined ? [] : [{ local: a, central: b }];
      });
      const by = { local: here.column, central: there.column };
      ranked.push({ rows, by, share, rank, within: there.within });
    }
  return ranked;
}
