/**
 * Carries out what an operator decided about held records (`terminals unfence`, `terminals register --replace`):
 * `released` ones of the file that goes on are applied, `given up` ones of the others become dead letters. The
 * decision stands in payflow_sync.held, so a process that dies on the way only leaves the rest to the next one.
 */
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { inTransaction, wrapPostgresError } from '../shared/database/postgres.ts';
import { sleep, supervise, type Health, type Service } from '../shared/lifecycle.ts';
import { joinPieces, PIECE_BYTES } from '../shared/records/change-pieces.ts';
import { decodeUnitRecord } from '../shared/records/unit-codec.ts';
import type { UnitChange, UnitRecord } from '../shared/records/unit-record.ts';
import { highest, inOpenLetters, knownAs, knownOf, readEvidence, SUPERSEDED_CODE } from './hand-over.ts';
import { removeHeld } from './held.ts';
import { FIRST_REGISTRATION } from './admission.ts';
import { changeHash } from './rows/change-hash.ts';
import { parentsIn } from './rows/apply-units.ts';
import { rowsOfLetter } from './rows/dead-letter-rows.ts';
import { writeDeadLetters, type DeadLetter } from './rows/evidence.ts';
import { loadModel, type CentralModel } from './rows/model.ts';
import { Session, type TextRow } from './rows/sql.ts';

export interface DecidedHeldOptions {
  readonly pool: Pool;
  readonly log: Logger;
  /** Applies what is held of a terminal, as far as it goes. */
  readonly release: (terminal: string) => Promise<void>;
  readonly everyMs?: number;
  readonly onHealth?: ((health: Health) => void) | undefined;
}

const EVERY_MS = 1_000;
/** Records of at most 256 KB in one transaction. */
const RECORDS_AT_ONCE = 20;

export class DecidedHeld implements Service {
  readonly name = 'decided-held';
  readonly #options: DecidedHeldOptions;

  constructor(options: DecidedHeldOptions) {
    this.#options = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { log, onHealth, everyMs = EVERY_MS } = this.#options;
    await supervise(signal, { log, ...(onHealth && { onHealth }), endures: 'everything' }, async (ready) => {
      while (!signal.aborted) {
        await this.look();
        ready();
        await sleep(everyMs, signal);
      }
    });
  }

  /** One step: everything that is decided now. */
  async look(): Promise<void> {
    const { pool, release } = this.#options;
    const { rows } = await pool
      .query<{ terminal: string; given_up: boolean }>(
        `SELECT terminal_id AS terminal, bool_or(reason = 'given up') AS given_up FROM payflow_sync.held
          WHERE reason IN ('released', 'given up') GROUP BY terminal_id`,
      )
      .catch((error: unknown) => {
        throw wrapPostgresError(error);
      });
    for (const { terminal, given_up: givenUp } of rows) {
      await release(terminal);
      await this.#waitAgain(terminal);
      if (!givenUp) continue;
      const model = await loadModel(pool);
      while ((await this.#giveUpSome(terminal, model)) > 0);
    }
  }

  /** What could not be applied yet waits for its turn like any other. */
  async #waitAgain(terminal: string): Promise<void> {
    await this.#options.pool
      .query(
        `UPDATE payflow_sync.held SET reason = CASE WHEN parts > 1 THEN 'part' ELSE 'gap' END
          WHERE terminal_id = $1 AND reason = 'released'`,
        [terminal],
      )
      .catch((error: unknown) => {
        throw wrapPostgresError(error);
      });
  }

  /** @returns how many records; 0: none is left */
  async #giveUpSome(terminal: string, model: CentralModel): Promise<number> {
    return inTransaction(this.#options.pool, async (client) => {
      const session = new Session(client);
      // As every writer on behalf of a terminal does: what is compared with the evidence is not applied meanwhile.
      await session.rows('SELECT FROM payflow_sync.progress WHERE terminal_id = $1 FOR UPDATE', [terminal]);
      const rows = await session.rows(GIVEN_UP, [terminal]);
      const whole = wholeChanges(rows);
      const inLetters = await inOpenLetters(session, terminal, whole.flatMap(changesOf));
      const till = { terminal, stores: await storesOf(session, terminal), model, inLetters };
      const letters: DeadLetter[] = [];
      for (const held of whole) letters.push(...(await lettersOf(session, till, held)));
      await writeDeadLetters(session, letters);
      await rememberSeqs(session, terminal, letters);
      await removeHeld(
        session,
        rows.map(([heldId]) => heldId ?? ''),
      );
      if (letters.length > 0) {
        this.#options.log.warn(
          { code: SUPERSEDED_CODE, terminal, deadLetters: letters.length },
          'held units of a superseded file of this till are dead letters now',
        );
      }
      return rows.length;
    });
  }
}

