/**
 * Errors as RFC 9457 problem details, with our code. What is not ours is INTERNAL and says nothing of itself, and
 * what PostgreSQL or the log said stays in the gateway's own log: it names tables, statements and values.
 */
import { ERROR_CODES, type ErrorCode } from '../../shared/error-codes.ts';
import { asPayflowError, PayflowError } from '../../shared/errors.ts';

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly remedy: string;
  /** The wrong field of the request. */
  readonly field?: string;
}

export const RETRY_AFTER_SECONDS = 5;

/** @returns the body, and the headers that go with it */
export function toProblem(thrown: unknown): { problem: Problem; headers: Record<string, string> } {
  const error = fromFastify(thrown) ?? asPayflowError(thrown);
  const { http, meaning, remedy } = ERROR_CODES[error.code];
  const { field, retryAfterSeconds, allow } = error.details;
  const problem: Problem = {
    type: `urn:payflow:error:${error.code}`,
    title: meaning,
    status: http,
    detail: shownError(error).message,
    code: error.code,
    remedy,
    ...(typeof field === 'string' ? { field } : {}),
  };
  const headers: Record<string, string> = {};
  if (http === 401) headers['www-authenticate'] = 'Bearer';
  if (http === 503) headers['retry-after'] = String(RETRY_AFTER_SECONDS);
  if (typeof retryAfterSeconds === 'number') headers['retry-after'] = String(retryAfterSeconds);
  if (typeof allow === 'string') headers['allow'] = allow;
  return { problem, headers };
}

/** What a caller is told of an error, by REST, on the socket and in the parts of a job. */
export function shownError(thrown: unknown): { readonly code: ErrorCode; readonly message: string } {
  const { code, message, details } = asPayflowError(thrown);
  const isForeign = code === 'INTERNAL' || code.startsWith('DB_') || code.startsWith('LOG_');
  // A till's words are its own, and cut to size.
  const isHidden = isForeign && details['saidBy'] !== 'till';
  return { code, message: isHidden ? ERROR_CODES[code].meaning : message };
}

/** Fastify's own refusals of a request: of its address, its body or its media type. */
function fromFastify(thrown: unknown): PayflowError | undefined {
  if (!(thrown instanceof Error) || !('statusCode' in thrown) || thrown instanceof PayflowError)
    return undefined;
  const { statusCode } = thrown;
  if (typeof statusCode !== 'number' || statusCode < 400 || statusCode >= 500) return undefined;
  const [code, message] = refusal(statusCode);
  return new PayflowError(code, message, { cause: thrown });
}

function refusal(statusCode: number): [code: ErrorCode, message: string] {
  switch (statusCode) {
    case 413:
      return ['REQUEST_TOO_LARGE', 'the body is too large'];
    case 415:
      return ['MEDIA_TYPE_UNKNOWN', 'a body must be application/json'];
    default:
      return ['REQUEST_MALFORMED', 'the request cannot be read: its address or its JSON is malformed'];
  }
}
