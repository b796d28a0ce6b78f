/** SQL: how many entries are of changes that the centre has not answered, or are not cut; for whoever looks from outside. */
export const OPEN_ENTRIES_SQL = `SELECT (SELECT count(*) FROM sync_taken) + (SELECT count(*) FROM sync_outbox
  WHERE handle IS NOT NULL
    OR seq > (SELECT coalesce(max(CAST(value AS INTEGER)), 0) FROM sync_meta WHERE name = 'kept_entry'))`;

/** See take-over/taken-changes.ts. */
export const TAKEN_SCHEMA = `
-- What the triggers of the version before recorded and the centre has not answered: number, contents (bytes: a unit record
-- of this change alone), and the row as it was called then; cut: see up/cut-text.ts.
CREATE TABLE IF NOT EXISTS sync_taken (
  number INTEGER PRIMARY KEY,
  table_name TEXT,
  op TEXT,
  handle TEXT,
  identity TEXT,
  row_key,
  at_ms INTEGER,
  cut TEXT,
  bytes BLOB
);
CREATE INDEX IF NOT EXISTS sync_taken_row ON sync_taken (table_name, handle);
`;

/**
 * SQL: the newest entry that there ever was. Entries go, but the count of them does not; where somebody resets that, the
 * last one that was cut is still there.
 */
export const NEWEST_ENTRY_SQL = `max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'sync_outbox'), 0),
  coalesce((SELECT max(seq) FROM sync_outbox), 0))`;

/** What the triggers write into; see key-triggers.ts. */
export const OUTBOX_SCHEMA = `
-- One row for each row that a statement of the app touched. table_number: of sync_table. op: b has the key of the row that
-- comes next (key_before: that one's key), e stands in its way by another unique index, c inserted, u updated, d deleted,
-- k its key changed (from key_before), r was there before, f holds something in a column that is in no image of it. row_key: NULL where a part of the key is. entry_id: random, the
-- same in every copy of the file. handle: the row it is of, by its key in sync_row, while its change is cut and
-- not settled; triggers leave it NULL.
CREATE TABLE IF NOT EXISTS sync_outbox (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  table_number INTEGER,
  op TEXT,
  row_key,
  key_before,
  at_ms INTEGER,
  entry_id INTEGER,
  handle TEXT
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
${TAKEN_SCHEMA}`;
