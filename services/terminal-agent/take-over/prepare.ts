/**
 * The long part of taking a till file of the version before over, while its triggers still record: in transactions of a
 * moment, with room for the app between them. What is left then is as much as the app writes meanwhile.
 */
import type { Logger } from 'pino';
import {
  inImmediate,
  openDatabase,
  realDatabasePath,
  type SqliteDatabase,
} from '../../shared/database/sqlite.ts';
import { sleep } from '../../shared/lifecycle.ts';
import type { Mapping } from '../../shared/mapping/mapping.ts';
import { AgentLock } from '../till/agent-lock.ts';
import { getMeta } from '../till/file-facts.ts';
import { mappingOfFile } from '../till/file-mapping.ts';
import { bindFile } from '../till/recorded-names.ts';
import { isOldFile } from './old-file.ts';
import { TakeOver } from './take-over.ts';

export interface PrepareOptions {
  readonly file: string;
  readonly mappingFor: (db: SqliteDatabase) => Mapping;
  /** A file of another terminal is left alone; undefined: whosever it is. */
  readonly terminalId?: string | undefined;
  /** Whoever asks holds the lock of the till's file already. */
  readonly isLocked?: boolean | undefined;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

const AT_ONCE_MS = 25;
/**
 * At least so long nothing is locked: SQLite, where it waits for a lock, asks less and less often, and would hardly ever
 * meet a moment.
 */
const ROOM_MS = 50;
/** And so long where the app has sold within that time: a file is taken over once, and nothing goes up meanwhile. */
const ROOM_TO_SELL_MS = 250;
const SELLS_MS = 1_000;

/**
 * @returns true when nothing, or hardly anything, is left to do; false: the signal came first, and all that is left would be
 * one transaction, so that the file is not to be opened now
 */
export async function prepareTakeOver(options: PrepareOptions): Promise<boolean> {
  const file = realDatabasePath(options.file);
  const lock = options.isLocked === true ? undefined : AgentLock.take(file);
  let db: SqliteDatabase | undefined;
  try {
    db = openDatabase(file, { mustExist: true });
    db.pragma('foreign_keys = OFF');
    const owner = isOldFile(db) ? getMeta(db, 'terminal_id') : undefined;
    if (owner === undefined || (options.terminalId !== undefined && owner !== options.terminalId))
      return true;
    options.log.info('a till file of an earlier version is taken over; the app can sell meanwhile');
    return await takeInPieces(db, options);
  } finally {
    db?.close();
    lock?.release();
  }
}

async function takeInPieces(
  db: SqliteDatabase,
  { mappingFor, signal, log }: PrepareOptions,
): Promise<boolean> {
  let soldAt = -Infinity;
  const version = db.prepare<[], number>('PRAGMA data_version').pluck();
  let known = version.get();
  let taking: TakeOver | undefined;
  let schema: number | undefined;
  let isMore = true;
  while (isMore && !signal.aborted) {
    isMore = inImmediate(db, () => {
      const now = db.pragma('schema_version', { simple: true }) as number;
      if (taking === undefined || now !== schema) {
        taking = TakeOver.of(db, bindFile(db, mappingOfFile(db, mappingFor(db), log)));
        schema = db.pragma('schema_version', { simple: true }) as number;
      }
      const until = performance.now() + AT_ONCE_MS;
      return taking?.prepare(() => performance.now() < until) === true;
    });
    const newest = version.get();
    if (newest !== known) soldAt = performance.now();
    known = newest;
    await sleep(performance.now() - soldAt < SELLS_MS ? ROOM_TO_SELL_MS : ROOM_MS, signal);
  }
  return !isMore;
}
