/**
 * Which central row a till row is: links, new keys for inserts, and rows that are there already under the same
 * natural key. One query per question and group, however many rows ask.
 */
import { centralId, centralIdParts, type CentralId } from '../../shared/records/change-record.ts';
import type { CentralColumn } from '../../shared/catalog/central-catalog.ts';
import { isSameName } from '../../shared/catalog/same-name.ts';
import { tillRow, type Incoming } from './change.ts';
import { canonicalKeyText } from './key-form.ts';
import { typeOf, type CentralModel, type TableModel } from './model.ts';
import { BY_INDEX, quoteName, textArray, unnest, type Text, type Session } from './sql.ts';
import { about } from './statement.ts';

/** Till row → central id, of every row that the changes are about or refer to. */
export async function readLinks(
  session: Session,
  model: CentralModel,
  changes: readonly Incoming[],
): Promise<Map<string, CentralId>> {
  const wanted = new Map<string, readonly [terminal: string, table: string, identity: string]>();
  // No link has such an identity, and PostgreSQL would refuse the text.
  const isNone = (identity: string) => identity === '' || identity.includes('\0');
  for (const { from, change, table, tillRow: name } of changes) {
    if (table === null) continue;
    const { terminal } = from;
    const { identity } = change.row;
    if (!isNone(identity)) wanted.set(name, [terminal, table.name, identity]);
    for (const { column, target } of change.references) {
      const parent = model.byLocal.get(table.byLocal.get(column)?.parent ?? '');
      if (target === null || parent === undefined || isNone(target.identity)) continue;
      wanted.set(tillRow(terminal, parent, target.identity), [terminal, parent.name, target.identity]);
    }
  }
  const keys = [...wanted.values()];
  if (keys.length === 0) return new Map();
  const rows = await session.rows(
    `SELECT v.c0, v.c1, v.c2, l.central_id FROM ${unnest(3)} CROSS JOIN LATERAL (
       SELECT central_id FROM payflow_sync.link
        WHERE terminal_id = v.c0 AND table_name = v.c1 AND identity = v.c2 ${BY_INDEX}) l`,
    [0, 1, 2].map((index) => textArray(keys.map((key) => key[index] ?? null))),
  );
  const links = new Map<string, CentralId>();
  for (const [terminal, name, identity, id] of rows) {
    const table = model.tables.get(name ?? '');
    if (table !== undefined) links.set(tillRow(terminal ?? '', table, identity ?? ''), id as CentralId);
  }
  return links;
}

/** Key values made ahead by the columns' own defaults, handed out in order. */
export class NewKeys {
  readonly #values: ReadonlyMap<string, readonly string[]>;
  readonly #next = new Map<string, number>();

  /** @param values by `<table>\0<column>` */
  constructor(values: ReadonlyMap<string, readonly string[]>) {
    this.#values = values;
  }

