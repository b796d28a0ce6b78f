/** Writes to one table of the app, whole or not at all, and who is to blame where they fail: see refusal.ts. */
import type { Logger } from 'pino';
import { inSavepoint, type SqliteDatabase } from '../../shared/database/sqlite.ts';
import type { BoundTable } from '../../shared/catalog/table-binding.ts';
import { isRefusal, isStatementFault, mayBeOfIndex, TriggerFault, type Resting } from './refusal.ts';

/** Of the app, in the transaction in hand. */
export interface TableTriggers {
  /** Those that run on what is written now. */
  running(table: string): readonly { readonly fillsIndex: boolean }[];
  /** One write on which none runs; then they stand again. */
  without<T>(table: string, write: () => T): T;
  withoutIndexes<T>(table: string, write: () => T): T;
}

export interface GuardScope {
  readonly triggers: TableTriggers;
  readonly log: Logger;
}

const NO_TRIGGERS: TableTriggers = {
  running: () => [],
  without: (_, write) => write(),
  withoutIndexes: (_, write) => write(),
};

export class WriteGuard {
  resting: Resting = { kind: 'none' };
  readonly #db: SqliteDatabase;
  readonly #table: string;
  #triggers: TableTriggers = NO_TRIGGERS;
  #log: Logger | null = null;
  /** What the agent notes is refused by the table: said once. */
  #saidUnnoted = false;

  constructor(db: SqliteDatabase, table: BoundTable) {
    this.#db = db;
    this.#table = table.local.name;
  }

  /** A transaction begins. */
  begin({ triggers, log }: GuardScope): void {
    this.#triggers = triggers;
    this.#log = log;
  }

  /** With RAISE(FAIL) a trigger would leave behind what was done until then, hence the savepoint. */
  run<T>(write: () => T): T {
    if (this.#triggers.running(this.#table).length === 0) return write();
    try {
      return inSavepoint(this.#db, write);
    } catch (error) {
      throw this.#fault(error, write);
    }
  }

  /** What triggers of the app have no say in. @param write goes through `run` */
  insist<T>(write: () => T): T {
    try {
      return write();
    } catch (error) {
      if (!isRefusal(error) || this.#triggers.running(this.#table).length === 0) throw error;
      return this.#triggers.without(this.#table, write);
    }
  }

  /** What is only noted in the row, for the app to see. @param write goes through `run` */
  note(write: () => unknown): void {
    try {
      this.insist(write);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      if (this.#saidUnnoted) return;
      this.#saidUnnoted = true;
      this.#log?.warn(
        { table: this.#table, err: error },
        'the table takes no note of link or status: its rows sync, but their columns do not say so',
      );
    }
  }

  #fault(error: unknown, write: () => unknown): unknown {
    if (!(error instanceof Error)) return error;
    const fault = (ofIndex: boolean, cause = error) =>
      new TriggerFault(this.#table, { ofIndex, undidAll: !this.#db.inTransaction, cause });
    if (!isRefusal(error) && !isStatementFault(error)) return error;
    if (!this.#db.inTransaction) return fault(false);
    const running = this.#triggers.running(this.#table);
    const fillsIndex = running.some((trigger) => trigger.fillsIndex);
    if (fillsIndex && mayBeOfIndex(error)) {
      const failure = this.#failureWithoutIndexes(write);
      if (!this.#db.inTransaction) return fault(false, failure);
      if (failure === undefined) return fault(true);
    }
    return running.every((trigger) => trigger.fillsIndex) ? error : fault(false);
  }

  /** Tried, and taken back. @returns undefined where it does not fail */
  #failureWithoutIndexes(write: () => unknown): Error | undefined {
    try {
      inSavepoint(this.#db, () => {
        this.#triggers.withoutIndexes(this.#table, write);
        throw new Passed();
      });
    } catch (error) {
      if (error instanceof Passed) return undefined;
      if (error instanceof Error && (isRefusal(error) || isStatementFault(error))) return error;
      throw error;
    }
    return undefined;
  }
}

class Passed extends Error {}
