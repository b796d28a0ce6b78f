/** Where in the mapping a finding would be put right, and what to put there. Pure. */
import type { CentralColumn, CentralTable } from './central-catalog.ts';
import { typeShape } from './central-types.ts';
import type { LocalColumn, LocalTable } from './local-catalog.ts';
import type { ParityFinding } from './parity-finding.ts';
import type { SampleRow } from './parity-values.ts';
import { centralColumn, type ColumnOptions, type Mapping, type TableMapping } from '../mapping/mapping.ts';
import { MappingSource, type SourcePath } from '../mapping/mapping-source.ts';
import type { SqliteValue } from '../records/unit-record.ts';
import { formWords, timeForm } from './value-forms.ts';

export interface PlaceContext {
  readonly mapping: Mapping;
  readonly central: ReadonlyMap<string, CentralTable>;
  readonly local: ReadonlyMap<string, LocalTable>;
  /** By local table; none where only catalogs are known. */
  readonly samples: ReadonlyMap<string, readonly SampleRow[]>;
}

/** @returns the findings, each with the line of the mapping, and with the text to put there where one helps */
export function withPlaces(findings: readonly ParityFinding[], context: PlaceContext): ParityFinding[] {
  const source = new MappingSource(context.mapping.source);
  return findings.map((finding) => {
    const table = context.mapping.tables.find(({ local }) => local === finding.table);
    if (table === undefined) return finding;
    const put = finding.put ?? putFor(finding, table, context);
    const path = ['tables', table.local, ...placeOf(finding, table, put)];
    return { ...finding, line: source.lineOf(path), ...(put !== undefined && { put }) };
  });
}

/** What other findings say of a column whose values are in another form, as rows of both sides show. */
const ECHOES: readonly string[] = ['decimals_in_integer', 'time_in_integer', 'time_form', 'value_unfit'];

export function withoutEchoes(findings: readonly ParityFinding[]): ParityFinding[] {
  const name = ({ table, column }: ParityFinding) => JSON.stringify([table, column]);
  const told = new Set(findings.filter(({ code }) => code === 'other_form').map(name));
  return findings.filter((finding) => !ECHOES.includes(finding.code) || !told.has(name(finding)));
}

/** The nearest that is written there; else the table itself. */
function placeOf({ column, code }: ParityFinding, table: TableMapping, put: string | undefined): SourcePath {
  if (code === 'natural_key_not_unique') return ['natural_key'];
  if (column === undefined) return [];
  const [option = 'columns'] = put?.split(':') ?? [];
  const named = [
    { option: 'columns', names: [...table.columns.keys()] },
    { option: 'rename', names: [...table.rename.keys()] },
    { option: 'references', names: [...table.references.keys()] },
  ];
  const first = named.find((each) => each.option === option && each.names.includes(column));
  const other = first ?? named.find(({ names }) => names.includes(column));
  return [other?.option ?? option, column];
}

function putFor(
  { code, column }: ParityFinding,
  table: TableMapping,
  { central, local, samples }: PlaceContext,
): string | undefined {
  if (column === undefined) return undefined;
  const target = central
    .get(table.central)
    ?.columns.find(({ name }) => name === centralColumn(table, column));
  const here = local.get(table.local)?.columns.find(({ name }) => name === column);
  const columns = (words: string) => `columns: {${column}: {${words}}}`;
  switch (code) {
    case 'decimals_in_integer':
      return columns(`minor_units: ${typeShape(target?.type ?? '').scale ?? 2}`);
    case 'time_in_integer': {
      if (target === undefined || here === undefined) return undefined;
      const values = (samples.get(table.local) ?? []).map((row) => row[column] ?? null);
      return columns(formWords(timeForm(values, here, target)));
    }
    case 'time_form':
      return columns('format: sqlite');
    case 'value_unfit': {
      if (target === undefined || here === undefined) return undefined;
      const words = formWords(
        formThatFits(
          here,
          target,
          (samples.get(table.local) ?? []).map((row) => row[column] ?? null),
        ),
      );
      return words === '' ? undefined : columns(words);
    }
    case 'store_not_filled':
      return `set: {${centralColumn(table, column)}: $store}`;
    case 'not_null_without_default':
      // Of the centre's columns only: the till has no column of that name.
      return here === undefined ? `set: {${column}: …}` : undefined;
    case 'extra_local_column':
    case 'generated_column':
      return `exclude: [${[...ownExclude(table), column].join(', ')}]`;
    default:
      return undefined;
  }
}

/** Of values that fit no type as they are read now. */
function formThatFits(
  local: LocalColumn,
  central: CentralColumn,
  values: readonly SqliteValue[],
): ColumnOptions {
  const { family } = typeShape(central.type);
  const isText = family === 'text' || family === 'char';
  const empty = values.includes('') && !isText ? { emptyIsNull: true as const } : {};
  if (['timestamp', 'timestamptz', 'date'].includes(family))
    return { ...timeForm(values, local, central), ...empty };
  return isText && values.some((value) => Buffer.isBuffer(value)) ? { charset: 'windows-1252' } : empty;
}

/** What a table's own list has to repeat. */
function ownExclude({ exclude, identity, link }: TableMapping): string[] {
  const kept = [identity, link, 'sync_status', 'sync_operation', 'last_sync_at', 'terminal_id'];
  return [...exclude].filter((name) => !kept.includes(name));
}
