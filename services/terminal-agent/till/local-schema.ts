import { OUTBOX_SCHEMA } from '../file/outbox-schema.ts';

/**
 * The tables that the agent keeps inside the till's own file, payflow.db (in the app's transactions, so that
 * a sale and its outbox rows are one commit). Only syntax of SQLite 3.8 where the app's library reads it: the
 * whole schema is parsed by whoever opens the file.
 *
 * `row_key` is the local key: the bare value of a single key column, else the key columns' `quote()` texts
 * joined by commas (see `rowKeySql`). Its column has no declared type, so that storage classes survive; bind
 * integers as bigint, a JavaScript number above 2^31 would be stored as REAL.
 *
 * Nothing here may fail inside the app's statement: no constraint that an odd value could break.
 */
export const LOCAL_SCHEMA = `
${OUTBOX_SCHEMA}
-- Numbers for what the triggers record: of tables, and of delta columns.
-- earlier: whether it has rows of which nobody knows whether the centre has them, see file/earlier-rows.ts.
CREATE TABLE IF NOT EXISTS sync_table (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, earlier INTEGER);
CREATE TABLE IF NOT EXISTS sync_column (
  number INTEGER PRIMARY KEY,
  table_number INTEGER NOT NULL,
  name TEXT NOT NULL,
  UNIQUE (table_number, name)
);

-- Tables that were written without our triggers, or may have been. since: the newest entry then. deletes: rows that are
-- gone were deleted, however many. due: to be looked through; else it was, and of its rows so many have vanished.
CREATE TABLE IF NOT EXISTS sync_sweep (
  table_name TEXT PRIMARY KEY,
  since INTEGER NOT NULL,
  deletes INTEGER NOT NULL DEFAULT 0,
  due INTEGER NOT NULL DEFAULT 1,
  vanished INTEGER NOT NULL DEFAULT 0
);

-- What became of the changes that were cut; waits: 1 while the image that says so is not written yet, 2 where the row
-- shows it, but it has to be sent again. Named by incarnation:
-- they outlive the agent file.
CREATE TABLE IF NOT EXISTS sync_settled (
  incarnation TEXT NOT NULL,
  change INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  waits INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (incarnation, change)
) WITHOUT ROWID;

-- Names of rows that are gone: a row inserted again with one of them is a new row and gets another name.
CREATE TABLE IF NOT EXISTS sync_retired (
  table_name TEXT NOT NULL,
  identity TEXT NOT NULL,
  PRIMARY KEY (table_name, identity)
);

-- For the app: why a row whose sync_status is 'rejected' is not at the centre. The code and constraint while it is
-- refused; once it was given up, what the operator said.
CREATE TABLE IF NOT EXISTS sync_given_up (
  table_name TEXT NOT NULL,
  row_key,
  reason TEXT NOT NULL,
  PRIMARY KEY (table_name, row_key)
);

-- How far each down stream was read. position: see shared/position.ts.
CREATE TABLE IF NOT EXISTS sync_stream (
  topic TEXT PRIMARY KEY,
  stream_id TEXT,
  next_offset INTEGER NOT NULL,
  position BLOB NOT NULL,
  newest_record_ms INTEGER NOT NULL
);

-- Per-table checkpoints, shown in status. table_name is the local name.
CREATE TABLE IF NOT EXISTS sync_checkpoint (
  table_name TEXT PRIMARY KEY,
  position BLOB NOT NULL,
  last_timestamp TEXT,
  rows INTEGER NOT NULL
);

-- Central rows that cannot be written yet (parent missing, refused by a local constraint, maybe our own),
-- newest image only. record: the image in the coding of rows/image.ts; waits_for: '<local table>:<central id>' of
-- a missing parent.
CREATE TABLE IF NOT EXISTS sync_parked (
  table_name TEXT NOT NULL,
  central_id TEXT NOT NULL,
  position BLOB NOT NULL,
  topic TEXT NOT NULL,
  record BLOB,
  reason TEXT NOT NULL,
  message TEXT NOT NULL,
  waits_for TEXT,
  parked_at_ms INTEGER NOT NULL,
  PRIMARY KEY (table_name, central_id)
);
CREATE INDEX IF NOT EXISTS sync_parked_waiting ON sync_parked (waits_for) WHERE waits_for IS NOT NULL;

-- While a stream is read again from its beginning (rows/unseen.ts): how far, which rows it has not named yet,
-- and which central tables it says to be seeded whole, in which epoch.
CREATE TABLE IF NOT EXISTS sync_reread (
  topic TEXT PRIMARY KEY,
  until_offset INTEGER NOT NULL,
  seeded_from INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS sync_unseen (
  topic TEXT NOT NULL,
  table_name TEXT NOT NULL,
  central_id TEXT NOT NULL,
  PRIMARY KEY (topic, table_name, central_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sync_seeded (
  topic TEXT NOT NULL,
  central_table TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  PRIMARY KEY (topic, central_table)
) WITHOUT ROWID;

-- Of a stream that has lost its end: the highest position that was read of it before.
CREATE TABLE IF NOT EXISTS sync_lost (
  topic TEXT PRIMARY KEY,
  position BLOB NOT NULL
) WITHOUT ROWID;

-- Tables whose seeding was seen to begin where the stream has lost nothing: only the end of such a one counts.
CREATE TABLE IF NOT EXISTS sync_begun (
  topic TEXT NOT NULL,
  central_table TEXT NOT NULL,
  PRIMARY KEY (topic, central_table)
) WITHOUT ROWID;

-- Facts: terminal_id, database_id, incarnation, mapping_version, triggers_version, progress (newest not yet settled).
CREATE TABLE IF NOT EXISTS sync_meta (name TEXT PRIMARY KEY, value TEXT);
`;

