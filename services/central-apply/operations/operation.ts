/** What the kinds of operations have in common. */
import type { Logger } from 'pino';
import type { CentralModel } from '../rows/model.ts';
import type { Session } from '../rows/sql.ts';

export interface OperationContext {
  /** Of the transaction in which the operation's own row is locked. */
  readonly session: Session;
  readonly model: CentralModel;
  readonly by: string;
  readonly why: string | null;
  readonly log: Logger;
}

/** One transaction's share of an operation. */
export interface OperationStep {
  /** Kept in the row: what came of it so far; the next step is given it again. */
  readonly result: unknown;
  readonly done: boolean;
  /** Terminals whose held records may be applied now. */
  readonly release?: readonly string[] | undefined;
}

/**
 * Does an operation, or its next step; all that it writes is committed together with its result, so that a crash
 * leaves it whole or undone. @throws PayflowError what becomes the operation's failure
 */
export type OperationHandler = (
  context: OperationContext,
  args: unknown,
  before: unknown,
) => Promise<OperationStep>;