/** Of a unit with a change in pieces all parts that there are. */
const GIVEN_UP = `
  WITH own AS NOT MATERIALIZED (SELECT * FROM payflow_sync.held WHERE terminal_id = $1 AND reason = 'given up'),
  first AS (SELECT held_id, incarnation, unit, unit_hash, length(record) AS bytes FROM own
             ORDER BY held_id LIMIT ${RECORDS_AT_ONCE})
  SELECT h.held_id, encode(h.record, 'hex'), floor(extract(epoch FROM h.held_at) * 1000) FROM own h
   WHERE h.held_id IN (SELECT held_id FROM first) OR EXISTS (
     SELECT FROM first f WHERE f.incarnation = h.incarnation AND f.unit = h.unit AND f.unit_hash = h.unit_hash
        AND f.bytes >= ${PIECE_BYTES} AND h.parts > 1)
   ORDER BY h.incarnation, h.unit, h.unit_hash, h.part`;

interface HeldRecord {
  readonly record: UnitRecord;
  readonly heldAtMs: number;
}

function changesOf({ record }: HeldRecord): UnitChange[] {
  return record.units.flatMap(({ changes }) => changes);
}

/** Parts of one unit, which stand behind each other, as one: a change may be in pieces over several. */
function wholeChanges(rows: readonly TextRow[]): HeldRecord[] {
  const whole: HeldRecord[] = [];
  for (const [, hex, heldAtMs] of rows) {
    const record = decodeUnitRecord(Buffer.from(hex ?? '', 'hex'));
    const before = whole.at(-1);
    const [unit, other] = [record.units[0], before?.record.units[0]];
    if (record.parts === 1 || unit === undefined || other === undefined || !unit.hash.equals(other.hash))
      whole.push({ record, heldAtMs: Number(heldAtMs) });
    else {
      const joined = { ...other, changes: joinPieces([...other.changes, ...unit.changes]) };
      whole[whole.length - 1] = { record: { ...record, units: [joined] }, heldAtMs: Number(heldAtMs) };
    }
  }
  return whole;
}

/**
 * Of what was held nobody has counted the numbers yet. Should an operator let that file go on after all, it sends the
 * same again, and has to be compared with these letters.
 */
async function rememberSeqs(
  session: Session,
  terminal: string,
  letters: readonly DeadLetter[],
): Promise<void> {
  const last = highest(letters.flatMap(({ changes }) => changes.map(({ seq }) => seq)));
  await session.rows(
    `UPDATE payflow_sync.progress SET known_seq = $2::bigint WHERE terminal_id = $1 AND known_seq < $2::bigint`,
    [terminal, String(last)],
  );
}

interface Till {
  readonly terminal: string;
  /** By registration, as units are judged when they are applied. */
  readonly stores: ReadonlyMap<number, string>;
  readonly model: CentralModel;
  /** What open letters hold already, by `knownAs`; grows with each new letter: two copies of a file hold the same. */
  readonly inLetters: Set<string>;
}

async function storesOf(session: Session, terminal: string): Promise<Map<number, string>> {
  const rows = await session.rows(
    `SELECT t.store_id, r.registration, r.store_id FROM payflow_sync.terminal t
       LEFT JOIN payflow_sync.registration r USING (terminal_id) WHERE t.terminal_id = $1`,
    [terminal],
  );
  // One registered by an older version has no row there, and never had another store.
  return new Map(
    rows.map(([own, registration, store]) => [
      Number(registration ?? FIRST_REGISTRATION),
      store ?? own ?? '',
    ]),
  );
}

/** A dead letter for each unit (or part of one), of those changes that the centre has not seen in another way. */
async function lettersOf(
  session: Session,
  { terminal, stores, model, inLetters }: Till,
  held: HeldRecord,
): Promise<DeadLetter[]> {
  const { record, heldAtMs } = held;
  const evidence = await readEvidence(session, terminal, changesOf(held));
  const rejection = {
    code: SUPERSEDED_CODE,
    constraint: null,
    message: `sent as incarnation ${record.incarnation}, instead of which another file of ${terminal} goes on`,
  };
  return record.units.flatMap((unit): DeadLetter[] => {
    const changes = unit.changes.filter((change) => {
      const name = knownAs(change.seq, changeHash(change));
      if (inLetters.has(name) || knownOf(evidence, change) !== undefined) return false;
      inLetters.add(name);
      return true;
    });
    if (changes.length === 0) return [];
    const from = {
      terminal,
      // A number that nobody gave out belongs to no store: such a letter cannot be retried without --allow.
      storeId: stores.get(unit.registration ?? FIRST_REGISTRATION) ?? '',
      incarnation: record.incarnation,
      trusted: record.databaseId === model.databaseId,
      receivedAtMs: heldAtMs,
      lentAuthority: false,
      mappingVersion: record.mappingVersion,
      unit,
    };
    return [{ from, changes, rows: rowsOfLetter(changes, parentsIn(model)), rejection }];
  });
}
