/** The one error class. What each code means, and what to do about it, stands in error-codes.ts. */
import { sqliteErrorCode } from './database/sqlite-codes.ts';
import { ERROR_CODES, type ErrorCode, type Retry } from './error-codes.ts';

export class PayflowError extends Error {
  override readonly name = 'PayflowError';
  readonly code: ErrorCode;
  /** Machine-readable facts: the field, the table, the offset. Never secrets. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; details?: Record<string, unknown> } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
  }

  get retry(): Retry {
    return ERROR_CODES[this.code].retry;
  }

  get remedy(): string {
    return ERROR_CODES[this.code].remedy;
  }
}

/**
 * Any thrown value as a PayflowError. SQLite is asked in too many places for each to wrap its errors, so they are told
 * here at the latest; what else is not ours already is a defect (INTERNAL) and is not retried.
 */
export function asPayflowError(error: unknown): PayflowError {
  if (error instanceof PayflowError) return error;
  const code = sqliteErrorCode(error)?.code ?? 'INTERNAL';
  return new PayflowError(code, error instanceof Error ? error.message : String(error), { cause: error });
}

/** The one line people see: `[CODE] what happened. What to do.` */
export function errorLine(error: unknown): string {
  const known = asPayflowError(error);
  const message = known.message.replace(/\s+/g, ' ').trim();
  return `[${known.code}] ${/[.!?]$/.test(message) ? message : `${message}.`} ${known.remedy}`;
}

/** Ends a switch over a tagged union: fails to compile while a kind is missing. */
export function unreachable(value: never): never {
  throw new PayflowError('INTERNAL', `unexpected value ${JSON.stringify(value)}`);
}
