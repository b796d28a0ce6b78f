/**
 * YAML text → Mapping. Every mistake in the file is found in one go and told as
 * `line N: what is wrong; what would be right`.
 */
import type { z } from 'zod';
import {
  STATUS_COLUMNS,
  type ColumnOptions,
  type Mapping,
  type Reference,
  type Scope,
  type SetValue,
  type TableMapping,
} from './mapping.ts';
import { parentsFirst } from './mapping-order.ts';
import { nameProblems, ruleProblems } from './mapping-rules.ts';
import {
  knownOptions,
  mappingDocument,
  type DefaultsDocument,
  type MappingDocument,
  type TableDocument,
} from './mapping-schema.ts';
import { failOnProblems, MappingSource, suggestion, type MappingProblem } from './mapping-source.ts';
import { mappedInOneCase } from '../catalog/local-names.ts';
import { asPayflowError } from '../errors.ts';

const BUILT_IN = {
  exclude: ['local_id', 'server_id', 'sync_status', 'sync_operation', 'last_sync_at', 'terminal_id'],
  identity: 'local_id',
  link: 'server_id',
  timestamp: 'updated_at',
} as const;

/**
 * @param text the YAML
 * @param version the number under which it was published; 0 while it is not
 * @throws PayflowError MAPPING_INVALID; its details hold `problems` [{line, message, remedy}]
 */
export function parseMapping(text: string, version = 0): Mapping {
  const source = new MappingSource(text);
  failOnProblems(source.problems);
  const parsed = mappingDocument.safeParse(fillEmptyTables(plainValue(source)), { reportInput: true });
  if (!parsed.success) failOnProblems(parsed.error.issues.flatMap((issue) => issueProblems(issue, source)));
  const document = parsed.data as MappingDocument;
  const written = Object.entries(document.tables).map(([local, table]) =>
    tableMapping(local, table, document.defaults ?? {}),
  );
  failOnProblems(nameProblems(written, source));
  const tables = mappedInOneCase(written);
  failOnProblems(ruleProblems(tables, document, source));
  return { version, tables: parentsFirst(tables), source: text };
}

function plainValue(source: MappingSource): unknown {
  try {
    return source.value();
  } catch (error) {
    failOnProblems([
      { line: 1, message: `not usable YAML: ${asPayflowError(error).message}`, remedy: 'write aliases out' },
    ]);
    throw error;
  }
}

