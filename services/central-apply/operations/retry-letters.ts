/**
 * `dead-letters retry`: the stored part is applied again under the rules of now, with its own numbers, old
 * values, clock and store. Each letter under a savepoint, in order of seq; what hangs on one that goes through
 * is tried right behind it, in the same transaction.
 *
 * What can become of a letter:
 *   nothing of it is the till's word any more   → superseded (overtaken.ts)
 *   all of it was answered in another way since → superseded (hand-over.ts: copies of a file send the same)
 *   the centre takes all of it                  → applied; its numbers leave the exceptions, links flow down
 *   a change is refused, by us or PostgreSQL    → refused again: undone, open, with the new reason
 *   a row it needs was given up                 → refused with PARENT_DISCARDED, which says by whom and why
 *   a mended value has no place in it           → refused with VALIDATION, and nothing is tried
 */
import { nameKey } from '../../shared/catalog/same-name.ts';
import { PayflowError } from '../../shared/errors.ts';
import { postgresFacts, wrapPostgresError } from '../../shared/database/postgres.ts';
import { retrySchema, type LetterResult, type RetryArguments } from '../../shared/operations.ts';
import type { UnitChange } from '../../shared/records/unit-record.ts';
import { applyUnits, type AppliedUnits } from '../rows/apply-units.ts';
import type { IncomingUnit, Rejection } from '../rows/change.ts';
import { letterRowName } from '../rows/dead-letter-rows.ts';
import type { RowOrder } from '../rows/writer.ts';
import { answeredSince } from '../hand-over.ts';
import { closedOf, LetterQueue, lettersStep, lockExceptions, saveDecided } from './letter-steps.ts';
import {
  closeLetter,
  dependantsOf,
  lockLetter,
  missingParents,
  noteRefusedAgain,
  readLater,
  type Cursor,
  type Letter,
} from './letters.ts';
import { mendChanges } from './mend.ts';
import type { OperationContext, OperationHandler } from './operation.ts';
import { notOvertaken } from './overtaken.ts';

export const retryLetters: OperationHandler = (context, args, before) => {
  const wanted = retrySchema.parse(args);
  return lettersStep(context, wanted, before, (terminal, asked) =>
    new Retry(context, wanted).ofTerminal(terminal, asked),
  );
};

class Retry {
  readonly #context: OperationContext;
  readonly #wanted: RetryArguments;

  constructor(context: OperationContext, wanted: RetryArguments) {
    this.#context = context;
    this.#wanted = wanted;
  }

  async ofTerminal(terminal: string, asked: readonly Cursor[]): Promise<LetterResult[]> {
    const { session } = this.#context;
    const progress = await lockExceptions(session, terminal);
    const decided: Letter[] = [];
    const results: LetterResult[] = [];
    const waiting = new LetterQueue(asked);
    for (let next = waiting.take(); next !== undefined; next = waiting.take()) {
      const letter = await lockLetter(session, next.id);
      if (letter?.state !== 'open') {
        // Closed between the look and the lock.
        if (!next.dependant) results.push(...(await closedOf(session, [next.id])));
        continue;
      }
      const result = await this.#retry(letter, next.dependant);
      results.push(result);
      if (result.state === 'refused') continue;
      decided.push(letter);
      waiting.add(await dependantsOf(session, letter.id, { onlyInserted: false }));
    }
    await saveDecided(session, terminal, progress, decided, null);
    return results;
  }

