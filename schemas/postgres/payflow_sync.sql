-- The centre's own tables. Applied by `payflow setup`, idempotent. Business tables are never altered here.
CREATE SCHEMA IF NOT EXISTS payflow_sync;

-- One row of facts about this central database: `database_id` (random, minted once), `epoch` (of its history).
CREATE TABLE IF NOT EXISTS payflow_sync.meta (
  name  text PRIMARY KEY,
  value text NOT NULL
);

-- Published mapping, newest only (single row). Travels down every stream.
CREATE TABLE IF NOT EXISTS payflow_sync.mapping (
  name         text PRIMARY KEY DEFAULT 'mapping' CHECK (name = 'mapping'),
  version      integer NOT NULL,
  source       text NOT NULL,
  published_at timestamptz NOT NULL DEFAULT now()
);

-- How long a till may be away without reading its streams again (HORIZON_DAYS, as it was last set).
ALTER TABLE payflow_sync.mapping ADD COLUMN IF NOT EXISTS horizon_days integer NOT NULL DEFAULT 14;

-- Registered tills. The enrolment code and the token are kept as SHA-256 only.
CREATE TABLE IF NOT EXISTS payflow_sync.terminal (
  terminal_id       text PRIMARY KEY CHECK (terminal_id ~ '^[A-Za-z0-9._-]{1,64}$' AND terminal_id !~ '^[.]+$'),
  store_id          text NOT NULL CHECK (store_id ~ '^[A-Za-z0-9._-]{1,64}$' AND store_id !~ '^[.]+$'),
  up_partition      integer NOT NULL,
  status            text NOT NULL DEFAULT 'registered' CHECK (status IN ('registered', 'enrolled', 'fenced', 'retired')),
  public_key        text,                 -- Ed25519, SPKI, PEM
  key_version       integer NOT NULL DEFAULT 0,
  enrolment_hash    text,
  enrolment_expires timestamptz,
  token_hash        text,
  registered_at     timestamptz NOT NULL DEFAULT now(),
  enrolled_at       timestamptz,
  last_seen_at      timestamptz
);

-- Which store a till belonged to, by the number of its registration. A unit names the registration under which it
-- was cut, and may only change rows of that store: a till that was moved still has the old store's sales to send.
CREATE TABLE IF NOT EXISTS payflow_sync.registration (
  terminal_id   text NOT NULL,
  registration  integer NOT NULL,
  store_id      text NOT NULL,
  registered_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (terminal_id, registration)
);
-- The newest of them.
ALTER TABLE payflow_sync.terminal ADD COLUMN IF NOT EXISTS registration integer NOT NULL DEFAULT 1;
-- Tills of a centre that counted no registrations: they were never moved.
INSERT INTO payflow_sync.registration (terminal_id, registration, store_id, registered_at)
  SELECT terminal_id, 1, store_id, registered_at FROM payflow_sync.terminal WHERE registration = 1
  ON CONFLICT DO NOTHING;

-- While a till is being retired: what its partition of the up topic holds before this offset is still applied.
ALTER TABLE payflow_sync.terminal ADD COLUMN IF NOT EXISTS retire_offset bigint;
-- The token before the last enrolment or the retirement, and since when it counts no more: whoever still uses it is
-- told why it is refused.
ALTER TABLE payflow_sync.terminal ADD COLUMN IF NOT EXISTS former_token_hash text;
ALTER TABLE payflow_sync.terminal ADD COLUMN IF NOT EXISTS former_token_until timestamptz;
-- What it was fenced for last: file (its units are another file's), registration (they would be refused again, whichever
-- file sends them); NULL where an earlier version fenced it.
ALTER TABLE payflow_sync.terminal ADD COLUMN IF NOT EXISTS fenced_for text;

-- Access tokens of people and programs.
CREATE TABLE IF NOT EXISTS payflow_sync.token (
  token_id   uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  name       text NOT NULL,
  role       text NOT NULL CHECK (role IN ('viewer', 'operator')),
  token_hash text NOT NULL UNIQUE,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz,
  revoked_at timestamptz
);
-- To the minute.
ALTER TABLE payflow_sync.token ADD COLUMN IF NOT EXISTS last_used_at timestamptz;

-- Next offset central-apply reads, per partition of the up topic; moved in the transaction that applies.
CREATE TABLE IF NOT EXISTS payflow_sync.consumed (
  topic       text NOT NULL,
  partition   integer NOT NULL,
  next_offset bigint NOT NULL,
  stream_id   text,
  PRIMARY KEY (topic, partition)
);

