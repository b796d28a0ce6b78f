/** Files of a till beside its current one: what they show of themselves, and one that announced itself and goes on. */
import type { Logger } from 'pino';
import { adoptStatements, markHeldStatement } from '../shared/database/hand-over-sql.ts';
import { isAnnouncement, type UnitRecord } from '../shared/records/unit-record.ts';
import { predecessorOf, type TerminalState } from './admission.ts';
import { highest, lowest } from './hand-over.ts';
import type { AcceptedRecord, Held } from './held.ts';
import type { OtherFile } from './progress.ts';
import type { Session } from './rows/sql.ts';

/** Announcements of files that go on, by terminal. */
export type Announced = Map<string, AcceptedRecord>;

/**
 * Takes those out of `announced` whose till has to wait after all, for a cause at the centre that units before them met: they
 * have their turn behind these.
 */
export function heldAnnounced(announced: Announced, stopped: ReadonlyMap<string, unknown>): Held[] {
  const waiting = [...announced].filter(([terminal]) => stopped.has(terminal));
  for (const [terminal] of waiting) announced.delete(terminal);
  return waiting.map(([, accepted]) => ({ accepted, reason: 'centre' }));
}

/** Behind all of the file before, whose place is written by then. */
export async function letGoOn(session: Session, announced: Announced, log: Logger): Promise<void> {
  for (const [terminal, { record }] of announced) {
    const { incarnation } = record;
    const statements = adoptStatements({ terminalId: terminal, incarnation, left: 'followed' });
    for (const { sql, values } of [...statements, markHeldStatement(terminal, incarnation)])
      await session.rows(sql, values);
    log.info(
      { terminal, incarnation },
      'a file of this till announced itself, and goes on from the one before',
    );
  }
}

/** What a record shows of a file that is not the current one; none for records of that. */
export function otherFile(state: TerminalState, record: UnitRecord): OtherFile[] {
  const { terminal, incarnation, units } = record;
  const known = state.others.get(incarnation);
  if (known === undefined) return [];
  const predecessor = isAnnouncement(record) ? predecessorOf(state, record) : null;
  return [
    {
      terminal,
      incarnation,
      state: known,
      predecessor,
      firstSeq: lowest(units.map(({ firstSeq }) => firstSeq)),
      lastSeq: highest(units.map(({ lastSeq }) => lastSeq)),
      lastUnit: highest(units.map(({ number }) => number)),
    },
  ];
}
