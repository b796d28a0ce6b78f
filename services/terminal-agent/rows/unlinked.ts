/**
 * Local rows that were there before the agent knew them: no link, and no unsettled insert. A central row that
 * is new to the till may be one of them. Found by one scan of the table, once such a central row comes, and kept in a TEMP
 * table, because the app's file need not have an index on these columns. A large table is scanned while the app may write:
 * the transaction that asks is undone for it, and made again.
 *
 * Natural keys are compared by what they mean at the centre: `ab-1 ` in a char(6), a date in the app's own form. What
 * the centre's types are is known when a row comes; the keys of a table are worked out then, once.
 */
import type { Statement } from 'better-sqlite3';
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import type { SqliteValue } from '../../shared/records/unit-record.ts';
import { quoteName, rowKeySql } from '../till/local-schema.ts';
import { centralMeaning, tillMeaning, type Meaning } from '../../shared/values/same-meaning.ts';
import { readSql } from '../till/exact-text.ts';
import { decodeValue, encodeValue, type Image } from './image.ts';
import { isInsert, type Flight } from '../settle/flight.ts';
import { awaitsBootstrap, naturalKeyHere } from '../file/earlier-rows.ts';
import type { ParkReason } from './parked.ts';
import type { TillTable } from './till-tables.ts';

const TEMP_SCHEMA = `
CREATE TEMP TABLE IF NOT EXISTS sync_unlinked (
  table_name TEXT NOT NULL, row_key, identity TEXT, natural_key TEXT, link TEXT, stored TEXT);
CREATE INDEX IF NOT EXISTS temp.sync_unlinked_key ON sync_unlinked (table_name, row_key);
CREATE INDEX IF NOT EXISTS temp.sync_unlinked_identity ON sync_unlinked (table_name, identity);
CREATE INDEX IF NOT EXISTS temp.sync_unlinked_natural ON sync_unlinked (table_name, natural_key);
CREATE INDEX IF NOT EXISTS temp.sync_unlinked_link ON sync_unlinked (table_name, link);`;

export type Match =
  | { readonly kind: 'none' }
  | { readonly kind: 'adopt'; readonly rowKey: SqliteValue; readonly identity: string | null }
  /** It may be one of them, and nothing here tells. */
  | { readonly kind: 'waits'; readonly reason: ParkReason; readonly why: string };

interface Candidate {
  readonly rowKey: SqliteValue;
  readonly identity: string | null;
  readonly naturalKey: string | null;
}

const NONE: Match = { kind: 'none' };
const BEFORE_BOOTSTRAP: Match = {
  kind: 'waits',
  reason: 'bootstrap',
  why: 'rows that were here before have no link and no natural key, and it may be one of them; run bootstrap',
};
/** A scan of so many is soon done, also while the app has to wait. */
const AT_ONCE_ROWS = 10_000;
/** Inserted since our triggers are there, and not cut: no row is kept of it yet. */
const UNCUT_INSERT_SQL = `SELECT 1 FROM sync_outbox AS entry JOIN sync_table AS captured ON captured.number = entry.table_number
  WHERE captured.name = ? AND entry.row_key = ? AND entry.op = 'c' AND entry.handle IS NULL
    AND entry.seq > (SELECT coalesce(max(CAST(value AS INTEGER)), 0) FROM sync_meta WHERE name = 'kept_entry')`;

/** A large table has to be looked through before the transaction. */
export class NotScanned extends Error {
  readonly table: string;

  constructor(table: string) {
    super(`${table} is not scanned yet`);
    this.table = table;
  }
}

export class UnlinkedRows {
  readonly #db: SqliteDatabase;
  readonly #flight: Flight;
  /** With unlinked rows; the types by which their natural keys were worked out, null so far by none. */
  readonly #tables = new Map<string, string | null>();
  /** With unlinked rows, and not scanned. */
  readonly #unread = new Map<string, TillTable>();
  /** Of those, which are not scanned within a transaction. */
  readonly #large = new Set<string>();
  /** Scanned in the transaction that is open. */
  readonly #read = new Map<string, TillTable>();
  readonly #statements = new Map<string, Statement>();

  constructor(db: SqliteDatabase, flight: Flight) {
    this.#db = db;
    this.#flight = flight;
    db.exec(TEMP_SCHEMA);
  }