-- One row per terminal: what of it has been applied. Travels down its store stream.
-- exceptions: JSON array of [firstSeq, lastSeq, "held" | "rejected" | "discarded", reason?], ascending, disjoint: what is
-- not (or not as sold) in the central tables although its number is ≤ last_seq.
CREATE TABLE IF NOT EXISTS payflow_sync.progress (
  terminal_id text PRIMARY KEY,
  incarnation text NOT NULL,
  last_unit   bigint NOT NULL,
  last_seq    bigint NOT NULL,
  chain_hash  bytea NOT NULL,
  exceptions  text NOT NULL DEFAULT '[]',
  updated_at  timestamptz NOT NULL DEFAULT now()
);
-- Of the newest unit applied: a later unit may not go back to an earlier registration.
ALTER TABLE payflow_sync.progress ADD COLUMN IF NOT EXISTS registration integer NOT NULL DEFAULT 0;

-- How the till stands, as it is told itself (the row travels): ok, fenced or retired, why and since when.
ALTER TABLE payflow_sync.progress ADD COLUMN IF NOT EXISTS standing text NOT NULL DEFAULT 'ok';
ALTER TABLE payflow_sync.progress ADD COLUMN IF NOT EXISTS standing_why text;
ALTER TABLE payflow_sync.progress ADD COLUMN IF NOT EXISTS standing_since timestamptz;
-- Changes up to this seq may have come before, in an earlier incarnation: they are compared with the evidence.
ALTER TABLE payflow_sync.progress ADD COLUMN IF NOT EXISTS known_seq bigint NOT NULL DEFAULT 0;

-- Every incarnation that a till's files have sent under; the current one too once there was another.
-- waiting: an operator has to say whether that file goes on; superseded: another one did. applied_…, chain_hash and
-- exceptions: where an incarnation stood when another one took its place.
CREATE TABLE IF NOT EXISTS payflow_sync.incarnation (
  terminal_id   text NOT NULL,
  incarnation   text NOT NULL,
  state         text NOT NULL CHECK (state IN ('current', 'superseded', 'waiting')),
  predecessor   text,
  first_seen_at timestamptz NOT NULL DEFAULT now(),
  last_seen_at  timestamptz NOT NULL DEFAULT now(),
  first_seq     bigint NOT NULL DEFAULT 0,
  last_seq      bigint NOT NULL DEFAULT 0,
  last_unit     bigint NOT NULL DEFAULT 0,
  applied_unit  bigint NOT NULL DEFAULT 0,
  applied_seq   bigint NOT NULL DEFAULT 0,
  chain_hash    bytea,
  exceptions    text NOT NULL DEFAULT '[]',
  PRIMARY KEY (terminal_id, incarnation)
);
-- followed: another file announced itself as the one that goes on from it, and nobody has had to decide.
ALTER TABLE payflow_sync.incarnation DROP CONSTRAINT IF EXISTS incarnation_state_check;
ALTER TABLE payflow_sync.incarnation ADD CONSTRAINT incarnation_state_check
  CHECK (state IN ('current', 'superseded', 'followed', 'waiting'));

-- Till row ↔ central row. Travels down the terminal's store stream.
CREATE TABLE IF NOT EXISTS payflow_sync.link (
  terminal_id text NOT NULL,
  table_name  text NOT NULL,      -- central table name as in the mapping
  identity    text NOT NULL,
  central_id  text NOT NULL,
  PRIMARY KEY (terminal_id, table_name, identity)
);
CREATE INDEX IF NOT EXISTS link_by_central ON payflow_sync.link (table_name, central_id);

-- One row per unit, written first in its transaction: what became of each change. Capture turns it into
-- `origins` on the row records that follow, and into `r` records for entries with an image.
-- entries: JSON array of [seq, central table, central id | null, outcome, hash | null, image?], where image is
-- {central column: PostgreSQL text | null} of the whole mapped row, present for lost, duplicate, rejected
-- updates and deletes, and for changes that made no difference. Of a row of another store the image is only its
-- key and its store, and a null follows: the till is told that the row is gone from it, and nothing else.
-- unit: of a dead letter that was retried, minus its id.
CREATE TABLE IF NOT EXISTS payflow_sync.outcome (
  terminal_id text NOT NULL,
  incarnation text NOT NULL,
  unit        bigint NOT NULL,
  entries     text NOT NULL,
  applied_at  timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (terminal_id, incarnation, unit)
);
-- Of the unit: the same number with another one comes from another copy of the till's file.
ALTER TABLE payflow_sync.outcome ADD COLUMN IF NOT EXISTS hash bytea;
-- Where the signed record stands in the up topic, which keeps it longer than this row; NULL for one that was held.
ALTER TABLE payflow_sync.outcome ADD COLUMN IF NOT EXISTS up_partition integer;
ALTER TABLE payflow_sync.outcome ADD COLUMN IF NOT EXISTS up_offset bigint;
CREATE INDEX IF NOT EXISTS outcome_age ON payflow_sync.outcome (applied_at);

