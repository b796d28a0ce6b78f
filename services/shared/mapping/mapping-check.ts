/**
 * The mapping against the databases: do the named tables and columns exist, does every row have a name on both
 * sides, can rows be written in some order. Either catalog may be left out; then only the other is looked at.
 * How well the types fit is `parity.ts`.
 */
import type { CentralColumn, CentralTable } from '../catalog/central-catalog.ts';
import { typeShape } from '../catalog/central-types.ts';
import type { LocalTable } from '../catalog/local-catalog.ts';
import { cycleFindings } from './mapping-cycles.ts';
import { failOnProblems, MappingSource, suggestion, type SourcePath } from './mapping-source.ts';
import { centralColumn, type Mapping, type TableMapping } from './mapping.ts';
import { hasSurrogateKey, isCarried, localColumn } from '../catalog/table-binding.ts';

export type CheckCode =
  | 'central_table_missing'
  | 'not_a_table'
  | 'charset_on_key'
  | 'central_column_missing'
  | 'local_column_missing'
  | 'rename_to_nowhere'
  | 'reference_to_nowhere'
  | 'reference_to_composite'
  | 'reference_type'
  | 'delta_without_number'
  | 'no_primary_key'
  | 'inherited_table'
  | 'unlogged_table'
  | 'key_not_mapped'
  | 'scope_not_resolvable'
  | 'cycle'
  | 'soft_delete_without_column';

export interface CheckFinding {
  readonly code: CheckCode;
  /** Local table name. */
  readonly table: string;
  readonly column?: string;
  readonly message: string;
  readonly remedy: string;
  /** Where in the mapping file. */
  readonly path: SourcePath;
}

export interface Catalogs {
  readonly central?: ReadonlyMap<string, CentralTable>;
  readonly local?: ReadonlyMap<string, LocalTable>;
}

/** One mapped table with what the databases say of it; null: not there, or not asked. */
interface TableContext {
  readonly table: TableMapping;
  readonly central: CentralTable | null;
  readonly local: LocalTable | null;
}

type Note = (finding: Omit<CheckFinding, 'table' | 'path'>, path: SourcePath) => void;

/** @returns what is wrong; empty when the mapping fits. A table that only the till lacks is nothing wrong. */
export function checkMapping(mapping: Mapping, catalogs: Catalogs): CheckFinding[] {
  const findings: CheckFinding[] = [];
  for (const table of mapping.tables) {
    const note: Note = (finding, path) =>
      findings.push({ ...finding, table: table.local, path: ['tables', table.local, ...path] });
    const central = catalogs.central?.get(table.central) ?? null;
    const named = catalogs.local?.get(table.local) ?? null;
    if (named?.notATable !== undefined) noteNoTable(table, named.notATable, note);
    const local = named?.notATable === undefined ? named : null;
    const context = { table, central, local };
    if (catalogs.central !== undefined && central === null) noteMissingTable(table, catalogs.central, note);
    checkColumns(context, note);
    checkReferences(context, mapping, catalogs, note);
    if (catalogs.central !== undefined) checkReferenceTypes(context, mapping, catalogs.central, note);
    checkDeltas(context, note);
    checkScope(context, note);
    checkKeys(context, note);
    checkLogged(context, note);
    checkSoftDelete(context, note);
  }
  return [...findings, ...cycleFindings(mapping, catalogs)];
}

/** @throws PayflowError MAPPING_INVALID naming line, fault and remedy of each finding. */
export function assertMappingFits(mapping: Mapping, catalogs: Catalogs): void {
  const source = new MappingSource(mapping.source);
  failOnProblems(
    checkMapping(mapping, catalogs).map(({ path, message, remedy }) => ({
      line: source.lineOf(path),
      message,
      remedy,
    })),
  );
}

function noteMissingTable(table: TableMapping, catalog: ReadonlyMap<string, CentralTable>, note: Note): void {
  note(
    {
      code: 'central_table_missing',
      message: `the centre has no table ${table.central}`,
      remedy: suggestion(table.central, catalog.keys(), 'create it, name it with central:, or take it out'),
    },
    table.central === table.local ? [] : ['central'],
  );
}

function noteNoTable({ local }: TableMapping, what: 'view' | 'virtual table', note: Note): void {
  const message = `${local} is a ${what} on the till: what changes in it can't be watched, so none of its rows sync`;
  note({ code: 'not_a_table', message, remedy: 'map the table that holds its rows, or take it out' }, []);
}

