/** Rules between the parts of a mapping, as far as they can be judged without the databases. Pure. */
import { isSameName } from '../catalog/same-name.ts';
import { STATUS_COLUMNS, type ColumnOptions, type TableMapping } from './mapping.ts';
import type { MappingDocument } from './mapping-schema.ts';
import { suggestion, type MappingProblem, type MappingSource, type SourcePath } from './mapping-source.ts';

/** Notes a problem at a place inside the table. */
type Note = (path: SourcePath, message: string, remedy: string) => void;

/** @returns every broken rule, each with its line. */
export function ruleProblems(
  tables: readonly TableMapping[],
  document: MappingDocument,
  source: MappingSource,
): MappingProblem[] {
  const problems: MappingProblem[] = [];
  const byName = new Map(tables.map((table) => [table.local, table]));
  for (const table of tables) {
    const note: Note = (path, message, remedy) => {
      problems.push({ line: source.lineOf(['tables', table.local, ...path]), message, remedy });
    };
    if (document.tables[table.local]?.scope === undefined && document.defaults?.scope === undefined)
      note(
        [],
        `table ${table.local} has no scope`,
        'say scope: global, {store: column} or {store: {via: column}}',
      );
    checkReferences(table, byName, note);
    checkScope(table, byName, note);
    checkNames(table, note);
    checkTargets(table, note);
    checkSensitive(table, note);
    for (const [column, options] of table.columns) checkOptions(table, column, options, note);
  }
  checkCentralNames(tables, source, problems);
  return problems;
}

/** Names that SQLite takes for one can't be told apart on any till. */
export function nameProblems(tables: readonly TableMapping[], source: MappingSource): MappingProblem[] {
  const problems: MappingProblem[] = [];
  const check = (names: Iterable<string>, at: SourcePath, where: string) => {
    const seen: string[] = [];
    for (const name of names) {
      const other = seen.find((each) => isSameName(each, name));
      seen.push(name);
      if (other === undefined) continue;
      const message = `${where} names ${other} twice, once as ${name}: to SQLite these are one`;
      problems.push({ line: source.lineOf([...at, name]), message, remedy: 'name it once' });
    }
  };
  check(
    tables.map(({ local }) => local),
    ['tables'],
    'the mapping',
  );
  for (const { local, rename, columns, references } of tables)
    for (const [option, names] of Object.entries({ rename, columns, references }))
      check(names.keys(), ['tables', local, option], `${option} of ${local}`);
  return problems;
}

function checkReferences(table: TableMapping, byName: ReadonlyMap<string, TableMapping>, note: Note): void {
  for (const [column, { table: parent, withinStore }] of table.references) {
    if (!byName.has(parent))
      note(
        ['references', column],
        `${table.local}.${column} references "${parent}", which is not mapped`,
        suggestion(parent, byName.keys(), 'map that table too, or take the reference out'),
      );
    else if (withinStore && byName.get(parent)?.scope.kind === 'global')
      note(
        ['references', column, 'within'],
        `${table.local}.${column} is to stay within the store, but every store has the rows of ${parent}`,
        `take within out, or give ${parent} a scope of one store`,
      );
  }
}

