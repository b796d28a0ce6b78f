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
import { quoteName, rowKeySql } from '../till/local-schema.ts';
import { NOW_MS_SQL, type Trigger } from '../till/trigger-sql.ts';

export const OUTBOX_SCHEMA = `
-- One row for each row that a statement of the app touched. table_number: of sync_table. op: b may be taken away by the row
-- that comes next (key_before: its key), c inserted, u updated, d deleted, k its key changed (from key_before), r was there
-- before. entry_id: random, the same in every copy of the file.
CREATE TABLE IF NOT EXISTS sync_outbox (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  table_number INTEGER,
  op TEXT,
  row_key,
  key_before,
  at_ms INTEGER,
  entry_id INTEGER
);
-- What delta columns held before and after it, where that differs; column_number: of sync_table's columns.
CREATE TABLE IF NOT EXISTS sync_delta (
  seq INTEGER,
  column_number INTEGER,
  old_value,
  new_value
);
CREATE INDEX IF NOT EXISTS sync_delta_seq ON sync_delta (seq);
-- Present only inside the agent's own transactions: the triggers are silent while it holds a row.
CREATE TABLE IF NOT EXISTS sync_silence (silent INTEGER);
`;

export interface CapturedTable {
  readonly number: number;
  readonly name: string;
  readonly key: readonly string[];
  /** Columns of each unique index, without their collations' names. */
  readonly uniques: readonly (readonly string[])[];
  readonly deltas: readonly { readonly number: number; readonly name: string }[];
}

type Row = 'NEW' | 'OLD' | 't';

const NOT_SILENT = 'NOT EXISTS (SELECT 1 FROM sync_silence)';

export function keyTriggers(table: CapturedTable): Trigger[] {
  const sql = new TriggerSql(table);
  const ways = waysOf(table);
  const named = [...new Set(ways.flat())].map(quoteName).join(', ');
  const isMoved = `${sql.key('OLD')} IS NOT ${sql.key('NEW')}`;
  const op = `CASE WHEN ${isMoved} THEN 'k' ELSE 'u' END`;
  const keyBefore = `CASE WHEN ${isMoved} THEN ${sql.key('OLD')} END`;
  return [
    sql.trigger(
      'before_insert',
      'BEFORE INSERT',
      ways.flatMap((columns) => sql.threats(columns, 'insert')),
    ),
    sql.trigger(
      'before_update',
      `BEFORE UPDATE OF ${named}`,
      ways.flatMap((columns) => sql.threats(columns, 'update')),
    ),
    sql.trigger('insert', 'AFTER INSERT', [sql.entry(`'c'`, 'NEW'), ...sql.deltas(null, 'NEW')]),
    sql.trigger('update', 'AFTER UPDATE', [sql.entry(op, 'NEW', { keyBefore }), ...sql.deltas('OLD', 'NEW')]),
    sql.trigger('delete', 'AFTER DELETE', [sql.entry(`'d'`, 'OLD'), ...sql.deltas('OLD', null)]),
  ];
}

/** The sets of columns by which a row may stand in another's way. */
function waysOf({ key, uniques }: CapturedTable): string[][] {
  const all = [key, ...uniques].map((columns) => [...columns]);
  const names = new Set<string>();
  return all.filter((columns) => {
    const name = JSON.stringify(columns);
    const isNew = columns.length > 0 && !names.has(name);
    names.add(name);
    return isNew;
  });
}

class TriggerSql {
  readonly #table: CapturedTable;

  constructor(table: CapturedTable) {
    this.#table = table;
  }

  key(row: Row): string {
    return rowKeySql(row, this.#table.key);
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
      const where = before === null || after === null ? from : ` WHERE ${old} IS NOT ${now}`;
      return `INSERT INTO sync_delta (seq, column_number, old_value, new_value)
    SELECT last_insert_rowid(), ${number}, ${old}, ${now}${where}`;
    });
  }

  /** Rows that have the same values in these columns as the one that comes. One with its key lives on as that one. */
  threats(columns: readonly string[], event: 'insert' | 'update'): string[] {
    const { name, key } = this.#table;
    const isKey = columns.join() === key.join();
    const isOther = event === 'update' ? ` AND ${this.key('t')} IS NOT ${this.key('OLD')}` : '';
    const isInTheWay = columns.map((column) => `${cell('t', column)} = ${cell('NEW', column)}`).join(' AND ');
    const from = `\n    FROM ${quoteName(name)} AS t WHERE ${isInTheWay}${isOther}`;
    const livesOn = isKey && event === 'insert';
    return [
      this.entry(`'b'`, 't', { keyBefore: this.key('NEW'), from }),
      ...(livesOn ? this.deltas('t', null, from) : []),
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

function cell(row: Row, column: string): string {
  return `${row}.${quoteName(column)}`;
}

/** Without its affinity and collation: compared byte for byte, and stored as it is. */
function bare(row: Row, column: string): string {
  return `+${cell(row, column)}`;
}
