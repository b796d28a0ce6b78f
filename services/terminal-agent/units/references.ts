/**
 * Which row a local key means. Local keys never leave the till, so a reference goes up as the identity of the
 * row it points to. When a unit is published that row may be gone, or its key may belong to another row by
 * now; the outbox knows: the key at seq s was that of the row whose deletion (or move to another key) is the
 * first one after s; without such an entry it is the row that lives there now.
 */
import type { Statement } from 'better-sqlite3';
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import type { BoundTable, LocalBinding } from '../../shared/catalog/table-binding.ts';
import type { Reference } from '../../shared/mapping/mapping.ts';
import { UNCAPTURED_ROW, type RowRef, type SqliteValue } from '../../shared/records/unit-record.ts';
import { quoteName, quoteText, rowKeySql } from '../till/local-schema.ts';
import { ownTriggersOf } from '../till/sync-install.ts';
import { identitySql } from '../till/trigger-sql.ts';

/** A living row without any identity, as it was before the agent came: one must be minted first. */
export interface Unnamed {
  readonly table: string;
  readonly rowKey: SqliteValue;
}

interface ParentReader {
  /** By local key, link column or identity column: [identity, central id, row key]. */
  readonly living: Statement<[SqliteValue], [string | null, string | null, SqliteValue]>;
  /** [identity, central id] of the row whose key was given up first after a seq. */
  readonly gone: Statement<[SqliteValue, number], [string | null, string | null]> | null;
  /** Central id, where this text is one that we know. */
  readonly byCentralId: Statement<[string], [string]>;
}

export class References {
  readonly #db: SqliteDatabase;
  readonly #binding: LocalBinding;
  readonly #readers = new Map<string, ParentReader | null>();
  /** Rows that live, in this snapshot, under a key that nobody gave up after the seq that asked for it. */
  readonly #living = new Map<ParentReader, Map<SqliteValue, RowRef>>();
  #unnamed: Unnamed[] = [];

  constructor(db: SqliteDatabase, binding: LocalBinding) {
    this.#db = db;
    this.#binding = binding;
  }

  /** To be called in every new snapshot: what was found in another one may have changed. */
  beginSnapshot(): void {
    this.#living.clear();
    this.#unnamed = [];
  }

  /** Rows met since the last call that have no identity yet. */
  takeUnnamed(): Unnamed[] {
    const unnamed = this.#unnamed;
    this.#unnamed = [];
    return unnamed;
  }

  /**
   * Within a snapshot seqs are asked for in ascending order.
   * @returns null where it points nowhere
   */
  resolve(reference: Reference, value: SqliteValue, seq: number): RowRef | null {
    if (value === null) return null;
    const reader = this.#reader(reference);
    if (reader === null) return this.#binding.uninstallable?.has(reference.table) ? UNCAPTURED_ROW : null;
    const living = this.#living.get(reader) ?? new Map<SqliteValue, RowRef>();
    this.#living.set(reader, living);
    const known = living.get(value);
    if (known !== undefined) return known;
    const gone = reader.gone?.get(value, seq);
    if (gone?.[0] != null) return { identity: gone[0], centralId: gone[1] };
    const row = reader.living.get(value);
    if (row !== undefined) {
      const [identity, centralId, rowKey] = row;
      if (identity === null && centralId === null && rowKey !== null)
        this.#unnamed.push({ table: reference.table, rowKey });
      const found = { identity: identity ?? '', centralId };
      living.set(value, found);
      return found;
    }
    return this.#outsideKnowledge(reference, reader, value);
  }

  /** No such row: but the column may itself hold what names a row to the centre. */
  #outsideKnowledge(reference: Reference, reader: ParentReader, value: SqliteValue): RowRef | null {
    if (reference.holds === 'local_id' && typeof value === 'string') {
      return { identity: value, centralId: null };
    }
    if (reference.holds !== 'server_id') return null;
    const known = reader.byCentralId.get(String(value));
    return known === undefined ? null : { identity: '', centralId: known[0] };
  }

  #reader(reference: Reference): ParentReader | null {
    const name = `${reference.holds}\0${reference.table}`;
    const known = this.#readers.get(name);
    if (known !== undefined) return known;
    const parent = this.#binding.tables.get(reference.table) ?? this.#installedBefore(reference.table);
    const reader = parent === undefined ? null : this.#prepare(parent, reference);
    this.#readers.set(name, reader);
    return reader;
  }

  /**
   * It can't be installed any more, but is recorded as it was when it could: so names of its rows are known. Without
   * the triggers nobody would tell that a key has gone to another row.
   */
  #installedBefore(table: string): BoundTable | undefined {
    const bound = this.#binding.uninstallable?.get(table)?.bound;
    return bound !== undefined && ownTriggersOf(this.#db, table).length > 0 ? bound : undefined;
  }

  #prepare(parent: BoundTable, { holds }: Reference): ParentReader | null {
    const { local } = parent;
    const column =
      holds === 'local_key'
        ? local.key[0]
        : holds === 'server_id'
          ? parent.linkColumn
          : parent.identityColumn;
    if (column === undefined || column === null) return null;
    const key = rowKeySql('p', local.key);
    const syncRow = quoteName(`sync_row_${local.name}`);
    const raw = <P extends unknown[], R>(sql: string): Statement<P, R> =>
      this.#db.prepare<P, R>(sql).raw().safeIntegers();
    return {
      living: raw(
        `SELECT ${identitySql(parent, 'p')}, (SELECT central_id FROM ${syncRow} WHERE row_key = ${key} LIMIT 1), ${key}
         FROM ${quoteName(local.name)} p WHERE p.${quoteName(column)} = ? LIMIT 1`,
      ),
      gone:
        holds === 'local_key'
          ? raw(
              `SELECT c.identity, c.central_id FROM sync_outbox o JOIN ${quoteName(`sync_change_${local.name}`)} c
               ON c.seq = o.seq WHERE o.table_name = ${quoteText(local.name)} AND o.row_key = ?
               AND o.op IN ('d', 'k') AND o.seq > ? ORDER BY o.seq LIMIT 1`,
            )
          : null,
      byCentralId: raw(`SELECT central_id FROM ${syncRow} WHERE central_id = ?`),
    };
  }
}
