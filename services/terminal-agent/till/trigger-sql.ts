/** The pieces of SQL that the triggers of one table are made of. */
import type { BoundTable } from '../../shared/catalog/table-binding.ts';
import { quoteName, quoteText, rowKeySql } from './local-schema.ts';

/** A UUID, with or without dashes; anything shorter is not trusted to be unique in the world. */
const MIN_IDENTITY_LENGTH = 32;

/** The till's clock, ms since 1970, in SQL of 3.8. */
export const NOW_MS_SQL = `CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER)`;

export type TriggerSql = ReturnType<typeof triggerSql>;

export interface Trigger {
  readonly name: string;
  readonly sql: string;
}

interface ChangeParts {
  readonly oldRow?: string;
  readonly newRow?: string;
  readonly identity: string;
  readonly central: string;
}

/** Tables whose own edits go up; the others are recorded only to be put back. */
export function isPublished(table: BoundTable): boolean {
  return table.mapping.direction !== 'push';
}

/** Beyond 1,000 terms in a row SQLite's parser gives up: in groups they stay flat. */
const TERMS_TOGETHER = 50;

function anyOf(terms: readonly string[]): string {
  if (terms.length === 0) return '0';
  if (terms.length <= TERMS_TOGETHER) return terms.join(' OR ');
  const groups: string[] = [];
  for (let at = 0; at < terms.length; at += TERMS_TOGETHER)
    groups.push(`(${terms.slice(at, at + TERMS_TOGETHER).join(' OR ')})`);
  return anyOf(groups);
}

/** SQL: a row's identity as kept, else its UUID, else NULL. */
export function identitySql(bound: BoundTable, row: string): string {
  const kept = `(SELECT identity FROM sync_identity WHERE table_name = ${quoteText(bound.local.name)}
    AND row_key = ${rowKeySql(row, bound.local.key)})`;
  if (bound.identityColumn === null) return kept;
  return `coalesce(${kept}, CASE WHEN ${usableSql(bound.identityColumn, row)} THEN ${row}.${quoteName(bound.identityColumn)} END)`;
}

function usableSql(identityColumn: string, row: string): string {
  const value = `${row}.${quoteName(identityColumn)}`;
  return `(typeof(${value}) = 'text' AND length(${value}) >= ${MIN_IDENTITY_LENGTH})`;
}

/** Rows can share a UUID unless the table itself forbids it. */
export function mayBeCopied({ identityColumn, local }: BoundTable): boolean {
  return !local.uniques.some((columns) => columns.length === 1 && columns[0] === identityColumn);
}

/**
 * SQL: an unlinked row's UUID names another row already, because the app copied a row with everything in it.
 * Under one name the second row would be taken for a repeat of the first, and lost.
 */
function copiedSql(bound: BoundTable): (row: string) => string {
  const { identityColumn, local } = bound;
  if (identityColumn === null) return () => '0';
  const column = quoteName(identityColumn);
  const name = quoteText(local.name);
  const key = (row: string) => rowKeySql(row, local.key);
  const keptForAnother = (row: string) => `EXISTS (SELECT 1 FROM sync_identity
      WHERE table_name = ${name} AND identity = +${row}.${column} AND row_key IS NOT ${key(row)})`;
  const twin = (row: string) => `EXISTS (SELECT 1 FROM ${quoteName(local.name)} AS twin
      WHERE twin.${column} = ${row}.${column} AND (${key('twin')}) IS NOT (${key(row)})
      AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE table_name = ${name} AND row_key = ${key('twin')}))`;
  return (
    row,
  ) => `(NOT EXISTS (SELECT 1 FROM ${quoteName(`sync_row_${local.name}`)} WHERE row_key = ${key(row)})
      AND (${keptForAnother(row)}${mayBeCopied(bound) ? ` OR ${twin(row)}` : ''}))`;
}