/** Every table must lead to a store, or be global: a row with an unclear store is never sent to everyone. */
function checkScope(table: TableMapping, byName: ReadonlyMap<string, TableMapping>, note: Note): void {
  const { scope } = table;
  if (scope.kind === 'global') return;
  if (scope.kind === 'column') {
    const constant = table.set.get(scope.column);
    if (constant !== undefined && constant.kind !== 'store' && constant.kind !== 'literal')
      note(['set', scope.column], `${scope.column} holds the store, not a terminal`, 'set it to $store');
    return;
  }
  const visited = new Set<TableMapping>();
  for (let at = table; at.scope.kind === 'via';) {
    if (visited.has(at)) {
      note(
        ['scope'],
        `the scope of ${table.local} leads back to itself`,
        'end it at a table with {store: column}',
      );
      return;
    }
    visited.add(at);
    const reference = at.references.get(at.scope.column);
    if (reference === undefined) {
      // Told once, at the table that has the fault.
      if (at === table)
        note(
          ['scope'],
          `scope via ${at.scope.column} can't be resolved: it is no reference of ${table.local}`,
          suggestion(
            at.scope.column,
            table.references.keys(),
            'name it under references, or use {store: column}',
          ),
        );
      return;
    }
    const parent = byName.get(reference.table);
    if (parent === undefined) return;
    if (parent.scope.kind === 'global') {
      note(
        ['scope'],
        `scope via ${scope.column} can't be resolved: ${parent.local} belongs to no store`,
        'use scope: global, or go via a table of a store',
      );
      return;
    }
    at = parent;
  }
}

/** A column can't be excluded, or be our own book-keeping, and be mapped in the same breath. */
function checkNames(table: TableMapping, note: Note): void {
  const mentioned: [SourcePath, string][] = [
    ...[...table.rename.keys()].map((column): [SourcePath, string] => [['rename', column], column]),
    ...[...table.columns.keys()].map((column): [SourcePath, string] => [['columns', column], column]),
    ...[...table.references.keys()].map((column): [SourcePath, string] => [['references', column], column]),
    ...table.naturalKey.map((column, at): [SourcePath, string] => [['natural_key', at], column]),
    ...[...table.sensitive].map((column): [SourcePath, string] => [['sensitive'], column]),
  ];
  const told = new Set<string>();
  for (const [path, column] of mentioned) {
    if (told.has(column)) continue;
    if (isBookkeeping(table, column)) {
      told.add(column);
      note(path, `${table.local}.${column} is kept by payflow-sync itself`, 'take it out');
    } else if (table.exclude.has(column)) {
      told.add(column);
      note(
        path,
        `${table.local}.${column} is excluded (in the table or in defaults) and mapped`,
        'take it out, or give the table an exclude list without it',
      );
    }
  }
  const { scope } = table;
  if (scope.kind === 'column' && table.exclude.has(scope.column) && !table.set.has(scope.column))
    note(
      ['scope'],
      `${table.local}.${scope.column} names the store but is excluded`,
      'take it out of exclude',
    );
  if (table.identity === table.link)
    note(['identity'], `identity and link of ${table.local} are one column`, 'use two columns');
  const twice = table.naturalKey.find((column, at) => table.naturalKey.indexOf(column) !== at);
  if (twice !== undefined)
    note(['natural_key'], `natural_key of ${table.local} names ${twice} twice`, 'name it once');
}

function isBookkeeping(table: TableMapping, column: string): boolean {
  return column === table.link || (STATUS_COLUMNS as readonly string[]).includes(column);
}

/** Ids and stores are how rows are named everywhere: to hide them would hide nothing, and say otherwise. */
function checkSensitive(table: TableMapping, note: Note): void {
  for (const column of table.sensitive) {
    const isName =
      column === table.identity || (table.scope.kind === 'column' && table.scope.column === column);
    if (isName)
      note(
        ['sensitive'],
        `${table.local}.${column} names rows or their store and can't be hidden`,
        'take it out',
      );
  }
}

/** No central column may be filled from two places. */
function checkTargets(table: TableMapping, note: Note): void {
  const from = new Map<string, string>();
  for (const [local, central] of table.rename) {
    const other = from.get(central);
    if (other !== undefined)
      note(
        ['rename', local],
        `${table.local}.${local} and ${table.local}.${other} both become ${central}`,
        'rename one of them to another column',
      );
    from.set(central, local);
    const keepsName = table.columns.has(central) || table.references.has(central);
    if (keepsName && central !== local && !table.rename.has(central))
      note(
        ['rename', local],
        `${table.local}.${local} becomes ${central}, which is mapped by itself as well`,
        'rename that one too, or exclude it',
      );
    if (table.set.has(central))
      note(['set', central], `${central} is set and also filled from ${local}`, 'take out set or rename');
  }
  for (const [central, value] of table.set)
    if (value.kind === 'literal' && typeof value.value === 'string' && value.value.startsWith('$'))
      note(
        ['set', central],
        `${central} is set to the unknown ${value.value}`,
        suggestion(value.value, ['$store', '$terminal'], 'use $store, $terminal or a constant'),
      );
}