-- Outcomes of a terminal that were applied up to then may be removed by age: what a file of it sends again of that time
-- can't be told from what was never sent.
CREATE TABLE IF NOT EXISTS payflow_sync.forgotten (
  terminal_id text PRIMARY KEY,
  until       timestamptz NOT NULL
);

-- Who wrote a central row on behalf of a till, with the till's clock and the number of its change, and the hash of the
-- row as our transaction left it, without amounts and timestamp (a row that hashes differently was changed by head
-- office since). columns: JSON, of what tills wrote after the rest: [[clock, till, number, epoch, lsn, columns …]].
-- epoch, lsn: behind the commit of what was there before.
CREATE TABLE IF NOT EXISTS payflow_sync.row_version (
  table_name  text NOT NULL,
  central_id  text NOT NULL,
  clock_ms    bigint NOT NULL,
  terminal_id text NOT NULL,
  row_hash    bytea NOT NULL,
  PRIMARY KEY (table_name, central_id)
);
ALTER TABLE payflow_sync.row_version ADD COLUMN IF NOT EXISTS seq bigint NOT NULL DEFAULT 0;
ALTER TABLE payflow_sync.row_version ADD COLUMN IF NOT EXISTS epoch integer NOT NULL DEFAULT 0;
ALTER TABLE payflow_sync.row_version ADD COLUMN IF NOT EXISTS lsn numeric NOT NULL DEFAULT 0;
ALTER TABLE payflow_sync.row_version ADD COLUMN IF NOT EXISTS columns text;
-- One time for all rows of an upgraded centre: their retention begins with it.
ALTER TABLE payflow_sync.row_version ADD COLUMN IF NOT EXISTS written_at timestamptz NOT NULL DEFAULT now();
CREATE INDEX IF NOT EXISTS row_version_written ON payflow_sync.row_version USING brin (written_at);

-- A refused part of a unit, whole. changes: JSON as decoded from the record.
CREATE TABLE IF NOT EXISTS payflow_sync.dead_letter (
  dead_letter_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  terminal_id    text NOT NULL,
  incarnation    text NOT NULL,
  unit           bigint NOT NULL,
  first_seq      bigint NOT NULL,
  last_seq       bigint NOT NULL,
  changes        text NOT NULL,
  code           text NOT NULL,            -- SQLSTATE, SUPPRESSED, KEY_CHANGED or one of our codes
  constraint_name text,
  message        text NOT NULL,
  state          text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'applied', 'discarded')),
  refused_at     timestamptz NOT NULL DEFAULT now(),
  decided_at     timestamptz
);
-- What a retry needs beside the changes: the store under which the unit was cut, whether central ids it names were
-- ours, when the log received it, and the mapping it was made under. NULL in letters of earlier versions.
ALTER TABLE payflow_sync.dead_letter ADD COLUMN IF NOT EXISTS store_id text;
ALTER TABLE payflow_sync.dead_letter ADD COLUMN IF NOT EXISTS trusted boolean;
ALTER TABLE payflow_sync.dead_letter ADD COLUMN IF NOT EXISTS received_at_ms bigint;
ALTER TABLE payflow_sync.dead_letter ADD COLUMN IF NOT EXISTS mapping_version integer;
-- Retries that were refused again, with the last reason; code and message stay as they were at first.
ALTER TABLE payflow_sync.dead_letter ADD COLUMN IF NOT EXISTS tries integer NOT NULL DEFAULT 0;
ALTER TABLE payflow_sync.dead_letter ADD COLUMN IF NOT EXISTS last_tried_at timestamptz;
ALTER TABLE payflow_sync.dead_letter ADD COLUMN IF NOT EXISTS last_code text;
ALTER TABLE payflow_sync.dead_letter ADD COLUMN IF NOT EXISTS last_message text;
-- Who closed it and why; mended: JSON, the values that the retry which went through had put in.
ALTER TABLE payflow_sync.dead_letter ADD COLUMN IF NOT EXISTS decided_by text;
ALTER TABLE payflow_sync.dead_letter ADD COLUMN IF NOT EXISTS why text;
ALTER TABLE payflow_sync.dead_letter ADD COLUMN IF NOT EXISTS mended text;
-- Whether its rows stand in dead_letter_row.
ALTER TABLE payflow_sync.dead_letter ADD COLUMN IF NOT EXISTS indexed boolean NOT NULL DEFAULT false;
-- superseded: all that it wanted was written by later changes of the same till.
ALTER TABLE payflow_sync.dead_letter DROP CONSTRAINT IF EXISTS dead_letter_state_check;
CREATE INDEX IF NOT EXISTS dead_letter_open ON payflow_sync.dead_letter (terminal_id, first_seq) WHERE state = 'open';

