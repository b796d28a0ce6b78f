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

-- While a till is being retired: what its partition of the up topic holds before this offset is still applied.
ALTER TABLE payflow_sync.terminal ADD COLUMN IF NOT EXISTS retire_offset bigint;
-- The token before the last enrolment or the retirement, and since when it counts no more: whoever still uses it is
-- told why it is refused.
ALTER TABLE payflow_sync.terminal ADD COLUMN IF NOT EXISTS former_token_hash text;
ALTER TABLE payflow_sync.terminal ADD COLUMN IF NOT EXISTS former_token_until timestamptz;

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

-- Next offset central-apply reads, per partition of the up topic; moved in the transaction that applies.
CREATE TABLE IF NOT EXISTS payflow_sync.consumed (
  topic       text NOT NULL,
  partition   integer NOT NULL,
  next_offset bigint NOT NULL,
  stream_id   text,
  PRIMARY KEY (topic, partition)
);

-- One row per terminal: what of it has been applied. Travels down its store stream.
-- exceptions: JSON array of [firstSeq, lastSeq, "held" | "rejected" | "discarded"], ascending, disjoint: what is
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
-- updates and deletes, and for changes that made no difference.
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
CREATE INDEX IF NOT EXISTS outcome_age ON payflow_sync.outcome (applied_at);

-- Who wrote a central row last on behalf of a till: its clock, and the hash of the row as we left it (a row
-- that hashes differently was changed by head office since).
CREATE TABLE IF NOT EXISTS payflow_sync.row_version (
  table_name  text NOT NULL,
  central_id  text NOT NULL,
  clock_ms    bigint NOT NULL,
  terminal_id text NOT NULL,
  row_hash    bytea NOT NULL,
  PRIMARY KEY (table_name, central_id)
);

-- A refused part of a unit, whole. changes: JSON as decoded from the record.
CREATE TABLE IF NOT EXISTS payflow_sync.dead_letter (
  dead_letter_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  terminal_id    text NOT NULL,
  incarnation    text NOT NULL,
  unit           bigint NOT NULL,
  first_seq      bigint NOT NULL,
  last_seq       bigint NOT NULL,
  changes        text NOT NULL,
  code           text NOT NULL,            -- SQLSTATE, SUPPRESSED or one of our codes
  constraint_name text,
  message        text NOT NULL,
  state          text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'applied', 'discarded')),
  refused_at     timestamptz NOT NULL DEFAULT now(),
  decided_at     timestamptz
);

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
CREATE UNIQUE INDEX IF NOT EXISTS held_once
  ON payflow_sync.held (terminal_id, incarnation, unit, part, unit_hash);
CREATE INDEX IF NOT EXISTS held_decided ON payflow_sync.held (terminal_id) WHERE reason IN ('released', 'given up');

-- Records whose signature failed: where, and how often. They touch no terminal's state.
CREATE TABLE IF NOT EXISTS payflow_sync.refused_record (
  topic      text NOT NULL,
  partition  integer NOT NULL,
  record_offset bigint NOT NULL,
  terminal_id text,
  code       text NOT NULL,
  refused_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (topic, partition, record_offset)
);

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

-- Down streams, as capture left them.
CREATE TABLE IF NOT EXISTS payflow_sync.stream (
  topic       text PRIMARY KEY,
  stream_id   text NOT NULL,
  last_offset bigint NOT NULL,
  position    text NOT NULL,
  updated_at  timestamptz NOT NULL DEFAULT now()
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
