/** Errors as RFC 9457 problem details, with our code. What is not ours is INTERNAL and says nothing of itself. */
import { ERROR_CODES } from '../../shared/error-codes.ts';
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
  const { field } = error.details;
  const problem: Problem = {
    type: `urn:payflow:error:${error.code}`,
    title: meaning,
    status: http,
    detail: error.code === 'INTERNAL' ? meaning : error.message,
    code: error.code,
    remedy,
    ...(typeof field === 'string' ? { field } : {}),
  };
  const headers: Record<string, string> = {};
  if (http === 401) headers['www-authenticate'] = 'Bearer';
  if (http === 503) headers['retry-after'] = String(RETRY_AFTER_SECONDS);
  return { problem, headers };
}

/** Fastify's own refusals of a request (malformed JSON, too large a body, a media type it does not take). */
function fromFastify(thrown: unknown): PayflowError | undefined {
  if (!(thrown instanceof Error) || !('statusCode' in thrown) || thrown instanceof PayflowError)
    return undefined;
  const { statusCode } = thrown;
  if (typeof statusCode !== 'number' || statusCode < 400 || statusCode >= 500) return undefined;
  return new PayflowError('VALIDATION', thrown.message, { cause: thrown, details: { field: 'body' } });
}