-- The till rows that a dead letter is about or refers to, so that later changes of the same rows are noticed and
-- what hangs on the letter is found. row_name: the identity, or '#' and the central id of a row without one.
-- overtaken: JSON {local column or '*': newest seq of this till that was applied to it since}.
CREATE TABLE IF NOT EXISTS payflow_sync.dead_letter_row (
  dead_letter_id bigint NOT NULL REFERENCES payflow_sync.dead_letter ON DELETE CASCADE,
  terminal_id    text NOT NULL,
  table_name     text NOT NULL,            -- local
  row_name       text NOT NULL,
  central_id     text,
  role           text NOT NULL CHECK (role IN ('inserted', 'changed', 'parent')),
  overtaken      text NOT NULL DEFAULT '{}',
  PRIMARY KEY (dead_letter_id, table_name, row_name)
);
-- As SQLite compares names: A to Z in either case, nothing else; as nameKey in shared/catalog/same-name.ts.
ALTER TABLE payflow_sync.dead_letter_row ADD COLUMN IF NOT EXISTS table_key text
  GENERATED ALWAYS AS (lower(table_name COLLATE "C")) STORED;
DROP INDEX IF EXISTS payflow_sync.dead_letter_row_name;
DROP INDEX IF EXISTS payflow_sync.dead_letter_row_central;
CREATE INDEX IF NOT EXISTS dead_letter_row_by_name ON payflow_sync.dead_letter_row (terminal_id, table_key, row_name);
CREATE INDEX IF NOT EXISTS dead_letter_row_by_id ON payflow_sync.dead_letter_row (terminal_id, table_key, central_id);
-- An earlier version took the pieces of a large change for rows of a table without a name.
UPDATE payflow_sync.dead_letter SET indexed = false
 WHERE dead_letter_id IN (SELECT dead_letter_id FROM payflow_sync.dead_letter_row WHERE table_name = '');
DELETE FROM payflow_sync.dead_letter_row WHERE table_name = '';

-- What was refused, as the refusal ladder tells causes apart: the central table and the kind of write. When another
-- till fails with the same cause and nothing went through between, the letter is tried again once that is mended.
ALTER TABLE payflow_sync.dead_letter ADD COLUMN IF NOT EXISTS table_name text;
ALTER TABLE payflow_sync.dead_letter ADD COLUMN IF NOT EXISTS write_kind text;

