/** What the draft says of one table, and why. Pure. */
import { typeShape } from '../../shared/catalog/central-types.ts';
import { hasSurrogateKey } from '../../shared/catalog/table-binding.ts';
import type { ColumnOptions } from '../../shared/mapping/mapping.ts';
import { isChangeTime, type Bookkeeping } from './bookkeeping.ts';
import { changeGuesses, deltaOf, pricesOf, secretsOf } from './customs.ts';
import type { ColumnPair, Said, TablePair } from './facts.ts';
import { naturalKeyOf } from './natural-keys.ts';
import type { ReferenceSaid } from './relations.ts';
import type { ScopeSaid, TableScope } from './scopes.ts';
import { isSyncState } from './sync-columns.ts';

export interface TableParts {
  readonly pair: TablePair;
  readonly columns: readonly ColumnPair[];
  readonly references: ReadonlyMap<string, Said<ReferenceSaid>>;
  /** Columns that refer to a table which is not mapped → that table. */
  readonly nowhere: ReadonlyMap<string, string>;
}

export interface Around {
  readonly scope: TableScope;
  /** Central name of the table of stores. */
  readonly stores: string | null;
  readonly bookkeeping: Bookkeeping;
  /** SQL of the app's triggers, of all tables. */
  readonly triggers: readonly string[];
}

export interface TableDraft {
  readonly local: string;
  readonly central: Said<string>;
  readonly scope: Said<ScopeSaid>;
  readonly direction: Said<'both' | 'push' | 'pull'>;
  readonly policy: Said<'append-only'> | null;
  readonly identity: Said<string> | null;
  readonly timestamp: Said<string> | null;
  /** Columns that stay on the till beside those that do in every table. */
  readonly exclude: readonly Said<string>[];
  readonly rename: ReadonlyMap<string, Said<string>>;
  readonly columns: ReadonlyMap<string, Said<ColumnOptions>>;
  readonly set: ReadonlyMap<string, Said<string>>;
  readonly references: ReadonlyMap<string, Said<ReferenceSaid>>;
  readonly naturalKey: Said<readonly string[]> | null;
  readonly sensitive: readonly Said<string>[];
  /** For whoever reads the draft: what it does not say, and a person may want to. */
  readonly notes: readonly string[];
}

export function draftTable(parts: TableParts, around: Around): TableDraft {
  const { pair } = parts;
  const kept = headOfficeOnly(parts);
  const columns = parts.columns.filter(({ local }) => !kept.some(({ value }) => value === local.name));
  const references = new Map(
    [...parts.references].filter(([name]) => columns.some(({ local }) => local.name === name)),
  );
  const changes = changeGuesses(pair, around);
  const naturalKey = naturalKeyOf({
    pair,
    columns,
    references: new Set(references.keys()),
    set: new Set(around.scope.set.keys()),
  });
  const exclude = [...kept, ...staying(parts, around)];
  const prices = changes.direction.value === 'both' ? pricesOf(pair, columns) : [];
  return {
    local: pair.local.name,
    central: { value: pair.central.name, why: pair.why },
    scope: around.scope.scope,
    ...changes,
    identity: identityOf(parts, around),
    timestamp: timestampOf(columns, around),
    exclude,
    rename: renames(parts.pair, columns),
    columns: columnOptions(columns, references, {
      ...around,
      pair,
      naturalKey,
      mayChange: changes.direction.value === 'both' && changes.policy === null,
    }),
    set: around.scope.set,
    references,
    naturalKey,
    sensitive: secretsOf(columns, references),
    notes: [...prices, ...(changes.direction.value === 'push' ? [] : unfilled(parts, around))],
  };
}

/** A number that is the row's name on both sides travels only where it is named. */
function renames({ local: table }: TablePair, columns: readonly ColumnPair[]): Map<string, Said<string>> {
  const isNumberKey = (name: string) => hasSurrogateKey(table) && table.key[0] === name;
  return new Map(
    columns
      .filter(({ local, central }) => local.name !== central.name || isNumberKey(local.name))
      .map(({ local, central, why }) => [
        local.name,
        {
          value: central.name,
          why: isNumberKey(local.name)
            ? `${why === '' ? 'the same name' : why}; the key itself travels`
            : why,
        },
      ]),
  );
}

