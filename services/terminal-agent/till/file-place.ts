/** Where payflow.db lies, and how it is kept: what else works badly there is told by `doctor`. */
import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { SqliteDatabase } from '../../shared/database/sqlite.ts';

/**
 * Types of statfs(2) on Linux, whose locks SQLite can't rely on (https://sqlite.org/howtocorrupt.html §2.1); other
 * systems number theirs otherwise, and none of these numbers stands for a local one there.
 */
const NETWORK_TYPES: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB2'],
  [0x5346414f, 'AFS'],
  [0x01021997, '9P'],
  [0x73757245, 'Coda'],
]);
const UNC_PATH = /^[\\/]{2}[^\\/?.]/;

export interface FilePlace {
  /** In lower case. */
  readonly journalMode: string;
  readonly freeBytes: number;
  /** Kind of network file system; null on a local one. */
  readonly network: string | null;
}

export function tillFilePlace(db: SqliteDatabase): FilePlace {
  const { bavail, bsize, type } = statfsSync(dirname(db.name));
  const journalMode = String(db.pragma('journal_mode', { simple: true })).toLowerCase();
  return { journalMode, freeBytes: bavail * bsize, network: networkOf(db.name, type) };
}

/** @param type as statfs gives it; a 32-bit number that some systems give as a negative one */
export function networkOf(path: string, type: number): string | null {
  if (UNC_PATH.test(path)) return 'a shared folder of Windows';
  return NETWORK_TYPES.get(type >>> 0) ?? null;
}
