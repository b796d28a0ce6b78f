/**
 * The triggers of one captured table. They write which row was touched, and of delta columns what it held before and
 * after: nothing else, and nothing into the app's tables. They run inside the app's statement and its SQLite library:
 * syntax of 3.8 only, no conflict clauses (an outer OR REPLACE overrides them), no constraint that could fail. They
 * name no column but the key's, delta columns, and those of unique indexes, so that the app may drop any other.
 *
 * INSERT OR REPLACE and UPDATE OR REPLACE take rows away without a word (unless recursive_triggers are on), so the rows
 * that stand in the way of a new one are named before it; what became of them is seen when they are looked at. One
 * statement for each index: each is served by it, which an OR over all of them may not be.
 */
import type { LocalUniqueIndex } from '../../shared/catalog/unique-indexes.ts';
import { quoteName, rowKeySql } from '../till/local-schema.ts';

/** The till's clock, ms since 1970, in SQL of 3.8. */
export const NOW_MS_SQL = `CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER)`;

export interface Trigger {
  readonly name: string;
  readonly sql: string;
}

export interface CapturedTable {
  readonly number: number;
  readonly name: string;
  readonly key: readonly string[];
  readonly uniques: readonly LocalUniqueIndex[];
  readonly deltas: readonly { readonly number: number; readonly name: string }[];
}

type Row = 'NEW' | 'OLD' | 't';

const NOT_SILENT = 'NOT EXISTS (SELECT 1 FROM sync_silence)';

export function keyTriggers(table: CapturedTable): Trigger[] {
  const sql = new TriggerSql(table);
  const ways = [{ columns: table.key }, ...table.uniques];
  const named = [...new Set(ways.flatMap(({ columns }) => columns))].map(quoteName).join(', ');
  const isMoved = sql.isMoved();
  const op = `CASE WHEN ${isMoved} THEN 'k' ELSE 'u' END`;
  const keyBefore = `CASE WHEN ${isMoved} THEN ${sql.key('OLD')} END`;
  return [
    sql.trigger('before_insert', 'BEFORE INSERT', [
      ...sql.sameKey(),
      ...table.uniques.flatMap((unique) => sql.inTheWay(unique, 'NEW')),
    ]),
    sql.trigger(
      'before_update',
      `BEFORE UPDATE OF ${named}`,
      ways.flatMap((unique) => sql.inTheWay(unique, 'OLD')),
    ),
    sql.trigger('insert', 'AFTER INSERT', [sql.entry(`'c'`, 'NEW'), ...sql.inserted()]),
    sql.trigger('update', 'AFTER UPDATE', [sql.entry(op, 'NEW', { keyBefore }), ...sql.deltas('OLD', 'NEW')]),
    sql.trigger('delete', 'AFTER DELETE', [sql.entry(`'d'`, 'OLD'), ...sql.deltas('OLD', null)]),
  ];
}

class TriggerSql {
  readonly #table: CapturedTable;

  constructor(table: CapturedTable) {
    this.#table = table;
  }

  /** NULL where a part of it is: such rows may be many. */
  key(row: Row): string {
    const { key } = this.#table;
    if (key.length === 1) return rowKeySql(row, key);
    const isMissing = key.map((column) => `${cell(row, column)} IS NULL`).join(' OR ');
    return `CASE WHEN ${isMissing} THEN NULL ELSE ${rowKeySql(row, key)} END`;
  }

  /** Byte for byte: to a key in other letters, or of another storage class, a row has moved. */
  isMoved(): string {
    return this.#table.key
      .map((column) => [cell('OLD', column), cell('NEW', column)])
      .map(([old, now]) => `${old} IS NOT ${now} COLLATE BINARY OR typeof(${old}) IS NOT typeof(${now})`)
      .join(' OR ');
  }

  entry(op: string, row: Row, { keyBefore = 'NULL', from = '' } = {}): string {
    return `INSERT INTO sync_outbox (table_number, op, row_key, key_before, at_ms, entry_id)
    SELECT ${this.#table.number}, ${op}, ${this.key(row)}, ${keyBefore}, ${NOW_MS_SQL}, random()${from}`;
  }

  /** Of the entry that was just written. */
  deltas(before: Row | null, after: Row | null, from = ''): string[] {
    return this.#table.deltas.map(({ number, name }) => {
      const old = before === null ? 'NULL' : bare(before, name);
      const now = after === null ? 'NULL' : bare(after, name);
      const where = before === null || after === null ? from : ` WHERE ${old} IS NOT ${now} COLLATE BINARY`;
      return `INSERT INTO sync_delta (seq, column_number, old_value, new_value)
    SELECT last_insert_rowid(), ${number}, ${old}, ${now}${where}`;
    });
  }

  /** The row that has the key of the one that comes: it lives on as that one, if it is replaced. */
  sameKey(): string[] {
    const { key, name } = this.#table;
    return this.held('b', `\n    FROM ${quoteName(name)} AS t WHERE ${isEqual(key)}`);
  }

  /** As the row is now: a trigger of the app's that fires first may have updated it. */
  inserted(): string[] {
    const { key, name } = this.#table;
    return this.deltas(null, 't', `\n    FROM ${quoteName(name)} AS t WHERE ${isEqual(key)}`);
  }

  /** Rows that have the same values in a unique index as the one that comes, but for the one that is it. */
  inTheWay({ columns, terms, condition }: LocalUniqueIndex, it: Row): string[] {
    const where =
      terms === undefined ? isEqual(columns) : terms.map((term) => isSame(term, columns)).join(' AND ');
    const isOther = `${this.key('t')} IS NOT ${this.key(it)}`;
    const isIndexed = condition === undefined ? '' : ` AND (${condition})`;
    const from = `\n    FROM ${quoteName(this.#table.name)} AS t WHERE ${where} AND ${isOther}${isIndexed}`;
    return this.held('e', from);
  }

  /** With what it holds: should the one that comes be the same row, their difference is what it takes off. */
  held(op: 'b' | 'e', from: string): string[] {
    return [
      this.entry(`'${op}'`, 't', { keyBefore: this.key('NEW'), from }),
      ...this.deltas('t', null, from),
    ];
  }

  trigger(suffix: string, event: string, statements: readonly string[]): Trigger {
    const name = `sync_${suffix}_${this.#table.name}`;
    const body = statements.map((statement) => `  ${statement};`).join('\n');
    return {
      name,
      sql: `CREATE TRIGGER ${quoteName(name)} ${event} ON ${quoteName(this.#table.name)} FOR EACH ROW
WHEN ${NOT_SILENT}
BEGIN
${body}
END`,
    };
  }
}

function isEqual(columns: readonly string[]): string {
  return columns.map((column) => `${cell('t', column)} = ${cell('NEW', column)}`).join(' AND ');
}

/** The term's bare names mean the table's columns, and inside the subquery those of the row that comes. */
function isSame(term: string, columns: readonly string[]): string {
  const comes = columns.map((column) => `${cell('NEW', column)} AS ${quoteName(column)}`).join(', ');
  return `(${term}) = (SELECT ${term} FROM (SELECT ${comes}))`;
}

function cell(row: Row, column: string): string {
  return `${row}.${quoteName(column)}`;
}

/** Without its affinity: stored as it is. */
function bare(row: Row, column: string): string {
  return `+${cell(row, column)}`;
}

/** Names of our triggers: `sync_<part>_<table>`; those of the versions before too. */
export const TRIGGER_NAME =
  /^sync_(before_insert|before_update|pin|self|offer|gone|evict|displace|displaced|replace|delete|update|rekey|insert)_./;