export function triggerSql(bound: BoundTable, statusColumns: readonly string[]) {
  const { local, columns } = bound;
  const name = quoteText(local.name);
  const syncRow = quoteName(`sync_row_${local.name}`);
  const syncChange = quoteName(`sync_change_${local.name}`);
  const evicted = quoteName(`sync_evicted_${local.name}`);
  const identityColumn = bound.identityColumn === null ? null : quoteName(bound.identityColumn);
  const mapped = columns.map((column) => column.local);

  const key = (row: string) => rowKeySql(row, local.key);
  const isRow = (rowKey: string) => `table_name = ${name} AND row_key = ${rowKey}`;
  const usable = (row: string) =>
    bound.identityColumn === null ? '0' : usableSql(bound.identityColumn, row);
  const retired = (row: string) =>
    identityColumn === null
      ? '0'
      : `EXISTS (SELECT 1 FROM sync_retired WHERE table_name = ${name} AND identity = +${row}.${identityColumn})`;
  const copied = copiedSql(bound);
  const needsMint = (
    row: string,
  ) => `(${key(row)}) IS NOT NULL AND (NOT ${usable(row)} OR ${retired(row)} OR ${copied(row)})
      AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE ${isRow(key(row))})`;
  const centralId = (rowKey: string) =>
    `(SELECT central_id FROM ${syncRow} WHERE row_key = ${rowKey} LIMIT 1)`;

  return {
    name,
    bound,
    table: quoteName(local.name),
    syncRow,
    syncChange,
    evicted,
    identityColumn,
    mapped,
    published: isPublished(bound),
    notSilent: 'NOT EXISTS (SELECT 1 FROM sync_silence)',
    key,
    isRow,
    usable,
    retired,
    copied,
    needsMint,
    centralId,

    trigger(suffix: string, event: string, when: string, statements: readonly string[]): Trigger {
      const triggerName = `sync_${suffix}_${local.name}`;
      const body = statements.map((statement) => `  ${statement};`).join('\n');
      return {
        name: triggerName,
        sql: `CREATE TRIGGER ${quoteName(triggerName)} ${event} FOR EACH ROW\nWHEN ${when}\nBEGIN\n${body}\nEND`,
      };
    },

    /** Some mapped column really differs; byte for byte, whatever collation the column has. */
    differs(before: string, after: string, prefix = ''): string {
      const compared = mapped.map(
        (column) =>
          `${before}.${quoteName(prefix + column)} IS NOT ${after}.${quoteName(column)} COLLATE BINARY`,
      );
      return anyOf(compared);
    },

    /** The identity of a row; the random one only names a row without any key. */
    identity: (row: string) => `coalesce(${identitySql(bound, row)}, lower(hex(randomblob(16))))`,

    mint: (row: string) =>
      `INSERT INTO sync_identity (table_name, row_key, identity) SELECT ${name}, ${key(row)}, lower(hex(randomblob(16)))
      WHERE ${needsMint(row)}`,

    outbox: (op: 'c' | 'u' | 'd' | 'r', rowKey: string) =>
      `INSERT INTO sync_outbox (table_name, op, row_key, captured_at_ms) VALUES (${name}, '${op}', ${rowKey}, ${NOW_MS_SQL})`,

    /** Follows `outbox` in the same trigger: last_insert_rowid() is that entry's seq. */
    change({ oldRow, newRow, identity, central }: ChangeParts): string {
      const side = (row: string | undefined, prefix: string) =>
        row === undefined
          ? []
          : mapped.map(
              (column) => [quoteName(`${prefix}_${column}`), `${row}.${quoteName(column)}`] as const,
            );
      const pairs = [...side(oldRow, 'old'), ...side(newRow, 'new')];
      return `INSERT INTO ${syncChange} (seq, identity, central_id${pairs.map(([column]) => `, ${column}`).join('')})
      VALUES (last_insert_rowid(), ${identity}, ${central}${pairs.map(([, value]) => `, ${value}`).join('')})`;
    },

    /** The key of a row changed: what is kept by key goes with it. `moved` is SQL that says whether it did. */
    keyMove: (from: string, to: string, identity: string, moved: string): string[] => [
      `INSERT INTO sync_outbox (table_name, op, row_key, captured_at_ms, outcome)
      SELECT ${name}, 'k', ${from}, ${NOW_MS_SQL}, 'local' WHERE ${moved}`,
      `INSERT INTO ${syncChange} (seq, identity, central_id)
      SELECT last_insert_rowid(), ${identity}, ${centralId(from)}
      WHERE ${moved}`,
      `DELETE FROM sync_identity WHERE ${isRow(to)} AND ${moved}`,
      `UPDATE sync_identity SET row_key = ${to} WHERE ${isRow(from)} AND ${moved}`,
      `UPDATE ${syncRow} SET row_key = NULL WHERE row_key = ${to} AND ${moved}`,
      `UPDATE ${syncRow} SET row_key = ${to} WHERE row_key = ${from} AND ${moved}`,
    ],

    /**
     * SQL: a row is on its way to the centre under a key that it had before the app changed it. Only a replaced
     * row without a link and without unsettled entries by its key is asked, and only key changes are read.
     */
    sentByFormerKey: (identity: string) => `EXISTS (SELECT 1 FROM sync_outbox AS k
      CROSS JOIN sync_outbox AS o ON o.table_name = ${name} AND o.row_key = k.row_key AND o.outcome IS NULL
      CROSS JOIN ${syncChange} AS c ON c.seq = o.seq
      WHERE k.table_name = ${name} AND k.op = 'k' AND c.identity = ${identity})`,

    /** A UUID of a deleted row that comes again is a new row; of a row kept under another one, that other. */
    retire: (row: string): string[] =>
      identityColumn === null
        ? []
        : [
            `INSERT INTO sync_retired (table_name, identity) SELECT ${name}, i.identity
      FROM (SELECT ${identitySql(bound, row)} AS identity) AS i WHERE ${usable(row)}
      AND NOT EXISTS (SELECT 1 FROM sync_retired WHERE table_name = ${name} AND identity = i.identity)`,
          ],

    status: (operation: 'insert' | 'update') => statusSql(bound, statusColumns, operation),
  };
}

