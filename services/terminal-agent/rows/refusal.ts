/**
 * Why a write of ours to a table of the app did not happen, and who is to blame. Nothing of such a write remains.
 *
 *   the statement, while of the app's triggers | none runs | some run                | then
 *   -------------------------------------------+-----------+-------------------------+-------------------------------
 *   is undone with the whole transaction       |     –     | a fault of the trigger  | all of the table rest, and
 *                                              |           | (RAISE(ROLLBACK))       | everything is done again
 *   fails, and would not without those that    |     –     | a fault of the index    | these rest, everything is
 *   fill an index                              |           |                         | done again, the row counts
 *   breaks a constraint or a type, or changes  | a refusal | a refusal               | the row waits, with the
 *   no row (RAISE(IGNORE), a conflict clause)  |           |                         | message
 *   fails otherwise                            | our fault | a refusal; our fault if | the same; or it is thrown
 *                                              |           | only indexes are filled |
 *
 * What the agent itself notes in a row, and an edit of the till that it undoes, is no row from the centre: where
 * triggers refuse it, it is done without them. A note that the table refuses even so is left out, and said.
 */
import Database from 'better-sqlite3';

/** Which triggers of the app stand still although the mapping lets them run: of this table, until it is bound anew. */
export type Resting = { readonly kind: 'none' } | { readonly kind: 'index' | 'all'; readonly why: string };

/** A trigger of the app, or a conflict clause, made nothing of the statement. */
export class NothingWritten extends Error {
  constructor(table: string) {
    super(`a trigger or a conflict clause of ${table} let the row go unwritten`);
  }
}

/** A write of ours failed while triggers of the app ran on it. */
export class TriggerFault extends Error {
  readonly table: string;
  readonly ofIndex: boolean;
  /** The transaction is gone with it: nothing more may be written in it. */
  readonly undidAll: boolean;

  constructor(
    table: string,
    fault: { readonly ofIndex: boolean; readonly undidAll: boolean; readonly cause: Error },
  ) {
    super(fault.cause.message, { cause: fault.cause });
    this.table = table;
    this.ofIndex = fault.ofIndex;
    this.undidAll = fault.undidAll;
  }
}

/** Neither the row's nor the file's fault: the statement itself could not be carried out. */
export function isStatementFault(error: unknown): error is Error {
  return (
    error instanceof Database.SqliteError &&
    (error.code === 'SQLITE_CORRUPT_VTAB' || error.code === 'SQLITE_ERROR')
  );
}

/** A local constraint (UNIQUE, CHECK, NOT NULL …), type or trigger refused the row. */
export function isRefusal(error: unknown): error is Error {
  if (error instanceof NothingWritten) return true;
  if (error instanceof TriggerFault) return !error.ofIndex && !error.undidAll;
  return (
    error instanceof Database.SqliteError &&
    (error.code.startsWith('SQLITE_CONSTRAINT') || error.code === 'SQLITE_MISMATCH')
  );
}

const OF_ORDINARY_TABLES: readonly string[] = ['UNIQUE', 'NOTNULL', 'CHECK', 'DATATYPE', 'FOREIGNKEY'];

/** Search indexes have no such constraints, neither themselves nor in what they keep their data in. */
export function mayBeOfIndex(error: Error): boolean {
  if (!(error instanceof Database.SqliteError)) return true;
  return !OF_ORDINARY_TABLES.some((kind) => error.code === `SQLITE_CONSTRAINT_${kind}`);
}
