/**
 * The door of central-apply: nothing of a record is believed before its signature fits the key that the
 * centre has for that terminal, and nothing is let in that is outside of what a till may send. A record that fails
 * is noted by its place, with its bytes, and touches nothing else; what an honest till sent comes again.
 */
import type { KeyObject } from 'node:crypto';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import type { ErrorCode } from '../shared/error-codes.ts';
import { asPayflowError } from '../shared/errors.ts';
import { CONTROL_KEY_PREFIX, type StoredRecord } from '../shared/log/event-log.ts';
import { wrapPostgresError } from '../shared/database/postgres.ts';
import { PROTOCOL_VERSION } from '../shared/records/change-record.ts';
import { readPublicKey, verifyBytes } from '../shared/records/signature.ts';
import { digestFault } from '../shared/records/unit-digest.ts';
import { boundsFault } from '../shared/records/unit-bounds.ts';
import { decodeUnitRecord } from '../shared/records/unit-codec.ts';
import { SIGNATURE_HEADER, type UnitRecord } from '../shared/records/unit-record.ts';
import type { AcceptedRecord } from './held.ts';
import type { RefusedRecord } from './progress.ts';

const TERMINAL_FORM = /^[A-Za-z0-9._-]{1,64}$/;
/** How long a registration is believed without asking; a changed key is asked for at once. */
const BELIEVED_MS = 5_000;
/** For each till: whoever sends what is worth asking about in a loop has it asked no more often. */
const ASKED_A_SECOND = 5;
/** Of a refused record so much is kept; where it stands says the rest for as long as the topic keeps it. */
const KEPT_BYTES = 64 * 1024;
/** Of one sender's refused records so much in an hour: whoever floods the topic shall not fill the centre's disk. */
const KEPT_AN_HOUR_BYTES = 8 * 1024 * 1024;
const HOUR_MS = 3_600_000;
/** One line of the log for so many of a sender's in a minute. */
const LOGGED_AGAIN_MS = 60_000;

interface Registration {
  readonly key: KeyObject | null;
  readonly keyVersion: number;
  readonly readAtMs: number;
}

/** Why a record is not let in. */
interface Fault {
  readonly code: ErrorCode;
  readonly message: string;
}

export type Taken =
  | { readonly kind: 'accepted'; readonly accepted: AcceptedRecord }
  | { readonly kind: 'refused'; readonly refused: RefusedRecord }
  /** The log's own. */
  | { readonly kind: 'control' };

export interface IntakeOptions {
  readonly pool: Pool;
  readonly log: Logger;
  readonly now?: () => number;
}

export class Intake {
  readonly #pool: Pool;
  readonly #log: Logger;
  readonly #now: () => number;
  readonly #registrations = new Map<string, Registration>();
  readonly #asked = new Map<string, { sinceMs: number; times: number }>();
  readonly #noted = new Map<string, { untilMs: number; bytes: number; loggedAtMs: number }>();
  /** The newest that was published, as far as asked. */
  #mappingVersion = 0;

  constructor(options: IntakeOptions) {
    this.#pool = options.pool;
    this.#log = options.log;
    this.#now = options.now ?? Date.now;
  }

  /** Judges each record, in order. */
  async take(records: readonly StoredRecord[]): Promise<Taken[]> {
    await this.#register(
      records.map(terminalOf).filter((terminal) => terminal !== null),
      BELIEVED_MS,
    );
    const taken: Taken[] = [];
    for (const record of records) taken.push(await this.#judge(record));
    return taken;
  }

  async #judge(record: StoredRecord): Promise<Taken> {
    if (isControl(record)) return { kind: 'control' };
    const terminal = terminalOf(record);
    let verdict = this.#check(record, terminal);
    if ('code' in verdict && terminal !== null && (await this.#isWorthAsking(verdict.code, terminal))) {
      verdict = this.#check(record, terminal);
    }
    if (!('code' in verdict)) return { kind: 'accepted', accepted: verdict };
    return { kind: 'refused', refused: this.#refused(record, terminal, verdict) };
  }

  /** The till may have been enrolled again since, or a mapping published. */
  async #isWorthAsking(code: ErrorCode, terminal: string): Promise<boolean> {
    const isKey = code === 'SIGNATURE_INVALID' || code === 'KEY_VERSION_WRONG';
    if (!isKey && code !== 'MAPPING_UNPUBLISHED') return false;
    if (!this.#mayAsk(terminal)) return false;
    if (isKey) await this.#register([terminal], 0);
    else await this.#readMappingVersion();
    return true;
  }

  /** What an honest till sent too early comes again. */
  #mayAsk(terminal: string): boolean {
    const now = this.#now();
    const known = this.#asked.get(terminal);
    const asked = known !== undefined && now - known.sinceMs < 1_000 ? known : { sinceMs: now, times: 0 };
    asked.times += 1;
    this.#asked.set(terminal, asked);
    return asked.times <= ASKED_A_SECOND;
  }

