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
-- One row per captured change; outcome NULL = unsettled. op: c, u, d, r as in shared/unit-record.ts, and k: the
-- row's key changed (row_key is the old one), never published, outcome 'local' from the start.
CREATE TABLE IF NOT EXISTS sync_outbox (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  table_name TEXT,
  op TEXT,
  row_key,
  captured_at_ms INTEGER,
  outcome TEXT
);
CREATE INDEX IF NOT EXISTS sync_outbox_open ON sync_outbox (table_name, row_key) WHERE outcome IS NULL;
-- Answers which row a key meant at an earlier seq; costs a sale nothing.
CREATE INDEX IF NOT EXISTS sync_outbox_gone ON sync_outbox (table_name, row_key) WHERE op IN ('d', 'k');
-- Answers which keys rows had before; as cheap.
CREATE INDEX IF NOT EXISTS sync_outbox_moved ON sync_outbox (table_name) WHERE op = 'k';

-- Identities of rows whose identity column does not say it: minted where a row brings no UUID of its own, or
-- pinned where the app changed it. Comes before the column; removed with the row.
CREATE TABLE IF NOT EXISTS sync_identity (
  table_name TEXT NOT NULL,
  row_key,
  identity TEXT NOT NULL,
  PRIMARY KEY (table_name, row_key)
);
CREATE INDEX IF NOT EXISTS sync_identity_name ON sync_identity (table_name, identity);

-- UUIDs of deleted rows: a row inserted again with one of them is a new row and gets a minted identity.
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

-- Present only inside the agent's own transactions: the triggers are silent while it holds a row.
CREATE TABLE IF NOT EXISTS sync_silence (silent INTEGER);

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
 * One per mapped table: which central row is which local row, and what was last applied. `position` guards
 * against older images; `base` is the newest central image (coding of rows/image.ts) while the row has
 * unsettled changes, else NULL; `row_key` is NULL once the local row is gone.
 */
export function syncRowTableSql(localTable: string): string {
  const name = quoteName(`sync_row_${localTable}`);
  return `
CREATE TABLE IF NOT EXISTS ${name} (
  central_id TEXT NOT NULL PRIMARY KEY,
  row_key,
  position BLOB NOT NULL,
  deleted INTEGER NOT NULL DEFAULT 0,
  base TEXT
) WITHOUT ROWID;
`;
}

/** Named apart from every `sync_row_…`: a table may be called `license_key` beside `license`. */
export function syncRowIndexSql(localTable: string): string {
  return `CREATE INDEX ${quoteName(`sync_key_${localTable}`)} ON ${quoteName(`sync_row_${localTable}`)} (row_key)`;
}

/**
 * One per captured table, filled by its triggers. `identity` and `central_id` name the row as known at the
 * change (central_id NULL while unlinked), so that a deleted row, or a reused key, can still be told apart.
 * old_* and new_* have no declared type: storage classes survive exactly.
 */
export function syncChangeTableSql(localTable: string, columns: readonly string[]): string {
  const values = columns.flatMap((column) => [quoteName(`old_${column}`), quoteName(`new_${column}`)]);
  return `CREATE TABLE IF NOT EXISTS ${quoteName(`sync_change_${localTable}`)} (
  seq INTEGER PRIMARY KEY,
  identity TEXT,
  central_id TEXT${values.map((value) => `,\n  ${value}`).join('')}
);`;
}

/**
 * Scratch of the triggers: rows that the insert or update in progress may evict (INSERT OR REPLACE), for which
 * SQLite fires no DELETE trigger. state: 0 candidate, 1 lives on as the new row, 2 gone, 3 was not evicted.
 */
export function syncEvictedTableSql(
  localTable: string,
  keyColumns: readonly string[],
  columns: readonly string[],
): string {
  const keys = keyColumns.map((_, index) => `key_${index}`);
  const values = columns.map((column) => quoteName(`old_${column}`));
  return `CREATE TABLE IF NOT EXISTS ${quoteName(`sync_evicted_${localTable}`)} (
  state INTEGER,
  row_key,
  identity TEXT,
  central_id TEXT${[...keys, ...values].map((value) => `,\n  ${value}`).join('')}
);`;
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