  /** The same keys from the beginning, for another attempt. */
  fresh(): NewKeys {
    return new NewKeys(this.#values);
  }

  /**
   * Fills in the key columns that the till did not bring.
   * @returns whether a new key was used; null when a column has neither value nor default
   */
  complete(table: TableModel, values: Map<string, Text>): boolean | null {
    let made = false;
    for (const name of table.key) {
      const given = values.get(name) ?? null;
      const column = table.central.get(name);
      if (given !== null) {
        if (column !== undefined) values.set(name, canonicalKeyText(column, given));
        continue;
      }
      const pool = `${table.name}\0${name}`;
      const at = this.#next.get(pool) ?? 0;
      const key = this.#values.get(pool)?.[at];
      if (key === undefined) return null;
      this.#next.set(pool, at + 1);
      values.set(name, key);
      made = true;
    }
    return made;
  }
}

/** Makes a key for every insert that may need one: one statement for all tables. */
export async function makeKeys(
  session: Session,
  changes: readonly Incoming[],
  links: ReadonlyMap<string, CentralId>,
): Promise<NewKeys> {
  const counts = new Map<string, { table: TableModel; column: CentralColumn; count: number }>();
  for (const { change, table, tillRow: row } of changes) {
    if (table === null || (change.op !== 'c' && change.op !== 'r')) continue;
    if (links.has(row)) continue;
    for (const name of table.key) {
      const local = table.byCentral.get(name)?.local;
      const column = table.central.get(name);
      if (column === undefined || table.set.has(name)) continue;
      if (table.scope.kind === 'column' && table.scope.column === name) continue;
      if (
        change.columns.some(
          (each) => local !== undefined && isSameName(each.name, local) && each.new !== null,
        )
      )
        continue;
      const pool = `${table.name}\0${name}`;
      const entry = counts.get(pool);
      if (entry === undefined) counts.set(pool, { table, column, count: 1 });
      else entry.count += 1;
    }
  }
  const pools = [...counts.keys()];
  const parts = [...counts.values()].flatMap(({ table, column, count }, index) => {
    const made = newValueSql(table, column);
    return made === null
      ? []
      : [`SELECT ${index}, (${made.value})::text FROM ${made.from}generate_series(1, ${count})`];
  });
  if (parts.length === 0) return new NewKeys(new Map());
  const [table = '', ...besides] = [...counts.values()].map((each) => each.table.name);
  const rows = await about(
    { table, kind: 'insert', columns: [], besides },
    session.rows(parts.join(' UNION ALL ')),
  );
  const values = new Map<string, string[]>(pools.map((pool) => [pool, []]));
  for (const [index, value] of rows) {
    if (value !== null && value !== undefined) values.get(pools[Number(index)] ?? '')?.push(value);
  }
  return new NewKeys(values);
}

/** `from`: what is asked once and not for every row. */
function newValueSql(table: TableModel, column: CentralColumn): { value: string; from: string } | null {
  if (column.identity === null) {
    return column.defaultSql === null ? null : { value: column.defaultSql, from: '' };
  }
  const sequence = `pg_get_serial_sequence(${literal(table.sql)}, ${literal(column.name)})::regclass`;
  return { value: 'nextval(s.sequence)', from: `(SELECT ${sequence} AS sequence OFFSET 0) s, ` };
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

export interface NaturalKey {
  readonly parts: readonly Text[];
  /** The till's: where two stores have a row of one name, its own is meant. */
  readonly store: string;
}

/** The central row with the same natural key, per asked row; null where there is none or a part is null. */
export async function naturalMatches(
  session: Session,
  table: TableModel,
  keys: readonly NaturalKey[],
): Promise<(CentralId | null)[]> {
  const matches: (CentralId | null)[] = keys.map(() => null);
  const whole = keys
    .map((key, index) => ({ key, index }))
    .filter(({ key: { parts } }) => parts.every((part) => part !== null));
  if (whole.length === 0) return matches;
  const ids = table.key.map((column) => `t.${quoteName(column)}`).join(', ');
  const equal = table.naturalKey
    .map((column, index) => `t.${quoteName(column)} = v.c${index}::${typeOf(table, column)}`)
    .join(' AND ');
  const { scope, naturalKey } = table;
  const ownFirst =
    scope.kind === 'column'
      ? `(t.${quoteName(scope.column)}::text = v.c${naturalKey.length}) IS TRUE DESC, `
      : '';
  const rows = await about(
    { table: table.name, kind: 'read', columns: [] },
    session.rows(
      `SELECT v.n, m.* FROM ${unnest(naturalKey.length + 1, { ordinality: true })} CROSS JOIN LATERAL
       (SELECT ${ids} FROM ${table.sql} t WHERE ${equal} ORDER BY ${ownFirst}${ids} LIMIT 1) m`,
      [
        ...naturalKey.map((_, part) => textArray(whole.map(({ key }) => key.parts[part] ?? null))),
        textArray(whole.map(({ key }) => key.store)),
      ],
    ),
  );
  for (const [n, ...id] of rows) {
    const asked = whole[Number(n) - 1];
    if (asked !== undefined) matches[asked.index] = centralId(id.map((part) => part ?? ''));
  }
  return matches;
}

/** @returns those of `ids` that are there */
export async function existingIds(
  session: Session,
  table: TableModel,
  ids: readonly CentralId[],
): Promise<Set<CentralId>> {
  const columns = table.key.map((column) => `t.${quoteName(column)}`).join(', ');
  const rows = await session.rows(
    `SELECT ${columns} FROM ${unnest(table.key.length)} JOIN ${table.sql} t ON ${keyJoin(table)}`,
    keyParameters(table, ids),
  );
  return new Set(rows.map((row) => centralId(row.map((part) => part ?? ''))));
}

/** Which identities of its own a terminal has linked to central rows. */
export interface OwnLink {
  readonly terminal: string;
  readonly table: TableModel;
  readonly id: CentralId;
}

/** @returns per asked (terminal, row) the identities linked to it */
export async function identitiesOf(
  session: Session,
  asked: readonly OwnLink[],
): Promise<(readonly string[])[]> {
  const found: string[][] = asked.map(() => []);
  if (asked.length === 0) return found;
  const rows = await session.rows(
    `SELECT v.n, l.identity FROM ${unnest(3, { ordinality: true })} CROSS JOIN LATERAL (
       SELECT identity FROM payflow_sync.link
        WHERE table_name = v.c0 AND central_id = v.c1 AND terminal_id = v.c2 ${BY_INDEX}) l`,
    [
      textArray(asked.map(({ table }) => table.name)),
      textArray(asked.map(({ id }) => id)),
      textArray(asked.map(({ terminal }) => terminal)),
    ],
  );
  for (const [n, identity] of rows) {
    if (identity !== null && identity !== undefined) found[Number(n) - 1]?.push(identity);
  }
  return found;
}

/** `id`'s parts in key order, one text array per key column: parameters for a join on the key. */
export function keyParameters(table: TableModel, ids: readonly CentralId[]): string[] {
  const parts = ids.map((id) => centralIdParts(id, table.key.length));
  return table.key.map((_, index) => textArray(parts.map((part) => part[index] ?? null)));
}

/** `t.k0 = v.c0::type AND …` */
export function keyJoin(table: TableModel): string {
  return table.key
    .map((column, index) => `t.${quoteName(column)} = v.c${index}::${typeOf(table, column)}`)
    .join(' AND ');
}
