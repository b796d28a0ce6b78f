/**
 * The agent file of a till file that was taken over: units of what was taken. It stands in payflow.db whether or not there is
 * an agent file, so that one that is lost is made again of it.
 *
 *   the agent file                       | gets
 *   -------------------------------------+-------------------------------------------------------------------
 *   of the version before                | its own units that the centre may lack, as they were cut, now with
 *                                        |   their bytes; what was in no unit, in new ones
 *   the same, of another payflow.db      | all in new units; the centre decides whether this file goes on
 *   new: it was lost                     | all in new units, to be sent once the centre has said that it goes on
 *   has been filled, and nothing of it   | the same again: a crash came between it and payflow.db
 *     was sent
 *   has been filled, and has gone on     | nothing: payflow.db is older, and the centre decides
 */
import type { Logger } from 'pino';
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import type { UnitChange } from '../../shared/records/unit-record.ts';
import { isPublished } from '../file/captured-tables.ts';
import { progressFromText } from '../settlement.ts';
import { getMeta, setMeta } from '../till/file-facts.ts';
import type { TillDatabase } from '../till/till-database.ts';
import { TillTables } from '../rows/till-tables.ts';
import type { AgentFile } from '../units/agent-file.ts';
import { spansFrom } from '../units/registrations.ts';
import { ANOTHER, type SeqSpan } from '../units/unit-store.ts';
import type { CutUnit } from '../units/unit-rows.ts';
import type { KeptChange } from '../up/change-store.ts';
import { partsBetween } from '../up/cut-units.ts';
import { oldChange } from './old-changes.ts';
import { oldDigest } from './old-digest.ts';
import { TAKE_OVER, takenSoFar } from './old-file.ts';
import { OldOutbox, type OutboxEntry } from './old-outbox.ts';
import { RecordedTables } from './recorded-tables.ts';
import { OldReferences } from './old-references.ts';
import { readTaken, spansIn, unitsOfTaken, type TakenChange } from './taken-changes.ts';

export interface AgentFileParts {
  readonly till: Pick<TillDatabase, 'db' | 'binding' | 'mappingVersion' | 'write'>;
  readonly agentFile: AgentFile;
  readonly nowMs: number;
  readonly log: Logger;
}

/** At each start, before the agent file is used. */
export function fillAgentFile({ till, agentFile, nowMs, log }: AgentFileParts): void {
  const { db } = till;
  const soFar = takenSoFar(db);
  const taken = soFar !== undefined || agentFile.taken === undefined ? readTaken(db) : [];
  if (soFar === undefined && taken.length === 0) return;
  if (agentFile.taken !== undefined && agentFile.hasGoneOn) {
    agentFile.doubt(ANOTHER);
  } else {
    const from = new OldUnits(till, taken, agentFile.settledBefore());
    const units = soFar === undefined ? [] : agentFile.oldUnits();
    const isOurs = units.length === 0 || agentFile.waiting !== null || from.holds(units.at(-1));
    const confirmed = confirmedUnit(db, agentFile.incarnation);
    const old = isOurs ? from.lacking(units, confirmed) : [];
    const inUnits = new Set(old.flatMap(({ kept }) => kept.map(({ number }) => number)));
    const spans = spansIn(db);
    const more = unitsOfTaken(
      taken.filter(({ kept }) => !inUnits.has(kept.number)),
      {
        chain: isOurs && units.length > 0 ? agentFile.oldChain() : agentFile.firstChain(),
        spans: spans.length > 0 ? spans : spansFrom(agentFile.registrationEnds(), agentFile.registration),
        mappingVersion: till.mappingVersion,
        cutAtMs: nowMs,
      },
    );
    const upTo = soFar?.readUpTo ?? 0;
    const refused = soFar === undefined ? [] : from.refused();
    agentFile.takeOver({ old, units: more, refused, confirmed }, { upTo, id: isOurs ? null : ANOTHER });
    till.write(() =>
      from.noteSettled(agentFile.incarnation, [...old.flatMap(({ kept }) => kept), ...refused]),
    );
    log.info(
      { units: old.length + more.length, changes: taken.length, isOurs },
      'what a till file of an earlier version has recorded goes up',
    );
  }
  if (soFar !== undefined) till.write(() => setMeta(db, TAKE_OVER, null));
}

