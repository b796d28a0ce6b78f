/**
 * After a hand-over, when another file of a till goes on than the one before, that file sends everything again
 * which is not settled for it. What of it came before is known by the evidence: the same seq with the same hash, in
 * whatever incarnation. Such a change is answered as it was answered then, and not applied again.
 *
 * | the evidence says                  | the change is                                          |
 * |------------------------------------|--------------------------------------------------------|
 * | applied, duplicate                 | answered as a duplicate                                |
 * | merged, lost, gone                 | answered as then                                       |
 * | rejected, discarded, and no retry since was applied | rejected: its dead letter is there already |
 * | another hash, or nothing           | new                                                    |
 *
 * What was held of the other files became dead letters. Where the file that goes on holds the same change after
 * all, it is applied as that file's and leaves the dead letter: nothing is offered twice.
 */
import type { CentralId, Outcome } from '../shared/records/change-record.ts';
import type { UnitChange } from '../shared/records/unit-record.ts';
import type { TerminalState } from './admission.ts';
import type { IncomingUnit, KnownChange } from './rows/change.ts';
import { changeHash } from './rows/change-hash.ts';
import { changesFromJson, changesToJson } from './rows/dead-letter-json.ts';
import type { Session } from './rows/sql.ts';

/** What is known of changes, by `knownAs`. */
export type Evidence = ReadonlyMap<string, KnownChange>;

export function knownAs(seq: number, hash: string): string {
  return `${seq}\0${hash}`;
}

/** Later evidence of a change counts where it was refused before: a retry may have been applied. */
export function strongerOf(before: KnownChange | undefined, next: KnownChange): KnownChange {
  return before === undefined || isRefused(before.outcome) ? next : before;
}

function isRefused(outcome: Outcome): boolean {
  return outcome === 'rejected' || outcome === 'discarded';
}

/** As it is answered when it comes again. */
function repeated(known: KnownChange): KnownChange {
  if (isRefused(known.outcome)) return { ...known, outcome: 'rejected' };
  return { ...known, outcome: known.outcome === 'applied' ? 'duplicate' : known.outcome };
}

/** The unit without the changes that are known, which it carries along to be answered. */
export function withoutKnown(unit: IncomingUnit, knownSeq: number, evidence: Evidence): IncomingUnit {
  const known: KnownChange[] = [];
  const changes = unit.unit.changes.filter((change) => {
    const found = change.seq > knownSeq ? undefined : evidence.get(knownAs(change.seq, changeHash(change)));
    if (found !== undefined) known.push(repeated(found));
    return found === undefined;
  });
  return known.length === 0 ? unit : { ...unit, known, unit: { ...unit.unit, changes } };
}

/** Compares the units of terminals that were handed over; of all others nothing is asked. */
export async function recogniseKnown(
  session: Session,
  states: ReadonlyMap<string, TerminalState>,
  units: readonly IncomingUnit[],
): Promise<IncomingUnit[]> {
  const doubtful = new Map<string, IncomingUnit[]>();
  for (const unit of units) {
    if (unit.unit.firstSeq > (states.get(unit.terminal)?.knownSeq ?? 0)) continue;
    doubtful.set(unit.terminal, [...(doubtful.get(unit.terminal) ?? []), unit]);
  }
  const evidence = new Map<string, Evidence>();
  for (const [terminal, ofTerminal] of doubtful) {
    const changes = ofTerminal.flatMap(({ unit }) => unit.changes);
    evidence.set(terminal, await readEvidence(session, terminal, changes));
    await takeFromDeadLetters(session, terminal, changes);
  }
  return units.map((unit) => {
    const known = evidence.get(unit.terminal);
    return known === undefined ? unit : withoutKnown(unit, states.get(unit.terminal)?.knownSeq ?? 0, known);
  });
}

/** What the centre has answered to changes of these seqs, in whatever incarnation of the terminal. */
export async function readEvidence(
  session: Session,
  terminal: string,
  changes: readonly UnitChange[],
): Promise<Evidence> {
  const evidence = new Map<string, KnownChange>();
  if (changes.length === 0) return evidence;
  const seqs = changes.map(({ seq }) => seq);
  const rows = await session.rows(
    `SELECT e ->> 0, e ->> 1, e ->> 2, e ->> 3, e ->> 4
       FROM payflow_sync.outcome o CROSS JOIN LATERAL json_array_elements(o.entries::json) WITH ORDINALITY AS j (e, n)
      WHERE o.terminal_id = $1 AND (e ->> 0)::bigint BETWEEN $2::bigint AND $3::bigint
      ORDER BY o.applied_at, n`,
    [terminal, String(lowest(seqs)), String(highest(seqs))],
  );
  for (const [seq, table, id, outcome, hash] of rows) {
    if (hash == null) continue;
    const known: KnownChange = {
      seq: Number(seq),
      table: table ?? '',
      id: (id ?? null) as CentralId | null,
      outcome: outcome as Outcome,
      hash,
    };
    const name = knownAs(known.seq, hash);
    evidence.set(name, strongerOf(evidence.get(name), known));
  }
  return evidence;
}

/** The code of dead letters that hold what a superseded file had sent. */
export const SUPERSEDED_CODE = 'TERMINAL_FENCED';

async function takeFromDeadLetters(
  session: Session,
  terminal: string,
  changes: readonly UnitChange[],
): Promise<void> {
  const seqs = changes.map(({ seq }) => seq);
  if (seqs.length === 0) return;
  const letters = await session.rows(
    `SELECT dead_letter_id, changes FROM payflow_sync.dead_letter
      WHERE terminal_id = $1 AND code = $2 AND state = 'open' AND last_seq >= $3::bigint AND first_seq <= $4::bigint
      FOR UPDATE`,
    [terminal, SUPERSEDED_CODE, String(lowest(seqs)), String(highest(seqs))],
  );
  const come = new Set(changes.map((change) => knownAs(change.seq, changeHash(change))));
  for (const [id, text] of letters) {
    const stored = changesFromJson(text ?? '[]');
    const left = stored.filter((change) => !come.has(knownAs(change.seq, changeHash(change))));
    if (left.length === stored.length) continue;
    await session.rows(
      left.length === 0
        ? `UPDATE payflow_sync.dead_letter SET state = 'applied', decided_at = now() WHERE dead_letter_id = $1::bigint`
        : `UPDATE payflow_sync.dead_letter SET changes = $2 WHERE dead_letter_id = $1::bigint`,
      left.length === 0 ? [id ?? ''] : [id ?? '', changesToJson(left)],
    );
  }
}

/** Without a spread: a backlog's changes are too many for arguments. */
export function lowest(values: readonly number[]): number {
  return values.reduce((low, value) => (value < low ? value : low), Infinity);
}

export function highest(values: readonly number[]): number {
  return values.reduce((high, value) => (value > high ? value : high), 0);
}