/** `products:` with nothing below it means a table that only takes the defaults. */
function fillEmptyTables(value: unknown): unknown {
  if (!isRecord(value) || !isRecord(value['tables'])) return value;
  const tables = Object.entries(value['tables']).map(([local, table]) => [local, table ?? {}] as const);
  return { ...value, tables: Object.fromEntries(tables) };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

function tableMapping(local: string, table: TableDocument, defaults: DefaultsDocument): TableMapping {
  return {
    local,
    central: table.central ?? local,
    scope: scopeOf(table.scope ?? defaults.scope),
    direction: table.direction ?? defaults.direction ?? 'both',
    delete: table.delete ?? defaults.delete ?? 'auto',
    policy: table.policy ?? defaults.policy ?? 'last-writer-wins',
    granularity: table.granularity ?? defaults.granularity ?? 'column',
    exclude: excluded(table, defaults),
    identity: table.identity ?? defaults.identity ?? BUILT_IN.identity,
    link: table.link ?? defaults.link ?? BUILT_IN.link,
    timestamp: table.timestamp ?? defaults.timestamp ?? BUILT_IN.timestamp,
    rename: new Map(Object.entries(table.rename ?? {})),
    columns: mapValues(table.columns, columnOptions),
    set: mapValues(table.set, setValue),
    references: mapValues(table.references, referenceOf),
    naturalKey: table.natural_key ?? [],
    sensitive: new Set(table.sensitive ?? []),
    appTriggers: table.app_triggers ?? 'auto',
  };
}

function columnOptions(column: NonNullable<TableDocument['columns']>[string]): ColumnOptions {
  const { policy, format, zone, minor_units: minorUnits, direction, charset } = column;
  return {
    ...(policy !== undefined && { policy }),
    ...(format !== undefined && { format }),
    ...(zone !== undefined && { zone }),
    ...(minorUnits !== undefined && { minorUnits }),
    ...(direction !== undefined && { direction }),
    ...(column.empty === null && { emptyIsNull: true as const }),
    ...(charset !== undefined && { charset }),
  };
}

/** A table's own list replaces the default one, except that book-keeping columns stay excluded. */
function excluded(table: TableDocument, defaults: DefaultsDocument): Set<string> {
  const usual = defaults.exclude ?? BUILT_IN.exclude;
  if (table.exclude === undefined) return new Set(usual);
  const kept: string[] = [
    defaults.identity ?? BUILT_IN.identity,
    defaults.link ?? BUILT_IN.link,
    ...STATUS_COLUMNS,
  ];
  return new Set([...usual.filter((name) => kept.includes(name)), ...table.exclude]);
}

function mapValues<T, U>(record: Record<string, T> | undefined, change: (value: T) => U): Map<string, U> {
  return new Map(Object.entries(record ?? {}).map(([key, value]) => [key, change(value)]));
}

function scopeOf(scope: TableDocument['scope']): Scope {
  if (scope === undefined || scope === 'global') return { kind: 'global' };
  if (typeof scope.store === 'string') return { kind: 'column', column: scope.store };
  return { kind: 'via', column: scope.store.via };
}

function setValue(value: string | number | boolean): SetValue {
  if (value === '$store') return { kind: 'store' };
  if (value === '$terminal') return { kind: 'terminal' };
  return { kind: 'literal', value };
}

function referenceOf(
  reference: string | { table: string; holds?: string | undefined; within?: 'store' | undefined },
): Reference {
  if (typeof reference === 'string') return { table: reference, holds: 'local_key', withinStore: false };
  const { table, holds, within } = reference;
  return {
    table,
    holds: holds === 'server_id' || holds === 'local_id' ? holds : 'local_key',
    withinStore: within === 'store',
  };
}

type Issue = z.core.$ZodIssue;

/** One zod issue in our words. Alternatives (unions) carry their own sentence in the schema. */
function issueProblems(issue: Issue, source: MappingSource): MappingProblem[] {
  const path = issue.path.map((step) => (typeof step === 'number' ? step : String(step)));
  const line = source.lineOf(path);
  if (issue.code === 'unrecognized_keys') return unknownKeys(issue, path, source);
  const [message, remedy] = sentence(issue, place(path));
  return [{ line, message, remedy }];
}

function unknownKeys(
  issue: z.core.$ZodIssueUnrecognizedKeys,
  path: readonly (string | number)[],
  source: MappingSource,
): MappingProblem[] {
  const known = knownOptions(path) ?? [];
  const where = path.length === 0 ? 'the mapping' : place(path);
  return issue.keys.map((key) => ({
    line: source.lineOf([...path, key]),
    message: `${where} has no option "${key}"`,
    remedy: suggestion(key, known, known.length > 0 ? `known are ${known.join(', ')}` : 'take it out'),
  }));
}

function sentence(issue: Issue, where: string): [message: string, remedy: string] {
  switch (issue.code) {
    case 'invalid_value': {
      const values = issue.values.map(String);
      const expected =
        values.length === 1 ? `it must be ${values[0]}` : `it must be one of ${values.join(', ')}`;
      if (issue.input === undefined) return [`${where} is missing`, expected];
      const remedy = typeof issue.input === 'string' ? suggestion(issue.input, values, expected) : expected;
      return [`${where} can't be ${JSON.stringify(issue.input)}`, remedy];
    }
    case 'invalid_type': {
      const fault = issue.input === undefined || issue.input === null ? 'missing' : 'not of the right kind';
      return [`${where} is ${fault}`, `it must be ${kindName(issue.expected)}`];
    }
    case 'invalid_union':
      return [`${where} is not understood`, issue.message];
    case 'too_small':
      return [`${where} is too small or empty`, `it must be at least ${issue.minimum}`];
    case 'too_big':
      return [`${where} is too large`, `it must be at most ${issue.maximum}`];
    case 'unrecognized_keys':
    case 'invalid_format':
    case 'invalid_key':
    case 'invalid_element':
    case 'not_multiple_of':
    case 'custom':
      return [`${where} is not valid`, issue.message];
  }
}

function kindName(expected: string): string {
  const names: Record<string, string> = {
    record: 'a map (name: value)',
    object: 'a map (name: value)',
    array: 'a list [a, b]',
    string: 'a text',
    int: 'a whole number',
    number: 'a number',
    null: 'null',
  };
  return names[expected] ?? expected;
}

function place(path: readonly (string | number)[]): string {
  const [first, ...rest] = path;
  if (first === undefined) return 'the mapping';
  if (first !== 'tables' || rest.length === 0) return path.join('.');
  const [table, ...option] = rest;
  return option.length === 0 ? `table ${table}` : `${option.join('.')} of table ${table}`;
}