/** Columns that only the centre fills in all rows that both sides have: head office may have its reasons. */
function headOfficeOnly({ pair, columns, references }: TableParts): Said<string>[] {
  const { rows } = pair.common;
  return columns.flatMap(({ local, central }) => {
    const there = rows.filter((row) => row.central[central.name] != null).length;
    const here = rows.filter((row) => row.local[local.name] != null).length;
    const isNeeded = local.notNull || references.has(local.name) || pair.central.key.includes(central.name);
    const time = ['timestamp', 'timestamptz'].includes(typeShape(central.type).family);
    if (here > 0 || there < 5 || 2 * there < rows.length || isNeeded || time) return [];
    return [
      {
        value: local.name,
        why: `the till has nothing there, the centre has in ${there} of ${rows.length} rows of both: take it out of exclude if tills should have it`,
      },
    ];
  });
}

/** What has no counterpart, or would bring the till's own numbers where nobody knows them. */
function staying({ pair, columns, nowhere }: TableParts, { bookkeeping }: Around): Said<string>[] {
  const own = hasSurrogateKey(pair.local) ? pair.local.key[0] : undefined;
  return pair.local.columns.flatMap(({ name, generated }) => {
    const isPaired = columns.some(({ local }) => local.name === name);
    if (isPaired || name === own || bookkeeping.exclude.includes(name)) return [];
    const parent = nowhere.get(name);
    if (parent !== undefined) return [{ value: name, why: `it refers to ${parent}, which is not mapped` }];
    if (isSyncState(name)) return [{ value: name, why: 'bookkeeping of the till' }];
    return [{ value: name, why: generated ? 'the till computes it' : 'nothing like it at the centre' }];
  });
}

/** A till's key that is no number is a name which the centre may have too. */
function identityOf({ pair, columns }: TableParts, { bookkeeping }: Around): Said<string> | null {
  const { local, central, localRows } = pair;
  const [key] = local.key;
  if (key === undefined || local.key.length > 1 || hasSurrogateKey(local)) return null;
  const target = columns.find((column) => column.local.name === key)?.central;
  const values = localRows.map((row) => row[key]).filter((value) => value != null);
  const uuids = values.filter((value) =>
    /^\{?[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}\}?$/i.test(String(value)),
  ).length;
  const isUuid =
    target === undefined ? uuids > 0 && uuids === values.length : typeShape(target.type).family === 'uuid';
  if (!isUuid || key === bookkeeping.identity) return null;
  const told =
    values.length === 0 ? `${central.name} has uuids` : `${uuids} of ${values.length} sampled keys are UUIDs`;
  return { value: key, why: told };
}

function timestampOf(columns: readonly ColumnPair[], { bookkeeping }: Around): Said<string> | null {
  const isTime = ({ central }: ColumnPair) =>
    ['timestamp', 'timestamptz'].includes(typeShape(central.type).family);
  if (columns.some(({ local }) => local.name === bookkeeping.timestamp)) return null;
  const found = columns.find((column) => isChangeTime(column.local.name) && isTime(column));
  return found === undefined ? null : { value: found.local.name, why: 'by its name' };
}

function columnOptions(
  columns: readonly ColumnPair[],
  references: ReadonlyMap<string, Said<ReferenceSaid>>,
  {
    triggers,
    pair,
    naturalKey,
    mayChange,
  }: Around & { pair: TablePair; naturalKey: Said<readonly string[]> | null; mayChange: boolean },
): Map<string, Said<ColumnOptions>> {
  return new Map(
    columns.flatMap(({ local, central, form, why }) => {
      if (references.has(local.name)) return [];
      const isKey =
        naturalKey?.value.includes(local.name) === true || pair.central.key.includes(central.name);
      const delta = mayChange && !isKey ? deltaOf(pair, { local, central }, triggers) : null;
      const options: ColumnOptions = { ...form, ...(delta !== null && { policy: 'delta' as const }) };
      if (Object.keys(options).length === 0) return [];
      const reasons = [Object.keys(form).length > 0 ? why : '', delta ?? ''].filter((text) => text !== '');
      return [[local.name, { value: options, why: reasons.join('; ') }] as const];
    }),
  );
}

/** Columns that the centre insists on and the till can't fill. */
function unfilled({ pair, columns }: TableParts, { scope }: Around): string[] {
  const open = pair.central.columns.filter(
    ({ name, notNull, defaultSql, identity, generated }) =>
      notNull &&
      defaultSql === null &&
      identity === null &&
      !generated &&
      !scope.set.has(name) &&
      !columns.some(({ central }) => central.name === name),
  );
  return open.map(
    ({ name }) =>
      `left for you: ${pair.central.name}.${name} is NOT NULL without default, and nothing here fills it: set: {${name}: …}`,
  );
}
