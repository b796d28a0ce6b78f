/** What both adapters check and measure before they take records. */
import { PayflowError } from '../errors.ts';
import { streamName } from './topics.ts';
import type { LogRecord, StreamRef } from './event-log.ts';

/** Size as the limit of a topic counts it: key, value and headers. */
export function recordBytes(record: LogRecord): number {
  let bytes = (record.key?.length ?? 0) + (record.value?.length ?? 0);
  for (const name in record.headers) {
    bytes += Buffer.byteLength(name) + (record.headers[name]?.length ?? 0);
  }
  return bytes;
}

/** @throws PayflowError LOG_RECORD_INVALID when there is nothing to append. */
export function requireRecords(stream: StreamRef, records: readonly LogRecord[]): void {
  if (records.length > 0) return;
  throw new PayflowError('LOG_RECORD_INVALID', `an append to ${streamName(stream)} without records`);
}

/** @param refusal isTold: the topic says that this is its limit */
export function tooLarge(
  stream: StreamRef,
  bytes: number,
  limit: number,
  { cause, isTold = true }: { readonly cause?: unknown; readonly isTold?: boolean } = {},
): PayflowError {
  return new PayflowError(
    'LOG_RECORD_TOO_LARGE',
    `a record of ${bytes} bytes for ${streamName(stream)}, which takes ${limit}`,
    { cause, details: { topic: stream.topic, bytes, limit, isTold } },
  );
}

export function cancelled(stream: StreamRef, cause: unknown): PayflowError {
  return new PayflowError('LOG_UNREACHABLE', `the append to ${streamName(stream)} was cancelled`, { cause });
}

/** Sets a header by name; a plain assignment of `__proto__` would change the object instead. */
export function setHeader(headers: Record<string, Buffer>, name: string, value: Buffer): void {
  if (name !== '__proto__') headers[name] = value;
  else Object.defineProperty(headers, name, { value, enumerable: true, configurable: true, writable: true });
}
