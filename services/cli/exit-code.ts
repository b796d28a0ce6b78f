/** How a command ends. */
import { unreachable, type PayflowError } from '../shared/errors.ts';

export const EXIT = {
  /** Yes, or done. */
  yes: 0,
  /** The answer is no: differs, unhealthy, mismatch. */
  no: 1,
  /** Wrong usage or configuration: a person must change something before it can work. */
  usage: 2,
  /** It could not be done. */
  failed: 3,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Fatal, but not something that the caller set wrongly: data or a slot is lost, or it is a defect. */
const NOT_CONFIGURATION = new Set(['INTERNAL', 'SLOT_LOST', 'LOG_LOST_DATA']);
const REFUSED_USAGE = new Set(['VALIDATION', 'UNAUTHENTICATED', 'FORBIDDEN', 'TERMINAL_UNKNOWN']);

export function exitCodeOf(error: PayflowError): ExitCode {
  if (REFUSED_USAGE.has(error.code)) return EXIT.usage;
  switch (error.retry) {
    case 'timed':
    case 'manual':
      return EXIT.failed;
    case 'fatal':
      return NOT_CONFIGURATION.has(error.code) ? EXIT.failed : EXIT.usage;
    default:
      return unreachable(error.retry);
  }
}