  #check(record: StoredRecord, terminal: string | null): AcceptedRecord | Fault {
    const { value, unreadable } = record;
    if (unreadable !== undefined) {
      return {
        code: 'RECORD_UNREADABLE',
        message: `${unreadable.why} (from offset ${unreadable.firstOffset} on)`,
      };
    }
    const registration = terminal === null ? undefined : this.#registrations.get(terminal);
    if (registration === undefined)
      return { code: 'TERMINAL_UNKNOWN', message: 'no such terminal is registered' };
    const signature = record.headers[SIGNATURE_HEADER];
    if (value === null || signature === undefined || registration.key === null) {
      return { code: 'SIGNATURE_INVALID', message: 'it has no value, no signature, or the terminal no key' };
    }
    if (!verifyBytes(value, signature, registration.key)) {
      return { code: 'SIGNATURE_INVALID', message: 'its signature does not fit the registered key' };
    }
    const decoded = readRecord(value);
    if ('code' in decoded) return decoded;
    const fault = this.#fault(decoded, terminal, registration);
    if (fault !== null) return fault;
    return { record: decoded, bytes: value, receivedAtMs: record.timestampMs, offset: record.offset };
  }

  #fault(record: UnitRecord, terminal: string | null, { keyVersion }: Registration): Fault | null {
    if (record.terminal !== terminal) {
      return { code: 'SIGNATURE_INVALID', message: 'it names another terminal than its key' };
    }
    if (record.protocol > PROTOCOL_VERSION) {
      return {
        code: 'PROTOCOL_NEWER',
        message: `it has protocol ${record.protocol}, this is ${PROTOCOL_VERSION}`,
      };
    }
    if (record.protocol < 1)
      return { code: 'RECORD_OUT_OF_BOUNDS', message: `it has protocol ${record.protocol}` };
    if (record.keyVersion !== keyVersion) {
      const message = `it names key ${record.keyVersion}, the registered one is ${keyVersion}`;
      return { code: 'KEY_VERSION_WRONG', message };
    }
    const bounds = boundsFault(record) ?? digestFault(record);
    if (bounds !== null) return { code: 'RECORD_OUT_OF_BOUNDS', message: bounds };
    if (record.mappingVersion > this.#mappingVersion) {
      const message = `it names mapping version ${record.mappingVersion}, published is ${this.#mappingVersion}`;
      return { code: 'MAPPING_UNPUBLISHED', message };
    }
    return null;
  }

  #refused(
    { value, unreadable, offset }: StoredRecord,
    terminal: string | null,
    fault: Fault,
  ): RefusedRecord {
    const whole = value ?? unreadable?.bytes ?? null;
    const now = this.#now();
    // Anybody can make up ids; they share one allowance.
    const sender = terminal !== null && this.#registrations.has(terminal) ? terminal : '';
    const before = this.#noted.get(sender);
    const noted =
      before !== undefined && before.untilMs > now
        ? before
        : { untilMs: now + HOUR_MS, bytes: 0, loggedAtMs: 0 };
    this.#noted.set(sender, noted);
    if (now - noted.loggedAtMs >= LOGGED_AGAIN_MS) {
      noted.loggedAtMs = now;
      this.#log.error(
        { code: fault.code, terminal, offset },
        `a record of the up stream was refused (${fault.code}): ${fault.message}`,
      );
    }
    const room = Math.min(KEPT_BYTES, KEPT_AN_HOUR_BYTES - noted.bytes);
    const bytes = whole === null || room <= 0 ? null : whole.subarray(0, room);
    noted.bytes += bytes?.length ?? 0;
    return { offset, terminal, code: fault.code, message: fault.message, bytes, size: whole?.length ?? 0 };
  }

  async #register(terminals: readonly string[], believedMs: number): Promise<void> {
    const now = this.#now();
    const unsure = [...new Set(terminals)].filter((terminal) => {
      const known = this.#registrations.get(terminal);
      return known === undefined || now - known.readAtMs >= believedMs;
    });
    if (unsure.length === 0) return;
    const { rows } = await this.#pool
      .query<{ terminal_id: string; public_key: string | null; key_version: number }>(
        'SELECT terminal_id, public_key, key_version FROM payflow_sync.terminal WHERE terminal_id = ANY ($1)',
        [unsure],
      )
      .catch((error: unknown) => {
        throw wrapPostgresError(error);
      });
    for (const terminal of unsure) this.#registrations.delete(terminal);
    for (const { terminal_id: terminal, public_key: pem, key_version: keyVersion } of rows) {
      const key = pem === null ? null : this.#key(pem);
      this.#registrations.set(terminal, { key, keyVersion, readAtMs: now });
    }
  }

  async #readMappingVersion(): Promise<void> {
    const { rows } = await this.#pool
      .query<{ version: number }>('SELECT version FROM payflow_sync.mapping')
      .catch((error: unknown) => {
        throw wrapPostgresError(error);
      });
    this.#mappingVersion = rows[0]?.version ?? 0;
  }

  #key(pem: string): KeyObject | null {
    try {
      return readPublicKey(pem);
    } catch (error) {
      this.#log.error({ err: error }, 'a registered terminal key cannot be read');
      return null;
    }
  }
}

/** Whatever bytes say, reading them ends in a record or in a fault. */
function readRecord(value: Buffer): UnitRecord | Fault {
  try {
    return decodeUnitRecord(value);
  } catch (error) {
    const { code, message } = asPayflowError(error);
    const known = code === 'PROTOCOL_NEWER' || code === 'SCHEMA_UNKNOWN';
    return { code: known ? code : 'RECORD_MALFORMED', message };
  }
}

function isControl({ key }: StoredRecord): boolean {
  return key !== null && key.toString('latin1', 0, CONTROL_KEY_PREFIX.length) === CONTROL_KEY_PREFIX;
}

/** Of a key no more is looked at than a terminal id may have. */
function terminalOf({ key }: StoredRecord): string | null {
  if (key === null || key.length > 64) return null;
  const terminal = key.toString();
  return TERMINAL_FORM.test(terminal) ? terminal : null;
}
