/** In the agent file: the units that were cut, with what was published of them, and how far the outbox is cut. */
import { inImmediate, type SqliteDatabase } from '../../shared/database/sqlite.ts';
import { FIRST_PREVIOUS_HASH } from '../../shared/records/unit-record.ts';
import { ChangeStore, type KeptChange } from '../up/change-store.ts';
import type { RegistrationEnd } from './registrations.ts';
import {
  insertUnits,
  toUnit,
  type CutUnit,
  type NewUnit,
  type UnitChain,
  type UnitRow,
} from './unit-rows.ts';
import { RECUT_ALL, RECUT_UP_TO } from './units.ts';

/** What an agent file of the versions before becomes. */
export interface TakenOver {
  /** Units that it has, with their bytes. */
  readonly old: readonly {
    readonly unit: CutUnit;
    readonly parts: readonly Buffer[];
    readonly kept: readonly KeptChange[];
  }[];
  readonly units: readonly NewUnit[];
  /** Inserts that the centre has refused; of no unit. */
  readonly refused: readonly KeptChange[];
  /** The last unit of which the centre has said that it has it. */
  readonly confirmed: number;
}

/** How far the outbox is cut. */
export interface CutEntries {
  readonly upTo: number;
  /** Of that entry; null: there was none. */
  readonly id: string | null;
}

/** A till whose agent did not know of registrations was never moved. */
const FIRST_REGISTRATION = 1;

/** Of an entry that no file holds: what was cut is not of this one. */
export const ANOTHER = 'another';

const CUT_ENTRIES = 'cut_entries';
const TAKEN = 'taken_over';

export interface SeqSpan {
  readonly firstSeq: number;
  readonly lastSeq: number;
}

/** Only an error undoes a transaction. */
const UNWANTED = new Error('units are not wanted');
const NO_SPAN: SeqSpan = { firstSeq: 0, lastSeq: -1 };

export class UnitStore {
  readonly changes: ChangeStore;
  protected readonly db: SqliteDatabase;
  #chain: UnitChain;
  #cutEntries: CutEntries;
  /** Of which `hashHolding` was asked last. */
  #asked: CutUnit | undefined;
  /** Counts up where units count from one again. */
  round = 0;

  protected constructor(db: SqliteDatabase) {
    this.db = db;
    this.changes = new ChangeStore(db);
    this.#chain = this.last() ?? this.firstChain();
    this.#cutEntries = JSON.parse(this.getMeta(CUT_ENTRIES) ?? '{"upTo":0,"id":null}') as CutEntries;
  }

  getMeta(name: string): string | undefined {
    return this.db.prepare<[string], string>('SELECT value FROM meta WHERE name = ?').pluck().get(name);
  }

  setMeta(name: string, value: string): void {
    this.db.prepare('INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)').run(name, value);
  }

  /** How far its units went under each registration. */
  registrationEnds(): RegistrationEnd[] {
    return this.db
      .prepare<[number], RegistrationEnd>(
        'SELECT coalesce(registration, ?) AS registration, max(last_seq) AS lastSeq FROM unit GROUP BY 1 ORDER BY 1',
      )
      .all(FIRST_REGISTRATION);
  }

  /**
   * The centre has said that this file goes on: its units count from one again, with what is not settled of them, as it
   * was cut.
   * @param units in order, with their new numbers
   */
  goOn(units: readonly NewUnit[], entries: CutEntries): void {
    inImmediate(this.db, () => {
      this.db.exec('DELETE FROM unit');
      this.changes.clear();
      this.setMeta('begins_after', String((units[0]?.firstSeq ?? entries.upTo + 1) - 1));
      this.db.prepare(`DELETE FROM meta WHERE name = 'waiting'`).run();
      this.setMeta(CUT_ENTRIES, JSON.stringify(entries));
      this.setMeta(RECUT_UP_TO, RECUT_ALL);
      insertUnits(this.db, this.changes, units);
    });
    this.#cutEntries = entries;
    this.#chain = units.at(-1) ?? this.firstChain();
    this.#asked = undefined;
    this.round += 1;
  }

  /** As an agent of the versions before left them. */
  oldUnits(): CutUnit[] {
    const { taken } = this;
    return this.all().filter(({ number }) => taken === undefined || number <= taken);
  }

  oldChain(): UnitChain {
    return this.oldUnits().at(-1) ?? this.firstChain();
  }

  firstChain(): UnitChain {
    const lastSeq = Number(this.getMeta('begins_after') ?? 0);
    return { number: 0, lastSeq, hash: FIRST_PREVIOUS_HASH };
  }

  /** The last unit of the versions before, once they were taken over. */
  get taken(): number | undefined {
    const stored = this.getMeta(TAKEN);
    return stored === undefined ? undefined : Number(stored);
  }

  /** Since it was filled: something was cut or sent that payflow.db of then does not tell. */
  get hasGoneOn(): boolean {
    const sent = 'SELECT 1 FROM unit WHERE number > ? AND published_at_ms IS NOT NULL';
    return this.#cutEntries.id !== null || this.db.prepare(sent).get(this.taken ?? 0) !== undefined;
  }

