/**
 * Tills at the centre: registered with a one-use code, enrolled with a key and a token, retired. The code and
 * the token are kept as SHA-256 only. A till's partition of the up topic is chosen here, once, and never
 * changes: its units must stay in one order.
 */
import type { Pool } from 'pg';
import { PayflowError } from '../shared/errors.ts';
import { isStoreId, isTerminalId } from '../shared/identifiers.ts';
import type { EventLog } from '../shared/log/event-log.ts';
import {
  ENROLMENT_HOURS,
  hashSecret,
  newEnrolmentCode,
  newToken,
  normalizeEnrolmentCode,
} from '../shared/tokens.ts';
import {
  catalogTopic,
  DEFAULT_HORIZON_DAYS,
  storeTopic,
  topicSpecStore,
  upTopic,
} from '../shared/log/topics.ts';
import { firstRow, iso, rows, type Queryable } from './database.ts';
import { requirePublicKey } from './public-key.ts';
import type { TerminalRow } from './terminal-list.ts';

export interface Registration {
  readonly terminalId: string;
  readonly storeId: string;
  readonly enrolmentCode: string;
  readonly expiresAt: Date;
}

export interface RegisterOptions {
  readonly terminalId: string;
  readonly storeId: string;
  /** How many partitions the up topic has. */
  readonly upPartitions: number;
  /** Also a till that is enrolled or retired, also for another store: then it is enrolled anew. */
  readonly replace?: boolean | undefined;
  /** The key that the caller has for this till: an enrolment under it is its own, cut short. */
  readonly ownKey?: string | undefined;
}

/**
 * Registers a till, or gives a registered one a new code. A till that is enrolled works on with what it has until
 * the new code is used; one that moves to another store gets a registration of its own for that, since what it sold
 * before belongs to the store before. In one transaction with `db`.
 * @throws PayflowError VALIDATION for a wrong id; without `replace` CONFLICT when it is enrolled or of another store,
 *   TERMINAL_RETIRED
 */
export async function registerTerminal(db: Queryable, options: RegisterOptions): Promise<Registration> {
  const { terminalId, storeId } = options;
  requireIds(options);
  // In the order in which central-apply takes them.
  await rows(db, 'SELECT FROM payflow_sync.progress WHERE terminal_id = $1 FOR UPDATE', [terminalId]);
  const before = await standingRegistration(db, terminalId, { lock: true });
  if (before === undefined) return registerNew(db, options);
  refuseRegistration(before, options);
  if (before.storeId !== storeId) await moveToStore(db, terminalId, storeId);
  if (before.status === 'retired' || before.retiring) await takeBackIntoService(db, terminalId);
  const enrolmentCode = newEnrolmentCode();
  const row = await firstRow<{ enrolment_expires: Date }>(
    db,
    `UPDATE payflow_sync.terminal
        SET enrolment_hash = $2, enrolment_expires = now() + make_interval(hours => $3),
            status = CASE status WHEN 'fenced' THEN status ELSE 'registered' END
      WHERE terminal_id = $1 RETURNING enrolment_expires`,
    [terminalId, hashSecret(enrolmentCode), ENROLMENT_HOURS],
  );
  if (row === undefined) throw new PayflowError('INTERNAL', 'UPDATE … RETURNING gave no row');
  return { terminalId, storeId, enrolmentCode, expiresAt: row.enrolment_expires };
}

/**
 * Before a stream is made for it: what is refused leaves nothing behind, such as the stream of a store that somebody
 * mistyped. To be asked again by `registerTerminal`, which locks.
 * @throws PayflowError as registerTerminal does
 */
export async function requireRegistrable(db: Queryable, options: RegisterOptions): Promise<void> {
  requireIds(options);
  const before = await standingRegistration(db, options.terminalId, { lock: false });
  if (before !== undefined) refuseRegistration(before, options);
}

