/**
 * Codes of the central tables and their publication: what somebody may do to a running database. `timed`: capture goes
 * on with everything else, and the state ends by itself once it is mended.
 */
import { entry, type CodeEntry } from './error-entry.ts';

export const TABLE_ERROR_CODES = {
  TABLE_NO_KEY: entry(
    500,
    'fatal',
    'A mapped table has no primary key.',
    'Give it a primary key, or take it out of the mapping.',
  ),
  TABLE_VIRTUAL_COLUMN: entry(
    500,
    'fatal',
    'A mapped table has a virtual generated column, with which PostgreSQL cannot log whole old rows.',
    'Make the column STORED, or take the table out of the mapping.',
  ),

  PUBLICATION_LOST: entry(
    503,
    'timed',
    'The publication was dropped: what was changed since is in no stream.',
    'Run `payflow setup`; every table is seeded again under a new epoch, and capture goes on by itself.',
  ),
  TABLE_MISSING: entry(
    503,
    'timed',
    'A table that was synchronised is gone, or bears another name.',
    'Bring it back, or take it out of the mapping and run `payflow setup`; it is seeded again by itself.',
  ),
  TABLE_NOT_PUBLISHED: entry(
    503,
    'timed',
    'The publication leaves out changes of a table, and our login may not mend it.',
    'Run `payflow setup` as owner of the table and the publication; it is seeded again by itself.',
  ),
  TABLE_IDENTITY: entry(
    503,
    'timed',
    'The replica identity of a table, or a partition, does not bring its old rows, and our login may not mend it.',
    'Run `payflow setup` as owner of the table; it is seeded again by itself.',
  ),
  TABLE_INHERITED: entry(
    503,
    'timed',
    'Other tables inherit from a mapped table: their rows show in it, but never in its WAL.',
    'Make them partitions, or map them by themselves and end the inheritance (ALTER TABLE … NO INHERIT).',
  ),
  TABLE_KEY_DEFERRABLE: entry(
    500,
    'fatal',
    'The primary key of a partitioned table is deferrable: PostgreSQL would refuse updates of each new partition.',
    'Make the key NOT DEFERRABLE, or take the table out of the mapping.',
  ),
  TABLE_NOT_LOGGED: entry(
    503,
    'timed',
    'A mapped table or partition writes no WAL (unlogged or foreign), so its changes can be seen by nobody.',
    'ALTER TABLE … SET LOGGED, or take it out of the mapping.',
  ),
  TABLE_ROW_SECURITY: entry(
    503,
    'timed',
    'Row level security would hide rows of a table from our login, and tills would take them for deleted.',
    'ALTER ROLE … BYPASSRLS for the logins of payflow-sync, or disable it on the table; it is seeded again by itself.',
  ),
  TABLE_NOT_READABLE: entry(
    503,
    'timed',
    'The login of capture may not read a mapped table.',
    'Run the SQL of `payflow setup --grants` again; it is seeded again by itself.',
  ),
} as const satisfies Record<string, CodeEntry>;
