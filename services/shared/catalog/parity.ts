/**
 * Do both sides fit together, through the mapping? Pure: mapping and two catalogs in, findings out.
 * A *mismatch* keeps rows from arriving as they are; a *warning* is something to know.
 */
import type { CentralColumn, CentralTable } from './central-catalog.ts';
import { typeShape } from './central-types.ts';
import type { LocalColumn, LocalTable } from './local-catalog.ts';
import { inOneCase } from './local-names.ts';
import type { ParityFinding } from './parity-finding.ts';
import { checkMapping } from '../mapping/mapping-check.ts';
import { suggestion } from '../mapping/mapping-source.ts';
import { centralColumn, type Mapping, type TableMapping } from '../mapping/mapping.ts';
import { relationFindings } from './parity-relations.ts';
import { typeFinding } from './parity-types.ts';
import { hasSurrogateKey, isCarried, localColumn, MAX_COLUMNS } from './table-binding.ts';

/** @returns mismatches first, each kind in the mapping's order. */
export function parity(
  given: Mapping,
  central: ReadonlyMap<string, CentralTable>,
  file: ReadonlyMap<string, LocalTable>,
): ParityFinding[] {
  const { mapping, catalog: local } = inOneCase(given, file, {
    tables: [],
    columns: (table) => centralNames(given, central, table),
  });
  const findings: ParityFinding[] = checkMapping(mapping, { central, local }).map(
    ({ path: _path, ...finding }) => ({ kind: 'mismatch', ...finding }),
  );
  const mapped = new Set(mapping.tables.map((table) => table.local));
  for (const table of mapping.tables) {
    const centralTable = central.get(table.central);
    const localTable = local.get(table.local);
    if (localTable === undefined)
      findings.push({
        kind: 'warning',
        table: table.local,
        code: 'local_table_missing',
        message: `this till has no table ${table.local}`,
        remedy: suggestion(
          table.local,
          [...local.keys()].filter((name) => !mapped.has(name)),
          'nothing, if it does not need it: its rows are skipped here',
        ),
      });
    else if (centralTable !== undefined && localTable.notATable === undefined)
      findings.push(
        ...tableFindings(table, centralTable, localTable),
        ...relationFindings(table, { mapping, centralTable, localTable, local }),
      );
  }
  // One table more or less is the till's affair; none at all is another program's file, or an empty one.
  const [first] = mapping.tables;
  if (first !== undefined && !mapping.tables.some((table) => local.has(table.local)))
    findings.push({
      kind: 'mismatch',
      table: first.local,
      code: 'no_local_table',
      message: 'this file has none of the mapped tables',
      remedy: 'name the file of the point-of-sale app, or correct the table names in the mapping',
    });
  return [
    ...findings.filter(({ kind }) => kind === 'mismatch'),
    ...findings.filter(({ kind }) => kind === 'warning'),
  ];
}

/** What the mapping does not name is called as at the centre. */
function centralNames(mapping: Mapping, central: ReadonlyMap<string, CentralTable>, local: string): string[] {
  const table = mapping.tables.find((each) => each.local === local);
  const columns = central.get(table?.central ?? '')?.columns ?? [];
  return columns.flatMap(({ name }) => (table === undefined ? [] : (localColumn(table, name) ?? [])));
}

function tableFindings(table: TableMapping, central: CentralTable, local: LocalTable): ParityFinding[] {
  return [
    ...local.columns.flatMap((column) => localColumnFindings(table, central, local, column)),
    ...central.columns.flatMap((column) => centralColumnFindings(table, central, local, column)),
    ...timestampFindings(table, central, local),
    ...linkFindings(table, central, local),
    ...sizeFindings(table, local),
  ];
}

function localColumnFindings(
  table: TableMapping,
  central: CentralTable,
  local: LocalTable,
  column: LocalColumn,
): ParityFinding[] {
  if (!isCarried(table, column.name) || isOwnNumber(table, local, column.name)) return [];
  const target = central.columns.find(({ name }) => name === centralColumn(table, column.name));
  if (target !== undefined) {
    // Of these keys SQLite itself takes no NULL, whatever they are declared.
    const isFilled = (local.keyIsRowid || local.withoutRowid) && local.key.includes(column.name);
    return pairFindings(table, target, column).filter(
      ({ kind, code }) => !isFilled || kind !== 'warning' || code !== 'nullable_to_not_null',
    );
  }
  if (column.generated) return [];
  const found: ParityFinding[] = [];
  if (!isMentioned(table, column.name))
    found.push({
      kind: 'warning',
      table: table.local,
      column: column.name,
      code: 'extra_local_column',
      message: `${table.local}.${column.name} has no counterpart at the centre and stays on the till`,
      remedy: 'exclude it, or rename it to its central column',
    });
  // The centre's rows bring no value for it.
  if (pushes(table) && column.notNull && !column.hasDefault && !local.key.includes(column.name))
    found.push({
      kind: 'mismatch',
      table: table.local,
      column: column.name,
      code: 'not_null_without_default',
      message: `rows from the centre can't fill ${table.local}.${column.name}, which is NOT NULL without default`,
      remedy: 'give it a default on the till, or map it',
    });
  return found;
}

