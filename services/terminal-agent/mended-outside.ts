/** Faults that somebody mends while the agent runs, at the log or under the till's file. */
import type { ErrorCode } from '../shared/error-codes.ts';
import type { PayflowError } from '../shared/errors.ts';
import { isMendedAtTheLog } from '../shared/log/mended-outside.ts';

/**
 * Whether to try again. A file that can't be used at the first start is the wrong one, or nobody finished its
 * configuration; one that could be used before is in somebody's hands, and comes back.
 */
export function isMendedOutside(error: PayflowError, hasWorked: boolean): boolean {
  return isMendedAtTheLog(error, hasWorked) || (hasWorked && LATER.has(error.code));
}

const LATER: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'TERMINAL_DB_MISSING',
  'TERMINAL_DB_READ_ONLY',
  'TERMINAL_DB_INVALID',
]);