function checkOptions(table: TableMapping, column: string, options: ColumnOptions, note: Note): void {
  const at = (option: string) => ['columns', column, option];
  const name = `${table.local}.${column}`;
  if (options.format === 'local' && options.zone === undefined)
    note(
      at('format'),
      `${name} has local time without a zone`,
      'add zone: Europe/Berlin, or the one it is in',
    );
  if (options.zone !== undefined && options.format !== 'local')
    note(at('zone'), `${name} has a zone without format: local`, 'add format: local, or take zone out');
  if (options.zone !== undefined && !isZone(options.zone))
    note(at('zone'), `${options.zone} is no time zone`, 'use an IANA name, as Europe/Berlin');
  if (options.minorUnits !== undefined && options.format !== undefined)
    note(at('minor_units'), `${name} has minor_units and a time format`, 'keep the one that fits');
  if (options.charset !== undefined && table.references.has(column))
    note(at('charset'), `${name} is a reference: what it holds is a key of the till`, 'take charset out');
  checkColumnDirection(table, column, options, note);
  if (options.policy === 'delta' && table.references.has(column))
    note(at('policy'), `${name} is a reference and can't be added up`, 'take policy: delta out');
  if (options.policy === 'delta' && table.naturalKey.includes(column))
    note(at('policy'), `${name} is in natural_key and can't be added up`, 'take policy: delta out');
}

/** A column that only head office changes can't be what a till's own changes are made or dated by. */
function checkColumnDirection(table: TableMapping, column: string, options: ColumnOptions, note: Note): void {
  if (options.direction !== 'push') return;
  const path = ['columns', column, 'direction'];
  const name = `${table.local}.${column}`;
  if (table.direction === 'pull')
    note(
      path,
      `${name} has direction: push in a table that only goes up`,
      'take it out, or give the table direction: both',
    );
  if (options.policy !== undefined)
    note(path, `${name} has direction: push and a policy`, 'take the policy out: tills never change it');
  if (column === table.timestamp)
    note(
      path,
      `${name} says when a row was changed, which tills have to say too`,
      'take direction: push out',
    );
}

function isZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

function checkCentralNames(
  tables: readonly TableMapping[],
  source: MappingSource,
  problems: MappingProblem[],
): void {
  const owner = new Map<string, TableMapping>();
  for (const table of tables) {
    const [message, remedy] = nameFault(table);
    if (message !== '')
      problems.push({ line: source.lineOf(['tables', table.local, 'central']), message, remedy });
    const other = owner.get(table.central);
    if (other !== undefined)
      problems.push({
        line: source.lineOf(['tables', table.local, 'central']),
        message: `${table.local} and ${other.local} are both mapped to ${table.central}`,
        remedy: 'map one of them, or name another central table',
      });
    owner.set(table.central, table);
  }
}

/** Names that would not fit a record's key (`<table>:<id>`, control keys begin with ~) or are our own. */
function nameFault({ local, central }: TableMapping): [message: string, remedy: string] {
  if (!/^[^~.:][^.:]*(\.[^.:]+)?$/.test(central))
    return [`${central} can't be a central table`, 'write table or schema.table, without colons'];
  if (central.startsWith('payflow_sync.') || local.startsWith('sync_'))
    return [`${local} is among the tables of payflow-sync itself`, 'take it out'];
  return ['', ''];
}
