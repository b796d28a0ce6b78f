/**
 * Do rows that stand on both sides say the same through the mapping? Cents in a column for decimals, seconds taken for
 * milliseconds, a wall clock taken for UTC go wrong in silence otherwise: each value is a good one by itself. Pure.
 *
 *   as the mapping reads them | in another form  | finding
 *   --------------------------+------------------+---------------------------------------------------
 *   most agree                | whatever         | none
 *   few agree                 | nearly all agree | mismatch, which names that form
 *   few agree                 | few agree        | none: both sides have changed, as a stock does
 */
import type { CentralTable } from './central-catalog.ts';
import type { LocalTable } from './local-catalog.ts';
import type { ParityFinding } from './parity-finding.ts';
import type { SampleRow } from './parity-values.ts';
import { centralColumn, type ColumnOptions, type Mapping, type TableMapping } from '../mapping/mapping.ts';
import { isCarried } from './table-binding.ts';
import { agreement, bestForm, formWords } from './value-forms.ts';

export interface SameRow {
  readonly local: SampleRow;
  /** Values as `column::text` shows them. */
  readonly central: Readonly<Record<string, string | null>>;
}

const ENOUGH_ROWS = 3;
const FEW = 0.5;
const NEARLY_ALL = 0.9;

/** @param rows by local table */
export function sameRowFindings(
  mapping: Mapping,
  catalogs: {
    readonly central: ReadonlyMap<string, CentralTable>;
    readonly local: ReadonlyMap<string, LocalTable>;
  },
  rows: ReadonlyMap<string, readonly SameRow[]>,
): ParityFinding[] {
  return mapping.tables.flatMap((table) => {
    const [central, local] = [catalogs.central.get(table.central), catalogs.local.get(table.local)];
    const same = rows.get(table.local) ?? [];
    if (central === undefined || local === undefined || same.length < ENOUGH_ROWS) return [];
    return local.columns.flatMap((column) => {
      if (!isCarried(table, column.name) || table.references.has(column.name)) return [];
      const target = central.columns.find(({ name }) => name === centralColumn(table, column.name));
      if (target === undefined || target.generated || column.generated) return [];
      const pairs = same.map((row) => ({
        local: row.local[column.name] ?? null,
        central: row.central[target.name] ?? null,
      }));
      const options = table.columns.get(column.name) ?? {};
      const read = agreement(target, options, pairs);
      const best = bestForm({ local: column, central: target }, pairs);
      const isOther =
        read.compared >= ENOUGH_ROWS &&
        read.agree < FEW * read.compared &&
        best.agree >= NEARLY_ALL * best.compared;
      return isOther ? [finding(table, column.name, target.name, { read, best, options })] : [];
    });
  });
}

type Told = ReturnType<typeof agreement>;

function finding(
  table: TableMapping,
  column: string,
  target: string,
  { read, best, options }: { readonly read: Told; readonly best: Told; readonly options: ColumnOptions },
): ParityFinding {
  const form = formWords(best.options);
  const kept = options.policy === undefined ? '' : `policy: ${options.policy}`;
  const said = [form, kept].filter((words) => words !== '').join(', ');
  const asRead = `${read.agree} of ${read.compared} sampled rows have the same value in ${table.local}.${column} and ${table.central}.${target}`;
  return {
    kind: 'mismatch',
    table: table.local,
    column,
    code: 'other_form',
    message: `${asRead} as the mapping reads it; with ${form === '' ? 'no option' : form} ${best.agree} of ${best.compared}`,
    remedy: form === '' ? 'take the options out' : `say ${form}`,
    put: `columns: {${column}: {${said}}}`,
  };
}
