/**
 * Why a write of ours to a table of the app did not happen, and who is to blame. Every write is undone by itself.
 *
 *   the statement                              | it is                  | then
 *   -------------------------------------------+------------------------+--------------------------------------
 *   breaks a constraint, or a type             | a refusal              | the row waits, with the message
 *   succeeds and changes no row                | a refusal              | the same: RAISE(IGNORE), a clause
 *   fails; triggers that fill an index run     | a fault of the index   | its triggers rest, the row counts
 *   fails; other triggers of the app run       | a refusal              | the row waits, with the message
 *   is undone with the whole transaction       | a fault of the trigger | its triggers rest: RAISE(ROLLBACK)
 *   fails, and no trigger of the app runs      | our own fault          | it is thrown
 */
import Database from 'better-sqlite3';

/** Which triggers of the app stand still although the mapping lets them run: of this table, until it is bound anew. */
export type Resting = 'none' | 'index' | 'all';

/** A trigger of the app, or a conflict clause, made nothing of the statement. */
export class NothingWritten extends Error {
  constructor(table: string) {
    super(`a trigger or a conflict clause of ${table} let the row go unwritten`);
  }
}

/** A trigger of the app that runs on central rows failed within a statement of ours. */
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