-- Read but not applicable yet (a gap, a part of a larger unit, a fenced till), in order, whole.
CREATE TABLE IF NOT EXISTS payflow_sync.held (
  held_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  terminal_id text NOT NULL,
  incarnation text NOT NULL,
  unit        bigint NOT NULL,
  part        integer NOT NULL,
  parts       integer NOT NULL,
  reason      text NOT NULL,               -- HoldReason in central-apply/admission.ts
  record      bytea NOT NULL,              -- the record's value as it came
  held_at     timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE payflow_sync.held DROP CONSTRAINT IF EXISTS held_reason_check;
-- Of the record's last unit: two copies of a till's file use the same numbers for other sales, and neither may
-- push the other's out.
ALTER TABLE payflow_sync.held ADD COLUMN IF NOT EXISTS unit_hash bytea NOT NULL DEFAULT '';
ALTER TABLE payflow_sync.held DROP CONSTRAINT IF EXISTS held_terminal_id_incarnation_unit_part_key;
-- Its offset in the till's partition: what was put aside unseen may lie behind the till's retirement.
ALTER TABLE payflow_sync.held ADD COLUMN IF NOT EXISTS up_offset bigint;
CREATE UNIQUE INDEX IF NOT EXISTS held_once
  ON payflow_sync.held (terminal_id, incarnation, unit, part, unit_hash);
-- What may have its turn; as NEVER_RELEASED in central-apply/held.ts.
CREATE INDEX IF NOT EXISTS held_waiting ON payflow_sync.held (terminal_id, incarnation, unit)
  WHERE reason <> ALL ('{fenced,superseded,retired,given up}'::text[]);
CREATE INDEX IF NOT EXISTS held_decided ON payflow_sync.held (terminal_id) WHERE reason IN ('released', 'given up');

-- Tills that wait at the centre, and why; written by central-apply/holds.ts alone. A restart or another process
-- goes on with it. cause_table, write_kind, code and constraint_name name the cause; since is its first failure, and
-- passed_at when a write of that kind last went through for somebody else. letters: JSON array of dead letters that
-- others got for the same cause, to be tried again when it ends.
CREATE TABLE IF NOT EXISTS payflow_sync.hold (
  terminal_id     text NOT NULL,
  reason          text NOT NULL,           -- 'centre' | 'bounds'
  state           text NOT NULL,           -- HoldState in central-apply/refusal-ladder.ts
  cause_table     text NOT NULL DEFAULT '',
  write_kind      text NOT NULL DEFAULT '',
  code            text NOT NULL,
  constraint_name text NOT NULL DEFAULT '',
  message         text NOT NULL,
  since           timestamptz NOT NULL DEFAULT clock_timestamp(),
  tries           integer NOT NULL DEFAULT 1,
  tried_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
  passed_at       timestamptz,
  letters         text,
  PRIMARY KEY (terminal_id, reason)
);

-- Records of the up stream that were passed over: where they stand, why, and their bytes (the first 64 KB; size is
-- that of the whole). They touch no terminal's state.
CREATE TABLE IF NOT EXISTS payflow_sync.refused_record (
  topic      text NOT NULL,
  partition  integer NOT NULL,
  record_offset bigint NOT NULL,
  terminal_id text,
  code       text NOT NULL,
  refused_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (topic, partition, record_offset)
);
ALTER TABLE payflow_sync.refused_record ADD COLUMN IF NOT EXISTS message text;
ALTER TABLE payflow_sync.refused_record ADD COLUMN IF NOT EXISTS bytes bytea;
ALTER TABLE payflow_sync.refused_record ADD COLUMN IF NOT EXISTS size bigint;
-- An operator let its terminal's chain go on without it.
ALTER TABLE payflow_sync.refused_record ADD COLUMN IF NOT EXISTS skipped_at timestamptz;
ALTER TABLE payflow_sync.refused_record ADD COLUMN IF NOT EXISTS skipped_by text;
ALTER TABLE payflow_sync.refused_record ADD COLUMN IF NOT EXISTS why text;

-- A decision between two versions of a row.
CREATE TABLE IF NOT EXISTS payflow_sync.conflict (
  conflict_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  table_name  text NOT NULL,
  central_id  text,
  terminal_id text NOT NULL,
  seq         bigint NOT NULL,
  central_row text,                        -- JSON
  terminal_row text,                       -- JSON
  winner      text NOT NULL CHECK (winner IN ('central', 'terminal')),
  rule        text NOT NULL,
  decided_at  timestamptz NOT NULL DEFAULT now()
);
-- The row as the decision left it, JSON; NULL: without it. Who resolves it by hand has seen this, or names another.
ALTER TABLE payflow_sync.conflict ADD COLUMN IF NOT EXISTS standing text;
-- What an operator made of it afterwards: JSON {take, values}.
ALTER TABLE payflow_sync.conflict ADD COLUMN IF NOT EXISTS resolution text;
ALTER TABLE payflow_sync.conflict ADD COLUMN IF NOT EXISTS resolved_at timestamptz;
ALTER TABLE payflow_sync.conflict ADD COLUMN IF NOT EXISTS resolved_by text;

-- Down streams, as capture left them.
CREATE TABLE IF NOT EXISTS payflow_sync.stream (
  topic       text PRIMARY KEY,
  stream_id   text NOT NULL,
  last_offset bigint NOT NULL,
  position    text NOT NULL,
  updated_at  timestamptz NOT NULL DEFAULT now()
);
-- Why the stream tells of another history than the database; until a new epoch begins.
ALTER TABLE payflow_sync.stream ADD COLUMN IF NOT EXISTS other_history text;
-- Code of what is wrong with capture as a whole; on the catalog's stream.
ALTER TABLE payflow_sync.stream ADD COLUMN IF NOT EXISTS problem text;
-- pg_snapshot of a heartbeat: all that it sees has come out of the WAL. On the catalog's stream.
ALTER TABLE payflow_sync.stream ADD COLUMN IF NOT EXISTS seen text;

-- What the stream began with. Compaction never moves it: a stream that begins later has lost records.
ALTER TABLE payflow_sync.stream ADD COLUMN IF NOT EXISTS first_offset bigint NOT NULL DEFAULT 0;

-- Topics about which there is something to say: kept otherwise than sync needs it, and not put back (code, message), or
-- whose limit was too low for a while (limit_bytes), so that rows may have travelled without columns.
CREATE TABLE IF NOT EXISTS payflow_sync.topic (
  topic       text PRIMARY KEY,
  code        text,
  message     text,
  limit_bytes bigint,
  since       timestamptz NOT NULL DEFAULT now()
);

-- All that ever stood in the schemas topic: it is written there again where the topic has lost it.
CREATE TABLE IF NOT EXISTS payflow_sync.schema (
  fingerprint text PRIMARY KEY,
  schema      text NOT NULL
);

-- Seeding of a table into the streams, resumable. last_key: JSON array of key texts of the last chunk written.
CREATE TABLE IF NOT EXISTS payflow_sync.seeding (
  table_name text NOT NULL,
  epoch      integer NOT NULL,
  state      text NOT NULL CHECK (state IN ('wanted', 'running', 'done')),
  last_key   text,
  rows       bigint NOT NULL DEFAULT 0,
  columns    text NOT NULL DEFAULT '',
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (table_name, epoch)
);
-- Wanted because the WAL has a gap: rows that tills made, and that were deleted or moved in it, may be in no stream.
ALTER TABLE payflow_sync.seeding ADD COLUMN IF NOT EXISTS after_gap boolean NOT NULL DEFAULT false;

-- What capture watches of each table. shape: JSON, the table as it was when its seeding began; partitions: JSON array of
-- [oid, marks of its attachments, file]. code, message, since: its state while it needs a person.
CREATE TABLE IF NOT EXISTS payflow_sync.watched_table (
  table_name text PRIMARY KEY,
  shape      text,
  partitions text,
  code       text,
  message    text,
  since      timestamptz,
  updated_at timestamptz NOT NULL DEFAULT now()
);

-- What operators ask central-apply to do, since it is the only writer on behalf of tills: kept with who asked, when
-- and why, and with what came of it. arguments and result: JSON, by kind.
CREATE TABLE IF NOT EXISTS payflow_sync.operation (
  operation_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  kind         text NOT NULL,
  arguments    text NOT NULL,
  requested_by text NOT NULL,
  why          text,
  requested_at timestamptz NOT NULL DEFAULT now(),
  state        text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'failed')),
  result       text,
  finished_at  timestamptz
);
CREATE INDEX IF NOT EXISTS operation_waiting ON payflow_sync.operation (requested_at) WHERE state = 'waiting';

