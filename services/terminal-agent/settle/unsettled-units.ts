/**
 * What a file goes on with once the centre has said so: its unsettled changes, with the numbers and the contents that they
 * had, so that the centre knows those again that it has; in units that count from one.
 */
import { joinPieces } from '../../shared/records/change-pieces.ts';
import { FIRST_PREVIOUS_HASH } from '../../shared/records/unit-record.ts';
import { decodeUnitRecord } from '../../shared/records/unit-codec.ts';
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';
import type { TillDatabase } from '../till/till-database.ts';
import { SENT_AGAIN } from './flight.ts';
import type { AgentFile } from '../units/agent-file.ts';
import type { NewUnit, UnitChain } from '../units/unit-rows.ts';
import { readTaken, spansIn, unitsOfTaken } from '../take-over/taken-changes.ts';
import { newUnit } from '../up/cut-units.ts';

export interface GoneOn {
  readonly units: number;
  readonly as: 'whole' | 'older, with units that no log has' | 'older';
}

/**
 * The centre has said that this file goes on. The one place where units are forgotten that are not settled, so the rule
 * stands here: a unit leaves the agent file only when the log has it, or the centre has answered it, or payflow.db has
 * its entries, so that its changes are cut anew.
 *
 *   payflow.db holds what was cut | the log has all units | then
 *   ------------------------------+-----------------------+---------------------------------------------------------------
 *   yes                           | yes, no               | what is not settled is sent under this name, as it was cut
 *   no                            | yes                   | its entries are cut anew; the centre knows those that it has
 *   no                            | no: it was put back   | the units go up under this name, which was announced for the
 *                                 | after it announced    | file that they are of; the one that stands here takes another
 *                                 | itself                | name (`StandingWatch`)
 */
export function goOn({ db, proof }: Pick<TillDatabase, 'db' | 'proof'>, agentFile: AgentFile): GoneOn {
  const { upTo, id } = agentFile.cutEntries;
  const isWhole = id === null || proof.holds({ seq: upTo, id });
  const isUnsent = agentFile.unpublished(Infinity, 1).length > 0;
  const isKept = isWhole || isUnsent;
  const units = isKept ? unsettledUnits(db, agentFile) : takenUnits(db);
  agentFile.goOn(units, isKept ? agentFile.cutEntries : NOTHING_CUT);
  const older = isUnsent ? 'older, with units that no log has' : 'older';
  return { units: units.length, as: isWhole ? 'whole' : older };
}

const NOTHING_CUT = { upTo: 0, id: null };

/** Of a version before, whose entries are none that could be cut anew. */
function takenUnits(db: SqliteDatabase): NewUnit[] {
  const taken = readTaken(db);
  const chain = { number: 0, lastSeq: 0, hash: FIRST_PREVIOUS_HASH };
  const cutAtMs = taken.at(-1)?.kept.atMs ?? 0;
  return unitsOfTaken(taken, { chain, spans: spansIn(db), mappingVersion: undefined, cutAtMs });
}

export function unsettledUnits(db: SqliteDatabase, agentFile: AgentFile): NewUnit[] {
  const { changes, incarnation } = agentFile;
  const answered = db.prepare(
    `SELECT 1 FROM sync_settled WHERE incarnation = ? AND change = ? AND waits <> ${SENT_AGAIN}`,
  );
  const isOpen = (number: number) => answered.get(incarnation, number) === undefined;
  const units: NewUnit[] = [];
  let chain: UnitChain = { number: 0, lastSeq: 0, hash: FIRST_PREVIOUS_HASH };
  for (const unit of agentFile.all()) {
    const parts = changes.parts(unit.number).flatMap((bytes) => decodeUnitRecord(bytes).units);
    const sent = joinPieces(parts.flatMap((part) => part.changes)).filter(({ seq }) => isOpen(seq));
    if (sent.length === 0) continue;
    const kept = changes
      .ofUnit(unit.number)
      .filter(({ number }) => isOpen(number))
      .map((change) => ({ ...change, unit: chain.number + 1 }));
    const next = newUnit(sent, kept, { ...unit, chain });
    units.push(next);
    chain = next;
  }
  return units;
}
