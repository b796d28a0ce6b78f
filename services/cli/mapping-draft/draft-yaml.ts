/** A draft as the mapping file, with a comment on each guess. */
import { Document, isMap, Pair, Scalar, YAMLMap, YAMLSeq } from 'yaml';
import type { ColumnOptions } from '../../shared/mapping/mapping.ts';
import { STATUS_COLUMNS } from '../../shared/mapping/mapping.ts';
import type { Draft } from './draft.ts';
import type { TableDraft } from './draft-table.ts';
import type { Said } from './facts.ts';

/** @param head lines for the top of the file */
export function draftText(draft: Draft, head: readonly string[]): string {
  const document = new Document(new YAMLMap());
  document.commentBefore = head.map((line) => (line === '' ? '' : ` ${line}`)).join('\n');
  const root = document.contents;
  if (!isMap(root)) throw new TypeError('a new document holds the map that it was given');
  const { identity, link, timestamp, exclude } = draft.bookkeeping;
  put(root, 'version', 1);
  put(root, 'defaults', mapOf({ exclude: flow(exclude), identity, link, timestamp }), { space: true });
  const tables = new YAMLMap();
  draft.tables.forEach((table, at) => {
    put(tables, table.local, tableMap(table, draft), { comment: tableComment(table), space: at > 0 });
  });
  put(root, 'tables', tables, { space: true });
  const left = draft.left.map(({ side, table, why }) => ` ${table} of the ${side}: ${why}`);
  if (left.length > 0) document.comment = [' Not mapped:', ...left].join('\n');
  return document.toString({ lineWidth: 0 });
}

interface Beside {
  readonly comment?: readonly string[] | undefined;
  readonly space?: boolean | undefined;
}

function put(map: YAMLMap, name: string, value: unknown, { comment = [], space }: Beside = {}): void {
  const key = new Scalar(name);
  if (comment.length > 0) key.commentBefore = comment.map((line) => ` ${line}`).join('\n');
  if (space === true) key.spaceBefore = true;
  map.add(new Pair(key, value));
}

function mapOf(values: Readonly<Record<string, unknown>>): YAMLMap {
  const map = new YAMLMap();
  for (const [name, value] of Object.entries(values)) put(map, name, value);
  return map;
}

function flow(values: readonly string[]): YAMLSeq {
  const list = new YAMLSeq();
  list.flow = true;
  for (const value of values) list.add(new Scalar(value));
  return list;
}

function flowMap(values: Readonly<Record<string, unknown>>): YAMLMap {
  const map = mapOf(values);
  map.flow = true;
  for (const { value } of map.items) if (isMap(value)) value.flow = true;
  return map;
}

const guessed = ({ why }: Said<unknown>, of = ''): string[] =>
  why === '' ? [] : [`guessed${of === '' ? '' : ` ${of}`}: ${why}`];

function tableComment(table: TableDraft): string[] {
  const both = table.direction.value === 'both' ? guessed(table.direction, 'direction: both') : [];
  const noKey = table.naturalKey?.value.length === 0 ? [`guessed: ${table.naturalKey.why}`] : [];
  return [...guessed(table.central, `as ${table.central.value}`), ...both, ...noKey, ...table.notes];
}

function tableMap(table: TableDraft, draft: Draft): YAMLMap {
  const map = new YAMLMap();
  const said = (name: string, of: Said<unknown> | null, value: unknown) => {
    if (of !== null) put(map, name, value, { comment: guessed(of) });
  };
  if (table.central.value !== table.local) put(map, 'central', table.central.value);
  said('scope', table.scope, scopeValue(table.scope.value));
  if (table.direction.value !== 'both') said('direction', table.direction, table.direction.value);
  said('policy', table.policy, table.policy?.value);
  said('identity', table.identity, table.identity?.value);
  said('timestamp', table.timestamp, table.timestamp?.value);
  if (table.exclude.length > 0) put(map, 'exclude', excludeList(table, draft), {});
  each(map, 'rename', table.rename, (value) => value);
  each(map, 'columns', table.columns, (value) => flowMap(optionWords(value)));
  each(map, 'set', table.set, (value) => value);
  each(map, 'references', table.references, ({ table: parent, holds }) =>
    holds === 'local_key' ? parent : flowMap({ table: parent, holds }),
  );
  if (table.naturalKey !== null && table.naturalKey.value.length > 0)
    said('natural_key', table.naturalKey, flow(table.naturalKey.value));
  if (table.sensitive.length > 0) put(map, 'sensitive', listOf(table.sensitive));
  return map;
}

function scopeValue(scope: TableDraft['scope']['value']): unknown {
  if (scope.kind === 'global') return 'global';
  return flowMap({ store: scope.kind === 'store' ? scope.column : flowMap({ via: scope.column }) });
}

/** A table's own list replaces the default one, of which only some columns stay by themselves. */
function excludeList(table: TableDraft, { bookkeeping }: Draft): YAMLSeq {
  const staying: readonly string[] = [bookkeeping.identity, bookkeeping.link, ...STATUS_COLUMNS];
  const repeated = bookkeeping.exclude
    .filter((name) => !staying.includes(name))
    .map((value) => ({ value, why: '' }));
  return listOf([...repeated, ...table.exclude]);
}

function listOf(names: readonly Said<string>[]): YAMLSeq {
  const list = new YAMLSeq();
  for (const name of names) {
    const item = new Scalar(name.value);
    if (name.why !== '') item.commentBefore = ` guessed ${name.value}: ${name.why}`;
    list.add(item);
  }
  return list;
}

function each<Value>(
  map: YAMLMap,
  name: string,
  values: ReadonlyMap<string, Said<Value>>,
  form: (value: Value) => unknown,
): void {
  if (values.size === 0) return;
  const inner = new YAMLMap();
  for (const [column, said] of values) put(inner, column, form(said.value), { comment: guessed(said) });
  put(map, name, inner);
}

function optionWords({
  policy,
  format,
  zone,
  minorUnits,
  emptyIsNull,
  charset,
}: ColumnOptions): Record<string, unknown> {
  return {
    ...(policy !== undefined && { policy }),
    ...(format !== undefined && { format }),
    ...(zone !== undefined && { zone }),
    ...(minorUnits !== undefined && { minor_units: minorUnits }),
    ...(emptyIsNull === true && { empty: null }),
    ...(charset !== undefined && { charset }),
  };
}

/** How many lines say that they are guesses. */
export function guessesIn(text: string): number {
  return text.split('\n').filter((line) => /^\s*# guessed\b/.test(line)).length;
}