-- Sync jobs of the gateway. result: JSON as GET /api/v1/sync/:jobId answers.
CREATE TABLE IF NOT EXISTS payflow_sync.job (
  job_id     uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  direction  text NOT NULL CHECK (direction IN ('pull', 'push', 'both')),
  state      text NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'partial', 'failed')),
  terminals  text NOT NULL,
  started_at timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz
);

-- Comparisons of tills with the centre (`payflow verify`), a row for each till of a run. table_name: local name; empty: all.
-- result: JSON, what was found; error: JSON {code, message} of one that could not be done.
CREATE TABLE IF NOT EXISTS payflow_sync.verify (
  run_id       uuid NOT NULL,
  terminal_id  text NOT NULL,
  table_name   text NOT NULL DEFAULT '',
  repair       boolean NOT NULL DEFAULT false,
  requested_by text NOT NULL,
  requested_at timestamptz NOT NULL DEFAULT now(),
  state        text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'running', 'done', 'failed')),
  started_at   timestamptz,
  finished_at  timestamptz,
  result       text,
  error        text,
  PRIMARY KEY (run_id, terminal_id)
);
CREATE INDEX IF NOT EXISTS verify_by_terminal ON payflow_sync.verify (terminal_id, finished_at);

-- Parent rows that children were found without, so that they are not in any store's stream; written by capture. When
-- the parent comes, its children are read again. parent_id '*': more than are kept one by one.
CREATE TABLE IF NOT EXISTS payflow_sync.awaited_parent (
  parent_table text NOT NULL,              -- central table name as in the mapping
  parent_id    text NOT NULL,
  PRIMARY KEY (parent_table, parent_id)
);
