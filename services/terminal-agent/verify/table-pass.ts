/** Goes over a till's table in pieces, each row with what is kept of it; the app and the agent have their turns between. */
import type { Statement } from 'better-sqlite3';
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import type { SqliteValue } from '../../shared/records/unit-record.ts';
import type { TillTable } from '../rows/till-tables.ts';
import { mayBeReplaced, readSql } from '../till/exact-text.ts';
import { quoteName, rowKeySql } from '../till/local-schema.ts';

/** Some 5 ms. */
const ROWS_AT_ONCE = 500;

export interface PassedRow {
  readonly rowKey: SqliteValue;
  /** undefined: nothing is kept of it. */
  readonly handle: string | undefined;
  readonly base: string | null;
  readonly link: SqliteValue;
  /** What the bound columns hold. */
  readonly raw: readonly SqliteValue[];
}

const EXTRA_COLUMNS = 4;

export class TablePass {
  readonly #table: TillTable;
  readonly #first: Statement<[], SqliteValue[]>;
  readonly #after: Statement<SqliteValue[], SqliteValue[]>;

  constructor(db: SqliteDatabase, table: TillTable, { needsBase }: { readonly needsBase: boolean }) {
    this.#table = table;
    const { local, columns, linkColumn } = table.bound;
    const keys = local.key.map((column) => `source.${quoteName(column)}`);
    const link = linkColumn === null ? 'NULL' : `source.${quoteName(linkColumn)}`;
    const wanted = columns.map((column) => readSql(column)).join(', ');
    // Looked up and not joined: the app's columns may be called like ours.
    const kept = (column: string) =>
      `(SELECT kept.${column} FROM ${quoteName(`sync_row_${local.name}`)} AS kept
         WHERE kept.row_key = ${rowKeySql('source', local.key)})`;
    const select = (more: string) =>
      `SELECT ${rowKeySql('source', local.key)}, ${kept('central_id')}, ${needsBase ? kept('base') : 'NULL'}, ${link},
              ${[...keys, ...(wanted === '' ? [] : [wanted])].join(', ')}
         FROM ${quoteName(local.name)} AS source
        WHERE ${keys.map((key) => `${key} IS NOT NULL`).join(' AND ')}${more}
        ORDER BY ${keys.join(', ')} LIMIT ${ROWS_AT_ONCE}`;
    this.#first = db.prepare<[], SqliteValue[]>(select('')).raw().safeIntegers();
    const after = ` AND (${keys.join(', ')}) > (${keys.map(() => '?').join(', ')})`;
    this.#after = db.prepare<SqliteValue[], SqliteValue[]>(select(after)).raw().safeIntegers();
  }

  /** Each piece is of one moment. @param turn comes before each of them */
  async *pieces(turn: () => Promise<unknown>): AsyncGenerator<readonly PassedRow[]> {
    const { length } = this.#table.bound.local.key;
    await turn();
    let rows = this.#first.all();
    while (rows.length > 0) {
      yield rows.flatMap((row) => this.#passed(row, length));
      if (rows.length < ROWS_AT_ONCE) return;
      await turn();
      rows = this.#after.all(...(rows.at(-1)?.slice(EXTRA_COLUMNS, EXTRA_COLUMNS + length) ?? []));
    }
  }

  #passed(row: readonly SqliteValue[], keyLength: number): PassedRow[] {
    const [rowKey = null, handle, base, link = null] = row;
    let raw: readonly SqliteValue[] | undefined = row.slice(EXTRA_COLUMNS + keyLength);
    if (raw.some(mayBeReplaced)) raw = this.#table.writer.look(rowKey);
    if (raw === undefined) return [];
    return [
      {
        rowKey,
        handle: typeof handle === 'string' ? handle : undefined,
        base: typeof base === 'string' ? base : null,
        link,
        raw,
      },
    ];
  }
}