function checkColumns({ table, central, local }: TableContext, note: Note): void {
  const centralNames = central?.columns.map(({ name }) => name) ?? null;
  const localNames = local?.columns.map(({ name }) => name) ?? null;
  const mentioned = new Map<string, SourcePath>();
  table.naturalKey.forEach((column, at) => mentioned.set(column, ['natural_key', at]));
  [...table.sensitive].forEach((column, at) => mentioned.set(column, ['sensitive', at]));
  for (const column of table.columns.keys()) mentioned.set(column, ['columns', column]);
  for (const column of table.references.keys()) mentioned.set(column, ['references', column]);
  for (const column of table.rename.keys()) mentioned.set(column, ['rename', column]);
  for (const [column, path] of mentioned) {
    if (localNames !== null && !localNames.includes(column) && !table.set.has(column))
      note(
        {
          code: 'local_column_missing',
          column,
          message: `the till's ${table.local} has no column ${column}`,
          remedy: suggestion(column, localNames, 'correct the name, or take it out'),
        },
        path,
      );
    const target = centralColumn(table, column);
    if (centralNames !== null && !centralNames.includes(target))
      note(missingAtCentre(table, column, target, centralNames), path);
  }
  for (const column of table.set.keys())
    if (centralNames !== null && !centralNames.includes(column))
      note(
        {
          code: 'central_column_missing',
          column,
          message: `the centre's ${table.central} has no column ${column}, which is set`,
          remedy: suggestion(column, centralNames, 'correct the name, or take it out'),
        },
        ['set', column],
      );
}

function missingAtCentre(
  table: TableMapping,
  column: string,
  target: string,
  centralNames: readonly string[],
): Omit<CheckFinding, 'table' | 'path'> {
  const renamed = table.rename.has(column);
  return {
    code: renamed ? 'rename_to_nowhere' : 'central_column_missing',
    column,
    message: renamed
      ? `${table.local}.${column} is renamed to ${target}, which the centre's ${table.central} does not have`
      : `the centre's ${table.central} has no column ${target}`,
    remedy: suggestion(target, centralNames, 'correct the name, or add the column at the centre'),
  };
}

/** A reference that holds the parent's server_id or local_id needs that column in the parent. */
function checkReferences({ table }: TableContext, mapping: Mapping, catalogs: Catalogs, note: Note): void {
  for (const [column, { table: parentName, holds }] of table.references) {
    const parent = mapping.tables.find(({ local }) => local === parentName);
    const parentTable = catalogs.local?.get(parentName);
    if (parent === undefined || parentTable === undefined || holds === 'local_key') continue;
    const held = holds === 'server_id' ? parent.link : parent.identity;
    if (parentTable.columns.some(({ name }) => name === held)) continue;
    note(
      {
        code: 'reference_to_nowhere',
        column,
        message: `${table.local}.${column} holds the ${holds} of ${parentName}, which has no column ${held}`,
        remedy: 'correct holds:, or add the column on the till',
      },
      ['references', column],
    );
  }
}

/** At the centre one column holds one id: the parent's key must be one column too, and of a fitting type. */
function checkReferenceTypes(
  { table, central }: TableContext,
  mapping: Mapping,
  catalog: ReadonlyMap<string, CentralTable>,
  note: Note,
): void {
  for (const [column, { table: parentName }] of table.references) {
    const parent = mapping.tables.find(({ local }) => local === parentName);
    const key = catalog.get(parent?.central ?? '')?.key ?? [];
    const target = central?.columns.find(({ name }) => name === centralColumn(table, column));
    const id = catalog.get(parent?.central ?? '')?.columns.find(({ name }) => name === key[0]);
    if (parent === undefined || target === undefined || id === undefined) continue;
    const path = ['references', column];
    const what = `${table.local}.${column} references ${parentName}, whose key at the centre is`;
    if (key.length > 1) {
      const message = `${what} ${key.join(', ')}: one column can't hold it`;
      const remedy = `take the reference out and map the columns as they are, or give ${parent.central} a key of one column`;
      note({ code: 'reference_to_composite', column, message, remedy }, path);
    } else if (!canHoldId(target, id)) {
      const message = `${what} ${id.name} (${id.type}), but ${target.name} is ${target.type}`;
      const remedy = 'reference the table that it points to, or take the reference out';
      note({ code: 'reference_type', column, message, remedy }, path);
    }
  }
}