  /** Looks at all tables again. */
  load(tables: Iterable<TillTable>): void {
    this.#db.exec('DELETE FROM temp.sync_unlinked');
    this.#tables.clear();
    this.#unread.clear();
    this.#read.clear();
    this.#large.clear();
    for (const table of tables) {
      const { rows, unlinked } = this.#counts(table.name);
      if (unlinked > 0) this.#unread.set(table.name, table);
      if (rows > AT_ONCE_ROWS) this.#large.add(table.name);
    }
  }

  /** What was found and worked out since stays. */
  committed(): void {
    this.#read.clear();
  }

  /** It went with the transaction. */
  rolledBack(): void {
    for (const [name, table] of this.#read) {
      this.#tables.delete(name);
      this.#unread.set(name, table);
    }
    this.#read.clear();
    for (const name of this.#tables.keys()) this.#tables.set(name, null);
  }

  #counts(name: string): { readonly rows: number; readonly unlinked: number } {
    const rows = this.#count(`SELECT count(*) FROM ${quoteName(name)}`);
    if (rows === 0) return { rows, unlinked: 0 };
    const kept = `SELECT count(*) FROM ${quoteName(`sync_row_${name}`)} WHERE row_key IS NOT NULL`;
    return { rows, unlinked: rows - this.#count(`${kept} AND central_id NOT GLOB '~*'`) };
  }

  /** Outside of any transaction. */
  scan({ table }: NotScanned): void {
    this.#large.delete(table);
    this.#scan(table);
    this.committed();
  }

  /** Before the first question about a table. */
  #scan(name: string): void {
    const table = this.#unread.get(name);
    if (table === undefined) return;
    if (this.#large.has(name)) throw new NotScanned(name);
    this.#unread.delete(name);
    this.#read.set(name, table);
    if (this.#take(table, null) > 0) this.#tables.set(name, null);
  }

  /** One that is settled by now, if it is still there. */
  add(table: TillTable, rowKey: SqliteValue): void {
    if (rowKey === null || this.#unread.has(table.name)) return;
    this.remove(table.name, rowKey);
    if (this.#take(table, rowKey) > 0) this.#tables.set(table.name, null);
  }

  /** @param rowKey of one of them; null: all. @returns how many there are */
  #take({ bound, name }: TillTable, rowKey: SqliteValue): number {
    const key = rowKeySql('source', bound.local.key);
    const kept = quoteName(`sync_row_${name}`);
    const unknown = `NOT EXISTS (SELECT 1 FROM ${kept} WHERE row_key = ${key} AND central_id NOT GLOB '~*')`;
    const { identityColumn, linkColumn } = bound;
    const columns = [identityColumn, linkColumn].map((column) =>
      column === null ? 'NULL' : `source.${quoteName(column)}`,
    );
    columns.push(...naturalKeyHere(bound).map(readSql));
    const found = this.#prepare(
      `SELECT ${key}, (SELECT identity FROM ${kept} WHERE row_key = ${key}),
        ${columns.join(', ')} FROM ${quoteName(name)} AS source
       WHERE ${unknown}${rowKey === null ? '' : ` AND ${key} = @rowKey`}`,
    )
      .raw()
      .all(rowKey === null ? {} : { rowKey }) as SqliteValue[][];
    const insert = this.#prepare('INSERT INTO temp.sync_unlinked VALUES (?, ?, ?, NULL, ?, ?)');
    for (const [newKey = null, pinned, identity, link, ...natural] of found) {
      insert.run(
        name,
        newKey,
        text(pinned ?? identity ?? null),
        linkText(text(link ?? null)),
        natural.length === 0 ? null : JSON.stringify(natural.map(encodeValue)),
      );
    }
    return found.length;
  }

  #count(sql: string): number {
    return Number(this.#prepare(sql).pluck().get());
  }

  /**
   * The unlinked local row that a new central row is, judged by the natural key and by the stored central id.
   * @param values the image's, parents as local keys
   */
  match(table: TillTable, centralId: string, image: Image, values: readonly SqliteValue[]): Match {
    this.#scan(table.name);
    if (!this.#tables.has(table.name)) return NONE;
    const natural = this.#naturalOf(table, image, values);
    const claiming = this.#candidate(table.name, 'link', linkText(centralId) ?? '');
    if (claiming !== undefined) {
      const same = natural !== null && claiming.naturalKey === natural;
      return same ? adopt(claiming) : claimed(claiming);
    }
    if (awaitsBootstrap(this.#db, table.bound)) return BEFORE_BOOTSTRAP;
    const alike = natural === null ? undefined : this.#candidate(table.name, 'natural_key', natural);
    return alike === undefined ? NONE : adopt(alike);
  }

  /** null without a natural key, or where a part of it is NULL: that equals nothing. */
  #naturalOf({ bound, name }: TillTable, image: Image, values: readonly SqliteValue[]): string | null {
    const columns = naturalKeyHere(bound).map(({ local }) => {
      const at = image.set.columns.findIndex((column) => column.local === local);
      return { at, column: image.set.columns[at], type: image.central?.types[at] ?? undefined };
    });
    const types = columns.map(({ type }) => type ?? '').join('\u0000');
    if (this.#tables.get(name) !== types) {
      this.#tables.set(name, types);
      const meanings = columns.map(({ column, type }) =>
        type === undefined || column === undefined || column.reference !== null
          ? encodeValue
          : tillMeaning(type, column.options),
      );
      this.#writeNaturalKeys(name, meanings);
    }
    return naturalText(
      columns.map(({ at, column, type }) => {
        const central = image.central?.values[at];
        if (type === undefined || central === undefined || column?.reference !== null)
          return encodeValue(values[at] ?? null);
        return centralMeaning(type)(central);
      }),
    );
  }

  #writeNaturalKeys(table: string, meanings: readonly Meaning<SqliteValue>[]): void {
    const rows = this.#prepare('SELECT rowid AS id, stored FROM temp.sync_unlinked WHERE table_name = ?').all(
      table,
    ) as { id: bigint; stored: string | null }[];
    const write = this.#prepare('UPDATE temp.sync_unlinked SET natural_key = ? WHERE rowid = ?');
    for (const { id, stored } of rows) {
      const parts = stored === null ? [] : (JSON.parse(stored) as (string | null)[]).map(decodeValue);
      write.run(naturalText(parts.map((part, at) => meanings[at]?.(part))), id);
    }
  }

  /** Row key of the unlinked row with this identity. */
  byIdentity(table: string, identity: string): SqliteValue {
    this.#scan(table);
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
       WHERE table_name = ? AND ${column} = ?`,
    ).all(table, value) as Candidate[];
    const free = found.filter(
      ({ rowKey }) => !this.#isOffered(table, rowKey, { isNamed: column === 'identity' }),
    );
    return free.length === 1 ? free[0] : undefined;
  }

  /** @param of.isNamed by its name at the centre: then it is that row, whether it is cut or not */
  #isOffered(table: string, rowKey: SqliteValue, { isNamed }: { readonly isNamed: boolean }): boolean {
    const sql = `SELECT central_id AS handle, refused FROM ${quoteName(`sync_row_${table}`)} WHERE row_key = ?`;
    const kept = this.#prepare(sql).get(rowKey) as { handle: string; refused: bigint } | undefined;
    if (kept === undefined)
      return !isNamed && this.#prepare(UNCUT_INSERT_SQL).get(table, rowKey) !== undefined;
    return kept.refused !== 0n || this.#flight.ofRow(table, kept.handle).some(isInsert);
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

function claimed({ rowKey }: Candidate): Match {
  return {
    kind: 'waits',
    reason: 'server-id',
    why: `local row ${String(rowKey)} claims this id; run bootstrap`,
  };
}

function naturalText(parts: readonly (string | null | undefined)[]): string | null {
  if (parts.length === 0 || parts.some((part) => part === null || part === undefined)) return null;
  return parts.join('\u0000');
}

/** Central ids are compared as the centre writes them: apps show a uuid in capitals. */
function linkText(link: string | null): string | null {
  return link !== null && /^[0-9a-f-]{32,36}$/i.test(link) ? link.toLowerCase() : link;
}

function text(value: SqliteValue): string | null {
  return value === null || Buffer.isBuffer(value) ? null : String(value);
}
