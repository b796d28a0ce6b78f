/** Faults of the event log that an administrator mends while our processes run. */
import type { ErrorCode } from '../error-codes.ts';
import type { PayflowError } from '../errors.ts';

/**
 * Whether to try again. A right that is missing at the start is a configuration nobody finished; one that is taken
 * away later comes back, and until then the other direction goes on. A record that no topic takes waits for its limit,
 * whenever the process starts: what stands behind it must not pass it.
 */
export function isMendedAtTheLog({ code }: PayflowError, hasWorked: boolean): boolean {
  return code === 'LOG_RECORD_TOO_LARGE' || (hasWorked && LATER.has(code));
}

const LATER: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['LOG_AUTH', 'LOG_TOPIC_SETTINGS']);