  /** payflow.db is none that it was cut from. @param id ANOTHER, of an entry that no file holds */
  doubt(id: typeof ANOTHER): void {
    this.#cutEntries = { ...this.#cutEntries, id };
    this.setMeta(CUT_ENTRIES, JSON.stringify(this.#cutEntries));
  }

  /** May be repeated: what a crash has left of it is made anew. */
  takeOver({ old, units, refused, confirmed }: TakenOver, entries: CutEntries): void {
    inImmediate(this.db, () => {
      const last = this.taken ?? this.all().at(-1)?.number ?? 0;
      this.setMeta(TAKEN, String(last));
      this.changes.clear();
      this.db.prepare('DELETE FROM unit WHERE number > ?').run(last);
      if (units[0]?.number === 1) this.db.exec('DELETE FROM unit');
      for (const { unit, parts, kept } of old) {
        parts.forEach((bytes, index) => this.changes.addPart(unit.number, index + 1, bytes));
        for (const change of kept) this.changes.add(change);
      }
      insertUnits(this.db, this.changes, units);
      const known = new Set([...old, ...units].flatMap(({ kept }) => kept.map(({ number }) => number)));
      for (const change of refused) if (!known.has(change.number)) this.changes.add(change);
      // Published or not: where nothing of it is open, nothing would ever have it sent again.
      this.db.prepare('UPDATE unit SET published_at_ms = NULL WHERE number > ?').run(confirmed);
      this.setMeta(CUT_ENTRIES, JSON.stringify(entries));
    });
    this.#chain = this.last() ?? this.firstChain();
    this.#cutEntries = entries;
  }

  /** The end of the chain: what the next unit continues. */
  get chain(): UnitChain {
    return this.#chain;
  }

  /** As `OwnUnits` wants it. */
  get lastNumber(): number {
    return this.#chain.number;
  }

  hashOf(number: number): string | undefined {
    return this.#one('WHERE number = ?', number)?.hash.toString('hex');
  }

  hashHolding(seq: number): Buffer | undefined {
    const { firstSeq, lastSeq } = this.#asked ?? NO_SPAN;
    // A unit's changes are answered one after the other.
    if (seq < firstSeq || seq > lastSeq) this.#asked = this.holding(seq);
    const unit = this.#asked;
    return unit !== undefined && seq >= unit.firstSeq ? unit.hash : undefined;
  }

  last(): CutUnit | undefined {
    return this.#one('ORDER BY number DESC LIMIT 1');
  }

  get cutEntries(): CutEntries {
    return this.#cutEntries;
  }

  /**
   * Consecutive units that were just cut, in one transaction: the disk is waited for once.
   * @param mayCommit asked once all are in
   * @returns false where it said no: nothing was added
   */
  add(units: Iterable<NewUnit>, entries: CutEntries, mayCommit: () => boolean): boolean {
    let last: UnitChain | undefined;
    try {
      inImmediate(this.db, () => {
        last = insertUnits(this.db, this.changes, units);
        this.setMeta(CUT_ENTRIES, JSON.stringify(entries));
        if (!mayCommit()) throw UNWANTED;
      });
    } catch (error) {
      if (error === UNWANTED) return false;
      throw error;
    }
    this.#chain = last ?? this.#chain;
    this.#cutEntries = entries;
    return true;
  }

  all(): CutUnit[] {
    return this.db.prepare<[], UnitRow>('SELECT * FROM unit ORDER BY number').all().map(toUnit);
  }

  /** Units to publish, oldest first, up to a number. */
  unpublished(upToNumber: number, limit: number): CutUnit[] {
    return this.db
      .prepare<[number, number], UnitRow>(
        'SELECT * FROM unit WHERE published_at_ms IS NULL AND number <= ? ORDER BY number LIMIT ?',
      )
      .all(upToNumber, limit)
      .map(toUnit);
  }

  /** The unit that holds a seq. */
  holding(seq: number): CutUnit | undefined {
    return this.#one('WHERE last_seq >= ? ORDER BY last_seq LIMIT 1', seq);
  }

  /**
   * Notes what the log has. Does not wait for the disk: forgotten in a power cut, the units are published again
   * and dropped by their number.
   */
  markPublished(
    numbers: readonly number[],
    { nowMs, lastOffset }: { nowMs: number; lastOffset: number },
  ): void {
    const mark = this.db.prepare(
      'UPDATE unit SET published_at_ms = ?, publications = publications + 1 WHERE number = ?',
    );
    this.db.pragma('synchronous = NORMAL');
    try {
      inImmediate(this.db, () => {
        for (const number of numbers) mark.run(nowMs, number);
        this.setMeta('last_offset', String(lastOffset));
      });
    } finally {
      this.db.pragma('synchronous = FULL');
    }
  }

  /** Units that end at or after a seq are published again. @returns how many */
  markUnpublished(fromSeq: number): number {
    return this.db
      .prepare('UPDATE unit SET published_at_ms = NULL WHERE last_seq >= ? AND published_at_ms IS NOT NULL')
      .run(fromSeq).changes;
  }

  /** Forgets settled units; never the last one, by which the chain goes on. @returns how many changes went */
  purge(upToSeq: number): number {
    return inImmediate(this.db, () => {
      const last = this.db
        .prepare<[number], number | null>(
          'SELECT max(number) FROM unit WHERE last_seq <= ? AND number < (SELECT max(number) FROM unit)',
        )
        .pluck()
        .get(upToSeq);
      if (last === undefined || last === null) return 0;
      this.db.prepare('DELETE FROM unit WHERE number <= ?').run(last);
      return this.changes.purge(last);
    });
  }

  #one(tail: string, ...values: number[]): CutUnit | undefined {
    const row = this.db.prepare<number[], UnitRow>(`SELECT * FROM unit ${tail}`).get(...values);
    return row === undefined ? undefined : toUnit(row);
  }
}
