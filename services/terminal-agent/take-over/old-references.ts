/**
 * Which row a local key meant when an entry of the versions before was written: the row whose deletion (or move to another
 * key) is the first one after it; without such an entry the row that lives there now.
 */
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import type { Reference } from '../../shared/mapping/mapping.ts';
import { UNCAPTURED_ROW, type RowRef, type SqliteValue } from '../../shared/records/unit-record.ts';
import type { LocalBinding } from '../../shared/catalog/table-binding.ts';
import { quoteName, quoteText } from '../till/local-schema.ts';
import type { TillTable, TillTables } from '../rows/till-tables.ts';
import { usableName } from '../up/folded-tables.ts';
import { oldOutboxIn } from './old-file.ts';

export class OldReferences {
  readonly #db: SqliteDatabase;
  readonly #outbox: string;
  readonly #binding: LocalBinding;
  readonly #tables: TillTables;

  constructor(db: SqliteDatabase, binding: LocalBinding, tables: TillTables) {
    this.#db = db;
    this.#outbox = oldOutboxIn(db);
    this.#binding = binding;
    this.#tables = tables;
  }

  /** @returns null where it points nowhere */
  resolve({ table: name, holds }: Reference, value: SqliteValue, seq: number): RowRef | null {
    if (value === null) return null;
    const table = this.#tables.byLocal(name);
    if (table === undefined) return this.#binding.uninstallable?.has(name) === true ? UNCAPTURED_ROW : null;
    const gone = holds === 'local_key' ? this.#goneSince(table, value, seq) : undefined;
    if (gone !== undefined) return gone;
    const { linkColumn, identityColumn, local } = table.bound;
    const column = { local_key: local.key[0] ?? null, server_id: linkColumn, local_id: identityColumn }[
      holds
    ];
    const rowKey = column === null ? undefined : table.writer.keyWith(column, value);
    if (rowKey !== undefined && rowKey !== null) return this.refAt(table, rowKey);
    if (holds === 'local_id' && typeof value === 'string') return { identity: value, centralId: null };
    const isKnown = holds === 'server_id' && table.rows.get(String(value)) !== undefined;
    return isKnown ? { identity: '', centralId: String(value) } : null;
  }

  refAt(table: TillTable, rowKey: SqliteValue): RowRef {
    const kept = this.#db
      .prepare<[string, SqliteValue], string>(
        'SELECT identity FROM sync_identity WHERE table_name = ? AND row_key = ?',
      )
      .pluck()
      .get(table.name, rowKey);
    const identity = kept ?? usableName(table, rowKey) ?? '';
    return { identity, centralId: table.rows.centralIdOf(rowKey) ?? null };
  }

  #goneSince({ name }: TillTable, value: SqliteValue, seq: number): RowRef | undefined {
    const found = this.#db
      .prepare<[SqliteValue, number], { identity: string | null; centralId: string | null }>(
        `SELECT c.identity, c.central_id AS centralId FROM ${this.#outbox} o
           JOIN ${quoteName(`sync_change_${name}`)} c ON c.seq = o.seq
          WHERE o.table_name = ${quoteText(name)} AND o.row_key = ? AND o.op IN ('d', 'k') AND o.seq > ?
          ORDER BY o.seq LIMIT 1`,
      )
      .get(value, seq);
    return found?.identity == null ? undefined : { identity: found.identity, centralId: found.centralId };
  }
}
