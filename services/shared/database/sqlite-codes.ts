/** SQLite's own errors under our codes, wherever they come out. */
import type { ErrorCode } from '../error-codes.ts';

const CODES: readonly (readonly [prefix: string, code: ErrorCode])[] = [
  ['SQLITE_BUSY', 'TERMINAL_DB_BUSY'],
  ['SQLITE_LOCKED', 'TERMINAL_DB_BUSY'],
  ['SQLITE_PROTOCOL', 'TERMINAL_DB_BUSY'],
  ['SQLITE_FULL', 'TERMINAL_DISK_FULL'],
  ['SQLITE_READONLY', 'TERMINAL_DB_READ_ONLY'],
  ['SQLITE_CANTOPEN', 'TERMINAL_DB_READ_ONLY'],
  ['SQLITE_PERM', 'TERMINAL_DB_READ_ONLY'],
  ['SQLITE_NOTADB', 'TERMINAL_DB_INVALID'],
  ['SQLITE_CORRUPT', 'TERMINAL_DB_INVALID'],
  ['SQLITE_IOERR', 'TERMINAL_DB_IO'],
];

/**
 * Of a table of ours that was there when the file was opened: somebody has dropped it. SQLite has no code of its own for
 * that, and whoever meets it first may be any part of the agent.
 */
const DROPPED = /^no such table: (main\.)?sync_/;

/** @returns SQLite's own code of an error and ours for it; undefined: it is none of SQLite, or a defect of ours */
export function sqliteErrorCode(error: unknown): { sqlite: string; code: ErrorCode } | undefined {
  // By name: the errors of all copies of the driver are meant, and who asks need not load it.
  if (!(error instanceof Error) || error.name !== 'SqliteError' || !('code' in error)) return undefined;
  const sqlite = String(error.code);
  if (sqlite === 'SQLITE_ERROR' && DROPPED.test(error.message))
    return { sqlite, code: 'TERMINAL_DB_REPLACED' };
  const found = CODES.find(([prefix]) => sqlite.startsWith(prefix));
  return found === undefined ? undefined : { sqlite, code: found[1] };
}
