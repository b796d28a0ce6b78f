/** What the disk of DATA_DIR holds, on this machine. */
import { statfsSync, statSync } from 'node:fs';

export interface DiskFacts {
  readonly folder: string;
  readonly freeBytes: number;
  /** Of the embedded log with what is written ahead of it; null: it is not here. */
  readonly logBytes: number | null;
  /** The embedded server's data lies there. */
  readonly hasDatabase: boolean;
}

export interface DiskQuestion {
  readonly folder: string;
  readonly logFile: string | null;
  readonly hasDatabase: boolean;
}

/** @returns undefined where there is no such folder: nothing of the centre is kept on this machine */
export function readDisk({ folder, logFile, hasDatabase }: DiskQuestion): DiskFacts | undefined {
  if (statSync(folder, { throwIfNoEntry: false }) === undefined) return undefined;
  const { bavail, bsize } = statfsSync(folder);
  const logBytes = logFile === null ? null : bytesOf(logFile) + bytesOf(`${logFile}-wal`);
  return { folder, freeBytes: bavail * bsize, logBytes, hasDatabase };
}

function bytesOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}