function refuseRegistration(before: StandingRegistration, options: RegisterOptions): void {
  const refusal = options.replace === true ? null : refusedRegistration(before, options);
  if (refusal !== null) throw new PayflowError(refusal.code, `terminal ${options.terminalId} ${refusal.why}`);
}

async function standingRegistration(
  db: Queryable,
  terminalId: string,
  { lock }: { readonly lock: boolean },
): Promise<StandingRegistration | undefined> {
  return firstRow<StandingRegistration>(
    db,
    `SELECT store_id AS "storeId", status, public_key AS "publicKey", ${iso('enrolled_at')} AS "enrolledAt",
            retire_offset IS NOT NULL AS retiring
       FROM payflow_sync.terminal WHERE terminal_id = $1${lock ? ' FOR UPDATE' : ''}`,
    [terminalId],
  );
}

interface StandingRegistration {
  readonly storeId: string;
  readonly status: TerminalRow['status'];
  readonly publicKey: string | null;
  readonly enrolledAt: string | null;
  readonly retiring: boolean;
}

/** Pure. @returns why it is only registered again with --replace; null: it need not be */
export function refusedRegistration(
  { storeId, status, publicKey, enrolledAt, retiring }: StandingRegistration,
  wanted: Pick<RegisterOptions, 'storeId' | 'ownKey'>,
): { readonly code: 'CONFLICT' | 'TERMINAL_RETIRED'; readonly why: string } | null {
  if (status === 'retired' || retiring) return { code: 'TERMINAL_RETIRED', why: 'is retired' };
  const conflict = (why: string) => ({ code: 'CONFLICT' as const, why });
  if (storeId !== wanted.storeId) {
    return conflict(`belongs to store ${storeId}, not ${wanted.storeId}; --replace moves it`);
  }
  if (publicKey === null || publicKey === wanted.ownKey) return null;
  return conflict(
    `is enrolled already (since ${enrolledAt ?? 'an unknown time'}); --replace gives it a new code, and the installation that has it now is refused once that is used`,
  );
}

async function registerNew(
  db: Queryable,
  { terminalId, storeId, upPartitions, ...rest }: RegisterOptions,
): Promise<Registration> {
  const enrolmentCode = newEnrolmentCode();
  const row = await firstRow<{ enrolment_expires: Date }>(
    db,
    // The partition with the fewest tills.
    `INSERT INTO payflow_sync.terminal (terminal_id, store_id, up_partition, enrolment_hash, enrolment_expires)
     SELECT $1, $2, p, $3, now() + make_interval(hours => $4)
     FROM generate_series(0, $5::int - 1) p
     LEFT JOIN payflow_sync.terminal t ON t.up_partition = p AND t.status <> 'retired'
     GROUP BY p ORDER BY count(t.terminal_id), p LIMIT 1
     ON CONFLICT (terminal_id) DO NOTHING
     RETURNING enrolment_expires`,
    [terminalId, storeId, hashSecret(enrolmentCode), ENROLMENT_HOURS, upPartitions],
  );
  // Somebody else has registered it at this moment: as if it had been there.
  if (row === undefined) return registerTerminal(db, { terminalId, storeId, upPartitions, ...rest });
  await rows(
    db,
    `INSERT INTO payflow_sync.registration (terminal_id, registration, store_id) VALUES ($1, 1, $2)
     ON CONFLICT DO NOTHING`,
    [terminalId, storeId],
  );
  return { terminalId, storeId, enrolmentCode, expiresAt: row.enrolment_expires };
}

/** The registrations so far stay: units that were cut under them may still come. */
async function moveToStore(db: Queryable, terminalId: string, storeId: string): Promise<void> {
  const insert = `INSERT INTO payflow_sync.registration (terminal_id, registration, store_id)
    SELECT terminal_id, registration, store_id FROM payflow_sync.terminal WHERE terminal_id = $1
    ON CONFLICT DO NOTHING`;
  await rows(db, insert, [terminalId]);
  await rows(
    db,
    `UPDATE payflow_sync.terminal SET store_id = $2, registration = registration + 1 WHERE terminal_id = $1`,
    [terminalId, storeId],
  );
  await rows(db, insert, [terminalId]);
}