function pairFindings(table: TableMapping, central: CentralColumn, local: LocalColumn): ParityFinding[] {
  const found: ParityFinding[] = [];
  const generated = local.generated || central.generated;
  // A reference is translated: its own type never meets the other side's.
  if (generated || !table.references.has(local.name)) {
    const type = typeFinding(table, central, local);
    if (type !== null) found.push({ ...type, table: table.local, column: local.name });
  }
  if (generated) return found;
  const takesEmpty = table.columns.get(local.name)?.emptyIsNull === true;
  if (pushes(table) && local.notNull && !central.notNull && !takesEmpty)
    found.push({
      kind: 'mismatch',
      table: table.local,
      column: local.name,
      code: 'nullable_to_not_null',
      message: `${table.central}.${central.name} may be NULL, ${table.local}.${local.name} may not`,
      remedy: 'SET NOT NULL at the centre, or allow NULL on the till; rows with NULL wait until then',
    });
  if (pulls(table) && central.notNull && !local.notNull && !local.hasDefault)
    found.push({
      kind: 'warning',
      table: table.local,
      column: local.name,
      code: 'nullable_to_not_null',
      message: `${table.local}.${local.name} may be NULL, ${table.central}.${central.name} may not`,
      remedy: 'make sure that the app always fills it: the centre refuses rows without',
    });
  return found;
}

function centralColumnFindings(
  table: TableMapping,
  central: CentralTable,
  local: LocalTable,
  column: CentralColumn,
): ParityFinding[] {
  if (column.generated || table.set.has(column.name)) return [];
  const name = localColumn(table, column.name);
  const counterpart =
    name !== null &&
    isCarried(table, name) &&
    local.columns.some((candidate) => candidate.name === name) &&
    !isOwnNumber(table, local, name);
  if (counterpart) return [];
  const filled = column.defaultSql !== null || column.identity !== null || !column.notNull;
  if (pulls(table) && !filled)
    return [
      {
        kind: 'mismatch',
        table: table.local,
        column: column.name,
        code: 'not_null_without_default',
        message: `rows from the till can't fill ${table.central}.${column.name}, which is NOT NULL without default`,
        remedy: 'give it a default, map it, or set a constant under set:',
      },
    ];
  const excluded = name === null || table.exclude.has(name);
  if (central.key.includes(column.name) || excluded) return [];
  return [
    {
      kind: 'warning',
      table: table.local,
      column: column.name,
      code: 'extra_central_column',
      message: `${table.central}.${column.name} has no counterpart on the till and stays at the centre`,
      remedy: 'nothing, if the till does not need it',
    },
  ];
}

function timestampFindings(table: TableMapping, central: CentralTable, local: LocalTable): ParityFinding[] {
  const remedy = `add ${table.timestamp} there, or name another column with timestamp:`;
  const missing = (side: string): ParityFinding => ({
    kind: 'warning',
    table: table.local,
    column: table.timestamp,
    code: 'no_timestamp',
    message: `${side} has no ${table.timestamp}: the time of capture decides between two edits`,
    remedy,
  });
  const target = central.columns.find(({ name }) => name === centralColumn(table, table.timestamp));
  if (!local.columns.some(({ name }) => name === table.timestamp))
    return [missing(`the till's ${table.local}`)];
  if (target === undefined) return [missing(`the centre's ${table.central}`)];
  const { family } = typeShape(target.type);
  if (family === 'timestamp' || family === 'timestamptz') return [];
  return [
    {
      kind: 'warning',
      table: table.local,
      column: table.timestamp,
      code: 'no_timestamp',
      message: `${table.central}.${target.name} is ${target.type}, which is no point in time`,
      remedy: 'make it timestamptz, or name another column with timestamp:',
    },
  ];
}

function sizeFindings(table: TableMapping, local: LocalTable): ParityFinding[] {
  const carried = local.columns.filter(({ name, generated }) => !generated && isCarried(table, name));
  if (carried.length <= MAX_COLUMNS) return [];
  return [
    {
      kind: 'mismatch',
      table: table.local,
      code: 'too_many_columns',
      message: `${table.local} has ${carried.length} columns, and ${MAX_COLUMNS} of a table can be watched: none of its rows sync`,
      remedy: 'exclude those that need not travel',
    },
  ];
}

/** The link column shows the central id: a number in a text is fine, a uuid in an INTEGER may trouble the app. */
function linkFindings(table: TableMapping, central: CentralTable, local: LocalTable): ParityFinding[] {
  const link = local.columns.find(({ name }) => name === table.link);
  if (link === undefined || link.affinity === 'TEXT' || link.affinity === 'BLOB') return [];
  const key = central.columns.filter(({ name }) => central.key.includes(name));
  if (key.length === 1 && key.every(({ kind }) => kind === 'int' || kind === 'bigint')) return [];
  return [
    {
      kind: 'warning',
      table: table.local,
      column: link.name,
      code: 'link_type',
      message: `${table.local}.${link.name} is ${link.declaredType}, but central ids of ${table.central} are texts`,
      remedy: 'declare it TEXT on the till',
    },
  ];
}

function isOwnNumber(table: TableMapping, local: LocalTable, column: string): boolean {
  const named = table.rename.has(column) || table.references.has(column);
  return hasSurrogateKey(local) && local.key[0] === column && !named;
}

/** Named in the mapping: then its absence is a mismatch already, told by `checkMapping`. */
function isMentioned(table: TableMapping, column: string): boolean {
  return (
    table.rename.has(column) ||
    table.columns.has(column) ||
    table.references.has(column) ||
    table.naturalKey.includes(column)
  );
}

const pushes = (table: TableMapping) => table.direction !== 'pull';
const pulls = (table: TableMapping) => table.direction !== 'push';