/** The last unit of which the centre has said that it has it. */
function confirmedUnit(db: SqliteDatabase, incarnation: string): number {
  const text = getMeta(db, 'progress');
  const progress = text === undefined ? undefined : progressFromText(text);
  return progress?.incarnation === incarnation ? progress.lastUnit : 0;
}

/** Units that the version before has cut, read from its tables. */
class OldUnits {
  readonly #db: SqliteDatabase;
  readonly #tables: TillTables;
  readonly #taken: ReadonlyMap<number, TakenChange>;
  readonly #till: AgentFileParts['till'];
  readonly #recorded: RecordedTables;
  readonly #leftOut: readonly SeqSpan[];
  readonly #outcomes = new Map<number, string>();

  constructor(till: AgentFileParts['till'], taken: readonly TakenChange[], leftOut: readonly SeqSpan[]) {
    this.#leftOut = leftOut;
    this.#till = till;
    this.#db = till.db;
    this.#tables = new TillTables(till.db, till.binding);
    this.#recorded = new RecordedTables(till.binding);
    this.#taken = new Map(taken.map((change) => [change.kept.number, change]));
  }

  /** The entries of the last unit, read and hashed again, say whether the agent file is this one's. */
  holds(last: CutUnit | undefined): boolean {
    if (last === undefined) return true;
    return oldDigest(this.#entries(last), last).equals(last.hash);
  }

  /**
   * What the centre may lack, also where nothing of it is open: an edit that was put back was settled at once, and a unit
   * without changes has none. The chain is whole only with them.
   */
  lacking(units: readonly CutUnit[], confirmed: number) {
    const [first = Infinity] = this.#taken.keys();
    return units
      .filter(
        ({ number, lastSeq, publishedAtMs }) =>
          lastSeq >= first || number > confirmed || publishedAtMs === null,
      )
      .map((unit) => this.#unit(unit));
  }

  /** As they were cut. */
  #entries({ firstSeq, lastSeq }: SeqSpan): OutboxEntry[] {
    const isLeftOut = (seq: number) =>
      this.#leftOut.some((span) => seq >= span.firstSeq && seq <= span.lastSeq);
    return new OldOutbox(this.#db).entries(firstSeq, lastSeq).filter(({ seq }) => !isLeftOut(seq));
  }

  #unit(unit: CutUnit) {
    const changes = this.#changes(this.#entries(unit), unit.number);
    const parts = partsBetween({ ...unit, changes: changes.map(({ change }) => change) }, unit.partEnds);
    return { unit, kept: changes.map(({ kept }) => kept), parts };
  }

  refused(): KeptChange[] {
    return this.#changes(new OldOutbox(this.#db).refused(), 0).map(({ kept }) => kept);
  }

  /** What was taken is as it was then; of the others only the unit's number counts any more. */
  #changes(entries: readonly OutboxEntry[], unit: number): { change: UnitChange; kept: KeptChange }[] {
    const outbox = new OldOutbox(this.#db);
    const references = new OldReferences(this.#db, this.#till.binding, this.#tables);
    return entries.flatMap((entry) => {
      if (entry.outcome !== null) this.#outcomes.set(entry.seq, entry.outcome);
      const known = this.#taken.get(entry.seq);
      if (known !== undefined) return { change: known.change, kept: { ...known.kept, unit } };
      const table = this.#recorded.of(entry.columns);
      if (!isPublished(table)) return [];
      return oldChange({ outbox, references }, table, { entry, unit }) ?? [];
    });
  }

  /** Units hold settled changes too. */
  noteSettled(incarnation: string, changes: readonly KeptChange[]): void {
    const note = this.#db.prepare(
      'INSERT OR REPLACE INTO sync_settled (incarnation, change, outcome) VALUES (?, ?, ?)',
    );
    for (const { number } of changes) {
      const outcome = this.#outcomes.get(number);
      if (outcome !== undefined) note.run(incarnation, number, outcome);
    }
  }
}
