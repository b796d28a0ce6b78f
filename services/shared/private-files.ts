/**
 * What we keep on a disk is for its owner only: sales, keys, tokens. Files of ours are 0600 in folders of 0700,
 * also those that an earlier version left open; a file of somebody else's is never touched.
 *
 *   a folder that …                          | becomes
 *   -----------------------------------------+-----------------------------------------------------------
 *   is not there                             | made, 0700
 *   is ours (`.payflow`, or only our files)  | 0700
 *   holds anything else, or is another's     | left: the shop's app may have its file there, and read it
 *                                            | under another account
 *
 * Where root runs an embedded PostgreSQL, whose account must get through, it is 0711 instead of 0700.
 */
import { chmodSync, closeSync, existsSync, mkdirSync, openSync, readdirSync, statSync } from 'node:fs';
import { basename } from 'node:path';

const OWNER_FILE = 0o600;
const OWNER_FOLDER = 0o700;
const PASSABLE_FOLDER = 0o711;
const OTHERS = 0o077;

const OUR_FOLDER = '.payflow';
const OUR_FILES =
  /^(event-log\.db|.+\.agent\.db)(-wal|-shm|-journal)?$|^(terminal\.(json|key)|up\.json)(\.new)?$|^up\.sync-lock$|^(terminals|postgres)$/;
/** What SQLite keeps beside a database; it takes over the mode of the database itself. */
const BESIDE = ['', '-wal', '-shm', '-journal'];

/** @param passable for another account, which may not look into it all the same */
export function makePrivateFolder(folder: string, options: { passable?: boolean } = {}): void {
  const mode = options.passable === true && process.geteuid?.() === 0 ? PASSABLE_FOLDER : OWNER_FOLDER;
  const made = mkdirSync(folder, { recursive: true, mode });
  if (made !== undefined || isOurs(folder)) narrow(folder, mode);
}

function isOurs(folder: string): boolean {
  return basename(folder) === OUR_FOLDER || readdirSync(folder).every((name) => OUR_FILES.test(name));
}

/** An SQLite file of ours, made where it is missing, before anybody else can open it. */
export function keepPrivate(file: string): void {
  if (!existsSync(file)) closeSync(openSync(file, 'a', OWNER_FILE));
  narrowFile(file);
}

/** A file of ours that is there, and what SQLite may have beside it. */
export function narrowFile(file: string): void {
  for (const path of BESIDE.map((end) => file + end)) if (existsSync(path)) narrow(path, OWNER_FILE);
}

/** Never opens anything; what belongs to somebody else is theirs to care for. */
function narrow(path: string, mode: number): void {
  const { uid, mode: now } = statSync(path);
  const self = process.geteuid?.();
  if (self === undefined || (uid !== self && self !== 0)) return;
  if ((now & OTHERS & ~mode) === 0) return;
  try {
    chmodSync(path, mode);
  } catch (error) {
    // A file system without owners (FAT, some shares) must not keep a till from starting.
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code !== 'EPERM' && code !== 'ENOTSUP') throw error;
  }
}