/** What came since it was retired is held, and goes on where it stopped. */
async function takeBackIntoService(db: Queryable, terminalId: string): Promise<void> {
  await rows(
    db,
    `UPDATE payflow_sync.terminal SET status = 'registered', retire_offset = NULL WHERE terminal_id = $1`,
    [terminalId],
  );
  await rows(
    db,
    `UPDATE payflow_sync.progress SET standing = 'ok', standing_why = NULL, standing_since = now()
      WHERE terminal_id = $1 AND standing = 'retired'`,
    [terminalId],
  );
  await rows(
    db,
    `UPDATE payflow_sync.held SET reason = 'released' WHERE terminal_id = $1 AND reason = 'retired'`,
    [terminalId],
  );
}

function requireIds({ terminalId, storeId }: RegisterOptions): void {
  const refuse = (field: string) => {
    throw new PayflowError(
      'VALIDATION',
      `${field} must be 1 to 64 of letters, digits, dot, _ and -, and fit for the name of a folder`,
      { details: { field } },
    );
  };
  if (!isTerminalId(terminalId)) refuse('terminalId');
  if (!isStoreId(storeId)) refuse('storeId');
}

/**
 * Creates the stream of a store, kept for as long as the centre has it. Whoever registers a till calls it; capture makes
 * it when a row of an unknown store comes.
 * @throws PayflowError DB_NOT_SET_UP
 */
export async function makeStoreStream(
  { pool, eventLog, prefix }: { readonly pool: Pool; readonly eventLog: EventLog; readonly prefix: string },
  storeId: string,
): Promise<'created' | 'exists'> {
  const { horizonDays } = await readCentre(pool);
  return eventLog.createTopic(topicSpecStore(prefix, storeId, horizonDays));
}

/** What a till stores in terminal.json, except what it knows itself (gatewayUrl). */
export interface Enrolment {
  readonly terminalId: string;
  readonly storeId: string;
  readonly token: string;
  readonly databaseId: string;
  readonly prefix: string;
  readonly partition: number;
  readonly streams: { readonly catalog: string; readonly store: string; readonly up: string };
  readonly mapping: { readonly version: number; readonly source: string };
  /** How long it may be away without reading its streams again. */
  readonly horizonDays: number;
  readonly keyVersion: number;
  /** Which of the till's registrations this is. */
  readonly registration: number;
  readonly brokers?: readonly string[];
}

export interface EnrolOptions {
  readonly code: string;
  /** Ed25519, SPKI, PEM. */
  readonly publicKey: string;
  /** As the till calls itself; a code of another one is refused, and stays good for that one. */
  readonly terminalId?: string | undefined;
  /** Its units name their registration; those of a till that was moved have to. */
  readonly labelsUnits?: boolean | undefined;
  readonly prefix: string;
  readonly brokers?: readonly string[] | undefined;
}

/**
 * Exchanges the code for a token. A code serves one key: the same request may be repeated (the reply may have been
 * lost) until the token is used or the code expires; another key is refused.
 * @throws PayflowError ENROLMENT_REFUSED, DB_NOT_SET_UP
 */
