/**
 * Dead letters that are acted on together, by ids or by a filter: one till per step, in order of seq, and a
 * bounded number of letters, so that ten thousand of them hold up nobody's sales. What was done stands in the
 * result, and the next step goes on behind it.
 */
import {
  LETTERS_SHOWN,
  type LetterFilter,
  type LetterResult,
  type LettersResult,
  type LetterState,
} from '../../shared/operations.ts';
import { decideRejected } from '../exceptions.ts';
import { knownOf, readEvidence } from '../hand-over.ts';
import type { Session } from '../rows/sql.ts';
import { closedAmong, indexOldLetters, nextLetters, type Cursor, type Letter } from './letters.ts';
import type { OperationContext, OperationStep } from './operation.ts';

const LETTERS_IN_A_STEP = 200;

interface SoFar extends LettersResult {
  readonly cursor: Cursor | null;
  /** Went along as dependants: their turn is over. */
  readonly along: readonly string[];
}

const NOTHING: SoFar = {
  letters: [],
  counts: { applied: 0, superseded: 0, refused: 0, discarded: 0, closed: 0, unknown: 0 },
  cursor: null,
  along: [],
};

/** @param handle acts on letters of one till, in their order, and on what hangs on them */
export async function lettersStep(
  { session, model }: OperationContext,
  { ids, all }: { readonly ids?: readonly string[] | undefined; readonly all?: LetterFilter | undefined },
  before: unknown,
  handle: (terminal: string, asked: readonly Cursor[]) => Promise<LetterResult[]>,
): Promise<OperationStep> {
  const begun = before as SoFar | null;
  while ((await indexOldLetters(session, model)) > 0);
  const soFar = begun ?? (await begin(session, ids));
  const next = await nextLetters(
    session,
    model,
    { ids, filter: all },
    { after: soFar.cursor, limit: LETTERS_IN_A_STEP },
  );
  if (next === null) return { result: finished(await withMissed(session, soFar, ids)), done: true };
  const turn = next.letters.filter(({ id }) => !soFar.along.includes(id));
  const results = await handle(next.terminal, turn);
  const along = results.filter(({ dependant }) => dependant).map(({ deadLetterId }) => deadLetterId);
  const after: SoFar = {
    ...added(soFar, results),
    cursor: next.letters.at(-1) ?? null,
    along: [...soFar.along, ...along],
  };
  // Asked for by id, most often one letter: its answer need not wait for another look.
  const last = ids !== undefined && after.letters.filter(({ dependant }) => !dependant).length >= ids.length;
  return last ? { result: finished(after), done: true } : { result: after, done: false };
}

async function begin(session: Session, ids: readonly string[] | undefined): Promise<SoFar> {
  if (ids === undefined) return NOTHING;
  return { ...NOTHING, ...added(NOTHING, await closedOf(session, ids)) };
}

/** Somebody was faster between the first look and this one: whoever has asked is told so. */
async function withMissed(
  session: Session,
  soFar: SoFar,
  ids: readonly string[] | undefined,
): Promise<LettersResult> {
  // Of more than are shown it is not known which were told of.
  if (ids === undefined || soFar.letters.length >= LETTERS_SHOWN) return soFar;
  const told = new Set(soFar.letters.map(({ deadLetterId }) => deadLetterId));
  const missed = ids.filter((id) => !told.has(id));
  return missed.length === 0 ? soFar : added(soFar, await closedOf(session, missed));
}

/** Those of the letters that are not open: somebody was faster, or they never were there. */
export async function closedOf(session: Session, ids: readonly string[]): Promise<LetterResult[]> {
  const closed = await closedAmong(session, ids);
  return closed.map(({ id, terminal, message, isThere }) => ({
    deadLetterId: id,
    terminalId: terminal,
    state: isThere ? 'closed' : 'unknown',
    dependant: false,
    outcomes: {},
    code: isThere ? 'CONFLICT' : 'NOT_FOUND',
    message,
  }));
}

function added(soFar: LettersResult, results: readonly LetterResult[]): LettersResult {
  const counts: Record<LetterState, number> = { ...soFar.counts };
  for (const { state } of results) counts[state] += 1;
  return { letters: [...soFar.letters, ...results].slice(0, LETTERS_SHOWN), counts };
}

function finished({ letters, counts }: LettersResult): LettersResult {
  return { letters, counts };
}

/** Letters of one till that wait for their turn, each once, in order of seq. */
export class LetterQueue {
  readonly #met: Set<string>;
  #waiting: { readonly id: string; readonly seq: number; readonly dependant: boolean }[];

  constructor(asked: readonly Cursor[]) {
    this.#met = new Set(asked.map(({ id }) => id));
    this.#waiting = asked.map(({ id, seq }) => ({ id, seq: Number(seq), dependant: false }));
  }

  /** What hangs on a letter that was dealt with. */
  add(dependants: readonly Cursor[]): void {
    const added = dependants.filter(({ id }) => !this.#met.has(id));
    for (const { id } of added) this.#met.add(id);
    this.#waiting = [
      ...this.#waiting,
      ...added.map(({ id, seq }) => ({ id, seq: Number(seq), dependant: true })),
    ].sort((a, b) => a.seq - b.seq);
  }

  take() {
    return this.#waiting.shift();
  }
}

/** A till's progress, locked: while this transaction lasts nobody else applies anything of that till. */
export interface LockedExceptions {
  readonly incarnation: string;
  readonly exceptions: string;
}

export async function lockExceptions(session: Session, terminal: string): Promise<LockedExceptions | null> {
  const [row] = await session.rows(
    'SELECT incarnation, exceptions FROM payflow_sync.progress WHERE terminal_id = $1 FOR UPDATE',
    [terminal],
  );
  return row === undefined ? null : { incarnation: row[0] ?? '', exceptions: row[1] ?? '[]' };
}

/**
 * Written last, so that whoever reads it in the WAL has seen the rows and links before it. Numbers of another
 * incarnation are those of another file; but where the file that goes on has sent the same change, and was answered
 * that it is refused, that is decided with it.
 */
export async function saveDecided(
  session: Session,
  terminal: string,
  locked: LockedExceptions | null,
  letters: readonly Letter[],
  to: { readonly why: string | null } | null,
): Promise<void> {
  if (locked === null || letters.length === 0) return;
  const { incarnation, exceptions } = locked;
  const own = letters.filter((letter) => letter.incarnation === incarnation);
  const others = letters.filter((letter) => letter.incarnation !== incarnation);
  const sentAgain = others.flatMap(({ changes }) => changes);
  const evidence = await readEvidence(session, terminal, sentAgain, incarnation);
  const decided = [
    ...own.flatMap(({ changes }) => changes),
    ...sentAgain.filter((change) => knownOf(evidence, change)?.outcome === 'rejected'),
  ];
  if (decided.length === 0) return;
  const after = decideRejected(
    exceptions,
    decided.map(({ seq }) => seq),
    to,
  );
  await session.rows(
    `UPDATE payflow_sync.progress SET exceptions = $2, updated_at = clock_timestamp() WHERE terminal_id = $1`,
    [terminal, after],
  );
}