  async #retry(letter: Letter, dependant: boolean): Promise<LetterResult> {
    const { session, model, by, why } = this.#context;
    const result = { deadLetterId: letter.id, terminalId: letter.terminal, dependant };
    const refused = ({ code, message }: Rejection) =>
      ({
        ...result,
        state: 'refused',
        outcomes: {},
        code,
        // PostgreSQL may quote a value in it.
        message: model.masking.text(message, letter.changes),
      }) as const;
    const set = dependant ? [] : this.#wanted.set;
    let mended: readonly UnitChange[];
    try {
      mended = mendChanges(model, letter.changes, set);
    } catch (error) {
      if (!(error instanceof PayflowError) || error.code !== 'VALIDATION') throw error;
      return refused({ code: error.code, constraint: null, message: error.message });
    }
    const closing = { by, why, mended: set.length === 0 ? null : JSON.stringify(set) };
    const answered = await answeredSince(session, letter);
    const unanswered = mended.filter(({ seq }) => !answered.has(seq));
    const left = await this.#notOvertaken(letter, unanswered);
    const overtaken = mended.length - left.length;
    if (left.length === 0) {
      await closeLetter(session, letter.id, { state: 'superseded', ...closing });
      const message =
        answered.size > 0
          ? 'all of it came from another file of the same till, or was written by later changes of it'
          : 'later changes of the same till have written all of it';
      return { ...result, state: 'superseded', outcomes: { superseded: overtaken }, code: null, message };
    }
    const attempt = await this.#attempt(this.#unitOf(letter, left, { dependant }));
    if ('refusal' in attempt) {
      const reason = await this.#explained(letter, attempt.refusal);
      await noteRefusedAgain(session, letter.id, reason);
      return refused(reason);
    }
    await closeLetter(session, letter.id, { state: 'applied', ...closing });
    const outcomes = Object.fromEntries(attempt.applied.outcomes);
    if (overtaken > 0) outcomes['superseded'] = overtaken;
    return { ...result, state: 'applied', outcomes, code: null, message: null };
  }

  async #notOvertaken(letter: Letter, changes: readonly UnitChange[]): Promise<UnitChange[]> {
    const later = await readLater(this.#context.session, letter.id);
    if (later.size === 0) return [...changes];
    return changes.flatMap((change) => {
      const seqs = later.get(`${nameKey(change.table)}\0${letterRowName(change.row)}`);
      if (seqs === undefined) return [change];
      return notOvertaken(change, seqs, this.#context.model.byLocal.get(change.table)) ?? [];
    });
  }

  /** As many rows at once as PostgreSQL takes, else row by row as the till made them. */
  async #attempt(unit: IncomingUnit): Promise<{ applied: AppliedUnits } | { refusal: Rejection }> {
    const together = await this.#try(unit, 'table');
    return 'applied' in together ? together : this.#try(unit, 'original');
  }

  async #try(
    unit: IncomingUnit,
    order: RowOrder,
  ): Promise<{ applied: AppliedUnits } | { refusal: Rejection }> {
    const { session, model } = this.#context;
    await session.command('SAVEPOINT letter; SET CONSTRAINTS ALL DEFERRED');
    let refusal: Rejection | undefined;
    try {
      const applied = await applyUnits(session, model, [unit], { order, retry: true });
      refusal = applied.letters?.[0]?.rejection;
      if (refusal === undefined) {
        // What is checked only at the end is checked here, while it can still be told whose fault it is.
        await session.command('SET CONSTRAINTS ALL IMMEDIATE; RELEASE SAVEPOINT letter');
        return { applied };
      }
    } catch (error) {
      refusal = refusalOf(error);
    }
    await session.command('ROLLBACK TO SAVEPOINT letter; RELEASE SAVEPOINT letter');
    return { refusal };
  }

  #unitOf(
    letter: Letter,
    changes: readonly UnitChange[],
    { dependant }: { readonly dependant: boolean },
  ): IncomingUnit {
    const { terminal, storeId, incarnation, trusted, receivedAtMs } = letter;
    return {
      terminal,
      storeId,
      incarnation,
      trusted,
      receivedAtMs,
      // Only what the operator named: nobody looked at what goes along.
      lentAuthority: this.#wanted.allow && !dependant,
      openLetters: true,
      unit: {
        // Its outcome is evidence beside that of the unit it came in.
        number: -Number(letter.id),
        firstSeq: changes[0]?.seq ?? 0,
        lastSeq: changes.at(-1)?.seq ?? 0,
        hash: Buffer.alloc(0),
        previousHash: Buffer.alloc(0),
        changes,
      },
    };
  }

  /** A row that is missing may be in a dead letter itself. */
  async #explained(letter: Letter, reason: Rejection): Promise<Rejection> {
    if (reason.code !== 'REFERENCE_UNKNOWN') return reason;
    const [parent] = await missingParents(this.#context.session, this.#context.model, letter.id);
    if (parent === undefined) return reason;
    const row = `row ${parent.name} of ${parent.table}`;
    if (parent.state === 'open') {
      return { ...reason, message: `${row}, which it needs, waits in dead letter ${parent.letterId}` };
    }
    const who = parent.decidedBy === null ? '' : ` by ${parent.decidedBy}`;
    const why = parent.why === null ? '' : `: ${parent.why}`;
    return {
      code: 'PARENT_DISCARDED',
      constraint: null,
      message: `${row}, which it needs, was discarded with dead letter ${parent.letterId}${who}${why}`,
    };
  }
}

/**
 * Why PostgreSQL did not take it. @throws PayflowError what says nothing about the letter: an outage, a deadlock,
 * a defect of ours
 */
function refusalOf(thrown: unknown): Rejection {
  const error = wrapPostgresError(thrown);
  const facts = postgresFacts(error);
  const { sqlState } = error.details;
  if (facts === null) {
    if (error.code !== 'DB_REFUSED') throw error;
    const code = typeof sqlState === 'string' ? sqlState : error.code;
    return { code, constraint: null, message: error.message };
  }
  if (error.retry === 'timed' || facts.schema === 'payflow_sync') throw error;
  return { code: facts.sqlState, constraint: facts.constraint, message: error.message };
}