export async function enrolTerminal(pool: Pool, options: EnrolOptions): Promise<Enrolment> {
  const publicKey = requirePublicKey(options.publicKey);
  const centre = await readCentre(pool);
  const token = newToken('till');
  const row = await firstRow<{
    terminal_id: string;
    store_id: string;
    up_partition: number;
    key_version: number;
    registration: number;
  }>(
    pool,
    `UPDATE payflow_sync.terminal
     SET status = CASE status WHEN 'registered' THEN 'enrolled' ELSE status END,
         key_version = key_version + CASE WHEN public_key IS NOT DISTINCT FROM $2 THEN 0 ELSE 1 END,
         former_token_hash = CASE WHEN public_key = $2 THEN former_token_hash ELSE coalesce(token_hash, former_token_hash) END,
         former_token_until = CASE WHEN public_key = $2 THEN former_token_until ELSE now() END,
         public_key = $2, token_hash = $3, enrolled_at = now()
     WHERE enrolment_hash = $1 AND enrolment_expires > now()
       AND (status = 'registered' OR (status IN ('enrolled', 'fenced') AND public_key = $2)
            -- A fenced till stays fenced: that its code is unused shows by the enrolment before it was made.
            OR (status = 'fenced' AND enrolled_at < enrolment_expires - make_interval(hours => ${ENROLMENT_HOURS})))
       AND ($4::text IS NULL OR terminal_id = $4) AND (registration = 1 OR $5::boolean)
     RETURNING terminal_id, store_id, up_partition, key_version, registration`,
    [
      hashSecret(normalizeEnrolmentCode(options.code)),
      publicKey,
      hashSecret(token),
      options.terminalId ?? null,
      options.labelsUnits === true,
    ],
  );
  if (row === undefined) throw refusedCode(options);
  const { prefix, brokers } = options;
  return {
    terminalId: row.terminal_id,
    storeId: row.store_id,
    token,
    ...centre,
    prefix,
    partition: row.up_partition,
    streams: {
      catalog: catalogTopic(prefix),
      store: storeTopic(prefix, row.store_id),
      up: upTopic(prefix),
    },
    keyVersion: row.key_version,
    registration: row.registration,
    ...(brokers === undefined ? {} : { brokers }),
  };
}

function refusedCode({ terminalId, labelsUnits }: EnrolOptions): PayflowError {
  const whose = terminalId === undefined ? '' : ` for terminal ${terminalId}`;
  const older =
    labelsUnits === true ? '' : ', or the till was moved to another store and its agent is too old to say so';
  return new PayflowError('ENROLMENT_REFUSED', `the enrolment code is not valid${whose}${older}`);
}

async function readCentre(pool: Pool): Promise<Pick<Enrolment, 'databaseId' | 'mapping' | 'horizonDays'>> {
  const row = await firstRow<{
    database_id: string | null;
    version: number | null;
    source: string | null;
    horizon_days: number | null;
  }>(
    pool,
    `SELECT (SELECT value FROM payflow_sync.meta WHERE name = 'database_id') AS database_id, m.version, m.source,
            m.horizon_days
     FROM (SELECT) AS one LEFT JOIN payflow_sync.mapping m ON true`,
  );
  if (row === undefined || row.database_id === null || row.version === null || row.source === null) {
    throw new PayflowError('DB_NOT_SET_UP', 'the centre has no database id or mapping yet');
  }
  return {
    databaseId: row.database_id,
    mapping: { version: row.version, source: row.source },
    horizonDays: row.horizon_days ?? DEFAULT_HORIZON_DAYS,
  };
}

/**
 * Out of service at once: whatever of it comes is held from now on, and its token is refused. What it sold and did
 * not send yet is not touched. retirement.ts lets what is in the log be applied before.
 * @throws PayflowError TERMINAL_UNKNOWN
 */
export async function retireTerminal(pool: Pool, terminalId: string): Promise<void> {
  const retired = await rows(
    pool,
    `UPDATE payflow_sync.terminal
        SET status = 'retired', former_token_hash = coalesce(token_hash, former_token_hash),
            former_token_until = coalesce(former_token_until, now()),
            token_hash = NULL, enrolment_hash = NULL, enrolment_expires = NULL
      WHERE terminal_id = $1 RETURNING terminal_id`,
    [terminalId],
  );
  if (retired.length === 0) throw new PayflowError('TERMINAL_UNKNOWN', `there is no terminal ${terminalId}`);
}