/** A row's identity is kept under its key from here on, whatever its columns say next. */
export function pinStatements(t: TriggerSql, row: string): string[] {
  const key = t.key(row);
  const uuid = `INSERT INTO sync_identity (table_name, row_key, identity) SELECT ${t.name}, ${key}, ${row}.${t.identityColumn}
      WHERE (${key}) IS NOT NULL AND NOT EXISTS (SELECT 1 FROM sync_identity WHERE ${t.isRow(key)})`;
  return [t.mint(row), ...(t.identityColumn === null ? [] : [uuid])];
}

/** Keeps sync_status and sync_operation: `columns` are those of them that the triggers may write. */
function statusSql(
  { local }: BoundTable,
  columns: readonly string[],
  operation: 'insert' | 'update',
): string[] {
  const values = new Map<string, string>();
  if (columns.includes('sync_status')) values.set('sync_status', `'pending'`);
  if (columns.includes('sync_operation')) {
    const stillInsert = `sync_status = 'pending' AND sync_operation = 'insert'`;
    values.set(
      'sync_operation',
      operation === 'update' && columns.includes('sync_status')
        ? `CASE WHEN ${stillInsert} THEN 'insert' ELSE 'update' END`
        : `'${operation}'`,
    );
  }
  if (values.size === 0) return [];
  const set = [...values].map(([column, value]) => `${column} = ${value}`).join(', ');
  const stale = [...values].map(([column, value]) => `${column} IS NOT ${value}`).join(' OR ');
  const here = local.key.map((column) => `${quoteName(column)} = NEW.${quoteName(column)}`).join(' AND ');
  return [`UPDATE ${quoteName(local.name)} SET ${set} WHERE ${here} AND (${stale})`];
}
