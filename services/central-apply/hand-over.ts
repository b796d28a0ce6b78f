/**
 * After a hand-over, when another file of a till goes on than the one before, that file sends everything again
 * which is not settled for it. What of it came before is known by the evidence: the same seq with the same hash
 * (change-hash.ts: the id of its entry, or of older tills its contents), in whatever incarnation. Such a change is answered as it was answered then, and not applied again.
 *
 * | the evidence says                  | the change is                                          |
 * |------------------------------------|--------------------------------------------------------|
 * | applied, duplicate                 | answered as a duplicate                                |
 * | merged, lost, gone                 | answered as then                                       |
 * | rejected, discarded, and no retry since was applied | rejected: its dead letter is there already |
 * | nothing any more, but it stands in an open letter of what was refused | rejected, as above  |
 * | another hash, or nothing           | new                                                    |
 * | nothing, since what it says of that time is gone | an operator's to decide: a dead letter, unless it is an insert whose link is there |
 *
 * It is of that time where a seq as high has been counted in an incarnation before, and the till's clock, give or take a
 * day, had not come to the newest outcome that was removed (payflow_sync.forgotten).
 *
 * What was held of the other files became dead letters. Where the file that goes on holds the same change after
 * all, it is applied as that file's and leaves the dead letter: nothing is offered twice.
 */
import type { CentralId, Outcome } from '../shared/records/change-record.ts';
import { FILLS_AT_MS, type UnitChange } from '../shared/records/unit-record.ts';
import type { TerminalState } from './admission.ts';
import type { IncomingUnit, KnownChange } from './rows/change.ts';
import { changeHash, timelessHash } from './rows/change-hash.ts';
import { changesFromJson, changesToJson } from '../shared/records/stored-changes.ts';
import type { CentralModel } from './rows/model.ts';
import { textArray, type Session } from './rows/sql.ts';

/** What is known of changes, by `knownAs`. */
export type Evidence = ReadonlyMap<string, KnownChange>;

export function knownAs(seq: number, hash: string): string {
  return `${seq}\0${hash}`;
}