/**
 * One per mapped table: which central row is which local row, and what both sides last agreed on. `central_id` is `~` and
 * the row's name while the centre has not taken it. `base` is the newest central image (coding of rows/image.ts) or what
 * was inserted, until the first comes; `position` guards against older images; `row_key` is NULL once the local row is
 * gone, and `former_key` what it was then: rows that the app leaves pointing at it still mean it; `identity` is the name under
 * which the row was cut first, or by which its own column called it when it went, NULL while neither is known.
 */
export function syncRowTableSql(localTable: string): string {
  const name = quoteName(`sync_row_${localTable}`);
  return `
CREATE TABLE IF NOT EXISTS ${name} (
  central_id TEXT NOT NULL PRIMARY KEY,
  row_key,
  position BLOB NOT NULL,
  deleted INTEGER NOT NULL DEFAULT 0,
  base TEXT,
  identity TEXT,
  refused INTEGER NOT NULL DEFAULT 0,
  former_key
) WITHOUT ROWID;
`;
}

/** Named apart from every `sync_row_…`: a table may be called `license_key` beside `license`. */
export function syncRowIndexSql(localTable: string): string {
  return `CREATE INDEX ${quoteName(`sync_key_${localTable}`)} ON ${quoteName(`sync_row_${localTable}`)} (row_key)`;
}

export function syncNameIndexSql(localTable: string): string {
  const table = quoteName(`sync_row_${localTable}`);
  return `CREATE INDEX IF NOT EXISTS ${quoteName(`sync_name_${localTable}`)} ON ${table} (identity) WHERE identity IS NOT NULL`;
}

export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/**
 * SQL of a row's `row_key`. The unary plus takes the column's affinity away: a comparison with the typeless
 * `row_key` columns would otherwise convert and could not use their indexes.
 * @param row `NEW`, `OLD` or a table alias
 */
export function rowKeySql(row: string, keyColumns: readonly string[]): string {
  const [only] = keyColumns;
  if (keyColumns.length === 1 && only !== undefined) return `+${row}.${quoteName(only)}`;
  return keyColumns.map((column) => `quote(${row}.${quoteName(column)})`).join(` || ',' || `);
}
