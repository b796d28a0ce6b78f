/**
 * The door of central-apply: nothing of a record is believed before its signature fits the key that the
 * centre has for that terminal. A record that fails is noted by its place and touches nothing else.
 */
import type { KeyObject } from 'node:crypto';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import type { ErrorCode } from '../shared/error-codes.ts';
import { asPayflowError } from '../shared/errors.ts';
import { CONTROL_KEY_PREFIX, type StoredRecord } from '../shared/log/event-log.ts';
import { wrapPostgresError } from '../shared/database/postgres.ts';
import { readPublicKey, verifyBytes } from '../shared/records/signature.ts';
import { decodeUnitRecord } from '../shared/records/unit-codec.ts';
import { SIGNATURE_HEADER } from '../shared/records/unit-record.ts';
import type { AcceptedRecord } from './held.ts';
import type { RefusedRecord } from './progress.ts';

const TERMINAL_FORM = /^[A-Za-z0-9._-]{1,64}$/;
/** How long a registration is believed without asking; a changed key is asked for at once. */
const BELIEVED_MS = 5_000;

interface Registration {
  readonly key: KeyObject | null;
  readonly readAtMs: number;
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
    if (record.key?.toString().startsWith(CONTROL_KEY_PREFIX) === true) return { kind: 'control' };
    const terminal = terminalOf(record);
    let verdict = this.#check(record, terminal);
    if (verdict === 'SIGNATURE_INVALID' && terminal !== null) {
      // The till may have been enrolled again since.
      await this.#register([terminal], 0);
      verdict = this.#check(record, terminal);
    }
    if (typeof verdict !== 'string') return { kind: 'accepted', accepted: verdict };
    this.#log.error(
      { code: verdict, terminal, offset: record.offset },
      `a record of the up stream was refused (${verdict})`,
    );
    return { kind: 'refused', refused: { offset: record.offset, terminal, code: verdict } };
  }

  #check(record: StoredRecord, terminal: string | null): AcceptedRecord | ErrorCode {
    const registration = terminal === null ? undefined : this.#registrations.get(terminal);
    if (registration === undefined) return 'TERMINAL_UNKNOWN';
    const signature = record.headers[SIGNATURE_HEADER];
    const { value } = record;
    if (value === null || signature === undefined || registration.key === null) return 'SIGNATURE_INVALID';
    if (!verifyBytes(value, signature, registration.key)) return 'SIGNATURE_INVALID';
    try {
      const decoded = decodeUnitRecord(value);
      if (decoded.terminal !== terminal) return 'SIGNATURE_INVALID';
      return { record: decoded, bytes: value, receivedAtMs: record.timestampMs, offset: record.offset };
    } catch (error) {
      const { code } = asPayflowError(error);
      // A newer form of record: this process has to be updated, the record is not at fault.
      if (code !== 'RECORD_MALFORMED') throw error;
      return code;
    }
  }

  async #register(terminals: readonly string[], believedMs: number): Promise<void> {
    const now = this.#now();
    const unsure = [...new Set(terminals)].filter((terminal) => {
      const known = this.#registrations.get(terminal);
      return known === undefined || now - known.readAtMs >= believedMs;
    });
    if (unsure.length === 0) return;
    const { rows } = await this.#pool
      .query<{ terminal_id: string; public_key: string | null }>(
        'SELECT terminal_id, public_key FROM payflow_sync.terminal WHERE terminal_id = ANY ($1)',
        [unsure],
      )
      .catch((error: unknown) => {
        throw wrapPostgresError(error);
      });
    for (const terminal of unsure) this.#registrations.delete(terminal);
    for (const { terminal_id: terminal, public_key: pem } of rows) {
      this.#registrations.set(terminal, { key: pem === null ? null : this.#key(pem), readAtMs: now });
    }
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

function terminalOf(record: StoredRecord): string | null {
  const terminal = record.key?.toString() ?? '';
  return TERMINAL_FORM.test(terminal) ? terminal : null;
}