/** What the evidence, also that of an earlier version, knows of a change. */
export function knownOf(evidence: Evidence, change: UnitChange): KnownChange | undefined {
  const { seq } = change;
  return evidence.get(knownAs(seq, changeHash(change))) ?? evidence.get(knownAs(seq, timelessHash(change)));
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

/** What of a terminal's past nothing is known of any more. */
export interface Forgotten {
  /** The newest outcome that was removed. */
  readonly untilMs: number;
  /** Up to here the files of before were counted. */
  readonly countedSeq: number;
}

/** A till's clock may have been wrong by so much, and the outcome is younger than the change. */
const CLOCK_DOUBT_MS = 24 * 3_600_000;

export function isForgotten({ seq, capturedAtMs }: UnitChange, { untilMs, countedSeq }: Forgotten): boolean {
  // One that only fills takes nothing away, however often.
  return seq <= countedSeq && capturedAtMs !== FILLS_AT_MS && capturedAtMs <= untilMs + CLOCK_DOUBT_MS;
}

/** The unit without the changes that are known, which it carries along to be answered. */
export function withoutKnown(
  unit: IncomingUnit,
  knownSeq: number,
  evidence: Evidence,
  past: Forgotten | null = null,
): IncomingUnit {
  const known: KnownChange[] = [];
  const changes = unit.unit.changes.filter((change) => {
    const found = change.seq > knownSeq ? undefined : knownOf(evidence, change);
    if (found !== undefined) known.push(repeated(found));
    return found === undefined;
  });
  const forgotten = past === null ? [] : changes.filter((change) => isForgotten(change, past));
  if (known.length === 0 && forgotten.length === 0) return unit;
  return { ...unit, known, forgotten: new Set(forgotten), unit: { ...unit.unit, changes } };
}

/**
 * Compares the units of terminals that were handed over; of all others nothing is asked.
 * @returns those that hold known changes, as they are to be applied
 */
export async function recogniseKnown(
  session: Session,
  states: ReadonlyMap<string, TerminalState>,
  units: readonly IncomingUnit[],
  model: CentralModel,
): Promise<Map<IncomingUnit, IncomingUnit>> {
  const doubtful = new Map<string, IncomingUnit[]>();
  for (const unit of units) {
    if (unit.unit.firstSeq > (states.get(unit.terminal)?.knownSeq ?? 0)) continue;
    doubtful.set(unit.terminal, [...(doubtful.get(unit.terminal) ?? []), unit]);
  }
  const evidence = new Map<string, Evidence>();
  const past = await readForgotten(session, [...doubtful.keys()]);
  for (const [terminal, ofTerminal] of doubtful) {
    const changes = ofTerminal.flatMap(({ unit }) => unit.changes);
    const found = await readEvidence(session, terminal, changes);
    const refused = await takeOverLetters(session, {
      terminal,
      incarnation: states.get(terminal)?.incarnation ?? '',
      changes,
    });
    evidence.set(terminal, withLetters(found, refused, model));
  }
  return new Map(
    [...doubtful].flatMap(([terminal, ofTerminal]) => {
      const knownSeq = states.get(terminal)?.knownSeq ?? 0;
      const known = evidence.get(terminal) ?? new Map<string, KnownChange>();
      return ofTerminal.map(
        (unit) => [unit, withoutKnown(unit, knownSeq, known, past.get(terminal))] as const,
      );
    }),
  );
}

/** A letter outlives the outcome that told of its refusal, which goes by age. */
function withLetters(evidence: Evidence, refused: readonly UnitChange[], model: CentralModel): Evidence {
  const all = new Map(evidence);
  for (const change of refused) {
    if (knownOf(evidence, change) !== undefined) continue;
    const { seq, table, row } = change;
    const hash = changeHash(change);
    const id = (row.centralId ?? null) as CentralId | null;
    all.set(knownAs(seq, hash), {
      seq,
      table: model.byLocal.get(table)?.name ?? table,
      id,
      outcome: 'rejected',
      hash,
    });
  }
  return all;
}

/** By terminal; none of those of which all is known. */
async function readForgotten(
  session: Session,
  terminals: readonly string[],
): Promise<Map<string, Forgotten>> {
  if (terminals.length === 0) return new Map();
  const rows = await session.rows(
    `SELECT f.terminal_id, floor(extract(epoch FROM f.until) * 1000),
            (SELECT coalesce(max(i.applied_seq), 0) FROM payflow_sync.incarnation i WHERE i.terminal_id = f.terminal_id)
       FROM payflow_sync.forgotten f WHERE f.terminal_id = ANY ($1::text[])`,
    [textArray(terminals)],
  );
  return new Map(
    rows.map(([terminal, untilMs, countedSeq]) => [
      terminal ?? '',
      { untilMs: Number(untilMs), countedSeq: Number(countedSeq) },
    ]),
  );
}

/** What the centre has answered to changes of these seqs. @param incarnation null: in whatever one of the terminal */
export async function readEvidence(
  session: Session,
  terminal: string,
  changes: readonly UnitChange[],
  incarnation: string | null = null,
): Promise<Evidence> {
  const evidence = new Map<string, KnownChange>();
  if (changes.length === 0) return evidence;
  const seqs = changes.map(({ seq }) => seq);
  const rows = await session.rows(
    `SELECT e ->> 0, e ->> 1, e ->> 2, e ->> 3, e ->> 4
       FROM payflow_sync.outcome o CROSS JOIN LATERAL json_array_elements(o.entries::json) WITH ORDINALITY AS j (e, n)
      WHERE o.terminal_id = $1 AND (e ->> 0)::bigint BETWEEN $2::bigint AND $3::bigint
        AND ($4::text IS NULL OR o.incarnation = $4)
      ORDER BY o.applied_at, n`,
    [terminal, String(lowest(seqs)), String(highest(seqs)), incarnation],
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

/**
 * Changes of an open dead letter that the centre has taken since in another way: two files of one till held them, and
 * what the other one sent of them, or a letter of it, was applied.
 * @returns their numbers
 */
export async function answeredSince(
  session: Session,
  { terminal, changes }: { readonly terminal: string; readonly changes: readonly UnitChange[] },
): Promise<Set<number>> {
  const [row] = await session.rows('SELECT known_seq FROM payflow_sync.progress WHERE terminal_id = $1', [
    terminal,
  ]);
  // Of a till that has had one file only nothing came twice.
  const doubtful = changes.filter(({ seq }) => seq <= Number(row?.[0] ?? 0));
  const evidence = await readEvidence(session, terminal, doubtful);
  const isAnswered = (change: UnitChange) => {
    const known = knownOf(evidence, change);
    return known !== undefined && !isRefused(known.outcome);
  };
  return new Set(doubtful.filter(isAnswered).map(({ seq }) => seq));
}

/** Names (`knownAs`) of what stands in open dead letters of a terminal already, of the seqs of these changes. */
export async function inOpenLetters(
  session: Session,
  terminal: string,
  changes: readonly UnitChange[],
): Promise<Set<string>> {
  const seqs = changes.map(({ seq }) => seq);
  if (seqs.length === 0) return new Set();
  const letters = await session.rows(
    `SELECT changes FROM payflow_sync.dead_letter WHERE terminal_id = $1 AND state = 'open'
        AND last_seq >= $2::bigint AND first_seq <= $3::bigint`,
    [terminal, String(lowest(seqs)), String(highest(seqs))],
  );
  const stored = letters.flatMap(([text]) => changesFromJson(text ?? '[]'));
  return new Set(stored.map((change) => knownAs(change.seq, changeHash(change))));
}

/** The code of dead letters that hold what a superseded file had sent. */
export const SUPERSEDED_CODE = 'TERMINAL_FENCED';

/**
 * Letters of what was held of other files, or of this one while another went on, lose what comes now. What was refused
 * becomes a letter of the file that goes on, so that the retry of it is told to that file; where only a part of it is
 * that file's, its other numbers are those of other changes here, and it stays the letter of the file that sent all of it.
 * @returns what came of letters of refused changes, which stay open
 */
async function takeOverLetters(
  session: Session,
  {
    terminal,
    incarnation,
    changes,
  }: Pick<IncomingUnit, 'terminal' | 'incarnation'> & { readonly changes: readonly UnitChange[] },
): Promise<UnitChange[]> {
  const seqs = changes.map(({ seq }) => seq);
  if (seqs.length === 0) return [];
  const refused: UnitChange[] = [];
  const letters = await session.rows(
    `SELECT dead_letter_id, changes, code FROM payflow_sync.dead_letter
      WHERE terminal_id = $1 AND (incarnation <> $2 OR code = $5) AND state = 'open'
        AND last_seq >= $3::bigint AND first_seq <= $4::bigint ORDER BY dead_letter_id FOR UPDATE`,
    [terminal, incarnation, String(lowest(seqs)), String(highest(seqs)), SUPERSEDED_CODE],
  );
  const come = new Set(changes.map((change) => knownAs(change.seq, changeHash(change))));
  for (const [id, text, code] of letters) {
    const stored = changesFromJson(text ?? '[]');
    const left = stored.filter((change) => !come.has(knownAs(change.seq, changeHash(change))));
    if (left.length === stored.length) continue;
    if (code === SUPERSEDED_CODE) {
      await session.rows(...reduced(id ?? '', left));
      continue;
    }
    refused.push(...stored.filter((change) => !left.includes(change)));
    if (left.length === 0) await session.rows(...movedTo(incarnation, id ?? ''));
  }
  return refused;
}

type Statement = [sql: string, values: string[]];

function reduced(id: string, left: readonly UnitChange[]): Statement {
  if (left.length > 0) {
    const sql = 'UPDATE payflow_sync.dead_letter SET changes = $2 WHERE dead_letter_id = $1::bigint';
    return [sql, [id, changesToJson(left)]];
  }
  const sql = `UPDATE payflow_sync.dead_letter SET state = 'superseded', decided_at = clock_timestamp(),
      decided_by = 'central-apply', why = $2 WHERE dead_letter_id = $1::bigint`;
  return [sql, [id, 'the file of its till that goes on has sent all of it']];
}

function movedTo(incarnation: string, id: string): Statement {
  return [
    'UPDATE payflow_sync.dead_letter SET incarnation = $2 WHERE dead_letter_id = $1::bigint',
    [id, incarnation],
  ];
}

/** Without a spread: a backlog's changes are too many for arguments. */
export function lowest(values: readonly number[]): number {
  return values.reduce((low, value) => (value < low ? value : low), Infinity);
}

export function highest(values: readonly number[]): number {
  return values.reduce((high, value) => (value > high ? value : high), 0);
}
