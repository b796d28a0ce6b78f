/**
 * From what the app wrote to units in the agent file. Of a backlog the units are made and stored one after the other, in
 * one snapshot of payflow.db and one transaction of the agent file: all of it, or nothing.
 *
 *   a look finds                       | then
 *   -----------------------------------+-----------------------------------------------------------------------
 *   rows that need an entry first      | they get it, nothing is cut, and another look follows; in a transaction of
 *                                      |   ours the next one does that
 *   changes of one unit, or none       | it is stored after the snapshot: where there is no WAL, that keeps the app
 *                                      |   from writing
 *   more                               | they are stored within it
 */
import { PayflowError } from '../../shared/errors.ts';
import { inSnapshot, wrapSqliteError } from '../../shared/database/sqlite.ts';
import { keptEntry } from '../file/kept-keys.ts';
import { offerRows, type UnknownRow } from '../file/offered-rows.ts';
import type { Flight } from '../settle/flight.ts';
import type { TillDatabase } from '../till/till-database.ts';
import type { AgentFile } from '../units/agent-file.ts';
import type { Registrations } from '../units/registrations.ts';
import type { NewUnit } from '../units/unit-rows.ts';
import type { CutEntries } from '../units/unit-store.ts';
import { RECUT_ALL, RECUT_UP_TO } from '../units/units.ts';
import { cutUnits } from './cut-units.ts';
import { Look, type LookParts } from './look.ts';
import type { CutChange } from './unit-changes.ts';

export interface CutterParts {
  readonly till: TillDatabase;
  readonly agentFile: AgentFile;
  readonly flight: Flight;
  readonly registrations: Registrations;
  readonly maxUnitChanges?: number | undefined;
  readonly now: () => number;
  /** Whether the file is known to go on, and what its sales refer to is known. */
  readonly mayCut: () => boolean;
  /** Of the tables as they are bound now. */
  readonly lookParts: () => LookParts;
}

interface Found {
  /** The newest entry that there is. */
  readonly highest: number;
  readonly entries: CutEntries;
  readonly first: NewUnit | undefined;
  /** Of a backlog: it is in the agent file. */
  readonly isStored: boolean;
  readonly unknown: readonly UnknownRow[];
}

export class Cutter {
  readonly #parts: CutterParts;

  constructor(parts: CutterParts) {
    this.#parts = parts;
  }

  /** @returns the first unit that became durable; undefined when nothing is new */
  cut(): NewUnit | undefined {
    const { till, agentFile, flight, mayCut } = this.#parts;
    flight.refresh();
    if (!mayCut()) return undefined;
    // In a transaction of ours the app can change nothing, and what that has bound holds.
    const isOurs = till.db.inTransaction;
    let first: NewUnit | undefined;
    // What an app that never pauses writes meanwhile is for the next time.
    let wanted: number | undefined;
    do {
      const parts = this.#parts.lookParts();
      const found = inSnapshot(till.db, () =>
        !isOurs && till.isSchemaAnother ? 'schema' : this.#look(parts),
      );
      if (found === 'schema') continue;
      if (found === undefined) break;
      if (found.unknown.length > 0) {
        till.write(() => offerRows(till.db, found.unknown));
        // What our own transaction enters may be undone with it, and the agent file would know it for ever.
        if (isOurs) break;
        wanted = undefined;
        continue;
      }
      this.#add(found);
      first ??= found.first;
      wanted ??= found.highest;
    } while (wanted === undefined || agentFile.cutEntries.upTo < wanted);
    return first;
  }

  /** Inside a snapshot. A unit is of one registration: it says in whose store all of it was sold. */
  #look(parts: LookParts): Found | undefined {
    const { till, agentFile, registrations, maxUnitChanges, now } = this.#parts;
    const { proof } = till;
    const highest = proof.highest();
    const { upTo: cutUpTo } = agentFile.cutEntries;
    // Now, not before: what is read is then of the file that we know, whatever comes to it next.
    proof.check();
    if (highest < cutUpTo) throw olderFile(till.db.name);
    if (highest === cutUpTo) return undefined;
    const { registration, lastSeq } = registrations.at(cutUpTo + 1);
    const upTo = Math.min(lastSeq, highest);
    const recutUpTo = this.#recutUpTo(highest);
    const look = new Look(parts, { keptUpTo: keptEntry(till.db), cutUpTo, upTo, recutUpTo });
    const units = cutUnits(usable(look, till.db.name), {
      chain: agentFile.chain,
      registration,
      mappingVersion: till.mappingVersion,
      cutAtMs: now(),
      maxUnitChanges,
    });
    const [first, second] = [units.next().value, units.next().value];
    const found = { highest, entries: { upTo, id: proof.idOf(upTo) }, first, unknown: look.unknown };
    if (first === undefined || second === undefined) return { ...found, isStored: false };
    return { ...found, isStored: this.#store(found, [first, second], units) };
  }

  #add(found: Found): void {
    const { till, flight } = this.#parts;
    const { first, entries, isStored } = found;
    if (!isStored) this.#store(found, first === undefined ? [] : [first]);
    if (entries.id !== null) till.proof.note({ seq: entries.upTo, id: entries.id });
    if (isStored) flight.refresh();
    else flight.add(first?.kept ?? []);
  }

  /** @returns false where rows turned out to need an entry: then nothing is stored */
  #store(
    { entries, unknown }: Pick<Found, 'entries' | 'unknown'>,
    units: readonly NewUnit[],
    rest: Iterable<NewUnit> = [],
  ): boolean {
    const all = function* () {
      yield* units;
      yield* rest;
    };
    return this.#parts.agentFile.add(all(), entries, () => {
      if (unknown.length > 0) return false;
      this.#parts.till.makeDurable();
      return true;
    });
  }

  /** Of a file that has gone on, what was there then may have been cut before. */
  #recutUpTo(highest: number): number {
    const { agentFile } = this.#parts;
    const known = agentFile.getMeta(RECUT_UP_TO) ?? '0';
    if (known !== RECUT_ALL) return Number(known);
    agentFile.setMeta(RECUT_UP_TO, String(highest));
    return highest;
  }
}

/** Once a row needs an entry none of it is stored, but all such rows are looked for. */
function* usable(look: Look, file: string): Generator<CutChange> {
  try {
    for (const change of look.changes()) if (look.unknown.length === 0) yield change;
  } catch (error) {
    // Not of the agent file, into which it would be stored.
    throw wrapSqliteError(error, file);
  }
}

function olderFile(file: string): PayflowError {
  return new PayflowError('TERMINAL_DB_REPLACED', `${file} holds fewer changes than were cut from it`);
}
