/**
 * Local rows that were there before the agent knew them: no link, and no unsettled insert. A central row that
 * is new to the till may be one of them. Found by one scan when the tables are bound (counts first: usually
 * there are none) and kept in a TEMP table, because the app's file need not have an index on these columns.
 */
import type { Statement } from 'better-sqlite3';
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import type { SqliteValue } from '../../shared/records/unit-record.ts';
import { quoteName, rowKeySql } from '../till/local-schema.ts';
import { encodeValue, type ColumnSet } from './image.ts';
import { sameValue } from './row-key.ts';
import type { TillTable } from './till-tables.ts';

const TEMP_SCHEMA = `
CREATE TEMP TABLE IF NOT EXISTS sync_unlinked (
  table_name TEXT NOT NULL, row_key, identity TEXT, natural_key TEXT, link TEXT);
CREATE INDEX IF NOT EXISTS temp.sync_unlinked_key ON sync_unlinked (table_name, row_key);
CREATE INDEX IF NOT EXISTS temp.sync_unlinked_identity ON sync_unlinked (table_name, identity);
CREATE INDEX IF NOT EXISTS temp.sync_unlinked_natural ON sync_unlinked (table_name, natural_key);
CREATE INDEX IF NOT EXISTS temp.sync_unlinked_link ON sync_unlinked (table_name, link);`;

export type Match =
  | { readonly kind: 'none' }
  | { readonly kind: 'adopt'; readonly rowKey: SqliteValue; readonly identity: string | null }
  /** It claims the central id, but is another row by its natural key, or there is none to tell. */
  | { readonly kind: 'clash'; readonly rowKey: SqliteValue };

interface Candidate {
  readonly rowKey: SqliteValue;
  readonly identity: string | null;
  readonly naturalKey: string | null;
}

const NONE: Match = { kind: 'none' };

export class UnlinkedRows {
  readonly #db: SqliteDatabase;
  readonly #tables = new Set<string>();
  readonly #statements = new Map<string, Statement>();

  constructor(db: SqliteDatabase) {
    this.#db = db;
    db.exec(TEMP_SCHEMA);
  }

  /** Looks through all tables again. */
  load(tables: Iterable<TillTable>): void {
    this.#db.exec('DELETE FROM temp.sync_unlinked');
    this.#tables.clear();
    for (const table of tables) if (this.#loadTable(table) > 0) this.#tables.add(table.name);
  }

  #loadTable(table: TillTable): number {
    const rows = this.#count(`SELECT count(*) FROM ${quoteName(table.name)}`);
    const linked = quoteName(`sync_row_${table.name}`);
    if (rows === 0 || rows <= this.#count(`SELECT count(*) FROM ${linked} WHERE row_key IS NOT NULL`))
      return 0;
    return this.#take(table, null);
  }

  /** One that is settled by now, if it is still there. */
  add(table: TillTable, rowKey: SqliteValue): void {
    if (rowKey !== null && this.#take(table, rowKey) > 0) this.#tables.add(table.name);
  }

  /** @param rowKey of one of them; null: all. @returns how many there are */
  #take({ bound, name }: TillTable, rowKey: SqliteValue): number {
    const key = rowKeySql('source', bound.local.key);
    const unknown = `NOT EXISTS (SELECT 1 FROM ${quoteName(`sync_row_${name}`)} WHERE row_key = ${key})
      AND NOT EXISTS (SELECT 1 FROM temp.sync_open WHERE table_name = @table AND row_key = ${key}
        AND op IN ('c', 'r'))`;
    const { identityColumn, linkColumn, mapping } = bound;
    const columns = [identityColumn, linkColumn, ...mapping.naturalKey].map((column) =>
      column === null ? 'NULL' : `source.${quoteName(column)}`,
    );
    const found = this.#prepare(
      `SELECT ${key}, (SELECT identity FROM sync_identity WHERE table_name = @table AND row_key = ${key}),
        ${columns.join(', ')} FROM ${quoteName(name)} AS source
       WHERE ${unknown}${rowKey === null ? '' : ` AND ${key} = @rowKey`}`,
    )
      .raw()
      .all(rowKey === null ? { table: name } : { table: name, rowKey }) as SqliteValue[][];
    const insert = this.#prepare('INSERT INTO temp.sync_unlinked VALUES (?, ?, ?, ?, ?)');
    for (const [newKey = null, pinned, identity, link, ...natural] of found) {
      insert.run(
        name,
        newKey,
        text(pinned ?? identity ?? null),
        naturalText(natural),
        text(link === undefined ? null : link),
      );
    }
    return found.length;
  }

  #count(sql: string): number {
    return Number(this.#prepare(sql).pluck().get());
  }

  /** The unlinked local row that a new central row is, judged by the natural key and by the stored central id. */
  match(table: TillTable, centralId: string, set: ColumnSet, values: readonly SqliteValue[]): Match {
    if (!this.#tables.has(table.name)) return NONE;
    const natural = naturalOf(table, set, values);
    const claiming = this.#candidate(table.name, 'link', centralId);
    if (claiming !== undefined) {
      const same = natural !== null && claiming.naturalKey === natural;
      return same ? adopt(claiming) : { kind: 'clash', rowKey: claiming.rowKey };
    }
    const alike = natural === null ? undefined : this.#candidate(table.name, 'natural_key', natural);
    return alike === undefined ? NONE : adopt(alike);
  }

  /** Row key of the unlinked row with this identity. */
  byIdentity(table: string, identity: string): SqliteValue {
    if (!this.#tables.has(table)) return null;
    return this.#candidate(table, 'identity', identity)?.rowKey ?? null;
  }

  remove(table: string, rowKey: SqliteValue): void {
    if (!this.#tables.has(table)) return;
    this.#prepare('DELETE FROM temp.sync_unlinked WHERE table_name = ? AND row_key = ?').run(table, rowKey);
  }

  /** A row that the app has offered or inserted meanwhile is the centre's to decide. */
  #candidate(
    table: string,
    column: 'link' | 'natural_key' | 'identity',
    value: string,
  ): Candidate | undefined {
    const found = this.#prepare(
      `SELECT row_key AS rowKey, identity, natural_key AS naturalKey FROM temp.sync_unlinked AS u
       WHERE table_name = ? AND ${column} = ? AND NOT EXISTS (SELECT 1 FROM temp.sync_open
         WHERE table_name = u.table_name AND row_key = u.row_key AND op IN ('c', 'r'))`,
    ).all(table, value) as Candidate[];
    return found.length === 1 ? found[0] : undefined;
  }

  #prepare(sql: string): Statement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql).safeIntegers();
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

function adopt({ rowKey, identity }: Candidate): Match {
  return { kind: 'adopt', rowKey, identity };
}

/** null without a natural key, or where a part of it is NULL: that equals nothing. */
function naturalOf(table: TillTable, set: ColumnSet, values: readonly SqliteValue[]): string | null {
  const parts = table.bound.mapping.naturalKey.map((local) => {
    const at = set.columns.findIndex((column) => column.local === local);
    return values[at] ?? null;
  });
  return naturalText(parts);
}

function naturalText(parts: readonly SqliteValue[]): string | null {
  if (parts.length === 0 || parts.some((part) => sameValue(part, null))) return null;
  return parts.map(encodeValue).join('\u0000');
}

function text(value: SqliteValue): string | null {
  return value === null || Buffer.isBuffer(value) ? null : String(value);
}