function canHoldId(column: CentralColumn, id: CentralColumn): boolean {
  const [holds, given] = [typeShape(column.type).family, typeShape(id.type).family];
  const numbers: readonly string[] = ['integer', 'numeric'];
  return (
    holds === given ||
    holds === 'text' ||
    holds === 'char' ||
    (numbers.includes(holds) && numbers.includes(given))
  );
}

function checkDeltas({ table, central }: TableContext, note: Note): void {
  for (const [name, { policy }] of table.columns) {
    const column = central?.columns.find((candidate) => candidate.name === centralColumn(table, name));
    if (policy !== 'delta' || column === undefined) continue;
    const { family } = typeShape(column.type);
    if (family === 'integer' || family === 'numeric' || family === 'float') continue;
    const message = `${table.central}.${column.name} is ${column.type}, whose changes can't be added up`;
    const remedy = 'take policy: delta out, or make it a number at the centre';
    note({ code: 'delta_without_number', column: name, message, remedy }, ['columns', name, 'policy']);
  }
}

function checkScope({ table, central }: TableContext, note: Note): void {
  const { scope } = table;
  if (central === null || scope.kind !== 'column') return;
  const column = centralColumn(table, scope.column);
  if (central.columns.some(({ name }) => name === column)) return;
  note(
    {
      code: 'scope_not_resolvable',
      column: scope.column,
      message: `the store of ${table.local} can't be told: the centre's ${table.central} has no column ${column}`,
      remedy: suggestion(
        column,
        central.columns.map(({ name }) => name),
        'name the column that holds the store, or go via a reference',
      ),
    },
    ['scope'],
  );
}

function checkKeys({ table, central, local }: TableContext, note: Note): void {
  const missing = (side: string) =>
    note(
      {
        code: 'no_primary_key',
        message: `${side} has no primary key`,
        remedy: 'give it one, or take it out of the mapping',
      },
      [],
    );
  if (central?.key.length === 0) missing(`the centre's ${table.central}`);
  if (local === null) return;
  if (local.key.length === 0) missing(`the till's ${table.local}`);
  if (hasSurrogateKey(local)) return;
  for (const column of local.key) {
    if (table.columns.get(column)?.charset !== undefined)
      note(
        {
          code: 'charset_on_key',
          column,
          message: `${table.local}.${column} is part of the till's key: a row must be found by it as it stands`,
          remedy: 'take charset out; rows whose key is no UTF-8 are refused by name',
        },
        ['columns', column, 'charset'],
      );
    // A key of ids that we mint ourselves needs no counterpart.
    if (column === table.identity && !isCarried(table, column)) continue;
    const target = centralColumn(table, column);
    const atCentre = central === null || central.columns.some(({ name }) => name === target);
    if (isCarried(table, column) && atCentre) continue;
    note(
      {
        code: 'key_not_mapped',
        column,
        message: `${table.local}.${column} is part of the till's key, but no central column fills it`,
        remedy: 'rename it to the central column that holds it, and do not exclude it',
      },
      [],
    );
  }
}

/** What shows in the table and is not in its WAL would reach tills once, and never change there. */
function checkLogged({ table, central }: TableContext, note: Note): void {
  const heirs = central?.heirs ?? [];
  if (heirs.length > 0) {
    const message = `tables inherit from the centre's ${table.central}: ${heirs.join(', ')}`;
    const remedy =
      'make them partitions, or end the inheritance (ALTER TABLE … NO INHERIT) and map them themselves';
    note({ code: 'inherited_table', message, remedy }, []);
  }
  if (central?.unlogged !== true) return;
  const message = `the centre's ${table.central} is unlogged`;
  note(
    { code: 'unlogged_table', message, remedy: 'ALTER TABLE … SET LOGGED, or take it out of the mapping' },
    [],
  );
}

function checkSoftDelete({ table, central }: TableContext, note: Note): void {
  if (central === null || table.delete !== 'soft') return;
  const carried = central.columns
    .map(({ name }) => name)
    .filter((name) => isCarried(table, localColumn(table, name) ?? name));
  if (carried.includes('deleted_at') || carried.includes('is_deleted')) return;
  note(
    {
      code: 'soft_delete_without_column',
      message: `${table.central} has neither deleted_at nor is_deleted for delete: soft`,
      remedy: 'add one at the centre, or use delete: hard, deny or ignore',
    },
    ['delete'],
  );
}
